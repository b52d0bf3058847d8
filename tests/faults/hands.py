"""What people do with workflows in a world: submit, decide, cancel, retry, and ask again when nobody answered."""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import redis as redis_py

from orchestrator.contracts.calls import Plan
from orchestrator.contracts.errors import TransientError, Unreachable
from orchestrator.engine.submission import Submission
from tests.faults.plans import Team
from tests.faults.world import World

ENDED = ("succeeded", "failed", "refused", "cancelled")
OUTAGES = (Unreachable, TransientError, redis_py.RedisError, OSError)
Answer = TypeVar("Answer")
Waiting = Generator[None, None, Answer]

SPEC = """\
name: {name}
objective: {{predict: cultivar, task: classification, metric: balanced_accuracy}}
data: {{sources: {{wines: {{file: wine.csv}}}}}}
split: {{test: 0.25, method: stratified}}
stages:
  - {{name: own, call: team.effects:counted, with: {{case: {name}}}, after: prepare}}
train:
  candidates: [{{k_neighbors: {{grid: {{n_neighbors: [3, 7]}}}}}}]
  search: {{method: grid, folds: 2}}
gates: [balanced_accuracy >= 0.4]
"""


@dataclass
class Hands:
    """The people of a world. Nothing here trusts an answer that did not come."""

    world: World
    random: random.Random

    @cached_property
    def team(self) -> Team:
        """The team's own code in the store."""
        return Team.of(self.world.store)

    # — looking

    def until(self, condition: Callable[[], bool]) -> Waiting[None]:
        """Come back until it is true; an outage is no answer."""
        while True:
            try:
                if condition():
                    return
            except OUTAGES:
                pass  # asked again
            yield

    def field_of(self, run: str, name: str) -> str | None:
        """One field of a run in the ledger."""
        value = self.world.ledger.redis.hget(self.world.ledger.keys.run(run), name)
        return None if value is None else str(value)

    def status_of(self, run: str, *statuses: str) -> Waiting[None]:
        """Until the run has one of these statuses."""
        yield from self.until(lambda: self.field_of(run, "status") in statuses)

    def end_of(self, run: str) -> Waiting[None]:
        """Until the run has ended."""
        yield from self.status_of(run, *ENDED)

    def generation(self, run: str) -> int:
        """How often the run was begun."""
        return int(self.field_of(run, "generation") or 0)

    def is_stopping(self, run: str) -> bool:
        """Whether somebody has cancelled it."""
        return self.field_of(run, "stopping") == "cancelled"

    def is_past(self, run: str, stage: str, *states: str) -> bool:
        """Whether a stage is in none of these states any more."""
        text = self.world.ledger.redis.hget(self.world.ledger.keys.run(run, "stages"), stage)
        return text is not None and json.loads(str(text))["state"] not in states

    # — doing

    def submit(self, plan: Plan) -> Waiting[str]:
        """Submit by the Python interface, again until it is acknowledged: its run."""
        while True:
            try:
                with self.world.promises.hearing:
                    accepted = self.world.ledger.submit(Submission(plan, "tester"), self.world.store.has)
                    self.world.promises.note()
                return accepted.run
            except OUTAGES:
                yield

    def command(self, *words: str, unless: Callable[[], bool] = lambda: False) -> Waiting[str]:
        """`cyclery WORDS` until it is acknowledged, or somebody sees that an unanswered one was heard: its output."""
        while True:
            process = self.world.begin(*words)
            out = yield from self.answer_of(process)
            if out is not None:
                return out
            yield
            try:
                if unless():
                    return ""
            except OUTAGES:
                pass  # asked again

    def answer_of(self, process: subprocess.Popen[str]) -> Waiting[str | None]:
        """What a command says when it succeeds; None when it fails or is killed."""
        promises = self.world.promises
        promises.commands.add(process)
        while process.poll() is None:
            yield
        with promises.hearing:
            promises.commands.discard(process)
            out, _ = process.communicate()
            if process.returncode != 0 or process in promises.unheard:
                return None
            promises.note()
        return out

    def run_by_command(self, file: Path) -> Waiting[str]:
        """`cyclery run FILE --detach`: its run."""
        out = yield from self.command("run", file.name, "--detach", "--json")
        return str(json.loads(out)["run"])

    def kill_while_submitting(self, file: Path) -> Waiting[None]:
        """Begin to submit, and die at any moment of it."""
        process = self.world.begin("run", file.name, "--detach")
        patience = time.monotonic() + self.random.uniform(0.3, 2.0)
        while time.monotonic() < patience:
            yield
        process.kill()
        process.communicate()

    def mend(self, name: str) -> None:
        """Mend what made the stages of this workflow fail."""
        (self.world.mended / name).touch()

    def spec(self, name: str) -> Path:
        """The file of a small lifecycle."""
        path = self.world.project / f"{name}.yaml"
        path.write_text(SPEC.format(name=name))
        return path
