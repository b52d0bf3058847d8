"""Load inputs → call the function → save outputs: the same in a pool's child and in a guest."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from pydantic import ValidationError

from orchestrator.contracts.calls import ArtifactRef
from orchestrator.contracts.errors import DataError, InvalidInput, UserCodeError
from orchestrator.contracts.suggestions import nearest
from orchestrator.contracts.tasks import TASKS
from workers.runtime.codecs import Desk, load, save
from workers.runtime.context import StageContext
from workers.runtime.documents import Unstorable, validated
from workers.runtime.job import Job
from workers.runtime.secret_values import resolve
from workers.runtime.signature import REQUIRED, Signature, Slot, read_signature

_signature = functools.lru_cache(maxsize=64)(read_signature)


def execute(
    job: Job,
    function: Callable[..., Any],
    context: StageContext,
    desk: Desk,
    environment: Mapping[str, str],
    around: AbstractContextManager[None] | None = None,
) -> dict[str, ArtifactRef]:
    """Run one stage and answer references of its outputs by name; `environment` holds secrets.

    `around` is entered just before the function and left just after it.

    Raises what the function raises, and a CycleryError of one line for what was given to it or came of it.
    """
    signature = _signature(function)
    inputs = _inputs(job, signature, desk)
    options = _options(job, signature, environment)
    if signature.context:
        options["context"] = context
    with around or nullcontext():
        result = function(**inputs, **options)
    del inputs  # tables go before outputs are written
    return _outputs(job, signature, result, desk)


def _inputs(job: Job, signature: Signature, desk: Desk) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, given in job.inputs.items():
        slot = signature.inputs.get(name)
        if slot is None:
            raise UserCodeError(f"{job.place}: the function takes no input {name}{_near(name, signature.inputs)}")
        try:
            values[name] = load(given, slot, desk)
        except DataError as error:
            raise DataError(f"{job.place}: input {name}: {error}") from error
    for slot in signature.inputs.values():
        if slot.name not in values and slot.default is REQUIRED:
            if not slot.optional:
                raise UserCodeError(f"{job.place}: the function's input {slot.name} is given by no stage before it")
            values[slot.name] = None
    return values


def _options(job: Job, signature: Signature, environment: Mapping[str, str]) -> dict[str, Any]:
    model = TASKS[job.call.task].params if job.call.task in TASKS else None
    if model is not None:
        if "params" not in signature.options:
            return {}
        return {"params": _table_params(job, model, environment)}
    given = resolve(job.call.params, environment, job.place)
    unknown = next((name for name in given if name not in signature.options), None)
    if unknown is not None and not signature.open_ended:
        raise InvalidInput(f"{job.place}: the function takes no {unknown}{_near(unknown, signature.options)}")
    for slot in signature.options.values():
        if slot.name in given:
            given[slot.name] = _option(job, slot, given[slot.name])
        elif slot.default is REQUIRED:
            raise InvalidInput(f"{job.place}: {slot.name} is not given: add it under `with:`")
    return dict(given)


def _table_params(job: Job, model: Any, environment: Mapping[str, str]) -> Any:
    try:
        return model.model_validate(resolve(job.call.params, environment, job.place))
    except ValidationError as error:
        raise InvalidInput(f"{job.place}: {_first(error)}: the plan is of another version, submit again") from None


def _option(job: Job, slot: Slot, value: Any) -> Any:
    if value is None and slot.optional:
        return None
    try:
        return validated(value, slot.annotation)
    except ValidationError as error:
        # The value itself stays out of the message: it may be a secret.
        raise InvalidInput(f"{job.place}: {slot.name}: {_first(error)}") from None


def _outputs(job: Job, signature: Signature, result: Any, desk: Desk) -> dict[str, ArtifactRef]:
    if signature.shape == "none":
        if result is not None:
            raise UserCodeError(f"{job.place} returned a value although its function is annotated `-> None`")
        return {}
    if signature.shape == "bare" and hasattr(result, "_fields"):
        values = {name: getattr(result, name) for name in result._fields}
    elif signature.shape == "bare":
        values = dict.fromkeys(signature.outputs, result)
    else:
        values = {name: getattr(result, name, None) for name in signature.outputs}
    kept: dict[str, ArtifactRef] = {}
    for name, value in values.items():
        slot = signature.outputs.get(name, Slot(name))
        if value is None and (slot.optional or slot.annotation is Any):
            continue
        kept[name] = _save(job, value, slot, desk)
    return kept


def _save(job: Job, value: Any, slot: Slot, desk: Desk) -> ArtifactRef:
    where = f"{job.place}: output {slot.name} cannot be kept"
    try:
        return save(value, slot, desk)
    except Unstorable as error:
        raise UserCodeError(f"{where}: {error}{_hint(value)}") from error
    except DataError as error:
        raise DataError(f"{where}: {error}") from error
    except UserCodeError as error:
        raise UserCodeError(f"{where}: {error}", error.frames) from error
    except ValueError as error:  # text that UTF-8 cannot write, numbers that JSON cannot hold
        raise UserCodeError(f"{where}: {error}") from error


def _hint(value: Any) -> str:
    kind = type(value)
    if kind.__module__.startswith("pandas") and kind.__name__ == "Series":
        return "; a Series becomes a table by .to_frame()"
    return ""


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"]


def _near(name: str, known: Mapping[str, Any]) -> str:
    near = nearest(name, known)
    return f": it takes {', '.join(known) or 'none'}" if near is None else f" (did you mean {near!r}?)"
