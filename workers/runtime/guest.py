"""The guest: a process that runs one snapshot of a team's code for a pool's child, stage after stage.

python -P -m workers.runtime.guest FD
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from orchestrator.contracts.errors import InvalidInput, UserCodeError
from orchestrator.settings import Settings
from workers.catalogue import function_of
from workers.runtime.channel import Channel, ChannelClosed
from workers.runtime.codecs import Desk
from workers.runtime.context import StageContext
from workers.runtime.execute import execute
from workers.runtime.failures import describe, is_outage, trace
from workers.runtime.interruption import SOFT_LIMIT, StageCancelled, StageTimeout
from workers.runtime.job import Job, Outcome
from workers.runtime.patience import open_patient_store
from workers.runtime.process_tree import adopt_orphans, end_with_parent
from workers.runtime.streams import FORMAT, flush_all, text_stream
from workers.runtime.surroundings import Surroundings

PROGRESS_EVERY_S = 0.25


@dataclass
class GuestWatcher:
    """Carries progress to the child, and knows of a cancellation by its signal."""

    channel: Channel
    cancelled: bool = False
    _told: float = field(default=0.0)

    def progress(self, share: float) -> None:
        """Tell the child, a few times a second at most."""
        now = time.monotonic()
        if now - self._told >= PROGRESS_EVERY_S:
            self._told = now
            self.channel.send({"progress": share})


class Guest:
    """What the process holds between stages."""

    def __init__(self, channel: Channel, snapshot: Path, settings: Settings) -> None:
        self.channel = channel
        self.snapshot = snapshot
        self.settings = settings
        self.store = open_patient_store(settings)
        self.pid = os.getpid()
        self.surroundings = Surroundings()
        self.watcher = GuestWatcher(channel)
        self.open = False  # a stage is under way: signals may raise in it
        self.pending: type[BaseException] | None = None  # a signal that came before; the child drops such a guest
        signal.signal(signal.SIGUSR1, self._cancel)
        signal.signal(signal.SIGUSR2, self._soft_limit)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGUSR1, signal.SIGUSR2))

    def serve(self) -> None:
        """Run stages until the child closes the channel."""
        while True:
            job, scratch = order(self.channel.receive())
            answer = self._run(job, scratch)
            if os.getpid() != self.pid:
                os._exit(0)  # the code forked and its copy came back here: the channel is not the copy's
            flush_all()
            self.channel.send(answer | {"recycle": self.surroundings.spoilt})

    def _run(self, job: Job, scratch: Path) -> dict[str, Any]:
        self.watcher = GuestWatcher(self.channel)
        self.store.limit(job.call.policy.timeout_s)
        sys.stdout, sys.stderr = text_stream(1), text_stream(2)  # a stage may have closed or replaced them
        context = self._context(job, scratch)
        os.chdir(context.workdir)  # what the code writes beside itself goes with the stage
        try:
            outputs = self._execute(job, context)
        except StageCancelled:
            return {"error": {"family": "internal", "message": "cancelled"}}
        except BaseException as error:
            self.open = False
            with contextlib.suppress(OSError):  # the stage closed what it prints to
                sys.stderr.write(trace(error, self.snapshot))
            told = describe(error, self.snapshot).model_dump(mode="json")
            return {"error": told, "outage": is_outage(error, self.snapshot)}
        finally:
            self.open = False
            os.chdir(self.snapshot)
            if os.getpid() == self.pid:
                context.close()
        outcome = Outcome(outputs=outputs, measured=context.measured, kept=context.kept)
        return {"outcome": outcome.model_dump(mode="json")}

    def _execute(self, job: Job, context: StageContext) -> dict[str, Any]:
        desk = Desk(self.store, lambda: context.workdir, self.snapshot)
        self.open = True
        if self.pending is not None:
            raise self.pending(SOFT_LIMIT)
        function = entry_of(job) if job.call.task == "custom" else function_of(job.call.task)
        return execute(job, function, context, desk, os.environ, self.surroundings)

    def _context(self, job: Job, scratch: Path) -> StageContext:
        return StageContext(
            run=job.run,
            stage=job.call.id,
            attempt=job.attempt,
            key=job.key,
            scratch=scratch,
            watcher=self.watcher,
            host_files=self.store.cache,
            seed=job.seed,
            author=job.author,
            refusal=job.refusal,
        )

    def _cancel(self, _number: int, _frame: FrameType | None) -> None:
        self.watcher.cancelled = True
        self.pending = StageCancelled
        if self.open:
            self.open = False  # once: what cleans up is left alone
            raise StageCancelled

    def _soft_limit(self, _number: int, _frame: FrameType | None) -> None:
        self.pending = StageTimeout
        if self.open:
            raise StageTimeout(SOFT_LIMIT)


def first_message(message: dict[str, Any]) -> tuple[Path, Settings]:
    """The folder of the code and the settings, which the child sends first; raises ChannelClosed for anything else."""
    try:
        return Path(message["snapshot"]), Settings(**message["settings"])
    except (KeyError, TypeError, ValueError) as error:
        raise ChannelClosed from error


def order(message: dict[str, Any]) -> tuple[Job, Path]:
    """The job and its working folder, as the child asks for them; raises ChannelClosed for anything else."""
    try:
        return Job.model_validate(message["job"]), Path(message["scratch"])
    except (KeyError, TypeError, ValueError) as error:
        raise ChannelClosed from error


def entry_of(job: Job) -> Callable[..., Any]:
    """The function that `module:attribute` names in the snapshot.

    Raises UserCodeError where there is none; what importing raises goes to the caller.
    """
    code = job.call.code
    if code is None:
        raise InvalidInput(f"{job.place} has no code to run: submit the workflow again")
    name, _, attribute = code.entry.partition(":")
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise UserCodeError(f"{job.place}: there is no module {name} in its code: correct `call`") from None
        raise
    function: Any = module
    for part in attribute.split("."):
        function = getattr(function, part, None)
    if not callable(function):
        raise UserCodeError(f"{job.place}: module {name} has no function {attribute}: correct `call`")
    return function  # type: ignore[no-any-return]


def main(channel: int) -> NoReturn:
    """Serve the child at the other end of the socket until it closes it."""
    end_with_parent(signal.SIGKILL)
    adopt_orphans()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started the pools
    with socket.socket(fileno=channel) as sock:
        sock.set_inheritable(False)
        _serve(Channel(sock))
    os._exit(0)  # threads that the code left behind do not keep the process


def _serve(channel: Channel) -> None:
    try:
        snapshot, settings = first_message(channel.receive())
        handler = logging.StreamHandler(text_stream(2))
        handler.setFormatter(logging.Formatter(FORMAT))
        logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
        sys.path.insert(0, str(snapshot))
        sys.dont_write_bytecode = True  # the snapshot's folder is everybody's, and stays as it is
        Guest(channel, snapshot, settings).serve()
    except ChannelClosed:
        return


if __name__ == "__main__":
    main(int(sys.argv[1]))
