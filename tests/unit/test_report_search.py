"""The report's section on a search: its history, coordinates that can be read, and what mattered."""

from __future__ import annotations

import re

from orchestrator.report.evidence import Evidence
from orchestrator.report.html import render
from orchestrator.report.parallel import AXES, BOTTOM, LINES, TOP, parallel
from orchestrator.report.search import history_chart, search_section
from tests.unit.report_case import Kept
from tests.unit.report_case import record as plain_record
from tests.unit.search_report_case import FOREST, SVC, record, searched
from tests.unit.test_training_effects import result


def section(candidates=(SVC, FOREST), **search):
    kept = Kept()
    found = search_section(Evidence(searched(kept, candidates, **search), kept.read))
    assert found is not None
    return found


def heights(path: str) -> list[float]:
    return [float(point.split()[1]) for point in path[1:].split("L")]


def test_the_history_climbs_to_the_best_and_ends_there():
    found = section(method="bayesian", trials=60)
    assert found.told == "The bayesian search tried 60 settings: all 60 settings were tried."
    assert len(found.history.points) == 60
    stairs = [float(one) for one in re.findall(r"V([\d.]+)", found.history.lines[0].path)]
    assert stairs == sorted(stairs, reverse=True)  # in a drawing upwards is less
    assert stairs[-1] == min(y for _, y, _ in found.history.points)
    assert all(found.history.plot.top <= y <= found.history.plot.inner_bottom for _, y, _ in found.history.points)


def test_of_a_search_that_halves_only_trials_in_full_are_the_best():
    found = section(method="asha", trials=60)
    assert {radius for _, _, radius in found.history.points} == {3.5, 2.2}
    first = float(found.history.lines[0].path.split()[0][1:])
    assert first == min(x for x, _, radius in found.history.points if radius == 3.5)
    assert "small points had less of the resource" in found.history.told
    assert [len(one.strands) for one in found.coordinates] == [30, 30]  # each setting once, on the lowest rung


def test_each_candidate_has_an_axis_for_what_differed_and_the_most_important_stands_beside_the_score():
    found = section(method="bayesian", trials=80)
    assert [one.title for one in found.coordinates] == ["svc", "random_forest"]
    svc = found.coordinates[0]
    names = [axis.name for axis in svc.axes]
    assert set(names) == {"kernel", "class_weight", "gamma", "C", "ROC AUC"}
    ranked = [row.parameter for row in found.effects[0].rows]
    assert names[-2::-1] == ranked
    gamma = next(axis for axis in svc.axes if axis.name == "gamma")
    assert gamma.absent  # linear kernels were given none
    assert [label for _, label in gamma.labels if label in {"0.001", "0.01", "0.1"}] == ["0.001", "0.01", "0.1"]
    (best,) = (one for one in svc.strands if one.best)
    assert best is svc.strands[-1]
    assert heights(best.path)[-1] == TOP
    assert "kernel = rbf" in best.told


def test_scores_that_should_be_small_have_the_least_on_top():
    trials = [
        result(place, {"C": place}, float(place)).model_copy(update={"metric": "log_loss"}) for place in range(1, 31)
    ]
    drawn = parallel("svc", trials, ["C"])
    best = drawn.strands[-1]
    assert heights(best.path) == [BOTTOM, TOP]
    assert "C = 1)" in best.told


def test_many_trials_and_many_parameters_are_thinned_and_it_is_said():
    trials = [result(place, {f"p{n}": place * n for n in range(1, 12)}, place / 1000) for place in range(1, 1001)]
    drawn = parallel("svc", trials, [f"p{n}" for n in range(1, 12)])
    assert len(drawn.axes) == AXES + 1
    assert len(drawn.strands) == LINES
    assert drawn.told.startswith(f"{LINES} of 1000 trials;")
    assert drawn.told.endswith("4 parameters that matter less are left out.")
    assert "svc#1000:" in drawn.strands[-1].told


def test_one_broken_trial_does_not_flatten_the_others():
    trials = [result(place, {"C": place}, 0.8 + place / 1000) for place in range(40)] + [result(99, {"C": 3}, -50.0)]
    last = [heights(one.path)[-1] for one in parallel("svc", trials, ["C"]).strands]
    assert last[0] == BOTTOM
    assert len(set(last)) > 30
    history = [round(y) for _, y, _ in history_chart(trials).points]
    assert history[-1] == max(history)
    assert len(set(history)) > 30


def test_values_of_any_kind_and_a_single_value_have_a_place():
    trials = [
        result(place, {"layers": layers, "mixed": mixed, "odd": float("inf")}, place / 10)
        for place, (layers, mixed) in enumerate([([50], 1), ([50, 50], "auto"), (None, True)], 1)
    ]
    drawn = parallel("mlp", trials, ["layers", "mixed", "odd"])
    assert {label for _, label in drawn.axes[2].labels} == {"[50]", "[50, 50]", "null"}
    assert {label for _, label in drawn.axes[1].labels} == {"1", "auto", "true"}
    some = [result(place, {"gamma": 0.1} if place > 1 else {}, place / 10) for place in range(1, 4)]
    assert [label for _, label in parallel("svc", some, ["gamma"]).axes[0].labels] == ["0.1"]
    same = [result(place, {"C": place}, 0.5) for place in range(1, 4)]
    assert len({heights(one.path)[-1] for one in parallel("svc", same, ["C"]).strands}) == 1


def test_too_few_trials_are_drawn_and_say_that_they_are_too_few():
    found = section(method="random", trials=12, patience=100)
    assert [one.told for one in found.effects] == ["6 trials are too few to tell which parameter matters."] * 2
    assert all(not one.rows for one in found.effects)
    assert len(found.coordinates) == 2


def test_before_the_choice_there_is_what_is_known_and_without_a_search_nothing():
    kept = Kept()
    trials = [result(place, {"C": 10.0**place}, 0.5 + place / 10) for place in range(3)]
    found = search_section(Evidence(record(kept, trials, None), kept.read))
    assert found is not None
    assert (found.told, found.effects, len(found.coordinates)) == (None, (), 1)
    assert search_section(Evidence(record(kept, trials[:2], None), kept.read)) is None
    assert search_section(Evidence(plain_record(kept, upto="features"), kept.read)) is None


def test_what_people_wrote_is_escaped():
    kept = Kept()
    trials = [result(n, {"<b>": f"<i>{n}</i>"}, n / 10, candidate="<script>") for n in range(1, 5)]
    page = render(record(kept, trials, None), kept.read)
    assert "<script>" not in page
    assert "<i>1" not in page
    assert "&lt;b&gt;" in page
