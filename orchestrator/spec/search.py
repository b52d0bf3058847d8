"""How trials are searched for: keys that go together."""

from __future__ import annotations

from orchestrator.contracts.training import HALVING, ROWS
from orchestrator.spec.review import Review
from orchestrator.spec.train import Candidate
from orchestrator.spec.written import Step

_AT = ("train", "search")
_HALVING = "is for the methods halving, asha and hyperband"
_DRAWN = "is for searches that draw: set `method: random`"
_RUNGS = "is not for halving, which decides rung by rung (`method: asha` takes it)"

# Method → keys that it has no use for, and why.
_USELESS = {
    "grid": dict.fromkeys(("time", "worker_time", "patience", "tolerance", "batch"), _DRAWN)
    | dict.fromkeys(("factor", "resource", "min_resource"), _HALVING),
    "random": dict.fromkeys(("factor", "resource", "min_resource"), _HALVING),
    "bayesian": dict.fromkeys(("factor", "resource", "min_resource"), _HALVING),
    "halving": dict.fromkeys(("patience", "tolerance", "batch"), _RUNGS),
    "asha": {},
    "hyperband": {},
}


def check_search(review: Review) -> None:
    """Note keys that the method has no use for, and resources that are none."""
    search = review.spec.train.search
    for key, why in _USELESS[search.method].items():
        if key in search.model_fields_set and getattr(search, key) is not None:
            review.note((*_AT, key), f"`{key}` {why}", key=True)
    if search.method not in HALVING:
        return
    if search.resource == ROWS and search.min_resource is not None and search.min_resource > 1:
        words = f"the least share of the rows lies between 0 and 1, not {search.min_resource:g}"
        review.note((*_AT, "min_resource"), words)
    if search.resource != ROWS:
        for place, candidate in enumerate(review.spec.train.candidates):
            _check_resource(review, candidate, ("train", "candidates", place))


def _check_resource(review: Review, candidate: Candidate, at: tuple[Step, ...]) -> None:
    search = review.spec.train.search
    full = candidate.fixed.get(search.resource)
    if isinstance(full, bool) or not isinstance(full, int) or full < 1:
        where = (*at, "fixed", search.resource) if full is not None else at
        example = f"`fixed: {{{search.resource}: 300}}`"
        review.note(where, f"{search.resource} is the search's resource: give {candidate.name} all of it, {example}")
    elif search.min_resource is not None and search.min_resource > full:
        words = f"the least {search.resource} is above what {candidate.name} is given in full, {full}"
        review.note((*_AT, "min_resource"), words)
