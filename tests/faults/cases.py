"""Workflows with the end that each must have, and what people do with them meanwhile."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from orchestrator.contracts.calls import Plan
from tests.faults import plans
from tests.faults.hands import Hands

Steps = Iterator[None]  # a person who waits for something yields; the driver comes back to them


@dataclass
class Case:
    """One workflow, named by its kind and number: the name is the workflow's in the ledger."""

    kind: str
    number: int
    end: str  # the status that its run must end with
    runs: list[str] = field(default_factory=list)  # acknowledged
    decisions: list[str] = field(default_factory=list)  # verdicts that were acknowledged

    @property
    def unheard(self) -> tuple[str, ...]:
        """How a run may also end whose acceptance nobody heard of: nobody mends and retries it."""
        return ("failed",) if self.kind == "retried" else ()

    @property
    def name(self) -> str:
        """The workflow's name."""
        return f"{self.kind}-{self.number}"

    def live(self, hands: Hands) -> Steps:
        """What people do with it, from its submission to its end."""
        return KINDS[self.kind].live(self, hands)


@dataclass(frozen=True, slots=True)
class Kind:
    """A shape of workflows; `share` is how many of a hundred have it."""

    live: Callable[[Case, Hands], Steps]
    end: str
    share: int


def _plan(shape: Callable[[plans.Draft], Plan], case: Case, hands: Hands) -> Plan:
    return shape(plans.Draft(case.name, hands.team))


def _submitted(shape: Callable[[plans.Draft], Plan]) -> Callable[[Case, Hands], Steps]:
    def live(case: Case, hands: Hands) -> Steps:
        case.runs.append((yield from hands.submit(_plan(shape, case, hands))))
        yield from hands.end_of(case.runs[-1])

    return live


def _decided(verdict: str) -> Callable[[Case, Hands], Steps]:
    def live(case: Case, hands: Hands) -> Steps:
        case.runs.append((yield from hands.submit(_plan(plans.holding, case, hands))))
        run = case.runs[-1]
        yield from hands.status_of(run, "held")
        verb = "approve" if verdict == "approved" else "reject"
        yield from hands.command(
            verb, run, "--note", case.name, unless=lambda: hands.is_past(run, "approve", "held", "waiting")
        )
        case.decisions.append(verdict)
        yield from hands.end_of(run)

    return live


def _cancelled(case: Case, hands: Hands) -> Steps:
    case.runs.append((yield from hands.submit(_plan(plans.endless, case, hands))))
    run = case.runs[-1]
    if case.number % 2:
        yield from hands.until(lambda: hands.is_past(run, "s0", "waiting", "ready", "running"))
    yield from hands.command("cancel", run, unless=lambda: hands.is_stopping(run))
    yield from hands.end_of(run)


def _retried(case: Case, hands: Hands) -> Steps:
    case.runs.append((yield from hands.submit(_plan(plans.mending, case, hands))))
    run = case.runs[-1]
    yield from hands.end_of(run)
    hands.mend(case.name)
    yield from hands.command("retry", run, "--same-code", "--detach", unless=lambda: hands.generation(run) > 1)
    yield from hands.end_of(run)


def _lifecycle(case: Case, hands: Hands) -> Steps:
    case.runs.append((yield from hands.run_by_command(hands.spec(case.name))))
    yield from hands.end_of(case.runs[-1])


def _submitter_killed(case: Case, hands: Hands) -> Steps:
    file = hands.spec(case.name)
    yield from hands.kill_while_submitting(file)
    case.runs.append((yield from hands.run_by_command(file)))
    yield from hands.end_of(case.runs[-1])


KINDS: dict[str, Kind] = {
    "chain": Kind(_submitted(plans.chain), "succeeded", 22),
    "fan": Kind(_submitted(plans.fan), "succeeded", 24),
    "probes": Kind(_submitted(plans.probes), "succeeded", 16),
    "tolerant": Kind(_submitted(plans.tolerant), "succeeded", 8),
    "approved": Kind(_decided("approved"), "succeeded", 5),
    "rejected": Kind(_decided("rejected"), "refused", 3),
    "cancelled": Kind(_cancelled, "cancelled", 6),
    "retried": Kind(_retried, "succeeded", 6),
    "lifecycle": Kind(_lifecycle, "succeeded", 7),
    "killed": Kind(_submitter_killed, "succeeded", 3),
}


def cases(number: int, seed: int) -> list[Case]:
    """About so many workflows, of all kinds by their shares, in an order that the seed decides.

    Those of a smaller number are among those of a greater one.
    """
    found = [
        Case(name, place, kind.end)
        for name, kind in KINDS.items()
        for place in range(max(1, round(kind.share * number / 100)))
    ]
    random.Random(seed).shuffle(found)
    return found
