"""What must hold between parts of a spec, and of its columns."""

from __future__ import annotations

import pytest

from tests.unit.spec_case import SMALLEST, found, loaded, problems

REGRESSION = SMALLEST.replace("classification", "regression")


def _classification(objective: str) -> str:
    return SMALLEST.replace("{predict: bought, task: classification}", objective)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            REGRESSION.replace("regression}", "regression, positive: 1}"),
            "1:58: `positive` is for classifications; objective.task is regression",
        ),
        (
            REGRESSION + "split: {method: stratified}\n",
            "3:17: a regression cannot be split by method stratified, which keeps the shares of classes",
        ),
        (
            REGRESSION.replace("regression}", "regression, metric: roc_auc}"),
            "1:56: the metric roc_auc does not fit a regression (choose from: rmse, mae, ",
        ),
        (
            _classification("{predict: bought, task: classification, metric: roc_acu}"),
            "1:60: unknown metric 'roc_acu' (did you mean 'roc_auc'?)",
        ),
        (
            _classification("{predict: bought, task: classification, metric: rmse}"),
            "1:60: the metric rmse does not fit a classification",
        ),
        (
            _classification("{predict: bought, task: classification, positive: 1, metric: f1_macro}"),
            "1:73: the metric f1_macro does not fit a classification with a positive class",
        ),
    ],
)
def test_objective_split_and_metric_fit_together(tmp_path, text, expected):
    assert any(line.startswith(expected) for line in problems(tmp_path, text)), problems(tmp_path, text)


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        (
            "{predict: bought, task: classification, require: realistic}",
            "1:52: `require` needs a target: set `objective: {target: VALUE}`",
        ),
        (
            "{predict: bought, task: classification, metric: accuracy, target: 85}",
            "1:78: accuracy lies between 0 and 1; 85 is no target",
        ),
        (
            "{predict: bought, task: regression, metric: r2, target: 1.2}",
            "1:68: r2 is 1 at best; 1.2 is out of reach of any model",
        ),
        (
            "{predict: bought, task: regression, target: -1}",
            "1:56: rmse is 0 at best; -1 is out of reach of any model",
        ),
        ("{predict: bought, task: classification, target: 0.8, require: doubtful}", "1:74: "),
    ],
)
def test_a_target_is_a_value_that_the_metric_can_have(tmp_path, objective, expected):
    found = problems(tmp_path, _classification(objective))
    assert any(line.startswith(expected) for line in found), found


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("split: {method: group}", "3:17: method group needs a group column: set `columns: {group: COLUMN}`"),
        ("split: {method: time}", "3:17: method time needs a time column: set `columns: {time: COLUMN}`"),
        ("split: {gap: 2}", "3:9: `gap` is for method time; this split is by method stratified"),
        ("columns: {id: bought}", "3:15: 'bought' is what is predicted: it cannot be in `columns.id` too"),
        ("columns: {ignore: bought}", "3:19: 'bought' is what is predicted: it cannot be in `columns.ignore` too"),
        ("columns: {id: id, group: id}", "3:26: 'id' is in `columns.id` already"),
        ("columns: {time: wehn}", "3:17: the data has no column 'wehn' (did you mean 'when'?)"),
        ("gates: [balanced_accuracy >= 80]", "3:9: balanced_accuracy lies between 0 and 1; 80 can never be judged"),
        ("gates: [accuracy <= 0.9]", "3:9: accuracy is better when it is greater: write 'accuracy >= 0.9'"),
        ("gates: [log_loss >= 0.9]", "3:9: log_loss is better when it is smaller: write 'log_loss <= 0.9'"),
        (
            "gates: [{metric: accuracy, at_least: 0.1, at_most: 0.2}]",
            "3:9: a gate needs one bound: `at_least` or `at_most`",
        ),
        (
            "gates: [{metric: accuracy, at_least: 0.1, confidence: 95}]",
            "3:55: a confidence lies between 0.5 and 1, not 95",
        ),
        (
            "gates: [not_worse_than: dummy]",
            "3:9: a model is not worse than `production` or NAME@VERSION; 'dummy' is neither",
        ),
        (
            "gates: [not_worse_than: shop@1]",
            "3:9: a loss of 0 cannot be shown: write how much is borne, `not_worse_than: shop@1 by 0.01`",
        ),
        (
            "gates: [beats: shop@1 by 2]",
            "3:9: balanced_accuracy lies between 0 and 1; a margin of 2 can never be judged",
        ),
        (
            "gates: [{beats: shop@1 by 0.1, margin: 0.2}]",
            "3:9: the margin is given twice: in 'shop@1 by 0.1' and as `margin`",
        ),
        (
            "gates: [beats: shop@1 by far]",
            "3:9: 'shop@1 by far' is no rival (write 'beats: churn@3' or 'beats: churn@3 by 0.01')",
        ),
        (
            "gates: [{metric: accuracy, at_least: 0.5, slice: city}]",
            "3:50: a slice is COLUMN=VALUE, not 'city' (each value: `slices: city`)",
        ),
        (
            "gates: [{metric: accuracy, at_least: 0.5, slice: city=a, slices: city}]",
            "3:9: a gate has `slice: COLUMN=VALUE` or `slices: COLUMN`, not both",
        ),
        (
            "gates: [{metric: accuracy, at_least: 0.5, slices: ctiy}]",
            "3:9: the data has no column 'ctiy' (did you mean 'city'?)",
        ),
        (
            "evaluation: {slices: [town]}",
            "3:23: the data has no column 'town' (there are: id, age, income, city, when, bought)",
        ),
        (
            "evaluation: {slices: [{age: [30, 10]}]}",
            "3:23: bins of age are two or more rising numbers, the edges: [0, 30, 60, 120]",
        ),
        (
            "evaluation: {slices: [{column: age, bins: [1, 2], values: [1]}]}",
            "3:23: slices are `values` or `bins`, not both",
        ),
        ("evaluation: {top: [0]}", "3:20: a top has at least one row, not 0"),
        ("evaluation: {top: [10%, 120%]}", "3:25: a share of the rows lies between 0 and 1, not 1.2"),
        ("evaluation: {top: [ten]}", "3:20: 'ten' is not a share (write 0.01, 1% or '<= 1%')"),
        ("evaluation: {top: [{rows: 3, share: 0.1}]}", "3:20: a top is `rows` or `share`: 100 rows, or 10% of them"),
        ("evaluation: {slices: [city, {city: [a]}]}", "3:29: slices of city are given twice"),
        (
            "gates: [{fairness: recal, groups: city, at_least: 0.8}]",
            "3:20: unknown rate 'recal' (did you mean 'recall'?)",
        ),
        (
            "gates: [{fairness: recall, groups: city, at_least: 80}]",
            "3:52: a ratio of the lowest to the highest is at most 1, not 80",
        ),
        ("gates: [{fairness: recall, at_least: 0.8}]", "3:9: 'groups' is missing in gates"),
        (
            "gates: [{fairness: recall, groups: sex, at_least: 0.8}]",
            "3:9: the data has no column 'sex' (there are: id, age, income, city, when, bought)",
        ),
        ("gates: [beats: shop]", "3:9: a model beats `dummy`, `production` or NAME@VERSION, not 'shop'"),
        (
            "train: {candidates: [{svc: {requires: numpy}}]}",
            "3:29: `requires` is for code of your own; libraries are installed on the pools",
        ),
        (
            "stages: [{name: geo, call: 'geo:run', after: ingest, requires: [numpy, 'numpy>>2']}]",
            (
                "3:72: 'numpy>>2' is no requirement: expected semicolon (after name with no version specifier) or end "
                "(write numpy>=2)"
            ),
        ),
        (
            "gates: [checks: all]",
            "3:9: data has no checks that could find anything: write them under `data: {checks: …}`",
        ),
        ("gates: [size <= 50]", "3:9: '50' is not a size (write 500KB, 50MB or 1GB)"),
        ("gates: [size <= 0KB]", "3:9: no model has a size of 0: write what it may have, size <= 50MB"),
        ("gates: [drift: psi]", "3:9: psi needs a bound: psi <= 0.2"),
        ("gates: [{drift: ks, at_most: 0.2}]", "3:9: ks has a `confidence`, and no bound"),
        ("gates: [psi <= 0]", "3:9: a bound of psi is greater than 0, not 0"),
        ("gates: [{drift: ks, confidence: 0.2}]", "3:33: a confidence lies between 0.5 and 1, not 0.2"),
        ("gates: [{drift: ks, columns: [agee]}]", "3:30: the data has no column 'agee' (did you mean 'age'?)"),
        ("gates: [acuracy >= 0.5]", "3:9: unknown metric 'acuracy' (did you mean 'accuracy'?)"),
    ],
)
def test_impossible_combinations_are_problems(tmp_path, more, expected):
    assert expected in found(tmp_path, more + "\n"), found(tmp_path, more + "\n")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("{sources: {people: {file: nope.csv}}}", "2:33: nope.csv: no such file (looked in "),
        ("{sources: {people: {file: .}}}", "2:33: .: a folder, not a file"),
        (
            "{sources: {people: people.csv, more: people.csv}}",
            "2:8: exactly one source is needed in this version, not 2",
        ),
        ("{sources: {}}", "2:8: exactly one source is needed in this version, not 0"),
        (
            "{sources: {people: people.csv}, checks: {aeg: {min: 1}}}",
            "2:48: the data has no column 'aeg' (did you mean",
        ),
        ("{sources: {people: people.csv}, checks: {age: {min: 9, max: 1}}}", "2:67: `max` 1 is below `min` 9"),
        (
            "{sources: {people: people.csv}, checks: {age: {min: '2020-01-01', max: 1}}}",
            "2:78: `min` and `max` are both",
        ),
        ("{sources: {people: people.csv}, checks: {city: {pattern: '('}}}", "2:64: the pattern is not a regular"),
        ("{sources: {people: people.csv}, checks: {city: {allowed: []}}}", "2:64: `allowed` lists no value"),
        ("{sources: {people: people.csv}, checks: {age: {max: old}}}", "2:59: 'old' is neither a number nor a date"),
        ("{sources: {people: people.csv}, rows: {min: 9, max: 1}}", "2:59: `max` 1 is below `min` 9"),
        (
            "{sources: {people: people.csv}, checks: {age: {missing: 2}}}",
            "2:63: data.checks.age.missing should be at most",
        ),
    ],
)
def test_data_is_there_and_its_checks_can_be_judged(tmp_path, data, expected):
    lines = problems(tmp_path, f"objective: {{predict: bought, task: classification}}\ndata: {data}\n")
    assert [line for line in lines if line.startswith(expected)], lines


def test_a_file_without_a_known_ending_needs_a_format(tmp_path):
    (tmp_path / "people.dat").write_text("bought,age\n1,2\n", encoding="utf-8")
    text = SMALLEST.replace("people.csv", "people.dat")
    assert problems(tmp_path, text)[0].startswith("2:33: '.dat' does not tell the format")
    assert problems(tmp_path, text.replace("people.dat", "people.dat, format: csv")) == []


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("prepare: {rename: {aeg: years}}", "3:20: the data has no column 'aeg' (did you mean 'age'?)"),
        ("prepare: {rename: {age: income}}", "3:25: there would be two columns 'income'"),
        ("prepare: {drop: [aeg]}", "3:18: the data has no column 'aeg' (did you mean 'age'?)"),
        ("prepare: {drop: bought}", "1:22: 'bought' is dropped by `prepare.drop`"),
        ("prepare: {rename: {bought: sold}}", "1:22: 'bought' is called 'sold' after `prepare.rename`"),
        ("prepare: {rename: {age: years}, cast: {age: float}}", "3:40: 'age' is called 'years' after `prepare.rename`"),
        ("prepare: {drop: age, filter: 'income > 0 and age > 1'}", "3:46: 'age' is dropped by `prepare.drop`"),
        ("prepare: {filter: 'income >'}", "3:20: the expression cannot be read: invalid syntax"),
        ("prepare: {deduplicate: [idd]}", "3:25: the data has no column 'idd' (did you mean 'id'?)"),
        ("features: {derive: {r: age / incom}}", "3:30: the data has no column 'incom' (did you mean 'income'?)"),
        ("features: {derive: {r: 'log(age, 2, 3)'}}", "3:25: log() takes 1 argument, not 3"),
        ("features: {derive: {age: income}}", "3:21: the data has a column 'age' already: choose another name"),
        ("features: {derive: {bought: age}}", "3:21: 'bought' is what is predicted: it cannot be derived"),
        ("features: {derive: {r: bought + 1}}", "3:24: 'r' would be made of 'bought', which is what is predicted"),
        ("features: {derive: {a: b, b: c, c: a}}", "3:21: derived in a circle: a → b → c → a"),
        ("features: {derive: {a: a + 1}}", "3:21: derived in a circle: a → a"),
        ("features: {columns: {bought: numeric}}", "3:22: 'bought' is what is predicted, not a feature"),
        (
            "columns: {id: id}\nfeatures: {columns: {id: numeric}}",
            "4:22: 'id' has a role in `columns` and is not a feature",
        ),
        ("features: {columns: {aeg: numeric}}", "3:22: the data has no column 'aeg' (did you mean 'age'?)"),
        ("features: {columns: {age: {fill: 3}}}", "3:28: `fill` needs `missing: constant`"),
        (
            "features: {columns: {age: {missing: constant, type: numeric}}}",
            "3:28: `missing: constant` of a numeric column needs `fill`: the value to put in",
        ),
        (
            "features: {columns: {age: {type: numeric, parts: [year]}}}",
            "3:43: `parts` are of dates; this column is numeric",
        ),
    ],
)
def test_columns_are_followed_from_section_to_section(tmp_path, more, expected):
    lines = found(tmp_path, more + "\n")
    assert lines == [expected], lines


def test_columns_that_sections_make_are_known_to_later_ones(tmp_path):
    loaded(
        tmp_path,
        "prepare: {rename: {age: years}, drop: city, filter: years > 1}\n"
        "features: {derive: {a: years * 2, b: a + `income`}, columns: {b: numeric, years: {scale: robust}}}\n"
        "columns: {time: when}\nsplit: {method: time, gap: 3}\n",
    )


def test_no_column_is_refused_where_the_data_does_not_tell_its_columns(tmp_path):
    (tmp_path / "large.jsonl").write_text('{"a": 1}\n' * 2_500_000, encoding="utf-8")  # only reading all would tell
    text = SMALLEST.replace("people.csv", "large.jsonl")
    assert problems(tmp_path, text + "prepare: {drop: anything, filter: 'any > 1'}\n") == []
    assert problems(tmp_path, text + "prepare: {filter: 'any >'}\n") != []


def test_a_wrong_seed_is_said_once_where_it_is_written(tmp_path):
    assert found(tmp_path, "split: {test: 0.3}\nseed: -1\n") == ["4:7: seed should be at least 0, not -1"]


def test_the_share_of_the_test_may_be_written_in_percent(tmp_path):
    assert loaded(tmp_path, "split: {test: 25%}\n").split.test == 0.25


def test_what_a_gate_of_a_misspelt_key_lacks_is_not_guessed(tmp_path):
    assert found(tmp_path, "gates: [beat: dummy]\n") == ["3:9: unknown key 'beat' in gates (did you mean 'beats'?)"]
    assert "3:9: 'metric' is missing in gates" in found(tmp_path, "gates: [qqqqq: dummy]\n")
