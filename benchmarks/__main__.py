"""`python -m benchmarks`: chain, fan-out, many runs, the no-op re-run, the reconciler; prints, writes results.json.

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

CHAIN, WIDTH, RUNS, LENGTH = 300, 2000, 200, 10
RESULTS = Path(__file__).with_name("results.json")

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


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="turns of each shape and side")
    rounds = parser.parse_args().rounds
    console = Console(stderr=True)
    results: dict[str, Any] = measure(rounds, console)
    results["rerun"] = rerun(rounds)
    results["reconciler"] = reconciler()
    console.print(report(results))
    console.print(f"re-run of an unchanged 12-stage workflow: {results['rerun']['wall_s']:.2f} s as a whole command")
    cost = results["reconciler"]
    console.print(
        f"reconciler with 1,000 active runs: {cost['percent']:.2f} % of a core "
        f"(service {cost['service_percent']:.2f}, Redis for it {cost['redis_percent']:.2f})"
    )
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    console.print(f"written to {RESULTS.name}")


if __name__ == "__main__":
    main()
