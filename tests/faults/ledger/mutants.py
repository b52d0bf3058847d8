"""Every step and ordering of the ledger left out, one at a time: a storm must turn red for each.

`python -m tests.faults.ledger.mutants [--only TEXT] [--jobs 2]` prints what killed each, and at the end the survivors.
A mutant is a changed copy of `orchestrator` and `workers`; a process of its own storms against it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.faults.ledger.equivalent import reason
from tests.faults.ledger.mutations import ROOT, Mutant, lua_mutants
from tests.faults.ledger.orderings import ORDERINGS

Blow = tuple[int, int, int, float, int, float, str]
LIMIT_S = 400  # of one pass of storms against a mutant; one that goes on for longer is red too
PASSES = 8  # of all storms, each with other seeds, until one is red
# (seed, workflows, wide ones, share of lost calls, stages of one step, halts, shapes): small and dense first
STORMS: tuple[Blow, ...] = (
    (1, 18, 0, 0.06, 3, 0.0, ""),
    (2, 14, 0, 0.10, 3, 0.3, "chain fan tolerant growing"),
    (3, 14, 0, 0.10, 3, 0.0, "approval release stopping asking contested questions"),
    (4, 14, 0, 0.12, 3, 0.0, "growing failing tolerant required"),
    (5, 18, 0, 0.06, 3, 0.0, ""),
    (6, 1, 0, 0.12, 3, 0.0, "chain"),
    (7, 3, 1, 0.04, 500, 0.0, ""),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a mutant: `killed` by a violation, `error` where only Redis complained, `hung`, or `survived`."""

    mutant: str
    end: str
    seed: int = 0
    by: str = ""
    seconds: float = 0.0


# What `make test` looks at: each is red in the first storm, whoever's turn it is.
SAMPLE = (
    "ledger.py submission not durable",
    "claim.lua one fence for all",
    "_library.lua without add('left', -1)",
    "_library.lua without land(record)",
    "complete.lua without drop_lease(id)",
    "claim.lua without silence(id, record)",
    "tick.lua without park(id, record)",
)


# A storm that is red for this one is wrong itself.
UNCHANGED = Mutant(
    "orchestrator/engine/lua/sweep.lua", 0, "return conclude('swept')", "return conclude('swept')", "unchanged"
)


def all_mutants() -> list[Mutant]:
    """The generated ones and the hand-written orderings, but for those that change nothing."""
    steps = (
        one for one in lua_mutants() if not one.path.rsplit("/", 1)[-1].startswith("restore_")
    )  # has its own tests
    return [one for one in (*ORDERINGS, *steps) if reason(one) is None]


def judge(
    mutants: Iterable[Mutant], jobs: int = 2, storms: Sequence[Blow] = STORMS, passes: int = PASSES
) -> Iterator[Verdict]:
    """Storm against each mutant, so many at a time; verdicts as they come."""
    _preload()
    waiting = list(mutants)
    under_way: dict[int, tuple[Mutant, Path, float]] = {}
    while waiting or under_way:
        while waiting and len(under_way) < jobs:
            mutant = waiting.pop(0)
            folder = Path(tempfile.mkdtemp(prefix="cy-mutant-"))
            under_way[_start(mutant, folder, storms, passes)] = (mutant, folder, time.monotonic())
        pid, status = os.wait()
        mutant, folder, began = under_way.pop(pid)
        verdict = _verdict(folder, status)
        shutil.rmtree(folder, ignore_errors=True)
        yield Verdict(mutant.name, *verdict, seconds=round(time.monotonic() - began, 1))


def _preload() -> None:
    """What every storm imports and no mutant changes: a fork has it already."""
    import greenlet  # noqa: F401
    import obstore  # noqa: F401
    import psutil  # noqa: F401
    import pydantic_settings  # noqa: F401
    import redis  # noqa: F401

    product = [name for name in sys.modules if name.split(".")[0] in ("orchestrator", "workers")]
    assert not product, f"the product itself is imported already: {product[:3]}"


def _start(mutant: Mutant, folder: Path, storms: Sequence[Blow], passes: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        sink = os.open(folder / "output", os.O_WRONLY | os.O_CREAT)
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        _storm(mutant, folder, storms, passes)
        code = 0
    except Exception:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _storm(mutant: Mutant, folder: Path, storms: Sequence[Blow], passes: int) -> None:
    tree = folder / "tree"
    for package in ("orchestrator", "workers"):
        shutil.copytree(ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__", "starters"))
    mutant.apply(tree)
    sys.path.insert(0, str(tree))
    sys.dont_write_bytecode = True
    import orchestrator

    assert str(orchestrator.__file__).startswith(str(tree))
    from redis import ResponseError

    from tests.faults.ledger.chunks import chunks_of
    from tests.faults.ledger.plot import Plot
    from tests.faults.ledger.storm import blow

    for number in range(passes):
        signal.alarm(LIMIT_S)
        for first, count, wide, rate, chunk, halts, only in storms:
            seed = first + 100 * number
            chunks_of(chunk, tree)
            try:
                storm = blow(seed, Plot(count=count, wide=wide, rate=rate, halts=halts, only=only))
            except ResponseError as error:  # in a step that the storm itself took
                _tell(folder, "error", seed, str(error))
                return
            if storm.violations:
                said = storm.violations[0] + (f" ({storm.crashes[0]})" if storm.crashes else "")
                print("\n".join(storm.violations[:8]))
                _tell(folder, "killed", seed, said)
                return
            if storm.crashes:
                _tell(folder, "error", seed, storm.crashes[0])
                return
    _tell(folder, "survived", 0, "")


def _tell(folder: Path, end: str, seed: int, by: str) -> None:
    (folder / "verdict").write_text(json.dumps([end, seed, by[:160]]))


def _verdict(folder: Path, status: int) -> tuple[str, int, str]:
    file = folder / "verdict"
    if file.exists():
        end, seed, by = json.loads(file.read_text())
        return end, seed, by
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM:
        return "hung", 0, f"went on for {LIMIT_S} s"
    output = (folder / "output").read_text(errors="replace").strip().splitlines()
    return "broken", 0, output[-1] if output else "it ended without a word"


def summary(verdicts: Sequence[Verdict]) -> dict[str, int]:
    """How many of each end: for the table in docs/reliability.md."""
    ends = ("killed", "error", "hung", "survived", "broken")
    return {"mutants": len(verdicts)} | {end: sum(one.end == end for one in verdicts) for end in ends}


def row(verdicts: Sequence[Verdict]) -> str:
    """The same as a row of a Markdown table."""
    counted = summary(verdicts)
    return (
        "| mutants of the ledger's steps and orderings | "
        + ", ".join(f"{n} {end}" for end, n in counted.items())
        + " |"
    )


def main(words: Sequence[str] | None = None) -> int:
    """All mutants, or those whose name has a text; 1 where one survived."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--only", default="")
    options.add_argument("--jobs", type=int, default=2)
    options.add_argument("--every", type=int, default=1, help="only each so-manieth, for a sample")
    options.add_argument("--storms", type=int, default=len(STORMS), help="only so many in each pass")
    options.add_argument("--passes", type=int, default=PASSES, help="with other seeds each, until one is red")
    options.add_argument("--unchanged", action="store_true", help="an engine as it is, which must survive every pass")
    options.add_argument("--sample", action="store_true", help="the few that `make test` looks at")
    options.add_argument("--json", type=Path, help="write all verdicts there")
    given = options.parse_args(words)
    chosen = [one for one in all_mutants() if given.only in one.name][:: given.every]
    if given.sample:
        chosen = [next(one for one in all_mutants() if one.placeless == name) for name in SAMPLE]
    if given.unchanged:
        chosen = [UNCHANGED]
    verdicts = []
    for verdict in judge(chosen, given.jobs, STORMS[: given.storms], given.passes):
        verdicts.append(verdict)
        print(f"{verdict.end:10} {verdict.mutant}  [{verdict.seed}: {verdict.by}] {verdict.seconds} s", flush=True)
    if given.json:
        given.json.write_text(json.dumps([asdict(one) for one in verdicts], indent=1))
    print(row(verdicts))
    if given.unchanged:
        return 0 if verdicts[0].end == "survived" else 1
    return 1 if any(one.end in ("survived", "broken") for one in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
