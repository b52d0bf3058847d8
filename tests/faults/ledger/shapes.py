"""What is submitted: workflows of every shape that the ledger knows, each stage told by its parameters what to do.

What a stage leaves depends on its parameters and inputs alone, as in the product: any order gives the same bytes.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from orchestrator.contracts.calls import ArtifactRef, Gather, Hold, Input, Kind, Output, Plan, Policy, Purity, StageCall
from orchestrator.contracts.values import digest_of

LONG_S = 1e7  # no limit that a storm's leap in time reaches
TRIES = 60  # of transient failures that come by chance


@dataclass(frozen=True, slots=True)
class Workflow:
    """A plan, and what people will do about it."""

    plan: Plan
    shape: str
    verdict: str | None = None  # of the person who is asked; None: nobody answers
    cancel: bool = False
    retry: bool = False  # once it ended
    promote: bool = False
    source: bytes | None = None  # what its first stage reads

    @property
    def name(self) -> str:
        return self.plan.workflow


def stage(
    identifier: str, *before: str, after: tuple[str, ...] = (), act: str = "ok", task: str = "ops.probe",
    queue: str = "ops", salt: str = "", key: bool = True, purity: Purity | None = None, gather: bool = False,
    **policy: Any,
) -> StageCall:  # fmt: skip
    """A stage that takes what those before it left; several become one gathered input."""
    inputs: dict[str, Input] = {}
    if before and (gather or len(before) > 1):
        inputs["before"] = Gather(stages=before, output="echo")
    elif before:
        inputs["before"] = Output(stage=before[0], output="echo")
    known = {"timeout_s": LONG_S, "attempts": TRIES, "backoff_s": 0.05} | policy
    params = {"act": act, "salt": salt or identifier}
    call = StageCall(id=identifier, task=task, queue=queue, version=1, params=params, inputs=inputs, after=after,
                     purity=purity, policy=Policy.model_validate(known))  # fmt: skip
    return call.model_copy(update={"key": "keyed"}) if key else call


def keyed(calls: Iterable[StageCall], name: str) -> tuple[StageCall, ...]:
    """Recipe keys as the planner makes them: of the parameters and of what comes before. Effects are the run's own."""
    keys: dict[str, str | None] = {}
    done: list[StageCall] = []
    for call in calls:
        taken = [keys.get(one) for one in call.upstream()]
        own = name if call.task in ("release.register", "evaluate.spend") else ""
        recipe = digest_of({"params": call.params, "task": call.task, "own": own, "before": taken})
        known = call.key is not None and (None not in taken or not taken)
        keys[call.id] = recipe if known else None
        done.append(call.model_copy(update={"key": keys[call.id]}))
    return tuple(done)


def _plan(name: str, *calls: StageCall, **fields: Any) -> Plan:
    return Plan.model_validate({"workflow": name, "stages": keyed(calls, name), **fields})


def chain(name: str, chance: random.Random) -> Workflow:
    """One after the other; now and then with stages that other workflows have as well."""
    shared = chance.random() < 0.5
    salt = (lambda i: f"shared{i}") if shared else (lambda i: f"{name}-{i}")
    acts = ["ok", "flaky", "ok", "ok"]
    calls: list[StageCall] = []
    for i in range(chance.randrange(3, 9)):
        before = (calls[-1].id,) if calls else ()
        act = chance.choice(acts)
        key = chance.random() < 0.8
        calls.append(stage(f"s{i}", *before, act=act, salt=salt(i), key=key))
    source = f"source of {salt(0)}".encode()
    ref = ArtifactRef(kind=Kind.FILE, digest=f"sha256:{hashlib.sha256(source).hexdigest()}", size=len(source))
    calls[0] = calls[0].model_copy(update={"inputs": {"file": ref}})
    return Workflow(_plan(name, *calls), "chain", retry=chance.random() < 0.3, source=source)


def diamonds(name: str, chance: random.Random) -> Workflow:
    """Several ways from the first stage to the last, some of them only an order."""
    calls = [stage("a", salt=f"{name}a", queue="train")]
    last = "a"
    for i in range(chance.randrange(1, 4)):
        sides = [f"l{i}", f"r{i}"]
        calls += [stage(one, last, salt=f"{name}{one}", act=chance.choice(["ok", "flaky"])) for one in sides]
        calls.append(stage(f"j{i}", sides[0], after=(sides[1], last), salt=f"{name}j{i}", queue="train"))
        last = f"j{i}"
    return Workflow(_plan(name, *calls), "diamonds")


def fan(name: str, chance: random.Random) -> Workflow:
    """Wide, then one that takes all; batches, a narrow window, or the run's own bound."""
    width = chance.choice([8, 20, 45])
    batch = chance.choice([1, 1, 4, 9])
    calls = [stage("root", salt=name)]
    calls += [stage(f"t{i}", "root", salt=f"{name}{i}", batch=batch, queue="train") for i in range(width)]
    calls.append(stage("join", *(f"t{i}" for i in range(width)), salt=name))
    bound = chance.choice([None, 1, 3])
    return Workflow(_plan(name, *calls, max_parallel=bound), "fan", retry=chance.random() < 0.3)


def wide(name: str, chance: random.Random) -> Workflow:
    """More stages at once than one step handles: roots, releases and stops go in chunks."""
    width = chance.choice([520, 560])
    calls = [stage("root", salt=name)]
    calls += [stage(f"t{i}", "root", salt=f"{name}{i}", batch=25, queue="train", key=False) for i in range(width)]
    calls.append(stage("join", *(f"t{i}" for i in range(width)), salt=name, key=False))
    return Workflow(_plan(name, *calls), "wide", cancel=chance.random() < 0.5)


def roots(name: str, chance: random.Random) -> Workflow:
    """Many stages that wait for nothing."""
    calls = [stage(f"r{i}", salt=f"{name}{i}", key=False) for i in range(chance.choice([5, 30, 70]))]
    return Workflow(_plan(name, *calls), "roots", cancel=chance.random() < 0.4)


def tolerant(name: str, chance: random.Random) -> Workflow:
    """Trials of which some fail; the join says how many may."""
    width = chance.randrange(4, 9)
    failing = {i for i in range(width) if chance.random() < 0.4}
    limits = chance.choice([
        {"min_success": max(1, width - len(failing))}, {"min_success": min(width, width - len(failing) + 1)},
        {"max_failures": len(failing)}, {"max_failures": max(0, len(failing) - 1)}, {},
    ])  # fmt: skip
    calls = [
        stage(f"t{i}", salt=f"{name}{i}", act="fail" if i in failing else "ok", tolerate=True) for i in range(width)
    ]
    if chance.random() < 0.4:  # one without which there is no join, however many others there are
        calls.append(stage("strict", salt=f"{name}strict", act=chance.choice(["fail", "fail", "ok"])))
        limits = {"min_success": 1}
    calls.append(stage("join", *(one.id for one in calls), salt=name, **limits))
    calls.append(stage("end", "join", salt=name))
    on_failure = chance.choice(["stop", "continue", "continue"])
    return Workflow(_plan(name, *calls, on_failure=on_failure), "tolerant", retry=chance.random() < 0.3)


def failing(name: str, chance: random.Random) -> Workflow:
    """A stage fails in one of the ways there are, beside others that need not know."""
    act = chance.choice(["fail", "exhaust", "kill", "hang"])
    policy = {"exhaust": {"attempts": 3}, "hang": {"timeout_s": 30.0}}.get(act, {})
    calls = [
        stage("a", salt=name),
        stage("bad", "a", salt=name, act=act, **policy),
        stage("after", "bad", salt=name),
        stage("beside", "a", salt=f"{name}beside"),
        stage("later", "beside", salt=f"{name}later", act="flaky"),
        *(stage(f"later{i}", f"later{i - 1}" if i else "later", salt=f"{name}later{i}") for i in range(5)),
    ]
    if chance.random() < 0.5:
        calls.append(stage("worse", "later", salt=name, act="fail"))
    on_failure = chance.choice(["stop", "continue"])
    return Workflow(_plan(name, *calls, on_failure=on_failure), f"failing {act}", retry=chance.random() < 0.5,
                    cancel=chance.random() < 0.2)  # fmt: skip


def stopping(name: str, chance: random.Random) -> Workflow:
    """The first failure stops many that wait."""
    first = chance.choice(["a", "ask"])  # behind the second nothing is under way
    calls = [stage("a", salt=f"{name}a", queue="train")]
    calls.append(stage("bad", after=("a",) if first == "ask" else (), salt=name, act="fail"))
    calls += [stage(f"w{i}", after=(first,), salt=f"{name}w{i}") for i in range(chance.choice([3, 160]))]
    calls.append(stage("ask", after=("a",), task="release.approve", act="fail", key=False, hold=Hold(deadline_s=1e6)))
    return Workflow(_plan(name, *calls, on_failure="stop"), "stopping", cancel=chance.random() < 0.4)


def approval(name: str, chance: random.Random) -> Workflow:
    """A person is asked, or a deadline answers; what registers hears of it."""
    how = chance.choice(["approved", "rejected", None])
    hold = (
        Hold(deadline_s=chance.choice([40.0, 90.0]), otherwise=chance.choice(["approve", "reject"]))
        if how is None
        else Hold()
    )
    calls = [
        stage("work", salt=name),
        stage("ask", after=("work",), task="release.approve", act="fail", key=False, hold=hold),
        stage("register", "work", after=("ask",), task="release.register", salt=name),
    ]
    return Workflow(_plan(name, *calls), "approval", verdict=how, cancel=chance.random() < 0.2,
                    promote=chance.random() < 0.6)  # fmt: skip


def contested(name: str, chance: random.Random) -> Workflow:
    """A person is asked while gates judge: both may say no, and the first is heard."""
    how = chance.choice(["rejected", "rejected", "approved", None])
    hold = Hold(deadline_s=chance.choice([20.0, 60.0]), otherwise="reject") if how is None else Hold()
    calls = [
        stage("work", salt=name),
        stage("ask", after=("work",), task="release.approve", act="fail", key=False, hold=hold),
        stage("gates", "work", salt=name, task="evaluate.gates", act=chance.choice(["refuse", "refuse", "pass"])),
        stage("register", "work", after=("ask", "gates"), task="release.register", salt=name),
    ]
    return Workflow(_plan(name, *calls), "contested", verdict=how, promote=chance.random() < 0.6)


def asking(name: str, chance: random.Random) -> Workflow:
    """A person is asked first; much waits for the answer."""
    hold = Hold(deadline_s=1e6)
    calls = [stage("ask", task="release.approve", act="fail", key=False, hold=hold)]
    calls += [stage(f"t{i}", after=("ask",), salt=f"{name}{i}", key=False) for i in range(8)]
    return Workflow(_plan(name, *calls), "asking", verdict="approved", cancel=chance.random() < 0.2)


def questions(name: str, chance: random.Random) -> Workflow:
    """Several people are asked first; what waits for nobody goes on meanwhile."""
    hold = Hold(deadline_s=1e6)
    calls = [stage(f"ask{i}", task="release.approve", act="fail", key=False, hold=hold) for i in range(4)]
    calls += [stage(f"t{i}", salt=f"{name}{i}", key=False) for i in range(chance.randrange(2, 9))]
    return Workflow(_plan(name, *calls), "questions", verdict="approved")


def release(name: str, chance: random.Random) -> Workflow:
    """Gates that may refuse the model, before a person is asked and it is registered."""
    acts = [chance.choice(["refuse", "pass"]) for _ in range(2)]
    calls = [
        stage("work", salt=f"shared work {chance.randrange(3)}"),
        stage("spend", "work", salt=name, task="evaluate.spend", act=chance.choice(["ok", "flaky"])),
        stage("gates", "spend", salt=name, task="evaluate.gates", act=acts[0], key=acts[0] == "refuse"),
        stage("again", "work", after=("gates",), salt=name, task="evaluate.gates", act=acts[1], key=False),
        stage("ask", after=("again",), task="release.approve", act="fail", key=False, hold=Hold()),
        stage("register", "work", after=("ask",), task="release.register", salt=name),
    ]
    return Workflow(_plan(name, *calls), "release", verdict="approved", retry=chance.random() < 0.4,
                    promote=chance.random() < 0.6)  # fmt: skip


def required(name: str, chance: random.Random) -> Workflow:
    """What is required before anything is spent: where it is refused, the run ends there."""
    refused = chance.random() < 0.7
    calls = [
        stage("assess", salt=f"shared assess {chance.randrange(3)}"),
        stage("require", "assess", salt=name, task="train.require", act="refuse" if refused else "pass", key=refused),
        *(stage(f"t{i}", after=("require",), salt=f"{name}{i}", tolerate=True) for i in range(chance.randrange(1, 6))),
    ]
    calls.append(stage("join", *(one.id for one in calls[2:]), salt=name, min_success=1))
    return Workflow(_plan(name, *calls), "required", cancel=chance.random() < 0.4, retry=chance.random() < 0.3)


def growing(name: str, chance: random.Random) -> Workflow:
    """A stage brings further ones into being, which may bring more; a join waits for all of them."""
    kind = chance.choice(["nested", "nested", "flat", "loose"])
    shared = f"grow{chance.randrange(2)}" if chance.random() < 0.5 else name
    act = f"grow:{chance.choice([2, 5, 12])}:{kind}"
    calls = [
        stage("a", salt=shared),
        stage("search", "a", salt=shared, act=act, key=chance.random() < 0.6),
        stage("join", "search", salt=shared, gather=True, min_success=None),
        stage("end", "join", salt=shared),
    ]
    return Workflow(_plan(name, *calls), "growing", cancel=chance.random() < 0.4, retry=chance.random() < 0.3)


SHAPES: tuple[Callable[[str, random.Random], Workflow], ...] = (
    chain, chain, diamonds, fan, roots, tolerant, tolerant, failing, failing, stopping, approval, approval, release,
    release, required, growing, growing, asking, contested,
    questions,
)  # fmt: skip


def workflows(count: int, chance: random.Random, *, wide_ones: int = 1, only: str = "") -> list[Workflow]:
    """So many, of all shapes in turn."""
    made = [wide(f"wide{i}", chance) for i in range(wide_ones)]
    shapes = [shape for shape in SHAPES if not only or shape.__name__ in only.split()]
    order = [shapes[i % len(shapes)] for i in range(count - wide_ones)]
    made += [shape(f"w{i}", chance) for i, shape in enumerate(order)]
    chance.shuffle(made)
    return made
