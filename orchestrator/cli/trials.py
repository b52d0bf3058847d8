"""trials: every trial of a run with its scores, its cost, its warnings and its failure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.connecting import client_for, run_argument
from orchestrator.cli.output import Output, verb
from orchestrator.contracts.errors import InvalidInput
from orchestrator.contracts.training import ROWS

if TYPE_CHECKING:
    from orchestrator.report.evidence import Evidence

LARGEST_FIRST = frozenset({"seconds", "fit_s", "score_s", "memory_mb", "std"})  # what costs most, or varies most


@click.command()
@run_argument
@click.option(
    "--sort",
    metavar="NAME",
    default="score",
    show_default=True,
    help="By score (best first), candidate, fit_s, score_s, seconds, memory_mb, std or a parameter.",
)
@click.option("--asc/--desc", "ascending", default=None, help="Smallest or largest value first.")
@click.option(
    "--where",
    "conditions",
    multiple=True,
    metavar="CONDITION",
    help="Only those: 'candidate=ridge', 'score>0.8', 'C!=1', 'status=failed'.",
)
@click.option("--segment", metavar="VALUE", help="Those of the model of one segment, where segments have their own.")
@click.option("--limit", "--top", type=click.IntRange(min=1), help="Only so many.")
@verb
def trials(
    output: Output,
    run: str,
    sort: str,
    ascending: bool | None,
    conditions: tuple[str, ...],
    segment: str | None,
    limit: int | None,
) -> None:
    """List the trials of a run, best first."""
    from orchestrator.cli.choosing import choose, order
    from orchestrator.report.trials import trial_rows, with_warnings

    found = client_for(output).run(run)
    evidence = found.evidence()
    known = trial_rows(evidence) if segment is None else _of_segment(evidence, segment)
    rows: list[Any] = choose(known, conditions)
    if sort != "score" or ascending is not None:
        rows = order(rows, sort, descending=sort in LARGEST_FIRST if ascending is None else not ascending)
    shown = with_warnings(rows[:limit], evidence)
    if output.as_json:
        output.document({"run": found.id, "trials": shown, "matching": len(rows)})
    elif shown:
        show_rows(output, shown, len(rows))
    else:
        output.show(f"{found.id} has no {'such trial' if conditions else 'trials yet'}")


def _of_segment(evidence: Evidence, segment: str) -> list[dict[str, Any]]:
    from orchestrator.report.trials import segment_rows

    found = segment_rows(evidence, segment)
    if found is None:
        raise InvalidInput(
            f"no trials of a segment {segment!r} are known: it is no value of the column, has too few training rows, "
            "or its stage is not done"
        )
    return found


def show_rows(output: Output, rows: list[dict[str, Any]], matching: int) -> None:
    """A table of trials, below it why some failed and what others warned of."""
    from orchestrator.cli.words import duration, number, settings_of

    halved = any("rung" in one for one in rows)
    cells = [
        (
            one["rank"] or ("✗" if one["error"] else "↑"),
            one["candidate"],
            *((resource_of(one),) if halved else ()),
            number(one["score"]),
            number(one["std"]),
            " ".join(number(score) for score in one["scores"]),
            duration(one["fit_s"]),
            duration(one["score_s"]),
            f"{one['memory_mb']:.0f} MB" if one["memory_mb"] else "",
            settings_of(one["params"]),
        )
        for one in rows
    ]
    columns = ("rank", "candidate", *(("resource",) if halved else ()), "score", "±", "by fold", "fit", "scored",
               "memory", "parameters")  # fmt: skip
    output.table(columns, cells, right=("rank", "score", "±", "fit", "scored", "memory"))
    if matching > len(rows):
        output.show(f"… {matching - len(rows)} more")
    if any(one["rank"] is None and not one["error"] for one in rows):
        output.show("↑ went up to a higher rung, whose row has its rank")
    for one in rows:
        label = f"{one['candidate']}#{one['index']}" + (f" at rung {_rung(one)}" if "rung" in one else "")
        if one["error"]:
            told = one["error"].removeprefix(f"candidate {one['candidate']}#{one['index']} ")
            output.show(f"✗ {label}: {told}")
        for text in one["warnings"]:
            output.show(f"! {label}: {text}")


def resource_of(row: dict[str, Any]) -> str:
    """What a trial of a halving search was given: `rung 2/3: 33 % of rows`, `rung 3/3: max_iter 300`."""
    if "rung" not in row:
        return ""
    amount = (
        f"{100 * row['amount']:.3g} % of rows" if row["resource"] == ROWS else f"{row['resource']} {row['amount']:g}"
    )
    return f"rung {_rung(row)}: {amount}"


def _rung(row: dict[str, Any]) -> str:
    """As people count: the first of three is `1/3`, in documents 0."""
    return f"{row['rung'] + 1}/{row['rungs']}"
