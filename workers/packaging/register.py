"""release.register: the model version, with its evidence, in the registry."""

from __future__ import annotations

from typing import Literal, NamedTuple

from orchestrator.contracts.documents.evaluation import Evaluation, Verdicts
from orchestrator.contracts.documents.release import Registration
from orchestrator.contracts.documents.training import Ranking
from orchestrator.contracts.records import ModelVersion
from orchestrator.contracts.release import RegisterParams
from orchestrator.store.connection import clock
from orchestrator.store.models import UNNUMBERED, Registry
from workers.runtime.codecs import Artifact
from workers.runtime.context import StageContext
from workers.runtime.documents import read_document


class RegisterOutputs(NamedTuple):
    """What the effect left."""

    registration: Registration


def register(
    bundle: Artifact,
    signature: Artifact,
    evaluation: Artifact,
    ranking: Artifact,
    rows: Artifact,
    verdicts: Artifact | None = None,
    *,
    params: RegisterParams,
    context: StageContext,
) -> RegisterOutputs:
    """Register the bundle once per idempotency key; as refused, with the reasons, where a gate did not pass."""
    evidence: Evaluation = read_document(evaluation.path().read_bytes(), Evaluation)
    chosen: Ranking = read_document(ranking.path().read_bytes(), Ranking)
    reasons = _reasons(verdicts, context.refusal)
    stage: Literal["candidate", "refused"] = "refused" if reasons else "candidate"
    draft = ModelVersion(
        model=params.model,
        version=UNNUMBERED,
        stage=stage,
        run=context.run,
        created=clock(context.redis),
        digest=bundle.ref.digest,
        bundle=bundle.ref,
        rows=rows.ref,
        signature=signature.ref,
        evaluation=evaluation.ref,
        ranking=ranking.ref,
        verdicts=None if verdicts is None else verdicts.ref,
        metric=chosen.metric,
        metrics={name: interval.model_dump(mode="json") for name, interval in evidence.metrics.items()},
        candidate=chosen.who,
        params=chosen.champion.params if chosen.per is None else {},
        reasons=reasons,
        threshold=chosen.threshold and chosen.threshold.model_dump(mode="json", exclude={"curve"}),
    )
    version = Registry(context.redis, context.settings).register(draft, context.key, context.recipe)
    context.log.info("registered %s (%s)", version.name, stage)
    return RegisterOutputs(Registration(model=version.name, stage=stage))


def _reasons(verdicts: Artifact | None, refusal: str | None) -> tuple[str, ...]:
    """The sentences of the gates that did not pass; else why the run was refused, where it was."""
    if verdicts is not None:
        judged: Verdicts = read_document(verdicts.path().read_bytes(), Verdicts)
        if not judged.passed:
            failed = tuple(verdict.sentence for verdict in judged.verdicts if not verdict.passed)
            return failed or ("a gate did not pass",)
    return (refusal,) if refusal else ()
