"""A host whose clock is set by an hour while it works: nothing is lost, and records tell true times."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from orchestrator.store.audit import entries
from tests.faults.hosts.clock import WallClock
from tests.faults.hosts.scenario import LIGHT, Scenario, scenario
from tests.faults.world import World
from tests.waiting import wait_until

HOUR = 3600


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenario]:
    folder = tmp_path_factory.mktemp("clock")
    clock = WallClock(folder, "host1")
    world = World(folder)
    with scenario(world) as begun:
        world.start(host=False)
        world.add_host("host1", pools=LIGHT, environment=clock.environment()).start()
        yield begun


@pytest.mark.parametrize("step", [HOUR, -HOUR, 0])
def test_a_host_whose_clock_is_set_loses_nothing(site: Scenario, step: int) -> None:
    clock = WallClock(site.world.folder, "host1")
    began = time.time()
    draft = site.draft()
    run = site.submit(
        draft, draft.probe("a", seconds=4), draft.own("own", "first", seconds=4), draft.own("b", "then", "own")
    )
    site.reaches(run, "a", "running")
    site.reaches(run, "own", "running")
    clock.set(step)
    record = site.ended(run)
    assert {(stage.attempt, stage.deaths) for stage in record.stages} == {(1, 0)}
    for stage in record.stages:
        assert stage.started is not None
        assert stage.finished is not None
        assert stage.seconds is not None
        assert began - 60 < stage.started <= stage.finished < time.time() + 60
        assert stage.seconds < 600


@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_a_client_whose_clock_is_wrong_writes_true_times(site: Scenario, step: int) -> None:
    """What people decided, when they submitted: on Redis's clock, as all that records say."""
    clock = WallClock(site.world.folder, "client")
    clock.set(step)
    draft = site.draft()
    run = site.submit(draft, draft.own("s0", "first"), draft.held("s0"))
    site.reaches(run, "approve", "held")
    said = site.world.say("approve", run, **clock.environment())
    assert said.code == 0, said.err
    decision = site.ended(run).stages[-1].decision
    assert decision is not None
    assert abs(decision.at - time.time()) < 600
    (site.world.project / f"w{step}.yaml").write_text(SPEC.format(name=f"clock{step + HOUR}"))
    said = site.world.say("run", f"w{step}.yaml", "--detach", "--json", **clock.environment())
    assert said.code == 0, said.err
    submitted = json.loads(said.out)["run"]

    def told() -> list[float]:
        return [float(one["at"]) for one in entries(site.world.store) if one.get("run") == submitted]

    assert all(abs(at - time.time()) < 600 for at in wait_until(told, timeout=60))
    site.world.say("cancel", submitted)


SPEC = """\
name: {name}
objective: {{predict: cultivar, task: classification, metric: balanced_accuracy}}
data: {{sources: {{wines: {{file: wine.csv}}}}}}
train: {{candidates: [{{k_neighbors: {{fixed: {{n_neighbors: 3}}}}}}], search: {{folds: 2}}}}
"""
