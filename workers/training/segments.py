"""train.segments: which values of a column have rows enough for a model of their own, and the stages that fit these."""

from __future__ import annotations

from typing import NamedTuple

from orchestrator.contracts.calls import Output, StageCall
from orchestrator.contracts.errors import InvalidInput
from orchestrator.contracts.metrics import METRICS
from orchestrator.contracts.segments import SegmentParams, SegmentPlan, SegmentsParams, batched
from orchestrator.contracts.tasks import TASKS
from workers.runtime.codecs import Artifact
from workers.runtime.context import StageContext
from workers.training.estimators import build, describe
from workers.training.matrix import training_matrix


class SegmentsOutputs(NamedTuple):
    """The segments by stages."""

    segments: SegmentPlan


def segments(frame: Artifact, rows: Artifact, *, params: SegmentsParams, context: StageContext) -> SegmentsOutputs:
    """Count the training rows of each value, and bring the stages into being that fit the models of the large ones."""
    _comparable(params)
    column, least = params.segmenting.column, params.segmenting.min_rows
    values = training_matrix(frame, rows, context).frame[column]
    counts = values.value_counts().sort_index()
    large, small = counts[counts >= least], counts[counts < least]
    fits = len(params.trials) * params.folds + 1
    batches = batched({str(name): int(count) for name, count in large.items()}, fits)
    if batches:
        context.expand([_call(number, params, context) for number in range(1, len(batches) + 1)], params.joins)
    context.log.info(
        "%d values of %s, %d of them with %d training rows or more: %d fits in %d stages",
        *(len(counts), column, len(large), least, fits * len(large), len(batches)),
    )
    return SegmentsOutputs(
        SegmentPlan(
            column=column,
            min_rows=least,
            segments=len(counts),
            small=len(small),
            small_rows=int(small.sum()),
            missing_rows=int(values.isna().sum()),
            trials=params.trials,
            rule=params.rule,
            batches=batches,
        )
    )


def _comparable(params: SegmentsParams) -> None:
    """A metric of probabilities is taken over rows of all segments, so each must have them.

    A team's own estimators are not asked: their code is in the stages that fit them alone.
    """
    metric = params.objective.metric
    if METRICS[metric].needs != "probabilities":
        return
    for trial in params.trials:
        if ":" not in trial.estimator and not hasattr(build(trial), "predict_proba"):
            raise InvalidInput(
                f"{describe(trial)} gives no probabilities, and {metric} compares rows of different segments by them: "
                "calibrate it ({calibrated: {of: …}}), or choose another metric"
            )


def _call(number: int, params: SegmentsParams, context: StageContext) -> StageCall:
    task = TASKS["train.segment"]
    return StageCall(
        id=f"segment[{number}]",
        task=task.name,
        queue=task.queue.value,
        version=task.version,
        params=SegmentParams(number=number).model_dump(mode="json"),
        inputs={**params.inputs, "segments": Output(stage=context.stage, output="segments")},
        policy=params.policy,
        code=params.code,
    )
