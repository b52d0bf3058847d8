"""The ledger moves runs through their plans: order, joins, failure policies, windows."""

from __future__ import annotations

from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from orchestrator.contracts.calls import StageCall
from orchestrator.engine.ledger import Ledger
from orchestrator.engine.messages import Expansion
from orchestrator.engine.reconciler import PROCESSES, Reconciler
from orchestrator.engine.scripts import run_script
from orchestrator.engine.submission import Submission, stage
from orchestrator.settings import Settings
from tests.integration.ledger_case import Hand, call, error, plan, ref
from tests.servers import RedisServer


def test_a_chain_runs_in_order_and_each_stage_gets_the_outputs_before_it(hand: Hand) -> None:
    accepted = hand.submit(call("a"), call("b", "a"), call("c", "b"))
    bell = accepted.bells[0]
    assert (bell.stages, bell.task, bell.queue, bell.task_id) == (("a",), "ops.probe", "ops", f"{accepted.run}:a:1")
    second = hand.done(hand.must_claim(bell)).bells[0]
    claim = hand.must_claim(second)
    assert claim.outputs == {"a": {"echo": ref()}}
    hand.work(hand.done(claim).bells)
    assert hand.record(accepted.run).status == "succeeded"
    assert hand.states(accepted.run) == dict.fromkeys("abc", "done")


def test_a_redis_that_forgot_the_steps_is_sent_them_again(hand: Hand) -> None:
    accepted = hand.submit(call("a"))
    hand.ledger.redis.script_flush()
    hand.work(accepted.bells)
    assert hand.record(accepted.run).status == "succeeded"


def test_a_fan_out_wider_than_a_step_joins_once(hand: Hand) -> None:
    names = tuple(f"b{i}" for i in range(1203))
    accepted = hand.submit(call("a"), *(call(name, "a") for name in names), call("z", *names))
    hand.work(accepted.bells)
    assert hand.order.count("z") == 1
    assert len(hand.order) == 1205
    assert hand.order[-1] == "z"
    assert hand.record(accepted.run).status == "succeeded"


def test_a_join_gets_all_gathered_outputs_without_the_failed_ones(hand: Hand) -> None:
    names = tuple(f"b{i}" for i in range(20))
    seen: list[set[str]] = []

    def look(claim):  # type: ignore[no-untyped-def]
        seen.append(set(claim.outputs))
        return hand.done(claim)

    hand.acts = {"b3": hand.failing(), "z": look}
    accepted = hand.submit(*(call(name, tolerate=True) for name in names), call("z", *names, min_success=1))
    hand.work(accepted.bells)
    assert seen == [set(names) - {"b3"}]
    assert hand.record(accepted.run).status == "succeeded"
    assert hand.states(accepted.run)["b3"] == "failed"


def test_a_join_with_too_few_successes_fails_the_run_and_says_so(hand: Hand) -> None:
    hand.acts = {"b0": hand.failing(), "b1": hand.failing()}
    names = ("b0", "b1", "b2")
    accepted = hand.submit(
        *(call(name, tolerate=True) for name in names), call("z", *names, min_success=2), call("y", "z")
    )
    hand.work(accepted.bells)
    record = hand.record(accepted.run)
    join = record.stage("z")
    assert join is not None
    assert join.error is not None
    assert "only 1 of the stages before it succeeded; at least 2 must" in join.error.message
    assert (record.status, hand.states(accepted.run)["y"]) == ("failed", "skipped")


def test_a_join_stops_early_when_more_fail_than_may(hand: Hand) -> None:
    names = tuple(f"b{i}" for i in range(5))
    hand.acts = {name: hand.failing() for name in names}
    accepted = hand.submit(
        *(call(name, tolerate=True) for name in names), call("z", *names, max_failures=1), max_parallel=1
    )
    hand.work(accepted.bells)
    states = hand.states(accepted.run)
    assert states["z"] == "failed"
    assert [states[name] for name in names] == ["failed", "failed", "skipped", "skipped", "skipped"]


def test_fail_fast_stops_what_has_not_begun_and_tells_what_runs(hand: Hand) -> None:
    accepted = hand.submit(call("a"), call("b"), call("c", "a"))
    first, second = (hand.must_claim(bell) for bell in accepted.bells)
    hand.ledger.fail(first.lease, error())
    assert hand.states(accepted.run) == {"a": "failed", "b": "running", "c": "skipped"}
    assert hand.ledger.heartbeat({second.lease: None}) == {second.lease: "cancelled"}
    assert hand.record(accepted.run).status == "running"
    hand.ledger.stopped(second.lease)
    assert hand.states(accepted.run)["b"] == "skipped"
    assert hand.record(accepted.run).status == "failed"


def test_going_on_runs_what_does_not_depend_on_the_failure(hand: Hand) -> None:
    hand.acts = {"a": hand.failing()}
    calls = (call("a"), call("b"), call("c", "a"), call("d", "b"), call("e", "c", "d"))
    accepted = hand.submit(*calls, on_failure="continue")
    hand.work(accepted.bells)
    assert hand.states(accepted.run) == {"a": "failed", "b": "done", "c": "skipped", "d": "done", "e": "skipped"}
    assert hand.record(accepted.run).status == "failed"


def test_a_run_has_no_more_in_flight_than_its_window_and_others_get_their_turn(hand: Hand) -> None:
    wide = hand.submit(*(call(f"w{i}") for i in range(200)))
    small = hand.submit(call("s"))
    assert len(wide.bells) == hand.ledger.settings.window * PROCESSES
    assert [bell.stages for bell in small.bells] == [("s",)]
    hand.work(wide.bells)
    assert hand.record(wide.run).status == "succeeded"


def test_max_parallel_bounds_a_run(hand: Hand) -> None:
    accepted = hand.submit(*(call(f"w{i}") for i in range(7)), max_parallel=2)
    assert len(accepted.bells) == 2
    claims = [hand.must_claim(bell) for bell in accepted.bells]
    assert len(hand.done(claims[0]).bells) == 1


def test_small_stages_share_a_message_but_not_so_that_a_process_idles(hand: Hand) -> None:
    hand.ledger.redis.hset(hand.ledger.keys("slots"), "ops", 2)
    accepted = hand.submit(*(call(f"t{i}", batch=8) for i in range(40)))
    sizes = [len(bell.stages) for bell in accepted.bells]
    assert (sizes[0], sum(sizes)) == (8, 40)
    assert len(sizes) >= 2 * 2  # work for each process, twice
    few = hand.submit(*(call(f"t{i}", batch=8) for i in range(4)))
    assert [len(bell.stages) for bell in few.bells] == [1, 1, 1, 1]
    hand.work([*accepted.bells, *few.bells])
    assert {hand.record(run).status.value for run in (accepted.run, few.run)} == {"succeeded"}


def test_an_expansion_joins_the_run_in_the_step_that_completes(hand: Hand) -> None:
    added = tuple(call(f"x{i}", "a", tolerate=True) for i in range(700))

    def grow(claim):  # type: ignore[no-untyped-def]
        return hand.done(claim, expansion=Expansion(added, joins=("z",)))

    def look(claim):  # type: ignore[no-untyped-def]
        assert set(claim.outputs) == {"a", *(one.id for one in added)}
        return hand.done(claim)

    hand.acts = {"a": grow, "z": look}
    accepted = hand.submit(call("a"), call("z", "a", min_success=1))
    hand.work(accepted.bells)
    assert hand.order[0] == "a"
    assert hand.order[-1] == "z"
    record = hand.record(accepted.run)
    assert (record.status, len(record.stages)) == ("succeeded", 702)


def test_an_expansion_whose_completion_is_refused_leaves_no_stage(hand: Hand) -> None:
    accepted = hand.submit(call("a"), call("z", "a"))
    claim = hand.must_claim(accepted.bells[0])
    hand.ledger.bury(claim.lease)
    assert hand.done(claim, expansion=Expansion((call("x", "a"),), joins=("z",))).lost
    assert set(hand.states(accepted.run)) == {"a", "z"}


def test_a_cancelled_run_grows_no_more(hand: Hand) -> None:
    accepted = hand.submit(call("a"), call("z", "a"))
    claim = hand.must_claim(accepted.bells[0])
    hand.ledger.cancel(accepted.run, "ann")
    hand.done(claim, expansion=Expansion((call("x", "a"),), joins=("z",)))
    assert hand.states(accepted.run) == {"a": "done", "z": "cancelled"}
    assert hand.record(accepted.run).status == "cancelled"


def test_graph_work_that_somebody_left_is_finished_by_the_reconciler(hand: Hand) -> None:
    names = tuple(f"b{i}" for i in range(1700))
    request = Submission(plan(*(call(name) for name in names)))
    stage(hand.ledger.redis, hand.ledger.keys, request, {})
    reply = hand.ledger._flip(request, "case-left", "0", {})  # and then the submitting client dies
    assert int(reply[1]) == 1
    Reconciler(hand.ledger).tick()
    assert not hand.ledger.unfinished()
    window = hand.ledger.settings.window * PROCESSES
    assert hand.ledger.redis.llen(hand.ledger.keys.run("case-left", "parked")) == 1700 - window


def test_a_run_that_was_stopped_as_it_began_leaves_no_list_behind(hand: Hand) -> None:
    accepted = hand.submit(call("a"), *(call(f"w{i}") for i in range(1200)))
    hand.ledger.cancel(accepted.run, "ann")
    assert hand.record(accepted.run).status == "cancelled"
    for part in ("parked", "roots", "work", "open"):
        assert not hand.ledger.redis.exists(hand.ledger.keys.run(accepted.run, part)), part


def test_a_stop_that_a_restart_of_redis_cuts_in_two_stops_every_stage(settings: Settings) -> None:
    """A cursor of a scan means nothing to the next process: its tables have another order."""
    server = RedisServer().start()
    try:
        with server.client() as client:
            hand = Hand(Ledger(client, settings))
            run = hand.submit(call("a"), *(call(f"w{i}", after=("a",)) for i in range(3000))).run
            assert run_script(client, "cancel", hand.ledger.keys.prefix, run, "ann")[1] == 1  # there is more to do
            server.kill()
            server.start()
            hand.ledger.sweep(run)
            assert hand.record(run).status == "cancelled"
            assert set(hand.states(run).values()) == {"cancelled"}
    finally:
        server.close()


@st.composite
def _graphs(draw: st.DrawFn) -> tuple[list[StageCall], set[str], str]:
    size = draw(st.integers(1, 9))
    calls = []
    for index in range(size):
        before = draw(st.sets(st.integers(0, index - 1), max_size=3)) if index else set()
        calls.append(call(f"s{index}", after=tuple(f"s{one}" for one in sorted(before))))
    failing = draw(st.sets(st.sampled_from([one.id for one in calls]), max_size=2))
    return calls, failing, draw(st.sampled_from(["stop", "continue"]))


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_graphs())
def test_every_graph_ends_as_a_plain_walk_says(hand: Hand, graph: tuple[list[StageCall], set[str], str]) -> None:
    """Continue: failed ones fail, what is behind them is skipped, all else is done. Stop: nothing is left open."""
    calls, failing, on_failure = graph
    hand.acts = {name: hand.failing() for name in failing}
    hand.order.clear()
    accepted = hand.submit(*calls, new=True, on_failure=on_failure)
    hand.work(accepted.bells)
    expected: dict[str, str] = {}
    for one in calls:
        if any(expected[before] != "done" for before in one.after):
            expected[one.id] = "skipped"
        else:
            expected[one.id] = "failed" if one.id in failing else "done"
    states = hand.states(accepted.run)
    record = hand.record(accepted.run)
    assert record.status == ("failed" if "failed" in expected.values() else "succeeded")
    if on_failure == "continue":
        assert states == expected
    else:
        assert all(states[name] in (state, "skipped") for name, state in expected.items())
    position = {name: index for index, name in enumerate(hand.order)}
    assert all(position[before] < position[one.id] for one in calls if one.id in position for before in one.after)
    assert hand.ledger.redis.scard(hand.ledger.keys.run(accepted.run, "open")) == 0
    assert int(hand.ledger.redis.hget(hand.ledger.keys.run(accepted.run), "flight") or 0) == 0
    assert int(hand.ledger.redis.hget(hand.ledger.keys.run(accepted.run), "busy") or 0) == 0


def test_a_refusal_that_ends_the_run_lets_nothing_begin_and_the_run_is_refused(hand: Hand) -> None:
    names = tuple(f"b{i}" for i in range(300))
    hand.acts = {"a": hand.completing(refusal="out of reach", ends=True)}
    accepted = hand.submit(call("a"), *(call(name, after=("a",)) for name in names), call("z", *names))
    hand.work(accepted.bells)
    assert hand.order == ["a"]
    assert hand.record(accepted.run).status == "refused"
    assert hand.states(accepted.run) == {"a": "done", **dict.fromkeys((*names, "z"), "skipped")}


def test_a_refusal_by_itself_ends_nothing(hand: Hand) -> None:
    hand.acts = {"a": hand.completing(refusal="not good enough")}
    accepted = hand.submit(call("a"), call("b", "a"))
    hand.work(accepted.bells)
    assert hand.order == ["a", "b"]
    assert hand.record(accepted.run).status == "refused"
