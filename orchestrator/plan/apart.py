"""Trials whose folds stand apart: where few trials meet much data, a stage for each would leave most of a pool idle."""

from __future__ import annotations

from orchestrator.contracts.calls import Gather, Input, Policy
from orchestrator.contracts.training import FoldParams, TrialParams
from orchestrator.plan import policies
from orchestrator.plan.candidates import Trial
from orchestrator.plan.draft import Draft
from orchestrator.plan.together import quick

FEW = 16  # trials: so many keep a pool busy by themselves
QUICK_BYTES = 4 * 2**20  # of the source, from which on a fold of a quick candidate takes longer than its stage
BYTES = 2**20  # of the source, where the candidate is another


def apart(trial: Trial, trials: int, source_bytes: int) -> bool:
    """Whether the folds of a trial, one of so many in its search, have a stage each."""
    return trials < FEW and source_bytes >= (QUICK_BYTES if quick(trial.candidate) else BYTES)


def add_apart(
    draft: Draft, trial: Trial, params: TrialParams, inputs: dict[str, Input], after: tuple[str, ...], policy: Policy
) -> None:
    """Write the folds of a trial, `train[NAME#I/K]`, and the stage that makes its document of them, `train[NAME#I]`.

    Whoever takes trials takes the latter, which alone stands in the group of the trials.
    """
    identifier = f"train[{trial.candidate.name}#{trial.index}]"
    folds = tuple(f"{identifier[:-1]}/{number}]" for number in range(1, draft.spec.train.search.folds + 1))
    given = params.model_dump()
    code = draft.fingerprints.code[trial.candidate.code] if trial.candidate.entries else None
    for number, fold in enumerate(folds, start=1):
        one = FoldParams(**given, fold=number)
        draft.add("train", "train.fold", one, inputs, identifier=fold, after=after, code=code, policy=policy)
    together = {"folds": Gather(stages=folds, output="score")}
    joined = policies.joined_policy(len(folds))
    draft.add("train", "train.joined", params, together, identifier=identifier, policy=joined)
    draft.groups["train"] = [one for one in draft.groups["train"] if one not in folds]
