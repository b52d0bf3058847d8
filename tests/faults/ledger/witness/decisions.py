"""What a held stage and whoever decides on it write."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import cast

from orchestrator.contracts.calls import Hold, Plan
from orchestrator.contracts.errors import InvalidInput
from orchestrator.contracts.records import Decision
from orchestrator.engine.messages import Completion
from orchestrator.engine.submission import Submission
from tests.faults.ledger.shapes import stage
from tests.faults.ledger.witness.hand import Hand, same


def holds(hand: Hand) -> Iterator[str]:
    for otherwise, state in (("approve", "done"), ("reject", "rejected")):
        hand.submit(hold=Hold(deadline_s=30.0, otherwise=otherwise))
        yield from hand.is_("held", state="held")
        yield from hand.near("held", hand.record()["started"], 0)
        yield from hand.near("deadline", hand.score("timers", "deadline/"), 30_000)
        yield from same("marked", hand.admin.zscore(hand.keys("holds"), hand.run) is None, False)
        hand.due("timers", "deadline/")
        yield from hand.is_("nobody decided", state=state)
        decision = json.loads(hand.record()["decision"])
        yield from same("decided", (decision["by"], decision["note"]), ("deadline", "nobody decided in time"))
        yield from hand.near("decided", decision["at"] * 1000, 0)
        entry = json.loads(cast("list[str]", hand.admin.lrange(hand.keys("audit:outbox"), -1, -1))[0])
        yield from same("audit", (entry["event"], entry["run"], entry["stage"], entry["by"]),
                        (decision["verdict"], hand.run, "a", "deadline"))  # fmt: skip
        yield from same("refusal", hand.field("refusal"), None if state == "done" else "nobody approved it in time")
    yield from _first_refusals(hand)
    hand.submit(hold=Hold(deadline_s=30.0))
    try:
        plan = Plan(workflow=hand.name, stages=(stage("a"),))
        hand.ledger.submit(Submission(plan, run=hand.run, generation=2))
        yield "retried while it is held"
    except InvalidInput:
        pass
    mark = hand.ledger.holds()[hand.run]
    for at, left in ((mark - 1, mark), (mark, None)):
        hand.ledger.checkpointed(hand.run, at)
        yield from same("marked", hand.ledger.holds().get(hand.run), left)
    for answer in ("decided", "again"):
        said = hand.ledger.decide(hand.run, "a", Decision(verdict="approved", by="ann", at=1.0, note=hand.run))
        yield from same("decided", said.answer, answer)
    yield from same("deadline", hand.score("timers", "deadline/"), None)
    yield from same("ended", hand.field("status"), "succeeded")
    hand.submit(hold=Hold(deadline_s=30.0))
    yield from same("cancelled while held", hand.ledger.cancel(hand.run, "witness").answer, "cancelling")
    yield from hand.is_("cancelled while held", state="cancelled")
    yield from same("deadline", hand.score("timers", "deadline/"), None)
    yield from same("cancelled too late", hand.ledger.cancel(hand.run, "witness").answer, "cancelled")


def _first_refusals(hand: Hand) -> Iterator[str]:
    """Whoever refuses first is told of."""
    base = hand.keys.run
    for earlier in (None, "earlier"):
        for by in ("deadline", "ann", "gates"):
            hand.submit(**({} if by == "gates" else {"hold": Hold(deadline_s=30.0, otherwise="reject")}))
            if earlier:
                hand.admin.hset(base(hand.run), "refusal", earlier)
            if by == "deadline":
                hand.due("timers", "deadline/")
            elif by == "ann":
                hand.ledger.decide(hand.run, "a", Decision(verdict="rejected", by="ann", at=1.0))
            else:
                hand.ledger.complete(hand.claim().lease, Completion({}, 0.25, refusal="gates say so"))
            why = {"deadline": "nobody approved it in time", "ann": "rejected by ann", "gates": "gates say so"}
            yield from same("refusal", (hand.field("refusal"), hand.field("status")), (earlier or why[by], "refused"))
