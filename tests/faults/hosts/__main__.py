"""A long outage, for real: `python -m tests.faults.hosts [--seconds 600]`.

With the settings as they come, stages are under way when Redis crashes; they end while it is away. Told is what became
of them once it is back; exit code 1 unless each is recorded by who did it, and what follows them goes on.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

from tests.faults.hosts.scenario import LIGHT, Scenario, scenario
from tests.faults.world import World

DEFAULTS = {"CYCLERY_LEASE_S": "20", "CYCLERY_HEARTBEAT_S": "4", "CYCLERY_RECONCILE_S": "2"}
WORK_S = 8.0  # of the stages under way
BEGUN_S = 3.0  # after being claimed: they are at work, not still looking for a result that is known


def outage(site: Scenario, seconds: float) -> tuple[bool, str]:
    """Whether all went on as it should, and what became of the stages."""
    draft = site.draft()
    wide = [draft.probe("probe", seconds=WORK_S), draft.own("own", "first", seconds=WORK_S)]
    run = site.submit(draft, *wide, draft.own("after", "then", "own"), draft.probe("last", "probe"))
    for call in wide:
        site.reaches(run, call.id, "running")
    threading.Event().wait(BEGUN_S)
    site.world.redis.kill()
    threading.Event().wait(seconds)
    site.world.redis.start()
    back = time.monotonic()
    for call in wide:
        site.reaches(run, call.id, "done")
    recorded = time.monotonic() - back
    record = site.ended(run)
    told = ", ".join(f"{stage.id}: attempt {stage.attempt}, deaths {stage.deaths}" for stage in record.stages)
    right = all((stage.attempt, stage.deaths) == (1, 0) for stage in record.stages)
    return right, f"Redis away for {seconds:g} s; recorded {recorded:.1f} s after its return; {told}"


def main() -> int:
    """Cause the outage."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.faults.hosts")
    parser.add_argument("--seconds", type=float, default=600.0)
    seconds = parser.parse_args().seconds
    folder = Path(tempfile.mkdtemp(prefix="cyclery-outage-"))
    world = World(folder, settings=DEFAULTS)
    with scenario(world) as site:
        world.start(host=False)
        world.add_host("host1", pools=LIGHT).start()
        right, told = outage(site, seconds)
    sys.stdout.write(f"{told}\n")
    shutil.rmtree(folder)
    return int(not right)


if __name__ == "__main__":
    sys.exit(main())
