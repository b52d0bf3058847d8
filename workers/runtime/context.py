"""What a stage knows of where it runs, and how it speaks to whoever watches."""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import redis as redis_py

from orchestrator.contracts.calls import StageCall
from orchestrator.contracts.errors import CycleryError
from orchestrator.engine.messages import Spent
from orchestrator.settings import Settings
from orchestrator.store.cache import HostCache

LOGGER = "cyclery.stage"


class Watcher(Protocol):
    """Whoever is told how far a stage is, and knows whether it should stop."""

    def progress(self, share: float) -> None:
        """Take the share of the work that is done, 0 to 1."""

    @property
    def cancelled(self) -> bool:
        """Whether the run is being stopped, or the stage has gone to another worker."""


@dataclass(slots=True)
class StageContext:
    """Where a stage runs. Made anew for each attempt."""

    run: str
    stage: str
    attempt: int
    key: str  # idempotency key: the same for all attempts at the same effect
    scratch: Path  # where `workdir` will be
    watcher: Watcher
    host_files: HostCache
    seed: int = 0  # of the run
    author: str = "unknown"
    refusal: str | None = None  # why the run's model is refused, where it is
    log: logging.Logger = field(default_factory=lambda: logging.getLogger(LOGGER))
    measured: dict[str, Any] = field(default_factory=dict)
    recipe: str = ""  # what 0.1.0 had as the idempotency key: the call alone, without what came of earlier stages
    resources: tuple[redis_py.Redis, Settings] | None = None  # of stages that change the world
    accounts: Callable[[Sequence[str]], Spent] | None = None  # of stages that expand
    grown: tuple[StageCall, ...] = ()  # see `expand`
    joins: tuple[str, ...] = ()
    kept: bool = True  # see `forget`

    @property
    def workdir(self) -> Path:
        """A folder of this attempt's own, removed afterwards."""
        self.scratch.mkdir(parents=True, exist_ok=True)
        return self.scratch

    def measure(self, name: str, value: Any) -> None:
        """Keep a measured value (a time, a size) beside the outputs; it is no part of their digests."""
        self.measured[name] = value

    def progress(self, share: float) -> None:
        """Tell watchers the share of the work that is done, 0 to 1; NaN tells nothing."""
        if not math.isnan(share):
            self.watcher.progress(min(max(float(share), 0.0), 1.0))

    def derived(self, key: str, build: Callable[[Path], None]) -> Path:
        """A file in the host's cache, built once per host by `build(path)` and shared by mapping."""
        return self.host_files.derived(key, build)

    def expand(self, calls: Sequence[StageCall], joins: Sequence[str]) -> None:
        """Let these stages join the run in the very step that completes this one: if it is not completed, none does.

        They may depend on stages that are done, on this one and on one another; `joins` are stages that still wait and
        from then on wait for the new ones too. A cached result brings the same expansion again. Only for tasks that
        the table says expand.
        """
        if self.accounts is None:
            raise CycleryError(f"stage {self.stage} may not bring other stages into being: its task does not expand")
        self.grown, self.joins = tuple(calls), tuple(joins)

    def forget(self) -> None:
        """Let nobody find again what this attempt leaves: it holds a failure that may be gone the next time."""
        self.kept = False

    def spent(self, stages: Sequence[str]) -> Spent:
        """What the ledger recorded of the time that stages of this run took; only for tasks that expand."""
        if self.accounts is None:
            raise CycleryError(f"stage {self.stage} may not read what others took: its task does not expand")
        return self.accounts(stages)

    @property
    def cancelled(self) -> bool:
        """Whether the stage should stop: raise, or return soon, when it is true."""
        return self.watcher.cancelled

    @property
    def redis(self) -> redis_py.Redis:
        """The ledger's Redis, for stages that change the world."""
        return self._resources()[0]

    @property
    def settings(self) -> Settings:
        """The worker's settings, for stages that change the world."""
        return self._resources()[1]

    def close(self) -> None:
        """Remove the working folder."""
        if self.scratch.exists():
            shutil.rmtree(self.scratch, ignore_errors=True)  # what a stage made unremovable goes with the cache

    def _resources(self) -> tuple[redis_py.Redis, Settings]:
        if self.resources is None:
            raise CycleryError(f"stage {self.stage} may not reach Redis: only effects (register, deploy) may")
        return self.resources
