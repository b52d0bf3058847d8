"""The worker pools of one host as one process tree.

    python -m workers.runtime.pools prep:1 train:2 evaluate:1 ops:1

This process imports the heavy libraries once and forks one Celery worker per pool, so that they share its memory and
all start at once. It holds no connection and no thread, which is what makes forking sound; it starts again what dies,
hands on SIGTERM, and leaves nothing behind.
"""

from __future__ import annotations

import gc
import importlib
import logging
import os
import select
import signal
import sys
import time
from dataclasses import dataclass
from multiprocessing.util import get_temp_dir
from types import FrameType
from typing import NoReturn

import psutil

from orchestrator.contracts.errors import CycleryError, InvalidInput
from orchestrator.contracts.tasks import TASKS, Queue
from orchestrator.settings import Settings
from workers.runtime.nursery import Nursery
from workers.runtime.process_tree import end_with_parent, wakeup_pipe
from workers.runtime.scratch import remove_abandoned
from workers.runtime.threads import single_threaded

GIVE_BACK_S = 8.0  # for stages to be given back and guests to end, before everything is killed
FIRST_PAUSE_S, LONGEST_PAUSE_S, STEADY_S = 0.5, 30.0, 60.0
LOG_FORMAT = "%(asctime)s %(levelname)s %(processName)s %(name)s: %(message)s"
_TABLES = ("numpy", "pandas", "pyarrow.parquet")
_MODELS = (*_TABLES, "sklearn.pipeline", "sklearn.ensemble", "sklearn.linear_model", "skops.io", "threadpoolctl")
HEAVY: dict[Queue, tuple[str, ...]] = {
    Queue.PREP: _TABLES,
    Queue.TRAIN: _MODELS,
    Queue.EVALUATE: _MODELS,
    Queue.OPS: (),
}

log = logging.getLogger("cyclery.pools")


@dataclass
class PoolProcess:
    """One pool's main process, or the pause before its next start. Times are monotonic seconds."""

    queue: str
    processes: int
    pid: int | None = None
    started: float = 0.0
    due: float = 0.0
    pause: float = FIRST_PAUSE_S

    def ended(self, now: float) -> None:
        """Note the end, and when to start again: later each time, unless it had been well for a while."""
        if now - self.started > STEADY_S:
            self.pause = FIRST_PAUSE_S
        self.pid, self.due = None, now + self.pause
        self.pause = min(2 * self.pause, LONGEST_PAUSE_S)


def parse_pools(arguments: list[str]) -> list[PoolProcess]:
    """`train:2` → a pool of two processes on the queue `train`."""
    pools: list[PoolProcess] = []
    for argument in arguments:
        queue, _, number = argument.partition(":")
        if queue not in set(Queue) or not (number or "1").isdigit() or int(number or "1") < 1:
            raise InvalidInput(f"{argument!r} is no pool: write QUEUE:PROCESSES, with a queue of {', '.join(Queue)}")
        if any(pool.queue == queue for pool in pools):
            raise InvalidInput(f"the pool {queue} is named twice: name each queue once")
        pools.append(PoolProcess(queue, int(number or "1")))
    if not pools:
        raise InvalidInput("no pools named: write for example prep:1 train:2 evaluate:1 ops:1")
    return pools


def preload(queues: list[str]) -> None:
    """Import what stages of these queues need, once, before any fork."""
    for queue in queues:
        for module in HEAVY[Queue(queue)]:
            importlib.import_module(module)
    for module in ("workers.app", "workers.runtime.guest"):
        importlib.import_module(module)
    from workers.catalogue import FUNCTIONS

    for task in TASKS.values():
        if task.queue.value in queues and task.name in FUNCTIONS:
            importlib.import_module(FUNCTIONS[task.name].split(":")[0])
    gc.collect()
    gc.freeze()  # the collector does not touch, and thereby copy, what the children share


class Pools:
    """Starts, watches and ends the pools' main processes."""

    def __init__(self, pools: list[PoolProcess], settings: Settings) -> None:
        self.pools = pools
        self.settings = settings
        self.stops = 0  # how often it was asked to stop
        self._reader, self._writer = wakeup_pipe()

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; answers the exit code."""
        signal.set_wakeup_fd(self._writer)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # wakes the loop
        while not self.stops:
            self._start_due()
            self._wait(0.5)
            self._reap()
        return self._shut_down()

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stops += 1

    def _start_due(self) -> None:
        now = time.monotonic()
        for pool in self.pools:
            if pool.pid is None and now >= pool.due:
                pool.started = now
                pool.pid = self._fork(pool)

    def _fork(self, pool: PoolProcess) -> int:
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._become(pool, parent)
        return pid

    def _become(self, pool: PoolProcess, parent: int) -> NoReturn:
        """The fork's side of starting a pool."""
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()  # Ctrl-C reaches this process's parent, which decides what becomes of it
        end_with_parent(signal.SIGKILL, parent)
        serve(pool, self.settings)

    def _wait(self, seconds: float) -> None:
        if select.select([self._reader], [], [], seconds)[0]:
            os.read(self._reader, 4096)

    def _reap(self) -> None:
        """Take note of ended processes: the pools' own, and orphans that fell to this one as a container's first."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for pool in self.pools:
                if pool.pid == pid:
                    pool.ended(time.monotonic())
                    if not self.stops:
                        how = os.waitstatus_to_exitcode(status)
                        log.error("the pool %s ended with %d; it starts again in a moment", pool.queue, how)

    def _shut_down(self) -> int:
        """Stages may end for a while, then they are given back, then everything is killed."""
        from orchestrator.engine.app import SOFT_SHUTDOWN_S

        family = self._family()
        for pool in self._living():
            _signal(pool.pid, signal.SIGTERM)
        self._wait_for_end(SOFT_SHUTDOWN_S, until_stops=2)
        if self._living():
            for child in self._children():
                _signal(child.pid, signal.SIGTERM)
            self._wait_for_end(GIVE_BACK_S, until_stops=3)
        for process in {*family, *self._family()}:
            if process.is_running():
                _signal(process.pid, signal.SIGKILL)
        self._wait_for_end(1.0, until_stops=1 << 30)
        return 0

    def _wait_for_end(self, seconds: float, until_stops: int) -> None:
        """Until all pools ended, the time is over, or somebody asks once more."""
        deadline = time.monotonic() + seconds
        while self._living() and time.monotonic() < deadline and self.stops < until_stops:
            self._wait(0.1)
            self._reap()

    def _living(self) -> list[PoolProcess]:
        return [pool for pool in self.pools if pool.pid is not None]

    def _children(self) -> list[psutil.Process]:
        """The processes that run stages: children of the pools' main processes."""
        found: list[psutil.Process] = []
        for pool in self._living():
            try:
                found += psutil.Process(pool.pid).children()
            except psutil.NoSuchProcess:
                continue
        return found

    def _family(self) -> set[psutil.Process]:
        return set(psutil.Process().children(recursive=True))


def serve(pool: PoolProcess, settings: Settings) -> NoReturn:
    """Be the main process of one pool."""
    code = 1
    try:
        nursery = Nursery.fork() if sys.platform == "linux" else None  # by a kind of socket that others lack
        # The composition root stands above this package, so it is named here and not imported.
        code = importlib.import_module("workers.app").Worker(settings, pool.queue, pool.processes, nursery).run()
    except CycleryError as error:
        log.error("%s", error)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        log.exception("the pool %s failed", pool.queue)
    finally:
        logging.shutdown()
        os._exit(code)  # nothing of the parent's is flushed or closed a second time


def _signal(pid: int | None, number: signal.Signals) -> None:
    if pid is not None:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return


def main(arguments: list[str]) -> int:
    """Run the pools that the arguments name."""
    end_with_parent(signal.SIGTERM)
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT, stream=sys.stderr)
    try:
        pools = parse_pools(arguments)
        settings = Settings()
        single_threaded(os.environ)
        preload([pool.queue for pool in pools])
    except CycleryError as error:
        print(error, file=sys.stderr)  # noqa: T201  (a program's own last word)
        return error.exit_code
    remove_abandoned(settings.cache_path)
    get_temp_dir()  # one for all: forks share it, and end without removing one of their own as this process does
    return Pools(pools, settings).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
