"""Which parameters a search's scores depend on: shares of variance that can be worked out by hand."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.contracts.documents.training import ParameterEffects, TrialResult
from orchestrator.contracts.training import Rung
from workers.training.effects import LEAST, parameter_effects


def result(index: int, params: dict[str, Any], mean: float, *, candidate: str = "svc", rung: Rung | None = None):
    return TrialResult(
        candidate=candidate, estimator="x.Y", index=index, params=params, metric="roc_auc", scores=(mean,), mean=mean,
        std=0.0, rung=rung,
    )  # fmt: skip


def effects(count: int, score: Callable[[dict[str, Any]], float], draw: Callable[[random.Random], dict[str, Any]]):
    dice = random.Random(5)
    drawn = [draw(dice) for _ in range(count)]
    (found,) = parameter_effects([result(place, params, score(params)) for place, params in enumerate(drawn)])
    return found


def shares(found: ParameterEffects) -> dict[str, float]:
    return {one.parameter: one.share for one in found.parameters}


def uniform(dice: random.Random) -> dict[str, Any]:
    return {"a": dice.uniform(0, 1), "b": dice.uniform(0, 1), "c": dice.uniform(0, 1), "tol": 0.1}


def test_shares_are_those_of_a_sum_whose_variance_is_known():
    """Of 3 a + b, with a and b uniform, nine tenths of the variance is due to a, one tenth to b."""
    found = effects(300, lambda given: 3 * given["a"] + given["b"], uniform)
    assert found.trials == 300
    assert found.explained > 0.95
    assert [*shares(found)] == ["a", "b", "c"]  # largest first; what never changed is none of them
    assert shares(found) == {
        "a": pytest.approx(0.9, abs=0.06),
        "b": pytest.approx(0.1, abs=0.06),
        "c": pytest.approx(0, abs=0.02),
    }


def test_what_two_do_together_is_neither_ones_main_effect():
    found = effects(400, lambda given: (given["a"] > 0.5) ^ (given["b"] > 0.5), uniform)
    assert found.explained > 0.5
    assert max(shares(found).values()) < 0.15


def test_choices_and_conditional_parameters_are_parameters_as_well():
    def draw(dice: random.Random) -> dict[str, Any]:
        kernel = dice.choice(["linear", "poly", "rbf"])
        return {"kernel": kernel, "C": dice.uniform(0, 1)} | ({"gamma": dice.uniform(0, 1)} if kernel == "rbf" else {})

    found = effects(200, lambda given: (given["kernel"] == "poly") + given["C"] / 10, draw)
    assert shares(found)["kernel"] > 0.7
    found = effects(200, lambda given: given["C"] / 10 + 3 * given.get("gamma", 0.0), draw)
    assert shares(found)["gamma"] > 0.6


def test_scores_by_chance_and_too_few_trials_have_no_shares():
    dice = random.Random(1)
    noise = effects(80, lambda _: dice.gauss(0, 1), uniform)
    assert (noise.explained, noise.parameters) == (0.0, ())
    few = effects(LEAST - 1, lambda given: given["a"], uniform)
    assert (few.trials, few.explained, few.parameters) == (LEAST - 1, None, ())
    same = effects(50, lambda _: 0.5, uniform)
    assert (same.explained, same.parameters) == (0.0, ())


def test_each_candidate_by_itself_and_on_the_rung_that_most_were_tried_at():
    lowest, full = (Rung(number=number, of=2, share=share, amount=share) for number, share in ((0, 0.1), (1, 1.0)))
    svc = [result(place, {"C": place}, place / 60, rung=lowest) for place in range(60)]
    svc += [result(place, {"C": place}, 5 - place / 20, rung=full) for place in range(20)]
    ridge = [result(place, {"alpha": place}, math.sin(place), candidate="ridge") for place in range(3)]
    dummy = [result(1, {}, 0.5, candidate="dummy"), result(1, {"fit": True}, 0.5, candidate="fixed")]
    found = parameter_effects(list(itertools.chain(svc, ridge, dummy)))
    assert [(one.candidate, one.trials, one.explained is None) for one in found] == [
        ("svc", 60, False),
        ("ridge", 3, True),
    ]
    assert shares(found[0]) == {"C": pytest.approx(1.0, abs=0.03)}
