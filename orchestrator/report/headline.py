"""What a run came to, in words for those who asked for it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

from orchestrator.contracts.documents.evaluation import Evaluation
from orchestrator.contracts.records import RunRecord
from orchestrator.contracts.status import RunStatus, StageState
from orchestrator.report.document import error_of, failed_stage, metric_asked
from orchestrator.report.evidence import Evidence
from orchestrator.report.wording import number, percent, plural, sentence, span, spoken


@dataclass(frozen=True, slots=True)
class Headline:
    """One claim, what became of it, and the command that comes next."""

    claim: str
    outcome: str
    command: str | None


def headline(evidence: Evidence) -> Headline:
    """Honest for every status; a model is praised only as far as its evidence goes."""
    record = evidence.record
    claim = _claim(evidence)
    match record.status:
        case RunStatus.SUCCEEDED:
            return Headline(claim or f"{record.workflow} ran through all its stages.", *_registered(evidence))
        case RunStatus.REFUSED:
            return _refusal(evidence, claim)
        case RunStatus.FAILED:
            return Headline(*_failed(record))
        case RunStatus.HELD:
            waits = f"It waits for a person to decide. {_gates(evidence)}".strip()
            return Headline(claim or f"{record.workflow} waits for a decision.", waits, f"cyclery approve {record.run}")
        case RunStatus.CANCELLED:
            return Headline("The run was cancelled.", _progress(record), f"cyclery retry {record.run}")
        case RunStatus.RUNNING:
            return Headline(
                claim or f"{record.workflow} is under way.", _progress(record), f"cyclery watch {record.run}"
            )


def target_of(evidence: Evidence) -> str:
    """The name of what is predicted."""
    for task in ("evaluate.model", "evaluate.fresh", "train.select", "features.build"):
        stage = evidence.stage(task)
        name = (stage.params.get("objective") or {}).get("predict") if stage else None
        if name:
            return _spoken(name)
    objective = evidence.record.spec.get("objective")
    return _spoken(objective.get("predict", "the target")) if isinstance(objective, dict) else "the target"


def _spoken(predict: Any) -> str:
    """A column's name, or the names of labels."""
    return ", ".join(map(str, predict)) if isinstance(predict, list | tuple) else str(predict)


def metric_of(evidence: Evidence) -> str | None:
    """The objective's metric."""
    if evidence.ranking is not None:
        return evidence.ranking.metric
    return evidence.results[0].metric if evidence.results else metric_asked(evidence)


def asked_of(evidence: Evidence) -> list[tuple[str, float]]:
    """The values of the objective's metric that the spec names: its goal, its target."""
    objective = evidence.record.spec.get("objective")
    asked = objective if isinstance(objective, dict) else {}
    return [(name, asked[name]) for name in ("goal", "target") if asked.get(name) is not None]


def _claim(evidence: Evidence) -> str | None:
    ranking, evaluation = evidence.ranking, evidence.evaluation
    if evaluation is not None and evaluation.model is not None:
        return _told(evaluation.model, evaluation, evidence)
    if ranking is None:
        return None
    who = ranking.who
    if evaluation is None:
        return f"{who} was the best of {plural(len(ranking.trials), 'trial')} at predicting {target_of(evidence)}."
    return _told(who, evaluation, evidence)


def _told(who: str, evaluation: Evaluation, evidence: Evidence) -> str:
    """How well the model does what it is for."""
    target, metric = target_of(evidence), metric_of(evidence) or ""
    target = f"the {percent(evaluation.quantile)} quantile of {target}" if evaluation.quantile else target
    found = evaluation.metrics.get(metric)
    rows = f"on {plural(evaluation.rows, 'row')} it never saw"
    if found is None or found.value is None:
        why = f" ({found.note})" if found and found.note else ""
        return f"{who} predicts {target}; its {metric} is undefined{why} {rows}."
    sure = f"{100 * found.confidence:.4g} % interval {span(found)}"
    told = f"{who} predicts {target} with {spoken(metric)} of {number(found.value)} ({sure}) {rows}"
    return f"{told}{_covered(evaluation)}."


def _covered(evaluation: Evaluation) -> str:
    """Of a quantile: how many of the rows lie at or below the prediction."""
    found = evaluation.metrics.get("coverage")
    if found is None or found.value is None or found.low is None or found.high is None:
        return ""
    return f"; {percent(found.value)} of them lie at or below it ({percent(found.low)} to {percent(found.high)})"


def _before(evidence: Evidence) -> str:
    """What a registered version had on the test rows of its training."""
    evaluation, metric = evidence.evaluation, metric_of(evidence)
    found = evaluation.before.get(metric or "") if evaluation is not None else None
    if found is None or found.value is None:
        return ""
    return f"On the test rows of its training it had {number(found.value)} ({span(found)})."


def _gates(evidence: Evidence) -> str:
    if evidence.verdicts is None or not evidence.verdicts.verdicts:
        return ""
    passed, count = sum(one.passed for one in evidence.verdicts.verdicts), len(evidence.verdicts.verdicts)
    if passed == count:
        return {1: "Its gate passed.", 2: "Both gates passed."}.get(count, f"All {count} gates passed.")
    return f"{count - passed} of {plural(count, 'gate')} did not pass."


def _registered(evidence: Evidence) -> tuple[str, str | None]:
    gates, registration = _gates(evidence), evidence.registration
    if evidence.evaluation is not None and evidence.evaluation.model is not None:
        return _before(evidence), f"cyclery model {evidence.evaluation.model}"
    if registration is None:
        return gates, None
    return f"{gates} Registered as {registration.model}.".strip(), f"cyclery promote {registration.model}"


def _refusal(evidence: Evidence, claim: str | None) -> Headline:
    run = evidence.record.run
    if evidence.required is not None and not evidence.required.passed:
        return Headline(*_not_begun(evidence), f"cyclery report {run}")
    return Headline(_refused(evidence), _kept(evidence, claim), f"cyclery trials {run}")


def _refused(evidence: Evidence) -> str:
    who = evidence.ranking.who if evidence.ranking else "The model"
    failing = [one.gate for one in evidence.verdicts.verdicts if not one.passed] if evidence.verdicts else []
    named = f": {', '.join(failing)}" if failing else ""
    return f"{who} was refused. {_gates(evidence)[:-1] or 'A gate did not pass'}{named}."


def _not_begun(evidence: Evidence) -> tuple[str, str]:
    """Of a run that ended before its search."""
    found = evidence.feasibility
    verdict = found.verdict if found is not None else None
    claim = f"Nothing was searched for: the target is {verdict}." if verdict else "Nothing was searched for."
    return claim, sentence(found.reasons[0]) if found is not None else ""


def _kept(evidence: Evidence, claim: str | None) -> str:
    kept = f"It is kept as {evidence.registration.model}, refused." if evidence.registration else ""
    return f"{claim or ''} {kept}".strip()


def _failed(record: RunRecord) -> tuple[str, str, str]:
    stage, why = failed_stage(record), error_of(record)
    if stage is None:
        return "The run failed.", _progress(record), f"cyclery status {record.run}"
    if stage.state is StageState.REJECTED:
        return "The model was rejected.", why or "", f"cyclery retry {record.run}"
    message = stage.error.message if stage.error else str(stage.state)
    return f"The run failed at {stage.id}.", message, f"cyclery logs {record.run} {shlex.quote(stage.id)}"


def _progress(record: RunRecord) -> str:
    done = sum(stage.state is StageState.DONE for stage in record.stages)
    return f"{done} of {plural(len(record.stages), 'stage')} {'is' if done == 1 else 'are'} done."
