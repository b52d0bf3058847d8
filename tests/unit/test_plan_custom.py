"""A team's own stages: where they stand and what they are given."""

from __future__ import annotations

import pytest

from orchestrator.contracts.calls import Gather, Output
from orchestrator.plan.problems import CannotPlan
from orchestrator.plan.signature import Parameter, Signature, carried, read_signature
from tests.unit.plan_case import TABLE_STAGE, call, ids, plan_of

TRAIN = {"candidates": ("dummy", "ridge_classifier")}
AUDIT = Signature(
    "audit", "a.py:1", (Parameter("model", "model"), Parameter("frame", "table")), {}, False, (("result", "json"),)
)


def stage(name: str = "enrich", **said):
    return {"name": name, "call": f"my.{name}:geo", **said}


def plan_with(*stages, signatures=None, **sections):
    return plan_of(stages=stages, train=TRAIN, signatures=signatures, **sections)


def test_the_table_goes_on_through_a_stage_that_takes_and_gives_it():
    plan = plan_with(stage(after="prepare", before="features", **{"with": {"radius": 5}}))
    enrich = call(plan, "enrich")
    assert enrich.inputs == {"customers": Output(stage="prepare", output="table")}
    assert enrich.params == {"radius": 5}
    assert (enrich.task, enrich.shadow, enrich.queue) == ("custom", "custom.enrich", "prep")
    for following in ("split", "features"):
        assert call(plan, following).inputs["table"] == Output(stage="enrich", output="result")


def test_a_chain_of_own_stages_keeps_the_order_of_the_spec():
    plan = plan_with(stage("one", after="ingest"), stage("two", after="ingest"), stage("three", after="two"))
    assert ids(plan)[:5] == ["ingest[customers]", "one", "two", "three", "prepare"]
    assert call(plan, "prepare").inputs["table"] == Output(stage="three", output="result")


def test_a_stage_with_only_before_stands_just_before_it():
    plan = plan_with(stage(before="features"))
    assert ids(plan).index("enrich") == ids(plan).index("features") - 1
    assert call(plan, "features").inputs["table"] == Output(stage="enrich", output="result")
    assert call(plan, "split").inputs["table"] == Output(stage="prepare", output="table")
    assert "must keep the rows" in plan.notes[0]


def test_a_stage_that_gives_no_table_stands_beside_the_stream():
    plan = plan_with(stage("audit", after="select", before="package"), signatures={"my.audit:geo": AUDIT})
    audit = call(plan, "audit")
    assert audit.inputs == {
        "model": Output(stage="select", output="model"),
        "frame": Output(stage="features", output="frame"),
    }
    assert "audit" in call(plan, "package").after
    assert "audit" not in call(plan, "evaluate").upstream()


def test_a_stage_can_take_all_trials():
    taking = Signature("geo", "a.py:1", (Parameter("results", "json"),), {}, False, (("result", "json"),))
    plan = plan_with(stage("board", after="train"), signatures={"my.board:geo": taking})
    board = call(plan, "board")
    assert board.inputs["results"] == Gather(stages=("train[dummy#1]", "train[ridge_classifier#1]"), output="result")
    assert board.policy.min_success == 1


def test_inputs_say_what_names_do_not():
    taking = Signature("geo", "a.py:1", (Parameter("x", "any"),), {}, False, ())
    plan = plan_with(stage("look", inputs={"x": "evaluate.predictions"}), signatures={"my.look:geo": taking})
    assert call(plan, "look").inputs == {"x": Output(stage="evaluate", output="predictions")}
    assert ids(plan).index("look") > ids(plan).index("evaluate")


def test_an_own_stage_is_taken_by_its_name():
    first = Signature("geo", "a.py:1", (Parameter("customers", "table"),), {}, False, (("map", "json"), ("n", "json")))
    second = Signature("geo", "b.py:1", (Parameter("places", "json"),), {}, False, ())
    plan = plan_with(
        stage("places", after="prepare"),
        stage("report"),
        signatures={"my.places:geo": first, "my.report:geo": second},
    )
    assert call(plan, "report").inputs == {"places": Output(stage="places", output="map")}


def test_volatile_stages_and_what_takes_from_them_have_no_key():
    plan = plan_with(stage(after="prepare", purity="volatile"))
    assert call(plan, "prepare").key is not None
    assert call(plan, "enrich").key is None
    assert call(plan, "register").key is None


def test_secrets_stay_markers():
    plan = plan_with(stage(after="prepare", **{"with": {"radius": {"secret": "TOKEN"}}}))
    assert call(plan, "enrich").params == {"radius": {"secret": "TOKEN"}}


def test_packaging_is_told_what_the_table_went_through():
    plan = plan_with(stage("raw", after="ingest", rowwise=True), stage("late", after="prepare"))
    steps = call(plan, "package").params["custom"]
    assert [(one["name"], one["rowwise"], one["prepared"]) for one in steps] == [
        ("raw", True, False),
        ("late", False, True),
    ]


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([stage(after="prepar")], r"stages\[0\].after: there is no stage 'prepar' \(did you mean 'prepare'\?\)"),
        ([stage(after="check")], r"stages\[0\].after: this workflow has no check stage, since data has no checks"),
        ([stage(after="split", before="prepare")], r"enrich cannot stand after split and before prepare"),
        ([stage("a", after="b"), stage("b", after="a")], r"wait for one another in a circle: a, b"),
        ([stage("split", after="prepare")], r"stages\[0\].name: 'split' is the name of one of Cyclery's own stages"),
        ([stage("a", after="prepare"), stage("a", after="split")], r"another stage is named 'a' already"),
        ([stage()], r"enrich says neither `after` nor `before`"),
        ([stage(after="prepare", **{"with": {"radus": 5}})], r"no option 'radus' \(did you mean 'radius'\?\)"),
        ([stage(after="prepare", inputs={"custmers": "split"})], r"no parameter 'custmers'"),
        ([stage(after="split", inputs={"customers": "split.rws"})], r"split has no output 'rws' \(did you mean 'rows'"),
    ],
)
def test_what_cannot_be_placed_or_given_is_refused(stages, message):
    with pytest.raises(CannotPlan, match=message):
        plan_with(*stages)


def test_a_parameter_that_nothing_is_known_of_is_refused():
    taking = Signature("geo", "a.py:1", (Parameter("evaluatoin"),), {"key": True}, False, ())
    with pytest.raises(CannotPlan) as caught:
        plan_with(stage("x", after="evaluate"), signatures={"my.x:geo": taking})
    assert "needs the option 'key'" in str(caught.value)
    assert "the parameter 'evaluatoin' of my.x:geo given (did you mean 'evaluation'?)?" in str(caught.value)


def test_a_stage_in_the_stream_must_say_what_it_returns():
    silent = Signature("geo", "a.py:7", (Parameter("customers"),), {}, False, (("result", "any"),))
    with pytest.raises(CannotPlan, match=r"a.py:7: say what geo returns"):
        plan_with(stage(after="prepare"), signatures={"my.enrich:geo": silent})


def test_signatures_are_read_without_running_the_code(tmp_path):
    (tmp_path / "enrich.py").write_text(
        "from workers import stage\n"
        "raise SystemExit('never run')\n"
        "class Out(NamedTuple):\n"
        "    table: pd.DataFrame\n"
        "    seen: dict[str, int]\n"
        "@stage('geo', queue='train', rowwise=True, requires=['shapely>=2'])\n"
        "def geo(customers: 'pd.DataFrame', notes: dict | None = None, *, radius: float = 5, key, context) -> Out:\n"
        "    ...\n"
    )
    found = read_signature([tmp_path], "enrich:geo")
    assert found.inputs == (Parameter("customers", "table"), Parameter("notes", "json", required=False))
    assert found.options == {"radius": False, "key": True}
    assert found.outputs == (("table", "table"), ("seen", "json"))
    assert (found.queue, found.rowwise, found.requires) == ("train", True, ("shapely>=2",))
    assert found.where.endswith("enrich.py:7")


@pytest.mark.parametrize(
    ("annotation", "carries"),
    [
        ("pd.DataFrame", "table"),
        ("None | pandas.DataFrame", "table"),
        ("list[dict]", "json"),
        ("BaseEstimator", "model"),
        ("Path", "file"),
        ("int", "any"),
        ("not python(", "any"),
        (None, "any"),
    ],
)
def test_annotations_say_what_bytes_are(annotation, carries):
    assert carried(annotation) == carries


def test_the_decorators_queue_counts_unless_the_spec_names_one():
    marked = Signature("geo", "a.py:1", TABLE_STAGE.inputs, {}, False, TABLE_STAGE.outputs, queue="train")
    signatures = {"my.enrich:geo": marked}
    assert call(plan_with(stage(after="prepare"), signatures=signatures), "enrich").queue == "train"
    assert call(plan_with(stage(after="prepare", queue="ops"), signatures=signatures), "enrich").queue == "ops"
