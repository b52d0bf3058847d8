"""A team's stages that behave badly: each ends with a clear answer, and the next one does not suffer."""

from __future__ import annotations

import json
import os
import random
import resource
from pathlib import Path
from typing import Any

import psutil
import pytest

from orchestrator.contracts.calls import Kind, Policy
from tests.integration.runtime_case import Bench, bench, nursery
from tests.waiting import wait_until

__all__ = ["bench", "nursery"]  # fixtures
SOURCE = (Path(__file__).parent / "team" / "stages.py").read_text()


def did(bench: Bench, name: str, **fields: Any) -> Any:
    """Run a stage of the team's; what it answered, or its error."""
    call = bench.custom(f"{name}-{random.randrange(1 << 30)}", SOURCE, f"team:{name}", **fields)
    run = bench.submit(call, refresh=True)
    bench.perform(run, call.id)
    record = bench.stage(run, call.id)
    if record.error is not None:
        return record.error
    assert record.state == "done", record
    return json.loads(bench.child.store.read(record.outputs["result"])) if record.outputs else None


def gone(pid: int) -> bool:
    """Whether a process has ended."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_what_a_stage_started_ends_with_it(bench: Bench) -> None:
    left = did(bench, "leaves_processes")
    wait_until(lambda: gone(left["child"]), timeout=60)
    wait_until(lambda: gone(left["orphan"]), timeout=60)


def test_what_a_stage_started_ends_with_a_crash(bench: Bench) -> None:
    call = bench.custom("crash", SOURCE, "team:dies_and_leaves_processes")
    run = bench.submit(call)
    bench.perform(run, "crash")
    error = bench.error_of(run, "crash")
    assert "was killed by SIGSEGV" in error.message
    child, orphan = map(int, bench.log_of(run, "crash").split("left ")[1].split()[:2])
    wait_until(lambda: gone(child), timeout=60)
    wait_until(lambda: gone(orphan), timeout=60)


def test_memory_of_orphans_counts(bench: Bench) -> None:
    error = did(bench, "feeds_an_orphan", policy=Policy(memory_mb=500))
    assert error.family == "memory"
    assert "its limit is 500 MB" in error.message


@pytest.mark.parametrize("name", ["ignores_all", "holds_the_lock"])
def test_who_does_not_listen_is_ended(bench: Bench, name: str) -> None:
    error = did(bench, name, policy=Policy(timeout_s=1.0))
    assert error.family == "timeout"
    assert "ran longer than its limit of 1 s" in error.message


def test_files_that_stay_open_are_nobody_elses(bench: Bench) -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert did(bench, "opens_every_file")["held"] < most
    seen = did(bench, "looks_around")
    assert seen["files"] == pytest.approx(most, abs=64)


def test_outputs_that_a_stage_closed_are_there_again(bench: Bench) -> None:
    closed = did(bench, "closes_its_outputs")
    assert closed["pid"]
    assert did(bench, "looks_around")["pid"]


def test_a_stage_that_closes_everything_fails_and_the_next_runs(bench: Bench) -> None:
    assert "the process that ran its code" in did(bench, "closes_everything").message
    assert did(bench, "looks_around")["pid"]


def test_a_line_without_an_end_is_kept_in_part(bench: Bench) -> None:
    assert did(bench, "prints_without_an_end") == {"done": True}


@pytest.mark.parametrize(
    ("name", "family", "words"),
    [
        ("raises_mute", "user", "Mute: (its message cannot be shown)"),
        ("raises_a_long_chain", "user", "ValueError: 4999"),
        ("asks_too_much", "memory", "the stage ran out of memory: give it less data, or its pool more (team.py:"),
    ],
)
def test_what_it_raises_is_told_in_one_line(bench: Bench, name: str, family: str, words: str) -> None:
    error = did(bench, name)
    assert error.family == family
    assert words in error.message


def test_the_next_stage_finds_the_process_as_it_was(bench: Bench) -> None:
    before = did(bench, "looks_around", params={"turn": 1})
    spoilt = did(bench, "spoils_the_process")
    after = did(bench, "looks_around", params={"turn": 2})
    assert spoilt["pid"] == before["pid"] == after["pid"]  # the same guest: what can be put back costs no start
    assert {**before, "draw": 0} == {**after, "draw": 0}
    assert before["draw"] != after["draw"]
    assert after["home"] == ("HOME" in os.environ)


@pytest.mark.parametrize("name", ["replaces_len", "leaves_a_thread"])
def test_what_cannot_be_put_back_costs_the_process(bench: Bench, name: str) -> None:
    spoilt = did(bench, name)
    after = did(bench, "looks_around")
    assert after["pid"] != spoilt["pid"]
    assert after["len"] == 3


def test_a_stage_that_breaks_json_can_still_be_heard(bench: Bench) -> None:
    assert did(bench, "replaces_json")["pid"]


def test_an_input_is_the_stages_own(bench: Bench) -> None:
    ref = bench.child.store.put_bytes(b"precious", Kind.FILE)
    assert did(bench, "harms_its_input", inputs={"given": ref}) == {"done": 1}
    assert bench.child.store.read(ref) == b"precious"
    assert did(bench, "reads_its_input", inputs={"given": ref}) == {"text": "precious"}


def test_a_stage_may_remove_its_folder(bench: Bench) -> None:
    assert did(bench, "removes_its_folder") == {"done": 1}


def test_a_poison_stage_condemns_nobody_of_its_message(bench: Bench) -> None:
    calls = [bench.custom(name, SOURCE, f"team:{entry}", policy=Policy(batch=3)) for name, entry in
             (("before", "looks_around"), ("poison", "is_killed"), ("after", "looks_around"))]  # fmt: skip
    run = bench.submit(*calls, refresh=True)
    bench.perform(run, "before", "poison", "after")
    assert {one.id: one.state.value for one in bench.record(run).stages} == {
        "before": "done", "poison": "ready", "after": "done",
    }  # fmt: skip
    for _ in range(2):
        bench.perform(run, "poison")
    error = bench.error_of(run, "poison")
    assert error.family == "poison"
    assert "killed its worker 3 times" in error.message
    assert "the host ran out of memory, or its code ends the process" in error.message
