"""Stages that judge the target, try candidates and choose among them."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.contracts.calls import Gather, Input, Output
from orchestrator.contracts.feasibility import FeasibilityParams, RequireParams, TimedCandidate
from orchestrator.contracts.segments import SegmentsParams
from orchestrator.contracts.training import (
    SearchParams,
    Segmenting,
    SelectParams,
    Setting,
    TrialParams,
    TrialsParams,
    trials_of,
)
from orchestrator.plan import policies, search
from orchestrator.plan.apart import add_apart, apart
from orchestrator.plan.candidates import Trial, expand
from orchestrator.plan.draft import Draft
from orchestrator.plan.problems import CannotPlan, Problem
from orchestrator.plan.stages.taken import columns, objective, of_split, prepared
from orchestrator.plan.together import in_lots, most_together
from orchestrator.spec.models import Spec
from orchestrator.spec.train import Per, Train


def feasibility(draft: Draft) -> None:
    """Whether the target is in reach, by simple models; the search waits for it only where it is required."""
    spec = draft.spec
    first = {trial.candidate.name: trial for trial in reversed(expand(spec.train)) if not trial.candidate.entries}
    params = FeasibilityParams(
        objective=objective(spec),
        roles=columns(spec),
        target=spec.objective.target if spec.objective.target is not None else spec.objective.goal,
        timed=tuple(
            TimedCandidate(name=name, estimator=first[name].candidate.estimator, params=first[name].params)
            for name in (candidate.name for candidate in spec.train.candidates)
            if name in first
        ),
        segmenting=_segmenting(spec.train.per) if spec.train.per is not None else None,
        seed=spec.seed,
    )
    policy = policies.feasibility_policy(spec)
    draft.add("feasibility", "train.feasibility", params, {**prepared(), "summary": of_split("summary")}, policy=policy)


def require(draft: Draft) -> None:
    """The run ends here as refused unless the target was found to be as realistic as the spec asks."""
    given = {"feasibility": Output(stage="feasibility", output="feasibility")}
    draft.add("require", "train.require", RequireParams(verdict=draft.spec.objective.require or "realistic"), given)


def train(draft: Draft) -> None:
    """The stages of each trial of each candidate, or the steps of a search that brings them into being.

    They wait for what is required before anything is spent on them.
    """
    if search.grows(draft.spec.train.search):
        _search(draft)
        return
    spec, fingerprints = draft.spec, draft.fingerprints
    trials = expand(spec.train)
    size = sum(ref.size for ref in fingerprints.sources.values())
    after = ("require",) if draft.has("require") else ()
    policy = policies.trial_policy(spec.train, len(trials), size)
    inputs = {**prepared(), "summary": of_split("summary")}
    for lot in in_lots(trials, most_together(draft, len(trials), size)):
        one = lot[0]
        many = len(lot) > 1
        if not many and apart(one, len(trials), size):
            add_apart(draft, one, _trial(spec, one), inputs, after, policy)
            continue
        draft.add(
            "train",
            "train.trials" if many else "train.trial",
            _trials(spec, lot) if many else _trial(spec, one),
            inputs,
            identifier=f"train[{one.candidate.name}#{one.index}{f'-{lot[-1].index}' if many else ''}]",
            after=after,
            code=fingerprints.code[one.candidate.code] if one.candidate.entries else None,
            policy=policies.together_policy(spec.train, len(lot)) if many else policy,
        )
    _check_success(spec.train, len(trials))


def _trials(spec: Spec, trials: Sequence[Trial]) -> TrialsParams:
    first = _trial(spec, trials[0])
    settings = tuple(Setting(index=one.index, params=one.params) for one in trials)
    return TrialsParams(settings=settings, **{name: one for name, one in first if name in TrialsParams.model_fields})


def _trial(spec: Spec, trial: Trial) -> TrialParams:
    return TrialParams(
        candidate=trial.candidate.name,
        estimator=trial.candidate.estimator,
        index=trial.index,
        params=trial.params,
        objective=objective(spec),
        roles=columns(spec),
        seed=spec.seed,
        weights=spec.train.weights,
    )


def segments(draft: Draft) -> None:
    """The stage that knows the segments, and brings those into being that fit their models."""
    spec, per = draft.spec, draft.spec.train.per
    if per is None:
        return
    trials = tuple(_trial(spec, trial) for trial in expand(spec.train))
    params = SegmentsParams(
        segmenting=_segmenting(per),
        objective=objective(spec),
        trials=trials,
        folds=spec.train.search.folds,
        rule=spec.train.select,
        inputs={**prepared(), "summary": of_split("summary")},
        policy=policies.segment_policy(spec.train),
        code=draft.fingerprints.model_code,
        joins=("select",),
    )
    inputs = {name: one for name, one in prepared().items() if name in ("frame", "rows")}
    draft.add("segments", "train.segments", params, inputs)
    draft.notes.append(
        f"one model for each value of {per.column} with {per.min_rows} training rows or more, each the best of "
        f"{len(trials)} trial{'s' if len(trials) > 1 else ''}, in stages that the run brings into being; "
        "the trials of the plan are those of the model of all rows, which answers for the other values"
    )


def _segmenting(per: Per) -> Segmenting:
    return Segmenting(**per.model_dump())


def _search(draft: Draft) -> None:
    """The steps of a search, one after the other; the last one stands for the trials where others wait for them."""
    spec, wanted = draft.spec, draft.spec.train.search
    settings, batch = search.settings_of(spec.train), search.batch_of(spec.train)
    _check_success(spec.train, settings)
    steps, lag = search.steps_of(spec.train, settings)
    first = SearchParams(
        method="random" if wanted.method == "grid" else wanted.method,
        candidates=search.candidates_of(spec.train, draft.fingerprints.code),
        step=1,
        steps=steps,
        lag=lag,
        trials=settings,
        batch=batch,
        seed=wanted.seed,
        time_s=wanted.time,
        worker_time_s=wanted.worker_time,
        patience=wanted.patience,
        tolerance=wanted.tolerance,
        factor=wanted.factor,
        resource=wanted.resource,
        shares=search.shares_of(spec.train, settings),
        brackets=search.brackets_of(spec.train, settings) if wanted.method == "hyperband" else (),
        objective=objective(spec),
        roles=columns(spec),
        model_seed=spec.seed,
        weights=spec.train.weights,
        inputs={**prepared(), "summary": of_split("summary")},
        policy=policies.trial_policy(spec.train, batch, sum(ref.size for ref in draft.fingerprints.sources.values())),
    )
    for step in range(1, steps + 1):
        params = first.model_copy(update={"step": step})
        inputs: dict[str, Input] = {"results": Gather(stages=(), output="result")}
        if step > 1:
            inputs["search"] = Output(stage=f"search[{step - 1}]", output="search")
        after = () if step > 1 else ("require" if draft.has("require") else "features",)
        policy = policies.search_policy(settings)
        draft.add("train", "train.search", params, inputs, identifier=f"search[{step}]", after=after, policy=policy)
    draft.groups["train"] = draft.groups["train"][-1:]
    draft.notes.append(search.note(first))


def _check_success(train: Train, trials: int) -> None:
    if train.min_success is not None and train.min_success > trials:
        message = f"asks for {train.min_success} successful trials of {trials}: there are not so many"
        raise CannotPlan([Problem(("train", "min_success"), message)])


def select(draft: Draft) -> None:
    """The champion among the trials, refitted on all training rows."""
    spec, grown = draft.spec, search.grows(draft.spec.train.search)
    together = tuple(call.id for call in draft.calls if call.task == "train.trials")
    params = SelectParams(
        rule=spec.train.select,
        objective=objective(spec),
        roles=columns(spec),
        seed=spec.seed,
        weights=spec.train.weights,
        threshold=spec.objective.decision,
        costs=spec.objective.costs,
        trials=None if grown else sum(trials_of(call.task, call.params) for call in draft.calls),
        candidates=tuple(candidate.name for candidate in spec.train.candidates) if grown or together else (),
        segmenting=_segmenting(spec.train.per) if spec.train.per else None,
    )
    alone = tuple(one for one in draft.groups["train"] if one not in together)
    inputs: dict[str, Input] = {"results": Gather(stages=alone, output="result"), **prepared()}
    if together:
        inputs["together"] = Gather(stages=together, output="results")
    if params.threshold is not None:  # tuned on the folds
        inputs["summary"] = of_split("summary")
    if grown:
        inputs["search"] = Output(stage=draft.groups["train"][-1], output="search")
    if spec.train.per:
        inputs["segments"] = Output(stage="segments", output="segments")
        inputs |= {name: Gather(stages=(), output=name) for name in ("models", "fitted")}
    draft.add(
        "select",
        "train.select",
        params,
        inputs,
        policy=policies.select_policy(spec.train),
        code=draft.fingerprints.model_code,
    )
