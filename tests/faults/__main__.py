"""The long storm: `python -m tests.faults --workflows 1500 --seed 1 [--only ROUND…] [--keep FILE] [--write]`.

Each round has a world of its own and lets other faults strike; then everything is checked against a world without
faults. Exit code 1 when anything was lost, stuck, recorded twice or otherwise wrong.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.cases import cases
from tests.faults.faults import KillAt
from tests.faults.figures import Row, keep, load, tables, write
from tests.faults.rounds import ROUNDS, SETTINGS, Round
from tests.faults.storm import Reference, Storm, without_faults
from tests.faults.world import World

DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"
WORLDS = "cyclery-storm-"
WIDTH = 8  # workflows at once: so few that each is met by several faults
LASTING = (0.3, 4.0)  # seconds, of those faults that last


def _say(text: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()


def _round(one: Round, number: int, seed: int, folder: Path, reference: Reference) -> Row:
    """One world from its start to its end; what is wrong with it is told at once, and its folder kept."""
    own = folder / one.name.replace(" ", "-").replace(",", "")
    with one.begin(own, folder / "without-faults" / "store") as (world, faults):
        try:
            storm = Storm(seed, faults, pause=one.pause, lasting=LASTING, width=WIDTH)
            result = storm.run(world, cases(number, seed), reference)
        finally:
            left = world.close()
    result.violations += [f"process {process.pid} outlived its host" for process in left]
    for violation in result.violations:
        _say(f"  {violation}")
    reached = {fault.point: fault.reached for fault in faults if isinstance(fault, KillAt) and fault.reached}
    return Row(one.name, result, reached, seed, time.strftime("%Y-%m-%d"))


def main() -> int:
    """Run the rounds that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.faults")
    parser.add_argument("--workflows", type=int, default=1500, help="in all rounds together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*", metavar="ROUND", default=[], help=", ".join(one.name for one in ROUNDS))
    parser.add_argument("--keep", type=Path, metavar="FILE", help="add to the rounds that earlier calls kept in it")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {DOCUMENT.name}")
    arguments = parser.parse_args()
    rounds = [one for one in ROUNDS if not arguments.only or one.name in arguments.only]
    if not rounds:
        parser.error(f"there is no round {arguments.only}")
    each = -(-arguments.workflows // sum(one.weight for one in rounds))
    folder = Path(tempfile.mkdtemp(prefix=WORLDS))
    reference = _reference(folder / "without-faults", max(one.weight for one in rounds) * each, arguments.seed)
    rows = load(arguments.keep) if arguments.keep else {}
    for one in rounds:
        _say(f"{one.name} …")
        row = _round(one, one.weight * each, arguments.seed + ROUNDS.index(one), folder, reference)
        rows[one.name] = row
        if arguments.keep:
            keep(arguments.keep, rows)
        result = row.result
        _say(f"{one.name}: {sum(result.faults.values())} faults, {result.workflows} workflows, "
             f"{len(result.violations)} violations, {result.seconds:.0f} s")  # fmt: skip
    where = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    text = tables([rows[one.name] for one in ROUNDS if one.name in rows], where)
    _say(f"\n{text}")
    if arguments.write:
        write(DOCUMENT, text)
    wrong = any(rows[one.name].result.violations for one in rounds)
    if wrong:
        _say(f"see {folder}")
    else:
        shutil.rmtree(folder)
    return int(wrong)


def _reference(folder: Path, number: int, seed: int) -> Reference:
    """All workflows in a world without faults."""
    _say(f"{number} workflows without faults …")
    world = World(folder, settings=SETTINGS)
    try:
        return without_faults(world.start(), cases(number, seed))
    finally:
        world.close()


if __name__ == "__main__":
    sys.exit(main())
