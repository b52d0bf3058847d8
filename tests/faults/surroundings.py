"""What surrounds a world, made sick: networks, clocks and disks of hosts, Redis's memory, a remote store."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.faults.faults import Fault, KillRedis
from tests.faults.hosts.clock import WallClock
from tests.faults.hosts.disk import SmallDisk
from tests.faults.hosts.gate import SICKNESSES, StoreGate
from tests.faults.hosts.network import WAYS, Network, Site, wrapped
from tests.faults.hosts.redis_states import demote, empty, fill, lead_again
from tests.faults.world import World
from tests.servers import RedisServer, S3Server
from tests.waiting import wait_until

HOSTS = ("host1", "host2")


class Lasting:
    """A fault that ends when it is mended."""

    name = ""
    lasts = True
    spent = False


class CutHost(Lasting):
    """A host that is cut off from Redis, at times in one way only."""

    name = "network cut of a host"

    def __init__(self, network: Network) -> None:
        self.network = network

    def _sites(self) -> Sequence[Site]:
        return list(self.network.sites.values())

    def strike(self, world: World, chance: random.Random) -> None:
        """Let its packets vanish."""
        chance.choice(self._sites()).cut(chance.choice(WAYS))

    def mend(self, world: World) -> None:
        """Let them pass."""
        for site in self._sites():
            site.heal()


class LoseTenth(CutHost):
    """A network that loses packets."""

    name = "a tenth of a host's packets lost"

    def strike(self, world: World, chance: random.Random) -> None:
        """Let some packets vanish."""
        chance.choice(self._sites()).lose(10)


class Unplug(CutHost):
    """A cable that is pulled: the host is told."""

    name = "network cable of a host pulled"

    def strike(self, world: World, chance: random.Random) -> None:
        """Pull it."""
        chance.choice(self._sites()).unplug()


class FillRedis(Lasting):
    """A Redis that has no memory left for what is new."""

    name = "Redis out of memory"

    def strike(self, world: World, chance: random.Random) -> None:
        """Let it have no more than it uses."""
        fill(world.redis)

    def mend(self, world: World) -> None:
        """Let it have more."""
        empty(world.redis)


class DemoteRedis(Lasting):
    """A Redis that became a replica, as after a failover."""

    name = "Redis read-only"

    def strike(self, world: World, chance: random.Random) -> None:
        """Let it refuse writes."""
        demote(world.redis)

    def mend(self, world: World) -> None:
        """Let it take them again."""
        lead_again(world.redis)


class SickenStore(Lasting):
    """A store that answers late, half, garbled, with errors, or not at all."""

    name = "sick artifact store"

    def __init__(self, gate: StoreGate) -> None:
        self.gate = gate

    def strike(self, world: World, chance: random.Random) -> None:
        """Make it sick."""
        self.gate.sickness = chance.choice(SICKNESSES)

    def mend(self, world: World) -> None:
        """Heal it."""
        self.gate.heal()


class SetClock(Lasting):
    """A host whose clock is set by an hour, while its processes run."""

    name = "clock of a host set by an hour"

    def __init__(self, clocks: Sequence[WallClock]) -> None:
        self.clocks = clocks

    def strike(self, world: World, chance: random.Random) -> None:
        """Set it, forwards or back."""
        chance.choice(self.clocks).set(chance.choice([-3600, 3600]))

    def mend(self, world: World) -> None:
        """Set all right."""
        for clock in self.clocks:
            clock.set(0)


class FillDisk(Lasting):
    """A host whose disk is full."""

    name = "disk of a host full"

    def __init__(self, disks: Sequence[SmallDisk]) -> None:
        self.disks = disks

    def strike(self, world: World, chance: random.Random) -> None:
        """Take all the space that is left."""
        chance.choice(self.disks).fill()

    def mend(self, world: World) -> None:
        """Give it back."""
        for disk in self.disks:
            disk.free()


@contextmanager
def surrounded(folder: Path, settings: Mapping[str, str]) -> Iterator[tuple[World, Sequence[Fault]]]:
    """A world with a remote store, whose service and hosts have networks, and hosts clocks and disks, of their own."""
    with ExitStack() as stack:
        store = S3Server()
        stack.callback(store.close)
        store.start()
        redis = RedisServer()
        network = Network(redis)
        stack.callback(network.close)
        network.start()
        gate = StoreGate(store, network.address)
        stack.callback(gate.close)
        world = World(folder, redis=redis, store_url=f"{store.url}/storm", settings=dict(settings) | gate.settings())
        stack.callback(world.close)  # where it does not come up
        own = {"CYCLERY_REDIS_URL": network.url()}
        world.service.command = wrapped(network.site("service"), world.service.command)
        world.service.environment = world.environment(**own)
        world.start(host=False)
        clocks = [WallClock(folder, name) for name in HOSTS]
        disks = [SmallDisk(folder / "disks" / name, 64) for name in HOSTS]
        for name, clock, disk in zip(HOSTS, clocks, disks, strict=True):
            disk.start()
            stack.callback(disk.close)
            told = own | clock.environment() | {"CYCLERY_CACHE": str(disk.folder / "cache")}
            world.add_host(name, wrap=network.site(name).wrap, environment=told).start(wait=False)
        for host in world.hosts.values():
            wait_until(host.present, timeout=240, every=0.2)
        faults: list[Fault] = [
            CutHost(network), LoseTenth(network), Unplug(network), FillRedis(), DemoteRedis(),
            SickenStore(gate), SetClock(clocks), FillDisk(disks), KillRedis(),
        ]  # fmt: skip
        yield world, faults
