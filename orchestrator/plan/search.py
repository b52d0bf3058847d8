"""A search whose trials are known only as it goes: the steps that decide, as they stand in the plan."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

from orchestrator.contracts.calls import Code
from orchestrator.contracts.training import HALVING, ROWS, SearchCandidate, SearchParams
from orchestrator.plan.candidates import expand, space_of
from orchestrator.spec.train import Candidate, Search, Train

STEPS = 50  # of a search with many trials: a step costs a message and reads all that is known
LEAST_BATCH = 8
INFORMED_BATCH = 4  # of a Bayesian search, which is the better the more of its trials it knows when it asks
SPARE = 2  # more attempts at a trial in full, where all of them failed


def grows(search: Search) -> bool:
    """Whether its trials are asked for step by step; the others all stand in the plan."""
    budgets = (search.time, search.worker_time, search.patience)
    return search.method in (*HALVING, "bayesian") or any(budget is not None for budget in budgets)


def settings_of(train: Train) -> int:
    """How many different settings it may come to."""
    return len(expand(train))


def batch_of(train: Train) -> int:
    """Trials that one step asks for."""
    least = INFORMED_BATCH if train.search.method == "bayesian" else LEAST_BATCH
    return train.search.batch or max(least, math.ceil(train.search.trials / STEPS))


def steps_of(train: Train, settings: int) -> tuple[int, int]:
    """How many steps a search takes at most, and after how many of them the result of a trial is known.

    ASHA, in brackets or not: what is raised early may not be good enough later, when others are raised as well; twice
    as many as halving would raise are allowed for. A step that asks for less than a batch has raised all that it knows
    to be good enough, and two steps later knows all that was under way.
    """
    search, batch, rungs = train.search, batch_of(train), len(shares_of(train, settings))
    if search.method == "halving":
        return rungs + 1 + SPARE, 1
    if search.method not in HALVING:
        return math.ceil(settings / batch) + 2, 2
    raised = sum(_there(train, settings, rung) for rung in range(rungs)) - settings
    return math.ceil((settings + 2 * raised) / batch) + 2 * (rungs + 1) + 2 * SPARE, 2


def shares_of(train: Train, settings: int) -> tuple[float, ...]:
    """The share of the whole resource at each rung; the last has all of it.

    As many rungs as the least resource and the number of settings allow, so that one at least of those that begin at
    the first rung comes to the last.
    """
    search = train.search
    if search.method not in HALVING:
        return (1.0,)
    least = search.factor**-2.0 if search.min_resource is None else search.min_resource
    if search.min_resource is not None and search.resource != ROWS:
        least = max(search.min_resource / full_of(one, search.resource) for one in train.candidates)
    shares = [1.0]
    while shares[0] / search.factor >= least * (1 - 1e-9) and (
        search.factor ** len(shares) <= _beginning(search, settings, len(shares) + 1)[0]
    ):
        shares.insert(0, search.factor ** -float(len(shares)))
    return tuple(shares)


def brackets_of(train: Train, settings: int) -> tuple[int, ...]:
    """How many settings begin at each rung."""
    return _beginning(train.search, settings, len(shares_of(train, settings)))


def _beginning(search: Search, settings: int, rungs: int) -> tuple[int, ...]:
    """All at the first rung; of Hyperband in the proportions of its paper, which give each bracket about the same.

    There the bracket that has s rungs below the last one takes ⌈rungs / (s + 1) · factorˢ⌉ settings.
    """
    if search.method != "hyperband":
        return (settings, *(0,) * (rungs - 1))
    parts = [math.ceil(rungs / (below + 1) * search.factor**below) for below in reversed(range(rungs))]
    ends = [round(settings * sum(parts[:count]) / sum(parts)) for count in range(rungs + 1)]
    return tuple(end - begin for begin, end in itertools.pairwise(ends))


def _there(train: Train, settings: int, rung: int) -> int:
    """How many settings come to a rung, where each bracket raises one of `factor` from rung to rung."""
    begun = brackets_of(train, settings)[: rung + 1]
    return sum(count // train.search.factor ** (rung - first) for first, count in enumerate(begun))


def mean_share(train: Train) -> float:
    """What a setting takes on all its rungs together, on average, in units of a trial in full; 1 without halving."""
    settings = settings_of(train)
    shares = enumerate(shares_of(train, settings))
    return float(sum(share * max(1, _there(train, settings, rung)) for rung, share in shares)) / settings


def budget_s(search: Search, workers: int) -> float | None:
    """Seconds after which nothing new is tried, as far as can be told before the search; None without a budget."""
    limits = [search.time, None if search.worker_time is None else search.worker_time / max(1, workers)]
    return min((limit for limit in limits if limit is not None), default=None)


def full_of(candidate: Candidate, resource: str) -> float:
    """The value of the parameter that is the resource, in full, as the review of the spec has seen to."""
    return float(candidate.fixed[resource])


def candidates_of(train: Train, code: Mapping[str, Code]) -> tuple[SearchCandidate, ...]:
    """What each step knows of the candidates."""
    resource = train.search.resource
    return tuple(
        SearchCandidate(
            estimator=one.estimator,
            space=space_of(one),
            code=code[one.code] if one.entries else None,
            full=None if resource == ROWS else full_of(one, resource),
        )
        for one in train.candidates
    )


def note(params: SearchParams) -> str:
    """What a person should know about the plan."""
    trials = params.trials
    words = f"up to {trials} trial{'s' if trials > 1 else ''}, as the search goes"
    if params.method not in HALVING:
        return f"{words}: {params.batch} at a time"
    rungs = ", ".join(f"{share:.2g}" for share in params.shares)
    what = "training rows" if params.resource == ROWS else params.resource
    begun = f"; {', '.join(map(str, params.brackets))} begin there" if params.brackets else ""
    return f"{words}: on shares {rungs} of {what}, one of {params.factor} going up{begun}"
