"""From what simple models reach to a verdict on the target, with its reasons in words."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.contracts.feasibility import Baseline, Enough, Judgement, LearningCurve, ReachableError
from orchestrator.contracts.metrics import Metric


def judge(
    target: float,
    metric: Metric,
    enough: Sequence[Enough],
    curves: Sequence[LearningCurve],
    reachable: ReachableError | None,
) -> tuple[Judgement, str]:
    """The verdict and its reason.

    out of reach: even with ten times the rows the good end of no curve's band meets the target, and nearest neighbours
    do not meet it either. realistic: with the rows at hand the bad end of the best curve's band meets it, and there
    are enough rows to say so. doubtful: everything between.
    """
    short = [one for one in enough if not one.enough and one.subject != "feature"]
    if not curves:
        return "doubtful", "there are too few rows to draw a learning curve, so nothing can be said of the target"
    best, farthest = curves[0], max(curves, key=lambda one: _gain(metric, _good(metric, one)))
    goal = f"the target of {_n(target)}"
    if short:
        return "doubtful", f"{short[0].sentence}, so whether {goal} can be reached is not to be said"
    if _meets(metric, _bad(metric, best), target):
        return "realistic", (
            f"the bad end of what a {best.model} is expected to reach with all {best.now.rows:,} training rows, "
            f"{_n(_bad(metric, best))}, meets {goal}"
        )
    if not _meets(metric, _good(metric, farthest), target) and not _neighbours_meet(target, reachable):
        return "out of reach", (
            f"even with ten times the rows ({farthest.more.rows:,}) the good end of what a {farthest.model} is "
            f"expected to reach, {_n(_good(metric, farthest))}, is short of {goal}"
        )
    if _meets(metric, best.now.value, target):
        return "doubtful", (
            f"a {best.model} is expected to reach {_n(best.now.value)}, which meets {goal}, but as little as "
            f"{_n(_bad(metric, best))} cannot be excluded"
        )
    return "doubtful", (
        f"a {best.model} is expected to reach {_n(best.now.value)}, short of {goal}, which a search or more rows "
        f"(with ten times as many: {_n(best.more.value)}) may or may not bring"
    )


def reasons(
    metric: Metric,
    enough: Sequence[Enough],
    baselines: Sequence[Baseline],
    curves: Sequence[LearningCurve],
    reachable: ReachableError | None,
    confidence: float,
) -> tuple[str, ...]:
    """What was seen, in sentences."""
    told = []
    for curve in curves:
        now, more = curve.now, curve.more
        told.append(
            f"{metric.name} of a {curve.model} went from {_n(curve.scores[0])} with {curve.rows[0]:,} rows to "
            f"{_n(curve.scores[-1])} with {curve.rows[-1]:,}; expected with all {now.rows:,}: {_n(now.value)} "
            f"({_n(now.low)} to {_n(now.high)}, {100 * confidence:g} %), with {more.rows:,}: {_n(more.value)} "
            f"({_n(more.low)} to {_n(more.high)})"
        )
    if baselines:
        scores = ", ".join(f"{one.model} {_n(one.mean)} ± {_n(one.std)}" for one in baselines)
        told.append(f"cross-validated {metric.name}: {scores}")
    if reachable is not None:
        told.append(
            f"the best possible accuracy is estimated between {_n(1 - reachable.high)} and {_n(1 - reachable.low)}, "
            f"from one-nearest-neighbour's error of {_n(reachable.nearest_neighbour)} (Cover and Hart 1967)"
        )
    return (*told, *(one.sentence for one in enough))


def ranked(curves: Sequence[LearningCurve], metric: Metric) -> tuple[LearningCurve, ...]:
    """The curves, the best forecast with the rows at hand first."""
    return tuple(sorted(curves, key=lambda one: -_gain(metric, one.now.value)))


def _gain(metric: Metric, value: float) -> float:
    return value if metric.greater_is_better else -value


def _meets(metric: Metric, value: float, target: float) -> bool:
    return _gain(metric, value) >= _gain(metric, target)


def _bad(metric: Metric, curve: LearningCurve) -> float:
    """The pessimistic end with the rows at hand."""
    return curve.now.low if metric.greater_is_better else curve.now.high


def _good(metric: Metric, curve: LearningCurve) -> float:
    """The optimistic end with ten times the rows."""
    return curve.more.high if metric.greater_is_better else curve.more.low


def _neighbours_meet(target: float, reachable: ReachableError | None) -> bool:
    """Whether the one-nearest-neighbour rule itself is as good as the target asks, as an accuracy."""
    return reachable is not None and 1 - reachable.nearest_neighbour >= target


def _n(value: float) -> str:
    return f"{value:.4g}"
