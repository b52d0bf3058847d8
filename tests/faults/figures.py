"""What storms did and what came of it, as the tables of docs/reliability.md."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.faults.storm import Result

BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"
_KINDS = (  # the first that fits
    ("lost", re.compile(r"lost|gone|no submission was ever|0 times")),
    ("stuck", re.compile(r"stuck|still|not quiet|not empty")),
    ("twice", re.compile(r"\d times|in \d+ runs|versions of its model")),
    ("other", re.compile(r"")),
)


@dataclass(frozen=True)
class Row:
    """One round."""

    name: str
    result: Result
    points: dict[str, int]  # at which a process died, how often
    seed: int
    when: str  # the day


def load(path: Path) -> dict[str, Row]:
    """Rounds of earlier calls by name, as `keep` wrote them."""
    found = json.loads(path.read_text()) if path.exists() else {}
    return {
        name: Row(**row | {"result": Result(**row["result"] | {"faults": Counter(row["result"]["faults"])})})
        for name, row in found.items()
    }


def keep(path: Path, rows: Mapping[str, Row]) -> None:
    """Write the rounds where `load` finds them."""
    path.write_text(
        json.dumps({name: vars(row) | {"result": vars(row.result)} for name, row in rows.items()}, indent=1)
    )


def kind_of(violation: str) -> str:
    """lost, stuck, twice or other."""
    return next(name for name, pattern in _KINDS if pattern.search(violation))


def tables(rows: Sequence[Row], where: str) -> str:
    """Both tables, with how they were made."""
    total = Result()
    for row in rows:
        for name in vars(total):
            setattr(total, name, getattr(total, name) + getattr(row.result, name))
    days = " and ".join(sorted({row.when for row in rows}))
    seeds = ", ".join(str(row.seed) for row in rows)
    made = f"Made by `python -m tests.faults` on {days}, {where}, in {total.seconds / 60:.0f} minutes; seeds {seeds}."
    lines = [
        made,
        "",
        (
            "| round | faults | workflows | stages recorded | claimed again |"
            " own stages executed | of those, again | lost | stuck | recorded twice | other |"
        ),
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
        *(_line(row.name, row.result) for row in rows),
        _line("**all**", total),
        "",
        "| fault | times |",
        "|---|---:|",
        *(f"| {name} | {times} |" for name, times in sorted(total.faults.items()) if " at: " not in name),
        *(f"| died at the point *{name}* | {times} |" for name, times in sorted(_points(rows).items())),
    ]
    return "\n".join(lines)


def _points(rows: Sequence[Row]) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in rows:
        for name, times in row.points.items():
            found[name] = found.get(name, 0) + times
    return found


def _line(name: str, result: Result) -> str:
    kinds = [kind_of(violation) for violation in result.violations]
    counted = [kinds.count(kind) for kind, _ in _KINDS]
    cells = (
        sum(result.faults.values()), result.workflows, result.recorded, result.reclaimed, result.executions,
        result.repeated, *counted,
    )  # fmt: skip
    return f"| {name} | " + " | ".join(str(cell) for cell in cells) + " |"


def write(path: Path, text: str) -> None:
    """Put the tables between the markers of a document."""
    before, rest = path.read_text().split(BEGIN)
    after = rest.split(END)[1]
    path.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")
