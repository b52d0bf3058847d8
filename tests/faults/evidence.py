"""What is left of a world once it is quiet: records, events, effects, audit entries; the checker judges it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from orchestrator.contracts.calls import ArtifactRef
from orchestrator.contracts.records import Event, RunRecord
from orchestrator.store.audit import entries
from orchestrator.store.models import Registry
from tests.faults.world import World

Digests = Mapping[str, Mapping[str, str]]  # stage → output → digest


@dataclass(frozen=True, slots=True)
class Effect:
    """One line of the effects' log: one execution that came to its end."""

    run: str
    stage: str
    attempt: int
    key: str
    facts: Mapping[str, Any]


@dataclass
class Evidence:
    """Read lazily, each part once."""

    world: World

    @cached_property
    def runs(self) -> list[RunRecord]:
        """All runs that the ledger has."""
        found = (self.world.history.snapshot(run) for run in self.world.history.run_ids())
        return [record for record in found if record is not None]

    @cached_property
    def by_workflow(self) -> Mapping[str, list[RunRecord]]:
        """Runs by the name of their workflow, the oldest first."""
        found: dict[str, list[RunRecord]] = defaultdict(list)
        for record in sorted(self.runs, key=lambda record: record.created):
            found[record.workflow].append(record)
        return found

    def generations(self, run: str) -> list[list[Event]]:
        """A run's events, a list for each generation: one ends with the run's end."""
        found: list[list[Event]] = [[]]
        for event in self.world.history.events(run, "0-0", limit=100_000) or ():
            found[-1].append(event)
            if event.kind == "run" and event.state in ("succeeded", "failed", "refused", "cancelled"):
                found.append([])
        return [generation for generation in found if generation]

    @cached_property
    def effects(self) -> Mapping[tuple[str, str], list[Effect]]:
        """Executions of the team's own stages by run and stage."""
        found: dict[tuple[str, str], list[Effect]] = defaultdict(list)
        if self.world.effects.exists():
            for line in self.world.effects.read_text().splitlines():
                facts = json.loads(line)
                run, stage, attempt, key = (facts.pop(name) for name in ("run", "stage", "attempt", "key"))
                found[run, stage].append(Effect(run, stage, attempt, key, facts))
        return found

    @cached_property
    def audit(self) -> list[dict[str, Any]]:
        """The audit log in the store."""
        return list(entries(self.world.store))

    @cached_property
    def models(self) -> Mapping[str, list[str]]:
        """Model → the runs that its versions came from."""
        found: dict[str, list[str]] = defaultdict(list)
        for version in Registry(self.world.ledger.redis, self.world.settings).list():
            found[version.model].append(version.run)
        return found

    def document(self, ref: ArtifactRef) -> Any:
        """A JSON artifact."""
        return json.loads(self.world.store.read(ref))

    def digests(self) -> dict[str, dict[str, dict[str, str]]]:
        """Workflow → stage → output → digest, of all stages that are done: what another world must equal."""
        return {
            workflow: {
                stage.id: {name: ref.digest for name, ref in stage.outputs.items()}
                for record in records
                for stage in record.stages
                if stage.state == "done"
            }
            for workflow, records in self.by_workflow.items()
        }
