"""What each pure task makes of the samples, described and recorded: python -m tests.unit.task_behaviour records it."""

from __future__ import annotations

import hashlib
import json
import math
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from orchestrator.client.workflow import Workflow
from orchestrator.contracts.calls import ArtifactRef, Gather, Kind, Output, Purity, StageCall
from orchestrator.contracts.tasks import TASKS, purity_of
from orchestrator.contracts.training import TrialsParams
from orchestrator.contracts.values import canonical
from orchestrator.engine.messages import Spent
from orchestrator.plan.build import build
from orchestrator.plan.fingerprints import Fingerprints
from orchestrator.store.artifacts import ArtifactStore
from tests.unit import task_samples, whole_case
from tests.unit.training_case import Quiet
from workers.catalogue import function_of
from workers.runtime.codecs import Desk
from workers.runtime.context import StageContext
from workers.runtime.execute import execute
from workers.runtime.job import Job, resolve_inputs
from workers.runtime.tables import read_table

RECORD = Path(__file__).with_name("task_behaviour.json")
# Another BLAS sums in another order: numbers differ for us when they differ in their fourth digit.
RELATIVE, ABSOLUTE, DIGITS = 5e-4, 1e-6, 6
WORDING = frozenset({"sentence", "reason", "reasons", "message"})  # better words are no other behaviour
TOGETHER = "wines"  # whose trials run once more in one stage, and the first of them in one for each fold
AGAIN = "tumours"  # whose model is judged once more, as a registered one
LISTED = 12  # entries of a list that are kept one by one
Described = dict[str, dict[str, Any]]  # "task@version" → "workflow/stage" → {"asked", "outputs"}


def behaviour(folder: Path) -> Described:
    """Run every stage of the samples by its real function, as a worker would, and describe what came of each."""
    found: Described = {}
    store = ArtifactStore(str(folder / "store"), folder / "cache", 1 << 30)
    for file in task_samples.write(folder):
        for call, description in _run(file, store, folder):
            name = f"{call.task}@{TASKS[call.task].version}"
            found.setdefault(name, {})[f"{file.stem}/{call.id}"] = description
    return found


def _run(file: Path, store: ArtifactStore, folder: Path) -> Iterator[tuple[StageCall, dict[str, Any]]]:
    spec = Workflow.load(file).spec
    sources = {name: store.put_file(file.parent / one.file, Kind.FILE) for name, one in spec.data.sources.items()}
    outputs: dict[str, dict[str, ArtifactRef]] = {}
    joined: dict[str, list[str]] = {}
    waiting = list(build(spec, Fingerprints(sources=sources)).stages)
    done: list[StageCall] = []
    while waiting:
        call = waiting.pop(0)
        done.append(call)
        if purity_of(call) is Purity.EFFECT:  # a registry's, or an account's: not a function of its inputs
            outputs[call.id] = {}
            continue
        before = {name: outputs[name] for name in (*call.upstream(), *joined.get(call.id, ()))}
        job = Job(run="w-1", attempt=1, key="k", call=call, inputs=resolve_inputs(call, before), seed=spec.seed)
        scratch = folder / "scratch" / file.stem / call.id
        context = StageContext("w-1", call.id, 1, "k", scratch, Quiet(), store.cache, seed=spec.seed)
        context.accounts = (lambda _: Spent(0.0, 0.0)) if TASKS[call.task].expands else None
        desk = Desk(store, lambda context=context: context.workdir)  # type: ignore[misc]
        outputs[call.id] = execute(job, function_of(call.task), context, desk, {})
        waiting = [*context.grown, *waiting]
        for join in context.joins:
            joined.setdefault(join, []).extend(one.id for one in context.grown)
        described = {name: _described(ref, store) for name, ref in outputs[call.id].items()}
        yield call, {"asked": _asked(call, {one.digest for one in sources.values()}), "outputs": described}
        if call.id == "select" and file.stem == TOGETHER:
            trials = [one for one in done if one.task == "train.trial"]
            waiting += [_together(trials), *_apart(trials[0], spec.train.search.folds)]
        if call.id == "package" and file.stem == AGAIN:
            waiting += [
                one.model_copy(update={"id": f"again-{one.id}", "inputs": _again(one.inputs)})
                for one in whole_case.judged_again(spec, done, outputs, next(iter(sources.values()))).stages
            ]


def _together(trials: list[StageCall]) -> StageCall:
    """The trials of one candidate as one stage, which only searches of more trials have."""
    shared = {name: value for name, value in trials[0].params.items() if name in TrialsParams.model_fields}
    settings = [{"index": one.params["index"], "params": one.params["params"]} for one in trials]
    task = TASKS["train.trials"]
    return trials[0].model_copy(
        update={
            "id": "together",
            "task": task.name,
            "version": task.version,
            "params": TrialsParams(**shared, settings=settings).model_dump(mode="json"),
        }
    )


def _apart(trial: StageCall, folds: int) -> Iterator[StageCall]:
    """The trial in a stage for each fold, which only searches of few trials on much data have."""
    fold, joined = TASKS["train.fold"], TASKS["train.joined"]
    places = range(1, folds + 1)
    for place in places:
        given = {"id": f"fold-{place}", "params": {**trial.params, "fold": place}}
        yield trial.model_copy(update={**given, "task": fold.name, "version": fold.version})
    inputs = {"folds": Gather(stages=tuple(f"fold-{place}" for place in places), output="score")}
    given = {"id": "joined", "task": joined.name, "version": joined.version, "queue": joined.queue.value}
    yield trial.model_copy(update={**given, "inputs": inputs})


def _again(inputs: dict[str, Any]) -> dict[str, Any]:
    """Inputs from the stages of the second plan, beside those of the first."""
    return {
        name: one.model_copy(update={"stage": f"again-{one.stage}"}) if isinstance(one, Output) else one
        for name, one in inputs.items()
    }


def _asked(call: StageCall, sources: set[str]) -> str:
    """A digest of what the stage was asked, apart from what earlier stages left: a bundle names its environment."""
    refs = {name: one.digest for name, one in call.inputs.items() if isinstance(one, ArtifactRef)}
    given = {name: digest for name, digest in refs.items() if digest in sources}
    return hashlib.sha256(canonical([call.params, given, call.upstream()])).hexdigest()[:16]


# — describing


def _described(ref: ArtifactRef, store: ArtifactStore) -> Any:
    if ref.kind is Kind.TABLE:
        frame = read_table(store.fetch(ref)).reset_index()
        return {str(name): _column(frame[name]) for name in frame.columns}
    if ref.kind is Kind.JSON:
        return _rounded(json.loads(store.read(ref)))
    return ref.kind.value  # a model, a bundle: what they answer stands in predictions and in the bundle's own proof


def _column(column: pd.Series) -> dict[str, Any]:
    known = column.dropna()
    ends = [_plain(value) for value in (*known.head(2), *known.tail(1))]
    about: dict[str, Any] = {"type": str(column.dtype), "missing": int(column.isna().sum()), "ends": ends}
    if pd.api.types.is_bool_dtype(known) or not pd.api.types.is_numeric_dtype(known):
        return about | {"digest": hashlib.sha256("\n".join(map(str, known)).encode()).hexdigest()[:12]}
    values = known.to_numpy(dtype="float64")
    places = np.linspace(-1, 1, len(values))  # notices rows that changed places
    return about | {"mean": _plain(values.mean()), "order": _plain((values * places).mean())} if len(values) else about


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items() if name not in WORDING}
    if isinstance(value, list):
        kept = [_rounded(one) for one in value]
        return kept if len(kept) <= LISTED else {"entries": len(kept), "ends": [*kept[:3], *kept[-2:]]}
    return _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, float):  # numpy's as well
        return float(f"{value:.{DIGITS}g}")
    return int(value) if isinstance(value, np.integer) else value if isinstance(value, bool | int) else _text(value)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


# — comparing


def complaints(found: Described, recorded: Described) -> list[str]:
    """One line for each task whose behaviour is not the recorded one of its version, in the order of the plan."""
    lines, moved = [], False
    for name, stages in found.items():
        task, _, version = name.partition("@")
        if name not in recorded:
            lines.append(f"{name} has no record: python -m tests.unit.task_behaviour")
            continue
        for stage, now in stages.items():
            then = recorded[name].get(stage, {"asked": None, "outputs": None})
            where = difference(then["outputs"], now["outputs"], stage)
            if where is None and then["asked"] == now["asked"]:
                continue
            if then["asked"] != now["asked"] or moved:
                lines.append(f"{name} was asked something else ({stage}): python -m tests.unit.task_behaviour")
            else:
                lines.append(
                    f"{task} behaves otherwise than version {version} did ({where}): raise its version in "
                    "orchestrator/contracts/tasks.py, then python -m tests.unit.task_behaviour"
                )
            break
        moved = moved or bool(lines)
    return lines


def difference(then: Any, now: Any, where: str) -> str | None:
    """The first place where two descriptions differ; numbers may in their last digits."""
    if isinstance(then, dict) and isinstance(now, dict) and then.keys() == now.keys():
        return next(filter(None, (difference(then[key], now[key], f"{where}.{key}") for key in now)), None)
    if isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        pairs = enumerate(zip(then, now, strict=True))
        return next(filter(None, (difference(*pair, f"{where}[{place}]") for place, pair in pairs)), None)
    if isinstance(then, float) or isinstance(now, float):
        numbers = [one for one in (then, now) if isinstance(one, int | float)]
        if len(numbers) == 2 and math.isclose(*numbers, rel_tol=RELATIVE, abs_tol=ABSOLUTE):
            return None
    return None if then == now else f"{where}: {str(then)[:60]} → {str(now)[:60]}"


def recorded() -> Described:
    """What was recorded last."""
    found: Described = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    return found


def main() -> str | None:
    """Record; refused where a task of an unchanged version behaves otherwise when asked the same."""
    with tempfile.TemporaryDirectory() as folder:
        found = behaviour(Path(folder))
    forgotten = [line for line in complaints(found, recorded()) if "raise its version" in line]
    if forgotten:
        return "\n".join(forgotten)
    RECORD.write_text(_written(found))
    return None


def _written(found: Described) -> str:
    """A line for each stage, so that a change is seen where it is."""
    tasks = [
        f"{json.dumps(name)}: {{\n"
        + ",\n".join(f" {json.dumps(stage)}: {json.dumps(one)}" for stage, one in stages.items())
        for name, stages in found.items()
    ]
    return "{\n" + "\n},\n".join(tasks) + "\n}\n}\n"


if __name__ == "__main__":
    sys.exit(main())
