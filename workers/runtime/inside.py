"""Stages that run in the pool's child itself: how they are interrupted, and ended."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

from workers.runtime.interruption import SOFT_LIMIT, StageCancelled, StageTimeout
from workers.runtime.job import Job, Outcome
from workers.runtime.process_tree import resident
from workers.runtime.running import Running

EXIT_CODE = 70  # of a child that ended itself; the pool starts another
_SIGNAL = signal.SIGUSR2  # Celery and billiard use SIGUSR1


class Inside:
    """The child's main thread as the body of one stage. Exceptions are raised in it by a signal.

    A signal also ends a sleep or a read that an exception raised from another thread would wait for; and its handler
    runs in the main thread, which therefore decides without a race whether the stage is still under way.
    """

    def __init__(self, work: Callable[[Job, Running], Outcome], report: Callable[[], None]) -> None:
        self._work = work
        self._report = report
        self._open = False
        self._pending: BaseException | None = None
        self._main = threading.main_thread().ident or 0
        signal.signal(_SIGNAL, self._interrupt)  # before anybody can send it

    def run(self, job: Job, running: Running) -> Outcome:
        """Run the stage in this thread, open to interruption."""
        try:
            self._open = True
            if running.cancelled:  # asked to stop before anything could be raised
                raise StageCancelled
            return self._work(job, running)
        finally:
            self._open = False

    def soft_limit(self) -> None:
        """Raise StageTimeout inside the stage."""
        self._send(StageTimeout(SOFT_LIMIT))

    def stop(self) -> None:
        """Raise StageCancelled inside the stage."""
        self._send(StageCancelled())

    def kill(self, running: Running) -> None:
        """Report the stage's end and end this process with it: nothing else can stop a thread that does not listen."""
        if running.report_once():
            self._report()
            os._exit(EXIT_CODE)

    def memory(self) -> int:
        """Resident memory of this process, bytes."""
        return resident(os.getpid())

    def _send(self, error: BaseException) -> None:
        self._pending = error
        signal.pthread_kill(self._main, _SIGNAL)

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        error, self._pending = self._pending, None
        if self._open and error is not None:
            raise error
