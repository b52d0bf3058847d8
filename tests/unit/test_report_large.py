"""Pages of very large runs stay small, and say what they leave out."""

from __future__ import annotations

from orchestrator.contracts.records import StageRecord
from orchestrator.contracts.status import StageState
from orchestrator.report.evidence import Evidence
from orchestrator.report.graph import graph_of
from orchestrator.report.html import render
from orchestrator.report.wording import plural
from tests.unit.report_case import BEGAN, Kept, record


def test_trials_of_a_candidate_are_one_node_and_implied_edges_are_left_out() -> None:
    graph = graph_of(record(Kept()))
    names = [node.name for node in graph.nodes]
    assert names.count("train[logistic_regression]") == 1
    assert next(node for node in graph.nodes if node.name == "train[logistic_regression]").count == 2
    assert names.index("features") < names.index("train[svc#1]") < names.index("select")
    # One way from ingest to features, two ways over the candidates, one way on.
    assert len(graph.edges) == len(graph.nodes) - 1 + 1
    assert [node.cached for node in graph.nodes if node.name == "split"] == [True]


def test_trials_whose_folds_stand_apart_are_counted_as_trials() -> None:
    def of(name: str, state: StageState, task: str = "train.fold") -> StageRecord:
        return own(f"train[ridge#{name}]").model_copy(update={"task": task, "state": state})

    failed, done, waiting, joined = StageState.FAILED, StageState.DONE, StageState.WAITING, "train.joined"
    folds = (of("1/1", failed), of("1/2", done), of("2/1", done), of("2/2", done))
    ended = (*folds, of("1", failed, joined), of("2", done, joined))
    (node,) = graph_of(record(Kept()).model_copy(update={"stages": ended})).nodes
    assert (node.count, node.told, node.seconds) == (2, "1 failed, 1 done", 6.0)
    ahead = of("2", waiting, joined)
    begun = (*folds, of("1", failed, joined), ahead)
    (node,) = graph_of(record(Kept()).model_copy(update={"stages": begun})).nodes
    assert (node.count, node.told) == (2, "1 failed, 1 waiting")
    working = (
        of("2/2", StageState.RUNNING),
        ahead.model_copy(update={"after": ("train[ridge#2/1]", "train[ridge#2/2]")}),
    )
    (node,) = graph_of(record(Kept()).model_copy(update={"stages": working})).nodes
    assert (node.count, node.told) == (1, "running")


def test_ten_thousand_trials_are_still_a_small_page() -> None:
    kept = Kept()
    given = record(kept)
    trials = tuple(
        StageRecord(id=f"train[svc#{number}]", task="train.trial", queue="train", state=StageState.DONE,
                    params={"candidate": "svc", "index": number, "params": {}},
                    after=("features",), attempt=1, started=BEGAN + number, finished=BEGAN + number + 1, seconds=1.0)
        for number in range(2, 10_002)
    )  # fmt: skip
    page = render(given.model_copy(update={"stages": (*given.stages, *trials)}), kept.read)
    assert "× 10001" in page
    assert len(page) < 200_000


def own(name: str, *after: str) -> StageRecord:
    return StageRecord(
        id=name, task="custom", queue="prep", state=StageState.DONE, after=after, attempt=1,
        started=BEGAN, finished=BEGAN + 1, seconds=1.0,
    )  # fmt: skip


def test_very_many_own_stages_in_one_place_are_one_node() -> None:
    given = record(Kept())
    wide = (own("first"), *(own(f"s{number}", "first") for number in range(5000)), own("next", "s17"))
    graph = graph_of(given.model_copy(update={"stages": wide}))
    assert [(node.name, node.count) for node in graph.nodes] == [
        ("first", 1), ("s0 … s4999", 4999), ("s17", 1), ("next", 1),
    ]  # fmt: skip
    assert len(graph.edges) == 3


def test_a_chain_of_ten_thousand_is_drawn() -> None:
    chain = (own("s0"), *(own(f"s{number}", f"s{number - 1}") for number in range(1, 10_000)))
    graph = graph_of(record(Kept()).model_copy(update={"stages": chain}))
    assert [node.name for node in graph.nodes[:2]] == ["s0", "s1"]
    assert len(graph.edges) == 9_999


def test_a_ranking_of_very_many_trials_is_cut_and_says_so() -> None:
    kept = Kept()
    given = record(kept)
    place = next(number for number, stage in enumerate(given.stages) if stage.id == "select")
    first = Evidence(given, kept.read).ranking
    assert first is not None
    many = first.model_copy(
        update={"trials": tuple(first.trials[0].model_copy(update={"rank": rank}) for rank in range(1, 5001))}
    )
    select = given.stages[place].model_copy(
        update={"outputs": given.stages[place].outputs | {"ranking": kept.put(many)}}
    )
    page = render(
        given.model_copy(update={"stages": (*given.stages[:place], select, *given.stages[place + 1 :])}), kept.read
    )
    assert f"{plural(4000, 'trial')} below these" in page
    assert f"cyclery trials {given.run}" in page
    assert len(page) < 1_000_000
