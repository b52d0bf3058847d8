"""Hosts that lose their network: what they held goes on elsewhere, their late words are refused, they come back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import pytest

from orchestrator.contracts.records import RunRecord
from tests.faults.hosts.network import WAYS, Network, wrapped
from tests.faults.hosts.relay import Relay
from tests.faults.hosts.scenario import Scenario, scenario
from tests.faults.world import World
from tests.servers import RedisServer
from tests.waiting import wait_until

PATIENCE_S = 120.0
HOSTS = ("north", "east", "south", "west")


@dataclass
class Land(Scenario):
    """A world whose Redis stands on a bridge, with its hosts and its orchestrator service beyond it."""

    network: Network

    def taken(self, number: int) -> RunRecord:
        """A run of so many stages that are under way, each on a host of its own."""
        draft = self.draft()
        run = self.submit(draft, *(draft.probe(f"s{place}", seconds=1.5) for place in range(number)))
        for place in range(number):
            self.reaches(run, f"s{place}", "running")
        return self.record(run)

    def all_work(self) -> bool:
        """Whether each host takes a stage."""
        record = self.ended(self.taken(len(HOSTS)).run)
        return {stage.worker for stage in record.stages} == {f"ops@{name}" for name in HOSTS}

    def dropped(self) -> int:
        """How often a host was told that its stage is another's."""
        return sum(host.log.read_text().count("was given to another") for host in self.world.hosts.values())


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
            for name in HOSTS:
                site = network.site(name)
                world.add_host(name, wrap=site.wrap, pools=("ops:1",), environment=own).start(wait=False)
            for host in world.hosts.values():
                wait_until(host.present, timeout=PATIENCE_S)
            yield Land(begun.world, network)
    finally:
        network.close()


def test_hosts_that_are_cut_off_lose_their_stages_to_another(land: Land) -> None:
    """One is cut off wholly, one hears nothing, one is not heard; all come back by themselves."""
    record = land.taken(3)
    before = land.dropped()
    lost = dict(zip((str(stage.worker).removeprefix("ops@") for stage in record.stages), WAYS, strict=True))
    for name, way in lost.items():
        land.network.site(name).cut(way)
    ended = land.ended(record.run)
    assert {stage.worker for stage in ended.stages} == {f"ops@{name}" for name in HOSTS if name not in lost}
    assert {(stage.attempt, stage.deaths) for stage in ended.stages} == {(2, 1)}
    for name in lost:
        land.network.site(name).heal()
    wait_until(lambda: land.dropped() == before + 3, timeout=PATIENCE_S)
    assert land.record(record.run) == ended
    wait_until(land.all_work, timeout=PATIENCE_S)


def test_a_cable_that_was_out_for_a_moment_costs_no_stage(land: Land) -> None:
    record = land.taken(1)
    site = land.network.site(str(record.stages[0].worker).removeprefix("ops@"))
    site.unplug()
    site.heal()
    assert land.ended(record.run).stages[0].attempt == 1


def test_connections_that_redis_closed_meanwhile_are_noticed(land: Land) -> None:
    """Half-open connections: workers wait for answers that nobody will give."""
    redis = land.world.ledger.redis
    for name in HOSTS:
        land.network.site(name).cut()
    for client in cast("list[dict[str, str]]", redis.client_list()):
        if client["addr"].startswith(land.network.subnet):
            redis.client_kill(client["addr"])
    for name in HOSTS:
        land.network.site(name).heal()
    wait_until(land.all_work, timeout=PATIENCE_S)


def test_a_service_that_was_cut_off_repairs_again(land: Land) -> None:
    record = land.taken(1)
    host = land.world.hosts[str(record.stages[0].worker).removeprefix("ops@")]
    service = land.network.site("service")
    service.cut()
    host.kill_tree()
    wait_until(land.leases_ran_out, timeout=PATIENCE_S)
    assert land.stage(record.run, "s0").state == "running"
    service.heal()
    assert land.ended(record.run).stages[0].attempt == 2
    host.start()


def test_a_slow_and_lossy_network_only_takes_longer(land: Land) -> None:
    relay = Relay.to_unix(land.world.redis.socket, land.network.address)
    relay.delay_s = 0.005
    site = land.network.site("slow")
    site.lose(2)
    there = {"CYCLERY_REDIS_URL": land.network.url(relay.port)}
    slow = land.world.add_host("slow", wrap=site.wrap, pools=("prep:1",), environment=there)
    try:
        slow.start()
        draft = land.draft()
        record = land.ended(land.submit(draft, draft.own("a", "first"), draft.own("b", "then", "a")))
        assert {stage.worker for stage in record.stages} == {"prep@slow"}
    finally:
        slow.kill_tree()
        relay.close()
        del land.world.hosts["slow"]
