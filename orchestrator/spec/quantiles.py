"""What a quantile objective asks of a spec: a regression, a metric that judges quantiles, and models that fit them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from orchestrator.spec.review import Review
from orchestrator.spec.train import Candidate, Part
from orchestrator.spec.written import Step

AnyPart = TypeVar("AnyPart", bound=Part)

PARAMETER = "quantile"  # of a class of the team's own that is told which quantile to fit


@dataclass(frozen=True, slots=True)
class Setting:
    """How a class is told to fit a quantile: the parameter that takes it, and others that must be set beside it."""

    parameter: str
    beside: Mapping[str, Any] = field(default_factory=dict)
    spelling: str | None = None  # where the parameter is text that holds the quantile
    synonym: str | None = None  # another name of the parameter

    def parameters(self, quantile: float, said: Collection[str]) -> dict[str, Any]:
        """What is set for this quantile, but for what is `said` already."""
        if self.synonym in said:
            return {}
        value = quantile if self.spelling is None else self.spelling.format(quantile)
        return {name: one for name, one in {**self.beside, self.parameter: value}.items() if name not in said}


FITTING: Mapping[str, Setting] = {
    "sklearn.linear_model.QuantileRegressor": Setting("quantile"),
    "sklearn.ensemble.HistGradientBoostingRegressor": Setting("quantile", {"loss": "quantile"}),
    "sklearn.ensemble.GradientBoostingRegressor": Setting("alpha", {"loss": "quantile"}),
    "sklearn.dummy.DummyRegressor": Setting("quantile", {"strategy": "quantile"}),
    "catboost.CatBoostRegressor": Setting("loss_function", spelling="Quantile:alpha={}", synonym="objective"),
    "lightgbm.LGBMRegressor": Setting("alpha", {"objective": "quantile"}),
    "xgboost.XGBRegressor": Setting("quantile_alpha", {"objective": "reg:quantileerror"}),
    "xgboost.XGBRFRegressor": Setting("quantile_alpha", {"objective": "reg:quantileerror"}),
}
# An average of quantiles serves as one; a stacking fits what the estimator above the others fits.
AVERAGING = frozenset({"sklearn.ensemble.BaggingRegressor", "sklearn.ensemble.VotingRegressor"})
STACKING = "sklearn.ensemble.StackingRegressor"

_NAMED = "quantile, hist_gradient_boosting, gradient_boosting; bagging or voting of these; stacking with one as `final`"


def check_quantile(review: Review) -> None:
    """Note a quantile that cannot be predicted."""
    objective, at = review.spec.objective, ("objective", "quantile")
    if objective.quantile is None:
        return
    if objective.task == "classification" and review.knows("task"):
        review.note(at, "`quantile` is for regressions; objective.task is classification", key=True)
    if not 0 < objective.quantile < 1:
        review.note(at, f"a quantile lies between 0 and 1 (0.9 for the 90 % quantile), not {objective.quantile:g}")


def fitted_to(review: Review, candidate: Candidate, at: tuple[Step, ...]) -> Candidate:
    """The candidate, told to fit the objective's quantile; what cannot is noted. What it says itself stands."""
    quantile = review.spec.objective.quantile
    if quantile is None or review.spec.objective.task != "regression":
        return candidate
    if not fits(candidate):
        review.note(at, f"{candidate.name} fits no quantile: take {_NAMED}")
    return told(candidate, quantile, {*candidate.fixed, *candidate.grid, *candidate.range})


def fits(part: Part) -> bool:
    """Whether it fits a quantile: by itself, or as the average of estimators that do."""
    if part.estimator in AVERAGING:
        return bool(part.of) and all(fits(one) for one in part.of)
    if part.estimator == STACKING:
        return part.final is not None and fits(part.final)
    return part.estimator in FITTING


def told(part: AnyPart, quantile: float, said: Collection[str]) -> AnyPart:
    """The part with the quantile among its fixed parameters, and so those inside it; what is `said` of it stands."""
    setting = FITTING.get(part.estimator)
    added = {} if setting is None else setting.parameters(quantile, said)
    inside: dict[str, Any] = {"of": tuple(told(one, quantile, one.fixed) for one in part.of)}
    if part.final is not None:
        inside["final"] = told(part.final, quantile, part.final.fixed)
    return part.model_copy(update={"fixed": {**part.fixed, **added}, **inside})
