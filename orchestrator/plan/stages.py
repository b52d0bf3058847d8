"""Cyclery's own stages: for each the call that the spec asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from orchestrator.contracts import data, roles
from orchestrator.contracts.calls import Gather, Input, Output
from orchestrator.contracts.errors import InvalidInput
from orchestrator.contracts.evaluation import (
    PRODUCTION,
    ChecksGate,
    EvaluateParams,
    GatesParams,
    MeasuredGate,
    SizeGate,
    column_of,
    spends,
)
from orchestrator.contracts.feasibility import FeasibilityParams, RequireParams, TimedCandidate
from orchestrator.contracts.release import PackageParams, RegisterParams
from orchestrator.contracts.segments import SegmentsParams
from orchestrator.contracts.tasks import NoParams
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
from orchestrator.plan.candidates import Trial, expand
from orchestrator.plan.draft import Draft
from orchestrator.plan.problems import CannotPlan, Problem
from orchestrator.plan.rivals import compares, drifts, named_rivals, rival_of
from orchestrator.plan.together import in_lots, most_together
from orchestrator.spec.headers import format_of
from orchestrator.spec.models import Approve, Per, Source, Spec, Train


def ingest(draft: Draft) -> None:
    """Each source's bytes become a table."""
    for name, source in draft.spec.data.sources.items():
        inputs: dict[str, Input] = {"file": draft.fingerprints.sources[name]}
        draft.add("ingest", "data.ingest", source_params(name, source), inputs, identifier=f"ingest[{name}]")


def source_params(name: str, source: Source) -> data.IngestParams:
    """How a workflow's source is read."""
    described = source.model_dump(exclude={"file", "format"})
    return data.IngestParams(source=name, filename=source.file, format=_format(source), **described)


def _format(source: Source) -> data.Format:
    """Raises InvalidInput where the ending of the file's name says nothing."""
    found = format_of(source)
    if found is None:
        raise InvalidInput(
            f"{source.file}: its ending tells no format: write `format: csv` (tsv, json, jsonl, parquet)"
        )
    return found


def check(draft: Draft) -> None:
    """The checks of the table as it is in the source."""
    columns = {name: data.ColumnCheck(**one.model_dump()) for name, one in draft.spec.data.checks.items()}
    (source,) = draft.spec.data.sources.values()
    params = data.CheckParams(columns=columns, rows=draft.spec.data.rows, filename=source.file)
    draft.add("check", "data.check", params, {"table": draft.table})


def prepare(draft: Draft) -> None:
    """Row-wise preparation, once the checks passed."""
    params = data.PrepareParams.model_validate(draft.spec.prepare.model_dump())
    after = ("check",) if draft.has("check") else ()
    draft.add("prepare", "data.prepare", params, {"table": draft.table}, after=after)
    draft.table = Output(stage="prepare", output="table")


def split(draft: Draft) -> None:
    """Test rows and folds."""
    spec = draft.spec
    params = data.SplitParams(
        **spec.split.model_dump(exclude={"assume_independent"}),
        folds=spec.train.search.folds,
        objective=_target(spec),
        columns=_roles(spec),
    )
    draft.add("split", "data.split", params, {"table": draft.table})
    named = [name for name in (spec.columns.group, spec.columns.time) if name is not None]
    if named and spec.split.assume_independent:
        draft.notes.append(
            f"rows are taken for independent, as the workflow says, although it names {' and '.join(named)}: "
            "where they are not, scores are too good"
        )


def features(draft: Draft) -> None:
    """Derived columns, and the rules of preparation resolved from training rows."""
    spec = draft.spec
    params = data.FeaturesParams(
        derive=spec.features.derive,
        columns=spec.features.columns,
        objective=_target(spec),
        roles=_roles(spec),
        segment=spec.train.per.column if spec.train.per else None,
        dtype="float32" if spec.train.dtype == "float32" else None,
        sparse=None if spec.train.sparse == "never" else spec.train.sparse,
    )
    draft.add("features", "features.build", params, {"table": draft.table, "rows": _split("rows")})


def feasibility(draft: Draft) -> None:
    """Whether the target is in reach, by simple models; the search waits for it only where it is required."""
    spec = draft.spec
    first = {trial.candidate.name: trial for trial in reversed(expand(spec.train)) if not trial.candidate.entries}
    params = FeasibilityParams(
        objective=_objective(spec),
        roles=_roles(spec),
        target=spec.objective.target if spec.objective.target is not None else spec.objective.goal,
        timed=tuple(
            TimedCandidate(name=name, estimator=first[name].candidate.estimator, params=first[name].params)
            for name in (candidate.name for candidate in spec.train.candidates)
            if name in first
        ),
        seed=spec.seed,
    )
    policy = policies.feasibility_policy(spec)
    draft.add("feasibility", "train.feasibility", params, {**_prepared(), "summary": _split("summary")}, policy=policy)


def require(draft: Draft) -> None:
    """The run ends here as refused unless the target was found to be as realistic as the spec asks."""
    given = {"feasibility": Output(stage="feasibility", output="feasibility")}
    draft.add("require", "train.require", RequireParams(verdict=draft.spec.objective.require or "realistic"), given)


def train(draft: Draft) -> None:
    """One stage for each trial of each candidate, or the steps of a search that brings them into being.

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
    inputs = {**_prepared(), "summary": _split("summary")}
    for lot in in_lots(trials, most_together(draft, len(trials), size)):
        one = lot[0]
        many = len(lot) > 1
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
        objective=_objective(spec),
        roles=_roles(spec),
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
        objective=_objective(spec),
        trials=trials,
        folds=spec.train.search.folds,
        rule=spec.train.select,
        inputs={**_prepared(), "summary": _split("summary")},
        policy=policies.segment_policy(spec.train),
        code=draft.fingerprints.model_code,
        joins=("select",),
    )
    inputs = {name: one for name, one in _prepared().items() if name in ("frame", "rows")}
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
        objective=_objective(spec),
        roles=_roles(spec),
        model_seed=spec.seed,
        weights=spec.train.weights,
        inputs={**_prepared(), "summary": _split("summary")},
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
        objective=_objective(spec),
        roles=_roles(spec),
        seed=spec.seed,
        weights=spec.train.weights,
        threshold=spec.objective.decision,
        costs=spec.objective.costs,
        trials=None if grown else sum(trials_of(call.task, call.params) for call in draft.calls),
        candidates=tuple(candidate.name for candidate in spec.train.candidates) if grown or together else (),
        segmenting=_segmenting(spec.train.per) if spec.train.per else None,
    )
    alone = tuple(one for one in draft.groups["train"] if one not in together)
    inputs: dict[str, Input] = {"results": Gather(stages=alone, output="result"), **_prepared()}
    if together:
        inputs["together"] = Gather(stages=together, output="results")
    if params.threshold is not None:  # tuned on the folds
        inputs["summary"] = _split("summary")
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


def evaluate(draft: Draft) -> None:
    """The champion on the untouched test rows."""
    spec = draft.spec
    asked = spec.evaluation
    params = EvaluateParams(
        objective=_objective(spec),
        roles=_roles(spec),
        seed=spec.seed,
        costs=spec.objective.costs,
        slices=asked.slices,
        weakest=asked.weakest,
        top=asked.top if spec.objective.task == "classification" else (),
    )
    inputs = {"model": _select("model"), **_prepared()}
    if asked.slices or asked.weakest:
        inputs["prepared"] = draft.table
    draft.add("evaluate", "evaluate.model", params, inputs, code=draft.fingerprints.model_code)


def spend(draft: Draft) -> None:
    """The account of the test rows, before anything is judged on them."""
    inputs: dict[str, Input] = {
        "rows": _split("rows"),
        "predictions": Output(stage="evaluate", output="predictions"),
    }
    rival = rival_of(draft.spec, draft.fingerprints.live)
    if rival is not None and compares(draft.spec):
        inputs["rival_rows"] = draft.fingerprints.rivals[rival].rows
    draft.add("spend", "evaluate.spend", _judged(draft), inputs)


def gates(draft: Draft) -> None:
    """The verdicts; a registered rival comes with its bundle, its rows and the raw table that it predicts from."""
    spec = draft.spec
    inputs: dict[str, Input] = {
        "evaluation": Output(stage="evaluate", output="evaluation"),
        "predictions": Output(stage="evaluate", output="predictions"),
        "frame": Output(stage="features", output="frame"),
        "rows": _split("rows"),
    }
    rival = rival_of(spec, draft.fingerprints.live)
    if rival is not None:
        known = draft.fingerprints.rivals[rival]
        inputs["rival_rows"] = known.rows
        if compares(spec):
            inputs |= {"table": draft.source, "rival_bundle": known.bundle}
        if drifts(spec) and known.frame is not None:
            inputs["rival_frame"] = known.frame
    if _sliced(spec):
        inputs["prepared"] = draft.table
    if any(isinstance(gate, SizeGate) for gate in spec.gates):
        inputs["model"] = _select("model")
    if any(isinstance(gate, ChecksGate) for gate in spec.gates):
        inputs["findings"] = Output(stage="check", output="findings")
    if draft.has("measure"):
        inputs["measurements"] = Output(stage="measure", output="measurements")
    if draft.has("spend"):
        inputs["spending"] = Output(stage="spend", output="spending")
    draft.add("gates", "evaluate.gates", _judged(draft), inputs, code=draft.fingerprints.gate_code)


def _sliced(spec: Spec) -> set[str | None]:
    """The columns by which gates divide the test rows."""
    return {column_of(gate) for gate in spec.gates} - {None}


def _judged(draft: Draft) -> GatesParams:
    """What is judged, and against which version."""
    spec = draft.spec
    return GatesParams(
        gates=spec.gates,
        objective=_objective(spec),
        roles=_roles(spec),
        seed=spec.seed,
        costs=spec.objective.costs,
        live=draft.fingerprints.live if PRODUCTION in named_rivals(spec) else None,
        slices=tuple(one for one in spec.evaluation.slices if one.column in _sliced(spec)),
    )


def package(draft: Draft) -> None:
    """The bundle: everything from raw rows to predictions. It does not wait for the gates."""
    spec = draft.spec
    params = PackageParams(
        model=spec.name,
        objective=_objective(spec),
        roles=_roles(spec),
        derive=spec.features.derive,
        custom=tuple(draft.steps),
        own=draft.fingerprints.model_code,
    )
    inputs = {
        "model": _select("model"),
        "preparation": Output(stage="features", output="preparation"),
        "changes": Output(stage="prepare", output="changes"),
        "source": draft.source,
        "predictions": Output(stage="evaluate", output="predictions"),
    }
    draft.add("package", "release.package", params, inputs, code=draft.fingerprints.model_code)


def measure(draft: Draft) -> None:
    """How fast and heavy the bundle is, where gates ask for it: measured once, and kept as it was measured."""
    inputs = {
        "bundle": Output(stage="package", output="bundle"),
        "source": draft.source,
        "predictions": Output(stage="evaluate", output="predictions"),
    }
    draft.add("measure", "release.measure", NoParams(), inputs)


def approve(draft: Draft) -> None:
    """A person decides, once there is everything to decide on."""
    policy = policies.approve_policy(draft.spec.approve or Approve())
    after = [name for name in ("gates", "package") if draft.has(name)]
    draft.add("approve", "release.approve", NoParams(), {}, after=after, policy=policy)


def register(draft: Draft) -> None:
    """The model version with its evidence."""
    inputs: dict[str, Input] = {
        "bundle": Output(stage="package", output="bundle"),
        "signature": Output(stage="package", output="signature"),
        "evaluation": Output(stage="evaluate", output="evaluation"),
        "ranking": _select("ranking"),
        "rows": _split("rows"),
    }
    if draft.has("gates"):
        inputs["verdicts"] = Output(stage="gates", output="verdicts")
    after = ("approve",) if draft.has("approve") else ()
    draft.add("register", "release.register", RegisterParams(model=draft.spec.name), inputs, after=after)


_ASKED = {"goal", "target", "require", "threshold", "costs"}  # of the objective: what only some stages are told

BUILDERS: dict[str, Callable[[Draft], None]] = {
    "ingest": ingest,
    "check": check,
    "prepare": prepare,
    "split": split,
    "features": features,
    "feasibility": feasibility,
    "require": require,
    "train": train,
    "segments": segments,
    "select": select,
    "evaluate": evaluate,
    "spend": spend,
    "gates": gates,
    "package": package,
    "measure": measure,
    "approve": approve,
    "register": register,
}


def spine_of(spec: Spec, *, feasibility: bool = False) -> tuple[str, ...]:
    """Cyclery's own stages that this spec has, in their order; with `feasibility` that one in any case."""
    absent = {
        "check": not spec.data.checks and spec.data.rows is None,
        "feasibility": spec.objective.target is None and not feasibility,
        "require": spec.objective.require is None,
        "segments": spec.train.per is None,
        "spend": not any(map(spends, spec.gates)),
        "gates": not spec.gates,
        "measure": not (measured := any(isinstance(gate, MeasuredGate) for gate in spec.gates)),
        "approve": spec.approve is None,
    }
    names = [name for name in BUILDERS if not absent.get(name, False)]
    if measured:  # the bundle is judged as well: the gates wait for it
        names.remove("gates")
        names.insert(names.index("measure") + 1, "gates")
    return tuple(names)


def _objective(spec: Spec) -> roles.Objective:
    """The objective without what is only shown, and without what only some stages are told."""
    return roles.Objective(**spec.objective.model_dump(exclude=_ASKED))


def _target(spec: Spec) -> roles.Objective:
    """What is predicted, for stages that score nothing: another metric or quantile leaves their keys alone."""
    return roles.Objective(**spec.objective.model_dump(exclude=_ASKED | {"metric", "quantile"}), metric="")


def _roles(spec: Spec) -> roles.Columns:
    return roles.Columns(**spec.columns.model_dump())


def _prepared() -> dict[str, Input]:
    return {
        "frame": Output(stage="features", output="frame"),
        "rows": _split("rows"),
        "preparation": Output(stage="features", output="preparation"),
    }


def _split(output: str) -> Output:
    return Output(stage="split", output=output)


def _select(output: str) -> Output:
    return Output(stage="select", output=output)
