"""train.search: one step of a search. It takes what is known, asks for further trials, and records why it stops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from orchestrator.contracts.calls import StageCall
from orchestrator.contracts.documents.training import SearchState, SearchStep, SearchTrial, TrialResult
from orchestrator.contracts.tasks import TASKS
from orchestrator.contracts.training import SearchParams, TrialParams
from orchestrator.engine.messages import Spent
from workers.runtime.context import StageContext
from workers.training.schedule import Schedule


class SearchOutputs(NamedTuple):
    """The search as it stands."""

    search: SearchState


def search(
    results: list[TrialResult],
    search: SearchState | None = None,
    *,
    params: SearchParams,
    context: StageContext,
) -> SearchOutputs:
    """Decide what is tried next, and bring it into being as an expansion.

    The trials of step k are joined to step k + lag, which therefore knows them, and to what ranks them all. The steps
    stand in the plan from its beginning, one after the other: once the search is over, those that are left do nothing.
    """
    before = search or SearchState(method=params.method)
    state = before.model_copy(update={"trials": learned(before.trials, results, params.step - params.lag)})
    spent = context.spent([one.stage for one in state.trials]) if params.timed else None
    schedule = Schedule(state, params)
    ended = before.ended or over(schedule, params, spent)
    asked = schedule.next(over=ended is not None)
    if ended is None and schedule.exhausted(asked):
        ended = _all_tried(len(schedule.drawn), params)
    step = SearchStep(
        step=params.step,
        known=len(state.trials) - schedule.pending,
        asked=len(asked),
        best=schedule.best(),
        elapsed_s=round(spent.elapsed, 3) if spent else None,
        worker_s=round(spent.worker, 3) if spent else None,
    )
    if asked:
        context.expand([_call(one, params) for one in asked], (f"search[{params.step + params.lag}]", *params.joins))
    return SearchOutputs(
        SearchState(method=params.method, trials=(*state.trials, *asked), steps=(*before.steps, step), ended=ended)
    )


def learned(trials: Sequence[SearchTrial], results: Sequence[TrialResult], until: int) -> tuple[SearchTrial, ...]:
    """The trials with what became of those that the steps up to `until` asked for; one without a result has failed."""
    found = {(one.candidate, one.index, one.rung): one.mean for one in results}
    known = []
    for one in trials:
        if one.step <= until and one.score is None and not one.failed:
            score = found.get((one.candidate, one.index, one.rung))
            known.append(one.model_copy(update={"score": score, "failed": score is None}))
        else:
            known.append(one)
    return tuple(known)


def over(schedule: Schedule, params: SearchParams, spent: Spent | None) -> str | None:
    """Why nothing new is to be asked for, in words, or None; a search halves on while there is a budget.

    What is under way counts as spent, each trial with the mean of those that ended: so a budget is overrun by what one
    step asks for, not by that of the step before as well.
    """
    if spent is not None:
        due = len(schedule.state.trials) / spent.ended if spent.ended else 1.0
        if params.time_s is not None and spent.elapsed * due >= params.time_s:
            return f"the budget of time ({params.time_s:g} s) was spent"
        if params.worker_time_s is not None and spent.worker * due >= params.worker_time_s:
            return f"the budget of worker time ({params.worker_time_s:g} s) was spent"
    if schedule.impatient():
        more = f" by more than {params.tolerance:g}" if params.tolerance else ""
        return f"the best score had not improved{more} in {params.patience} trials"
    return None


def _all_tried(settings: int, params: SearchParams) -> str:
    if settings < params.trials:
        return f"there are only {settings} different settings, and all were tried"
    return f"all {settings} settings were tried"


def _call(trial: SearchTrial, params: SearchParams) -> StageCall:
    """The stage of a trial, as the plan would have written it."""
    task = TASKS["train.trial"]
    candidate = next(one for one in params.candidates if one.space.name == trial.candidate)
    asked = TrialParams(
        candidate=trial.candidate,
        estimator=candidate.estimator,
        index=trial.index,
        params=trial.params,
        objective=params.objective,
        roles=params.roles,
        seed=params.model_seed,
        weights=params.weights,
        rung=trial.rung,
    )
    return StageCall(
        id=trial.stage,
        task=task.name,
        queue=task.queue.value,
        version=task.version,
        params=asked.model_dump(mode="json"),
        inputs=dict(params.inputs),
        policy=params.policy,
        code=candidate.code,
    )
