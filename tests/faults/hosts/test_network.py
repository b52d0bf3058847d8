"""Hosts that lose their network: what they held goes on elsewhere, what they say late is refused, and they come back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import pytest

from orchestrator.contracts.calls import StageCall
from tests.faults.host import Host
from tests.faults.hosts.network import Network, Site, Way, wrapped
from tests.faults.hosts.relay import Relay
from tests.faults.hosts.scenario import LIGHT, Scenario, scenario
from tests.faults.world import World
from tests.servers import RedisServer
from tests.waiting import wait_until

PATIENCE_S = 120.0


@dataclass
class Land(Scenario):
    """A world whose Redis stands on a bridge, the host `far` and the orchestrator service beyond it."""

    network: Network

    @property
    def site(self) -> Site:
        return self.network.site("far")

    @property
    def far(self) -> Host:
        return self.world.hosts["far"]

    def held_by_far(self, *after: str) -> tuple[str, StageCall]:
        """A stage that `far` has begun: its run and call."""
        draft = self.draft()
        call = draft.probe("a", seconds=4)
        run = self.submit(draft, call, *(draft.probe(name, "a") for name in after))
        assert self.reaches(run, "a", "running").worker == "ops@far"
        return run, call

    def works(self) -> None:
        """The host `far` takes stages of each of its pools."""
        draft = self.draft()
        record = self.ended(self.submit(draft, draft.probe("a"), draft.own("b", "first")), timeout=PATIENCE_S)
        assert {stage.worker for stage in record.stages} == {"ops@far", "prep@far"}


@pytest.fixture(scope="module")
def land(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Land]:
    redis = RedisServer()
    network = Network(redis)
    try:
        network.start()
        world = World(tmp_path_factory.mktemp("land"), redis=redis)
        own = {"CYCLERY_REDIS_URL": network.url()}
        world.service.command = wrapped(network.site("service"), world.service.command)
        world.service.environment = world.environment(**own)
        with scenario(world) as begun:
            world.start(host=False)
            world.add_host("far", wrap=network.site("far").wrap, pools=LIGHT, environment=own).start()
            yield Land(begun.world, network)
    finally:
        network.close()


@pytest.mark.parametrize("way", ["both", "in", "out"])
def test_a_host_that_is_cut_off_loses_its_stage_to_another(land: Land, way: Way) -> None:
    run, _ = land.held_by_far("b")
    near = land.world.add_host("near", pools=LIGHT)
    try:
        land.site.cut(way)
        near.start()
        record = land.ended(run)
        stage = record.stage("a")
        assert stage is not None
        assert (stage.worker, stage.attempt, stage.deaths) == ("ops@near", 2, 1)
        before = record.stages
        dropped = land.far.log.read_text().count("was given to another worker")
        land.site.heal()
        wait_until(
            lambda: land.far.log.read_text().count("was given to another worker") > dropped, timeout=PATIENCE_S
        )
        assert land.record(run).stages == before
    finally:
        land.site.heal()
        near.stop()
    land.works()


def test_a_host_whose_cable_was_out_for_less_than_its_lease_goes_on(land: Land) -> None:
    run, _ = land.held_by_far()
    land.site.unplug()
    land.site.heal()
    assert land.ended(run).stages[0].attempt == 1


def test_connections_that_redis_closed_meanwhile_are_noticed(land: Land) -> None:
    """A half-open connection: the worker waits for an answer that nobody will give."""
    land.works()
    redis = land.world.ledger.redis
    land.site.cut()
    for client in cast("list[dict[str, str]]", redis.client_list()):
        if client["addr"].startswith(f"{land.network.subnet}.2"):
            redis.client_kill(client["addr"])
    land.site.heal()
    land.works()


def test_a_service_that_was_cut_off_repairs_again(land: Land) -> None:
    far = land.far
    run, _ = land.held_by_far()
    service = land.network.site("service")
    service.cut()
    try:
        far.kill_tree()
        text = land.world.service.log.read_text
        wait_until(lambda: "went away" in text() or "does not answer" in text(), timeout=PATIENCE_S)
        assert land.stage(run, "a").state == "running"
    finally:
        service.heal()
    land.reaches(run, "a", "ready")
    far.start()
    land.ended(run)


def test_a_slow_and_lossy_network_only_takes_longer(land: Land) -> None:
    relay = Relay.to_unix(land.world.redis.socket, land.network.address)
    relay.delay_s = 0.02
    site = land.network.site("slow")
    site.lose(10)
    land.far.stop()
    slow = land.world.add_host(
        "slow", wrap=site.wrap, pools=LIGHT, environment={"CYCLERY_REDIS_URL": land.network.url(relay.port)}
    )
    try:
        slow.start()
        draft = land.draft()
        wide = [draft.own(f"w{place}", "first") for place in range(4)]
        record = land.ended(land.submit(draft, *wide, draft.own("join", "join", *(call.id for call in wide))))
        assert {stage.worker for stage in record.stages} == {"prep@slow"}
    finally:
        slow.stop()
        relay.close()
        land.far.start()
