"""Pydantic's errors in plain words, at their places in the file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from orchestrator.spec.models import Spec
from orchestrator.spec.problems import Problems, did_you_mean
from orchestrator.spec.review import Review
from orchestrator.spec.written import Step, Written

_ROUNDS = 6  # a problem that is taken out may uncover another; more rounds than nested levels are never needed

# Keys that people look for in the wrong place.
_ELSEWHERE = {
    ("split", "folds"): "the number of folds is `train.search.folds`",
    ("train", "folds"): "the number of folds is `train.search.folds`",
    ("train", "trials"): "the number of trials is `train.search.trials`",
    ("data", "file"): "a file stands under a name: `sources: {NAME: {file: …}}`",
    ("objective", "target"): "the target is named by `predict`",
    ("run", "seed"): "`seed` stands at the top of the file",
}

_EXPECTED = {
    "string_type": "text (quote it)",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def validate(document: Written, problems: Problems) -> Review | None:
    """The spec in `document`; what is wrong is noted and taken out, so that the rest can be looked at too.

    None where a part is missing without which nothing else can be judged.
    """
    guessed: set[str] = set()
    for _ in range(_ROUNDS):
        try:
            spec = Spec.model_validate(document.plain(), strict=True)
            return Review(spec, document, problems, frozenset(guessed))
        except ValidationError as error:
            if not _take_out(document, error.errors(include_url=False), problems):
                return None
            guessed |= _guess(document)
    return None


def _take_out(document: Written, errors: Sequence[ErrorDetails], problems: Problems) -> bool:
    """Note the errors and remove what they are about; False where the spec cannot go on without it."""
    grouped: dict[tuple[Step, ...], list[ErrorDetails]] = {}
    for error in errors:
        grouped.setdefault(document.find(error["loc"]), []).append(error)
    misspelt = {path[:-1] for path, found in grouped.items() if any(_is_misspelt_gate(path, one) for one in found)}
    for path in sorted(grouped, key=_order, reverse=True):  # from the end, so that indexes stay right
        told = [error for error in grouped[path] if error["type"] != "missing" or path not in misspelt]
        if told:
            _note(document, path, told, problems)
    needed = any(path in {(), ("data",)} for path in grouped)
    for path in sorted(grouped, key=_order, reverse=True):
        if path not in {(), ("data",), ("objective",)}:
            document.remove(path)
    objective = document.child("objective")
    return not needed and objective is not None and isinstance(objective.value, dict)


def _is_misspelt_gate(path: tuple[Step, ...], error: ErrorDetails) -> bool:
    """Whether a gate's key was meant otherwise: keys tell of which kind it is, so what it lacks is a guess."""
    on_key = path[:1] == ("gates",) and error["type"] == "extra_forbidden"
    return on_key and "did you mean" in _unknown_key(path, error["loc"])


def _order(path: tuple[Step, ...]) -> list[tuple[int, int, str]]:
    return [(step, 0, "") if isinstance(step, int) else (0, 1, step) for step in path]


_GUESSES = {"predict": "", "task": "classification"}


def _guess(document: Written) -> set[str]:
    """Make up what is missing in the objective, so that the rest can be looked at; says what was made up."""
    objective = document.child("objective")
    if objective is None or not isinstance(objective.value, dict):
        return set()
    made_up = {key for key in _GUESSES if key not in objective.value}
    for key in made_up:
        objective.value[key] = Written(_GUESSES[key], objective.place)
    return made_up


def _note(document: Written, path: tuple[Step, ...], errors: list[ErrorDetails], problems: Problems) -> None:
    place = document.at(path).place
    if problems.at(place) and all(error["type"] not in {"extra_forbidden", "missing"} for error in errors):
        return  # an unset variable, say, has been noted there
    alternatives = [error for error in errors if error["type"] in _EXPECTED or error["type"] == "literal_error"]
    if len(alternatives) > 1 and len(alternatives) == len(errors):
        words = dict.fromkeys(_expected(error) for error in alternatives)
        problems.add(place, f"{_name(path)} should be {' or '.join(words)}{_not(errors[0])}")
        return
    for error in errors:
        if error["type"] == "missing" and document.damaged((*path, error["loc"][-1])):
            continue  # it was there, and what is wrong with it has been said
        on_key = error["type"] == "extra_forbidden"
        problems.add(document.place_of(path, key=on_key), _words(path, error))


def _words(path: tuple[Step, ...], error: ErrorDetails) -> str:
    kind = error["type"]
    if kind == "extra_forbidden":
        return _unknown_key(path, error["loc"])
    if kind == "missing":
        return f"{str(error['loc'][-1])!r} is missing{f' in {_name(path)}' if path else ''}"
    if kind in {"value_error", "assertion_error"}:
        return str(error.get("ctx", {}).get("error", error["msg"]))
    return f"{_name(path)} {_asked(path, error)}{_not(error)}{_near_choice(error)}"


def _asked(path: tuple[Step, ...], error: ErrorDetails) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind in _EXPECTED or kind == "literal_error":
        return f"should be {_expected(error)}"
    if kind == "string_pattern_mismatch":
        return f"should be {_PATTERNS.get(str(path[-1]), 'letters, digits, - and _')}"
    bound = next((f"{context[key]:g}" for key in ("ge", "gt", "le", "lt") if key in context), "")
    return _BOUNDS.get(kind, error["msg"][:1].lower() + error["msg"][1:]).format(bound=bound)


def _near_choice(error: ErrorDetails) -> str:
    if error["type"] != "literal_error" or not isinstance(error["input"], str):
        return ""
    hint = did_you_mean(error["input"], _choices(error))
    return hint if "did you mean" in hint else ""


_PATTERNS = {"call": "module:function"}
_BOUNDS = {
    "greater_than_equal": "should be at least {bound}",
    "greater_than": "should be more than {bound}",
    "less_than_equal": "should be at most {bound}",
    "less_than": "should be less than {bound}",
    "string_too_short": "should be one character",
    "string_too_long": "should be one character",
}


def _expected(error: ErrorDetails) -> str:
    if error["type"] == "literal_error":
        return str(error["ctx"]["expected"])
    return _EXPECTED[error["type"]]


def _choices(error: ErrorDetails) -> list[str]:
    return [word.strip("' ") for word in str(error["ctx"]["expected"]).replace(" or ", ",").split(",")]


def _not(error: ErrorDetails) -> str:
    value = error["input"]
    if isinstance(value, dict):
        return ", not a mapping"
    if isinstance(value, tuple | list):
        return ", not a list"
    if isinstance(value, bool) or value is None:
        return f", not {'nothing' if value is None else str(value).lower()}"
    return f", not {value!r}"


def _name(path: Sequence[Step]) -> str:
    if not path:
        return "the file"
    out = ""
    for step in path:
        if isinstance(step, str):  # the place says which entry of a list it is
            out += f".{step}" if out else step
    return out


def _unknown_key(path: tuple[Step, ...], location: Sequence[Step]) -> str:
    key, parent = str(path[-1]), path[:-1]
    elsewhere = _ELSEWHERE.get((str(parent[-1]) if parent else "", key))
    if elsewhere:
        return f"unknown key {key!r} in {_name(parent)} ({elsewhere})"
    where = f" in {_name(parent)}" if parent else ""
    return f"unknown key {key!r}{where}{did_you_mean(key, known_keys(location[:-1]))}"


def known_keys(location: Sequence[Step]) -> list[str]:
    """The keys that the models know at a location."""
    models: list[type[BaseModel]] = [Spec]
    for step in location:
        below = [field.annotation for model in models for name, field in _fields(model) if name == step]
        if below:
            models = [model for annotation in below for model in _models_in(annotation)]
    return list(dict.fromkeys(name for model in models for name, _ in _fields(model)))


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, Any]]:
    for name, field in model.model_fields.items():
        yield field.alias or name, field


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
