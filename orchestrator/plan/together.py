"""Small trials that share a stage: a claim and a record cost more than fitting a simple model to a few hundred rows."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from orchestrator.plan.candidates import Trial
from orchestrator.plan.draft import Draft
from orchestrator.spec.train import Candidate, Train

BYTES = 64 * 2**20  # source bytes × folds × trials that one stage may read
STAGES = 64  # of a search whose trials share stages, at least: so that wide pools stay busy
MOST = 64  # trials in one stage
QUICK = frozenset(
    f"sklearn.{module}"
    for module in ("discriminant_analysis", "dummy", "linear_model", "naive_bayes", "neighbors", "svm", "tree")
)  # modules whose models are fitted at once


def most_together(draft: Draft, trials: int, source_bytes: int) -> int:
    """How many quick trials share a stage, of a search that has so many in all.

    As many as read at most 64 MiB together (source bytes × folds each), at most 64, and never so many that the search
    makes fewer than 64 stages. Powers of two, so that a search that is widened finds most of its trials cached.

    One, where the spec holds single trials to limits or counts those that fail, which the ledger does by stages, and
    where a stage of the team's own takes what the trials leave: it is given one document for each.
    """
    train = draft.spec.train
    if _limited(train) or _asked_for(draft):
        return 1
    affordable = BYTES // max(1, source_bytes * train.search.folds)
    return 1 << max(1, min(affordable, trials // STAGES, MOST)).bit_length() - 1


def in_lots(trials: Sequence[Trial], together: int) -> Iterator[list[Trial]]:
    """The trials of each stage, in order: of a quick candidate so many, of others one."""
    for _, group in itertools.groupby(trials, key=lambda trial: trial.candidate.name):
        of_one = list(group)
        size = together if quick(of_one[0].candidate) else 1
        for start in range(0, len(of_one), size):
            yield of_one[start : start + size]


def quick(candidate: Candidate) -> bool:
    """Whether a fit is one of a simple model: no ensemble, no network, no search of its own, nobody's own code."""
    module, _, name = candidate.estimator.rpartition(".")
    return module in QUICK and not name.endswith("CV")


def _limited(train: Train) -> bool:
    usual = (Train.model_fields["timeout"].default, None, None, None)
    return (train.timeout, train.memory, train.min_success, train.max_failures) != usual


def _asked_for(draft: Draft) -> bool:
    names = {"train", "results"}
    return any(
        names & {reference.partition(".")[0] for reference in stage.inputs.values()}
        or names & {parameter.name for parameter in draft.fingerprints.signatures[stage.call].inputs}
        for stage in draft.spec.stages
    )
