"""What is done to a world: each fault has a name, strikes by chance, and is mended where it lasts."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Protocol, cast

import psutil

from tests.faults.host import Host
from tests.faults.processes import kill
from tests.faults.world import World

BUSY_S = 1.0  # for which who kills waits for somebody at work
NOTING_S = 0.4  # in which whoever has heard that something is on the disk notes it
QUEUES = ("prep", "train", "evaluate", "ops")


class Fault(Protocol):
    """`strike` may do nothing where there is nothing to strike; `mend` ends what lasts."""

    @property
    def name(self) -> str:
        """What the tables call it."""

    @property
    def lasts(self) -> bool:
        """Whether some time passes before it is mended."""

    @property
    def spent(self) -> bool:
        """Whether it has done all that it can."""

    def strike(self, world: World, chance: random.Random) -> None:
        """Do harm."""

    def mend(self, world: World) -> None:
        """End it."""


class Momentary:
    """A fault after which nothing is left to mend by hand."""

    name = ""
    lasts = False
    spent = False

    def mend(self, world: World) -> None:
        """Nothing."""


def _kill_one(found: Sequence[psutil.Process], chance: random.Random) -> None:
    if found:
        kill([chance.choice(found)])


def _busy(world: World, host: Host) -> list[psutil.Process]:
    """The children of a host that have a stage in their hands; waits a moment for one, else all."""
    deadline = time.monotonic() + BUSY_S
    while True:
        children = host.children()
        pids = set(world.ledger.leases_of(host.name).values())
        found = [child for child in children if child.pid in pids]
        if found or time.monotonic() > deadline:
            return found or children
        time.sleep(0.005)


def _host(world: World, chance: random.Random) -> Host:
    return chance.choice(list(world.hosts.values()))


class KillChild(Momentary):
    """A process that runs stages."""

    name = "kill -9 a child"

    def strike(self, world: World, chance: random.Random) -> None:
        """Kill one in the midst of a stage; at times any, or the nursery beside them."""
        host = _host(world, chance)
        _kill_one(_busy(world, host) if chance.random() < 0.8 else host.children(), chance)


class KillGuest(Momentary):
    """A process that runs a team's code."""

    name = "kill -9 a guest"

    def strike(self, world: World, chance: random.Random) -> None:
        """Kill one."""
        _kill_one(_host(world, chance).guests(), chance)


class KillMain(Momentary):
    """A pool's main process."""

    name = "kill -9 a pool's main process"

    def strike(self, world: World, chance: random.Random) -> None:
        """Kill one; the pools' parent starts another."""
        _kill_one(_host(world, chance).mains(), chance)


class KillPools(Momentary):
    """The pools' parent, whose children end with it."""

    name = "kill -9 the pools' parent"

    def strike(self, world: World, chance: random.Random) -> None:
        """Kill it, and start the host again."""
        host = _host(world, chance)
        host.program.kill()
        host.start(wait=False)


class KillHost(Momentary):
    """A whole host at once."""

    name = "power cut of a host"

    def strike(self, world: World, chance: random.Random) -> None:
        """Kill all of its processes, and start it again."""
        host = _host(world, chance)
        host.kill_tree()
        host.start(wait=False)


class StopHost(Momentary):
    """An administrator restarts a host while it works."""

    name = "SIGTERM to a host"

    def strike(self, world: World, chance: random.Random) -> None:
        """Stop it twice, so that stages are given back; and start it again."""
        program = _host(world, chance).program
        if program.process is not None and program.running:
            program.process.terminate()
            time.sleep(chance.uniform(0.0, 1.0))
            program.process.terminate()
            program.process.wait(60)
        program.start()


class Pause:
    """A process that stands still for longer than its lease, and goes on as if nothing had been."""

    name = "SIGSTOP a child, main process or guest"
    lasts = True
    spent = False

    def __init__(self) -> None:
        self.stopped: list[psutil.Process] = []

    def strike(self, world: World, chance: random.Random) -> None:
        """Stop one."""
        host = _host(world, chance)
        found = chance.choice([lambda: _busy(world, host), host.mains, host.guests])()
        if found:
            self.stopped.append(chance.choice(found))
            kill(self.stopped[-1:], signal.SIGSTOP)

    def mend(self, world: World) -> None:
        """Let it go on."""
        kill(self.stopped, signal.SIGCONT)
        self.stopped.clear()


class KillService(Momentary):
    """The orchestrator service: reconciler, manifests, audit, expiry, garbage; and the collector beside it."""

    name = "kill -9 the orchestrator service"

    def strike(self, world: World, chance: random.Random) -> None:
        """Kill both, and start them again."""
        world.service.kill()
        world.collector.kill()
        world.revive()


class PauseService:
    """A reconciler that stands still."""

    name = "SIGSTOP the orchestrator service"
    lasts = True
    spent = False

    def strike(self, world: World, chance: random.Random) -> None:
        """Stop it."""
        kill([psutil.Process(world.service.pid)], signal.SIGSTOP)

    def mend(self, world: World) -> None:
        """Let it go on."""
        kill([psutil.Process(world.service.pid)], signal.SIGCONT)


class KillClient(Momentary):
    """Commands that people typed."""

    name = "kill -9 a command"

    def strike(self, world: World, chance: random.Random) -> None:
        """Kill one that is under way."""
        commands = list(world.promises.commands)
        if commands:
            chance.choice(commands).kill()


class KillRedis(Momentary):
    """Redis: what it has written stays, everybody's connections break."""

    name = "kill -9 Redis"

    def strike(self, world: World, chance: random.Random) -> None:
        """Kill it, and start it again after a while."""
        world.redis.kill()
        time.sleep(chance.choice([0.0, 0.5, 2.0]))
        world.redis.start()


class PauseRedis(Momentary):
    """A Redis that does not answer."""

    name = "SIGSTOP Redis"

    def strike(self, world: World, chance: random.Random) -> None:
        """Stop it for a while, at times for longer than clients have patience with one answer."""
        assert world.redis.process is not None
        world.redis.process.send_signal(signal.SIGSTOP)
        time.sleep(chance.choice([0.5, 2.0, 4.0]))
        world.redis.process.send_signal(signal.SIGCONT)


class PowerLoss(Momentary):
    """The power of Redis's host fails: what its file did not have on the disk is gone."""

    name = "power loss of Redis"

    def strike(self, world: World, chance: random.Random) -> None:
        """Cut the file's tail, at most back to what was acknowledged; the cut may go through a command's midst."""
        assert world.redis.process is not None
        with world.promises.hearing:
            world.redis.process.send_signal(signal.SIGSTOP)
            time.sleep(NOTING_S)
            world.redis.kill()
            world.promises.silence_commands()
            world.promises.cut(chance)
            world.redis.start()


class TearTail(Momentary):
    """A crash in the midst of a write: the file ends with a part of a command."""

    name = "torn write of Redis"

    def strike(self, world: World, chance: random.Random) -> None:
        """Append a piece, which Redis drops when it starts."""
        command = b"*3\r\n$3\r\nSET\r\n$4\r\ntorn\r\n$5\r\nwrite\r\n"
        with world.promises.hearing:
            world.redis.kill()
            with world.promises.file().open("ab") as file:
                file.write(command[: chance.randrange(1, len(command))])
            world.redis.start()


_POP = "for _ = 1, ARGV[1] do redis.call('RPOP', KEYS[1]) end"
_DOUBLE = "for _, m in ipairs(redis.call('LRANGE', KEYS[1], 0, ARGV[1] - 1)) do redis.call('RPUSH', KEYS[1], m) end"
_REVERSE = """
local all = redis.call('LRANGE', KEYS[1], 0, -1)
redis.call('DEL', KEYS[1])
for _, m in ipairs(all) do redis.call('LPUSH', KEYS[1], m) end
"""


class Messages(Momentary):
    """The broker's messages, which nothing depends on."""

    name = "messages popped"
    script: ClassVar[str] = _POP

    def strike(self, world: World, chance: random.Random) -> None:
        """Do it to a queue that has some."""
        redis, keys = world.ledger.redis, world.ledger.keys
        full = [queue for queue in QUEUES if redis.llen(keys.broker(queue))]
        if full:
            redis.eval(self.script, 1, keys.broker(chance.choice(full)), chance.randint(1, 10))


class DoubledMessages(Messages):
    """A broker that delivers twice."""

    name = "messages duplicated"
    script = _DOUBLE


class ReversedMessages(Messages):
    """A broker that keeps no order."""

    name = "messages reordered"
    script = _REVERSE


class LateMessages(Momentary):
    """Messages of long ago come once more."""

    name = "old messages again"

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def strike(self, world: World, chance: random.Random) -> None:
        """Remember what waits now, and deliver some of what was remembered."""
        redis, keys = world.ledger.redis, world.ledger.keys
        for queue, message in chance.sample(self.seen, min(len(self.seen), 10)):
            redis.lpush(keys.broker(queue), message)
        for queue in QUEUES:
            waiting = cast("list[str]", redis.lrange(keys.broker(queue), 0, 20))
            self.seen += [(queue, message) for message in waiting]


class KillAt:
    """A process kills itself as it passes a named point (`points/sitecustomize.py`), the first `times` times."""

    def __init__(self, point: str, times: int = 1) -> None:
        self.point, self.times = point, times
        self.name = f"kill -9 at: {point}"
        self.reached = 0
        self._armed: list[Path] = []

    lasts = True

    @property
    def spent(self) -> bool:
        """Whether all who were to die have."""
        return not any(token.exists() for token in self._armed)

    def strike(self, world: World, chance: random.Random) -> None:
        """Arm the point."""
        world.points.mkdir(exist_ok=True)
        self._armed += [world.points / f"{self.point}.{time.monotonic_ns()}{place}" for place in range(self.times)]
        for token in self._armed:
            token.touch()

    def mend(self, world: World) -> None:
        """Disarm it, count who passed, and start again what nobody else does."""
        for token in self._armed:
            if token.exists():
                token.unlink(missing_ok=True)
            else:
                self.reached += 1
        self._armed.clear()
        world.revive()
