"""Packages that a team's code requires, judged by their spelling; whether a pool has them is known when it is asked."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.spec.review import Review
from orchestrator.spec.written import Step


def check_requires(review: Review, requires: Iterable[str], at: tuple[Step, ...], where: str = "") -> None:
    """Note what is no requirement; `where` names the decorator that says it, where the file does not."""
    if not requires:
        return
    from packaging.requirements import InvalidRequirement, Requirement  # only for specs with code of a team's own

    for index, text in enumerate(requires):
        try:
            Requirement(text)
        except InvalidRequirement as error:
            why = str(error).split("\n", 1)[0].lower()
            review.note(at if where else (*at, index), f"{where}{text!r} is no requirement: {why} (write numpy>=2)")
