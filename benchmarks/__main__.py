"""`python -m benchmarks`: the engine beside Celery's canvas, searches beside GridSearchCV; prints, writes results.json.

The engine: chain, fan-out, many runs, the no-op re-run, the reconciler. Searches: see `benchmarks/searches.py`.

Each shape is measured in turns (Cyclery, canvas under the same conditions, canvas at its fastest, and again), and the
figures are medians, so that a machine whose speed drifts treats all alike. ratio = Cyclery ÷ canvas, same conditions.
The no-ops of the first three shapes leave nothing but their record, as canvas's tasks do; those of runs_kept are pure
stages, each with an artifact and a cached result, which canvas has nothing like.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.canvas import canvas
from benchmarks.conditions import redis_server
from benchmarks.cyclery import cyclery
from benchmarks.reconciler import reconciler
from benchmarks.rerun import rerun
from benchmarks.searches import NAMES as SEARCHES
from benchmarks.searches import searches

CHAIN, WIDTH, RUNS, LENGTH = 300, 2000, 200, 10
RESULTS = Path(__file__).with_name("results.json")
ALL = ("engine", "rerun", "reconciler", *SEARCHES)

Measure = Callable[[Any], float]

SHAPES: dict[str, Measure] = {
    "chain": lambda side: side.chain(CHAIN),
    "fanout": lambda side: side.fanout(WIDTH),
    "runs": lambda side: side.runs(RUNS, LENGTH),
    "runs_kept": lambda side: side.runs_kept(RUNS, LENGTH),
}


def measure(rounds: int, console: Console) -> dict[str, dict[str, float]]:
    """Median ms per stage of each shape and side."""
    taken: dict[str, dict[str, list[float]]] = {shape: {} for shape in SHAPES}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cyclery-bench-")))
        durable, bare = (stack.enter_context(redis_server(append_only=kept)) for kept in (True, False))
        fastest = stack.enter_context(canvas(bare, folder, fastest=True))
        same = stack.enter_context(canvas(durable, folder, fastest=False))
        sides = {"cyclery": stack.enter_context(cyclery(durable, folder)), "canvas": same, "canvas_fastest": fastest}
        for number in range(rounds):
            for shape, shoot in SHAPES.items():
                for name, side in sides.items():
                    taken[shape].setdefault(name, []).append(shoot(side))
                latest = {name: f"{figures[-1]:.2f}" for name, figures in taken[shape].items()}
                console.print(f"round {number + 1}  {shape}: {latest} ms per stage", style="dim")
    return {shape: _summary(figures) for shape, figures in taken.items()}


def _summary(figures: dict[str, list[float]]) -> dict[str, float]:
    medians = {f"{name}_ms": round(statistics.median(values), 3) for name, values in figures.items()}
    return medians | {"ratio": round(medians["cyclery_ms"] / medians["canvas_ms"], 3)}


def report(results: dict[str, dict[str, float]]) -> Table:
    """The results as a table."""
    table = Table("shape", "Cyclery ms", "canvas ms", "canvas at its fastest ms", "ratio", title="per stage, medians")
    for shape in SHAPES:
        row = results[shape]
        figures = (row[name] for name in ("cyclery_ms", "canvas_ms", "canvas_fastest_ms", "ratio"))
        table.add_row(shape, *(f"{figure:.2f}" for figure in figures))
    return table


def told(results: dict[str, Any]) -> list[str]:
    """The other results as lines."""
    lines = []
    if "rerun" in results:
        lines.append(f"re-run of an unchanged 12-stage workflow: {results['rerun']['wall_s']:.2f} s as a whole command")
    if "reconciler" in results:
        cost = results["reconciler"]
        lines.append(
            f"reconciler with 1,000 active runs: {cost['percent']:.2f} % of a core "
            f"(service {cost['service_percent']:.2f}, Redis for it {cost['redis_percent']:.2f})"
        )
    return lines + [f"{name}: {_figures(results[name])}" for name in SEARCHES if name in results]


def _figures(found: dict[str, float]) -> str:
    return ", ".join(f"{key} {value:g}" for key, value in found.items())


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="turns of each shape and side")
    parser.add_argument("--only", nargs="+", choices=ALL, default=ALL, metavar="NAME", help=f"of {', '.join(ALL)}")
    parser.add_argument("--small", action="store_true", help="searches on little data, to try; writes no results")
    return parser.parse_args()


def main() -> None:
    """Measure, print and write; what was not asked for stays in the file as it was."""
    asked, console = _asked(), Console(stderr=True)
    wanted = set(asked.only)
    results: dict[str, Any] = {}
    if "engine" in wanted:
        results |= measure(asked.rounds, console)
        console.print(report(results))
    if "rerun" in wanted:
        results["rerun"] = rerun(asked.rounds)
    if "reconciler" in wanted:
        results["reconciler"] = reconciler()
    if wanted & set(SEARCHES):
        results |= searches(wanted & set(SEARCHES), asked.rounds, small=asked.small)
    for line in told(results):
        console.print(line, highlight=False)
    if asked.small:
        return
    before = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    RESULTS.write_text(json.dumps(before | results, indent=2) + "\n")
    console.print(f"written to {RESULTS.name}")


if __name__ == "__main__":
    main()
