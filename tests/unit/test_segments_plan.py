"""One model per segment, before anything runs: what a spec may say, what the plan holds, how segments share stages."""

from __future__ import annotations

import pytest

from orchestrator.contracts.calls import Gather, Output
from orchestrator.contracts.segments import LEAST, MOST, SegmentsParams, batched
from orchestrator.contracts.training import SelectParams
from tests.unit.plan_case import call, ids, plan_of
from tests.unit.spec_case import found, loaded


def test_a_column_by_itself_is_the_long_form_with_its_defaults(tmp_path):
    short = loaded(tmp_path, "train: {per: city}\n").train.per
    long = loaded(tmp_path, "train: {per: {column: city, min_rows: 50, max_failed: 20%}}\n").train.per
    assert short is not None
    assert long is not None
    assert (short.column, short.min_rows, short.max_failed) == ("city", 100, 0.1)
    assert (long.column, long.min_rows, long.max_failed) == ("city", 50, 0.2)
    derived = loaded(tmp_path, "features: {derive: {decade: 'floor(age / 10)'}}\ntrain: {per: decade}\n")
    assert derived.train.per is not None


@pytest.mark.parametrize(
    ("more", "sets", "said"),
    [
        ("train: {per: cty}\n", [], "3:14: the data has no column 'cty' (did you mean 'city'?)"),
        ("train: {per: bought}\n", [], "3:14: 'bought' is what is predicted: it cannot divide the rows among models"),
        (
            "train: {per: {column: city}}\ncolumns: {ignore: city}\n",
            [],
            "3:23: 'city' is in `columns.ignore`, and what divides the rows among models has no such role",
        ),
        (
            "train: {per: city}\ncolumns: {group: city}\nsplit: {method: group}\n",
            [],
            (
                "3:14: a split by method group keeps whole values of 'city' for the test, whose models could not be "
                "judged: choose another split"
            ),
        ),
        (
            "train: {per: city}\nfeatures: {columns: {city: categorical}}\n",
            [],
            (
                "3:14: 'city' divides the rows among models and is no feature: take it out of `features.columns` "
                "(a copy may be one: `features: {derive: {NAME: city}}`)"
            ),
        ),
        *(
            (
                f"train: {{per: city, search: {{method: {method}, trials: 9}}}}\n",
                [],
                f"3:37: a search by {method} is not done segment by segment: set `method: grid` or `random`",
            )
            for method in ("halving", "asha", "hyperband", "bayesian")
        ),
        (
            "train: {per: city, search: {method: random, time: 1m}}\n",
            [],
            "3:45: `time` ends no search of a segment: take it out, and set `trials` instead",
        ),
        (
            "train: {per: city, min_success: 2}\n",
            [],
            "3:20: `min_success` is not for `train.per`, which has a share of its own: `per: {max_failed: 10%}`",
        ),
        (
            "train: {per: city, sparse: auto}\n",
            [],
            "3:20: segments' models are fitted on dense rows: take `sparse` out, or `train.per`",
        ),
        ("train: {per: {column: city, min_rows: 5}}\n", [], "3:39: train.per.min_rows should be at least 20, not 5"),
    ],
)
def test_what_cannot_be_done_segment_by_segment_is_refused_where_it_stands(tmp_path, more, sets, said):
    assert found(tmp_path, more, *sets) == [said]


def test_a_target_that_one_model_would_be_judged_by_is_refused(tmp_path):
    said = found(tmp_path, "train: {per: city}\n", "objective.target=0.8", "objective.require=realistic")
    assert len(said) == 2
    assert all("what is in reach is judged for one model of all rows" in line for line in said)


def test_a_threshold_is_refused_by_name(tmp_path):
    said = found(tmp_path, "train: {per: city}\n", "objective.positive=1", "objective.threshold=f1")
    assert len(said) == 1
    assert said[0].endswith(
        "a decision threshold is not tuned segment by segment: take `threshold` out, or `train.per`"
    )


TRAIN = {"candidates": ({"ridge_classifier": {"grid": {"alpha": (1, 10)}}},), "per": {"column": "city", "min_rows": 50}}


def test_the_plan_has_one_stage_for_all_segments_and_the_trials_of_the_model_of_all_rows():
    plan = plan_of(train=TRAIN)
    named = ids(plan)
    assert named.index("train[ridge_classifier#2]") < named.index("segments") < named.index("select")
    params = SegmentsParams.model_validate(call(plan, "segments").params)
    assert (params.segmenting.column, params.segmenting.min_rows, params.joins) == ("city", 50, ("select",))
    trials = [call(plan, f"train[ridge_classifier#{number}]").params for number in (1, 2)]
    assert [trial.model_dump(mode="json") for trial in params.trials] == trials
    assert params.policy.tolerate
    select = call(plan, "select")
    assert select.inputs["segments"] == Output(stage="segments", output="segments")
    assert select.inputs["models"] == Gather(stages=(), output="models")
    assert SelectParams.model_validate(select.params).segmenting == params.segmenting
    assert call(plan, "features").params["segment"] == "city"
    assert any("one model for each value of city with 50 training rows" in note for note in plan.notes)


def test_without_segments_no_stage_is_told_anything_new():
    plan = plan_of()
    assert "segments" not in ids(plan)
    assert "segment" not in call(plan, "features").params
    assert "segmenting" not in call(plan, "select").params
    assert not {"segments", "models", "fitted"} & call(plan, "select").inputs.keys()


def test_a_thousand_segments_share_a_few_stages_of_equal_work_in_their_order():
    rows = {f"s{number:04d}": 100 + 7 * (number % 13) for number in range(1000)}
    few = batched(rows, fits=4)
    many = batched(rows, fits=1000)
    assert [name for batch in few for name in batch] == list(rows)
    assert [name for batch in many for name in batch] == list(rows)
    assert len(few) == LEAST
    assert 300 < len(many) <= MOST
    for batches in (few, many):
        work = [sum(rows[name] + 500 for name in batch) for batch in batches]
        assert max(work) < 2 * sum(work) / len(work)


def test_a_huge_segment_stands_alone_and_none_make_no_stage():
    rows = {f"s{number:03d}": 5_000_000 if number == 50 else 100 for number in range(100)}
    assert ("s050",) in batched(rows, fits=10)
    assert batched({"only": 30}, fits=10) == (("only",),)
    assert batched({}, fits=10) == ()
