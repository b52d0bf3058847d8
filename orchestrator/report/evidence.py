"""The documents that a run's stages left, read when they are asked for; None where there is none yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TypeVar

from orchestrator.contracts.calls import ArtifactRef
from orchestrator.contracts.documents.data import Changes, Findings, Preparation, Profile, SplitSummary
from orchestrator.contracts.documents.evaluation import Details, Evaluation, Spending, Verdict, Verdicts
from orchestrator.contracts.documents.release import Performance, Registration
from orchestrator.contracts.documents.training import (
    ParameterEffects,
    Ranking,
    SearchEffects,
    SearchState,
    TrialResult,
    TrialsResult,
)
from orchestrator.contracts.errors import ArtifactMissing
from orchestrator.contracts.feasibility import Feasibility
from orchestrator.contracts.records import RunRecord, StageRecord
from orchestrator.contracts.segments import SegmentPlan, SegmentResult, SegmentResults
from orchestrator.contracts.training import TRIALS
from orchestrator.contracts.values import Value

Read = Callable[[ArtifactRef], bytes]
Document = TypeVar("Document", bound=Value)


class Evidence:
    """What a run has shown so far. `missing` names the outputs whose bytes the store no longer has."""

    def __init__(self, record: RunRecord, read: Read) -> None:
        self.record = record
        self.missing: list[str] = []
        self.read = read
        self._together: dict[str, TrialsResult | None] = {}

    def stages(self, task: str) -> list[StageRecord]:
        """The stages of one task, in the plan's order."""
        return [stage for stage in self.record.stages if stage.task == task]

    def stage(self, task: str) -> StageRecord | None:
        """The only stage of a task."""
        return next(iter(self.stages(task)), None)

    @cached_property
    def _by_id(self) -> dict[str, StageRecord]:
        return {stage.id: stage for stage in self.record.stages}

    def _documents(self, task: str, output: str, kind: type[Document]) -> Iterator[tuple[StageRecord, Document]]:
        for stage in self.stages(task):
            document = self._output(stage, output, kind)
            if document is not None:
                yield stage, document

    def _output(self, stage: StageRecord, output: str, kind: type[Document]) -> Document | None:
        ref = stage.outputs.get(output)
        if ref is None:
            return None
        try:
            data = self.read(ref)
        except ArtifactMissing:
            self.missing.append(f"{stage.id}.{output}")
            return None
        return kind.model_validate_json(data)

    def _document(self, task: str, output: str, kind: type[Document]) -> Document | None:
        return next((document for _, document in self._documents(task, output, kind)), None)

    @cached_property
    def profiles(self) -> dict[str, Profile]:
        """Source → what was read."""
        found = self._documents("data.ingest", "profile", Profile)
        return {str(stage.params.get("source", stage.id)): profile for stage, profile in found}

    @cached_property
    def findings(self) -> Findings | None:
        """The checks of the data."""
        return self._document("data.check", "findings", Findings)

    @cached_property
    def changes(self) -> Changes | None:
        """What preparation did row by row."""
        return self._document("data.prepare", "changes", Changes)

    @cached_property
    def split(self) -> SplitSummary | None:
        """Test rows and folds."""
        return self._document("data.split", "summary", SplitSummary)

    @cached_property
    def preparation(self) -> Preparation | None:
        """How columns became features."""
        return self._document("features.build", "preparation", Preparation)

    @cached_property
    def feasibility(self) -> Feasibility | None:
        """Whether the data is enough and the target realistic."""
        return self._document("train.feasibility", "feasibility", Feasibility)

    @cached_property
    def required(self) -> Verdicts | None:
        """Whether what was asked before the search was found."""
        return self._document("train.require", "verdicts", Verdicts)

    @cached_property
    def spending(self) -> Spending | None:
        """How often the test rows were judged before."""
        return self._document("evaluate.spend", "spending", Spending)

    @property
    def judgements(self) -> tuple[Verdict, ...]:
        """What was required before the search, then the gates."""
        return tuple(one for found in (self.required, self.verdicts) if found for one in found.verdicts)

    @cached_property
    def results(self) -> tuple[TrialResult, ...]:
        """The trials that are done, in the plan's order."""
        return tuple(result for stage in self.record.stages for result in self._results(stage))

    def result(self, stage: str, index: int) -> TrialResult | None:
        """What one trial left, by the id of its stage and its number among its candidate's."""
        found = self._by_id.get(stage)
        if found is None:
            return None
        return next((one for one in self._results(found) if one.index == index), None)

    def _results(self, stage: StageRecord) -> tuple[TrialResult, ...]:
        if stage.task == "train.trials":
            left = self.together(stage)
            return left.results if left is not None else ()
        result = self._output(stage, "result", TrialResult) if stage.task in TRIALS else None
        return () if result is None else (result,)

    def together(self, stage: StageRecord) -> TrialsResult | None:
        """What the trials left that share a stage; read once."""
        if stage.id not in self._together:
            self._together[stage.id] = self._output(stage, "results", TrialsResult)
        return self._together[stage.id]

    @cached_property
    def segments(self) -> SegmentPlan | None:
        """Which values of a column were large enough for a model of their own."""
        return self._document("train.segments", "segments", SegmentPlan)

    def segment(self, name: str) -> tuple[StageRecord, SegmentResult] | None:
        """What came of one segment, and the stage that it was in; None where no stage that is done had it."""
        for stage, found in self._documents("train.segment", "fitted", SegmentResults):
            for one in found.results:
                if one.segment == name:
                    return stage, one
        return None

    @cached_property
    def search(self) -> SearchState | None:
        """The search after its latest step, where it decides as it goes."""
        done = [stage for stage in self.stages("train.search") if "search" in stage.outputs]
        last = max(done, key=lambda stage: int(stage.params["step"]), default=None)
        return self._output(last, "search", SearchState) if last else None

    @cached_property
    def ranking(self) -> Ranking | None:
        """The trials, best first."""
        return self._document("train.select", "ranking", Ranking)

    @cached_property
    def effects(self) -> tuple[ParameterEffects, ...]:
        """What the scores of each candidate depend on; none before the choice, nor of runs of release 0.1.0."""
        found = self._document("train.select", "effects", SearchEffects)
        return found.candidates if found else ()

    @cached_property
    def evaluation(self) -> Evaluation | None:
        """The champion on the test rows, or a registered version on rows from elsewhere."""
        found = self._document("evaluate.model", "evaluation", Evaluation)
        return found or self._document("evaluate.fresh", "evaluation", Evaluation)

    @cached_property
    def details(self) -> Details | None:
        """What the model leans on and bears; None of runs of 0.1.0."""
        found = self._document("evaluate.model", "details", Details)
        return found or self._document("evaluate.fresh", "details", Details)

    @cached_property
    def performance(self) -> Performance | None:
        """How large, heavy and fast the bundle was; None where it was not measured."""
        stage = self.stage("release.package") or self.stage("evaluate.fresh")
        measured = stage.measured.get("performance") if stage is not None else None
        return Performance.model_validate(measured) if measured else None

    @cached_property
    def verdicts(self) -> Verdicts | None:
        """The gates."""
        return self._document("evaluate.gates", "verdicts", Verdicts)

    @cached_property
    def registration(self) -> Registration | None:
        """The version that was made of the champion."""
        return self._document("release.register", "registration", Registration)
