"""One run, and what is written of it: the hand that does each step of it, and looks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from orchestrator.contracts.calls import ArtifactRef, Kind, Plan
from orchestrator.contracts.records import StageError
from orchestrator.engine.ledger import Ledger
from orchestrator.engine.messages import Bell, Claim, encode_error
from orchestrator.engine.scripts import run_script
from orchestrator.engine.submission import Submission
from tests.faults.ledger.shapes import stage

if TYPE_CHECKING:
    from tests.faults.ledger.storm import Storm

GRACE_MS = 2000
GONE = object()
ERROR = encode_error(StageError(family="data", message="as asked"))
LOG = ArtifactRef(kind=Kind.FILE, digest=f"sha256:{'0' * 64}", size=1)


class Hand:
    """One run, and what is written of it."""

    def __init__(self, storm: Storm, name: str) -> None:
        self.storm, self.admin, self.keys = storm, storm.admin, storm.keys
        self._ledger = Ledger(storm.admin, storm.settings)
        self.begun = self.since = storm.clock.now_ms()
        self.name = f"witness-{name}"
        self.run = ""

    @property
    def ledger(self) -> Ledger:
        """For the next step, whose moment is taken."""
        self.since = self.storm.clock.now_ms()
        return self._ledger

    def submit(self, on_failure: Any = "continue", **policy: Any) -> Bell | None:
        """A run of one stage, `a`."""
        call = stage("a", salt=self.name, key=False, **policy)
        if "hold" in policy:
            call = call.model_copy(update={"task": "release.approve"})
        self.name += "x"
        accepted = self.ledger.submit(
            Submission(Plan(workflow=self.name, stages=(call,), on_failure=on_failure), new=True)
        )
        self.run = accepted.run
        return accepted.bells[0] if accepted.bells else None

    def claim(self) -> Claim:
        """Take the stage."""
        claim = self.ledger.claim(self.run, "a", worker="ops@here", host="here", pid=7, task=self.record()["task"])
        assert claim is not None, f"{self.name} cannot be claimed: {self.record()}"
        return claim

    def step(self, name: str, *arguments: Any) -> Any:
        """A step with arguments of one's own."""
        self.since = self.storm.clock.now_ms()
        return run_script(self.admin, name, self.keys.prefix, *arguments)

    def tick(self, limit: int = 200) -> None:
        """One look of whoever repairs."""
        self.ledger.repair(limit, GRACE_MS)

    def record(self) -> dict[str, Any]:
        """The stage as it is written."""
        return cast("dict[str, Any]", json.loads(cast("str", self.admin.hget(self.keys.run(self.run, "stages"), "a"))))

    def write(self, **fields: Any) -> None:
        """Another past for the stage."""
        text = json.dumps({**self.record(), **fields})
        self.admin.hset(self.keys.run(self.run, "stages"), "a", text)

    def score(self, name: str, prefix: str = "") -> float | None:
        """When something of the stage is due."""
        return cast("float | None", self.admin.zscore(self.keys(name), f"{prefix}{self.run}/a"))

    def due(self, name: str, prefix: str = "") -> None:
        """Its time has come; and somebody looks."""
        self.admin.zadd(self.keys(name), {f"{prefix}{self.run}/a": 0})
        self.tick()

    def events(self) -> list[tuple[str, str]]:
        """What watchers heard."""
        told = cast("Any", self.admin.xrange(f"{self.keys.run(self.run)}:events"))
        return [(event["kind"], event["state"]) for _, event in told]

    def field(self, name: str) -> str | None:
        """One of the run's own."""
        return cast("str | None", self.admin.hget(self.keys.run(self.run), name))

    def is_(self, what: str, **wanted: Any) -> Iterator[str]:
        """The stage's record has these fields so; GONE: not at all."""
        record = self.record()
        for name, value in wanted.items():
            if record.get(name, GONE) != value:
                yield f"{what}: {name} is {record.get(name)}, not {'gone' if value is GONE else value}"

    def near(self, what: str, at: float | None, ms: float) -> Iterator[str]:
        """A moment so many milliseconds from the last step."""
        now = self.storm.clock.now_ms()
        if at is None or not self.since - 1 <= at - ms <= now + 1:
            yield f"{what}: {None if at is None else at - now} ms from now, not {ms}"

    def end(self) -> None:
        """Nothing is left under way."""
        for _ in range(2):  # as one whose answer was lost
            self.ledger.cancel(self.run, "witness")
        if self.record()["state"] == "running":
            record = self.record()
            self.step("fail", self.run, "a", record["fence"], "{}", "cancelled", "", 0, 1, "")


def same(what: str, got: object, wanted: object) -> Iterator[str]:
    """What is not as it should be."""
    if got != wanted:
        yield f"{what}: {got}, not {wanted}"
