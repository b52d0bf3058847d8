"""A workflow file → Spec, or all its problems at once."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from orchestrator.contracts.errors import InvalidInput, SpecError
from orchestrator.spec import overrides as set_options
from orchestrator.spec.later import refuse_later
from orchestrator.spec.models import Spec
from orchestrator.spec.problems import Problems
from orchestrator.spec.reading import MAX_BYTES, read
from orchestrator.spec.rules import check
from orchestrator.spec.validation import validate
from orchestrator.spec.written import Place, Written


def load(path: Path, *, overrides: Sequence[str] = (), environment: Mapping[str, str]) -> Spec:
    """The spec in a file, with `--set` overrides; raises SpecError with everything that is wrong.

    Reads the headers of the data and the signatures of the team's own code; runs nothing of it.
    """
    problems = Problems()
    document = _document(path, environment, problems)
    if document is not None:
        for override in overrides:
            set_options.apply(document, override, environment, problems)
        refuse_later(document, problems)
        _default_name(document, path)
        review = validate(document, problems)
        if review is not None:
            spec = check(replace(review, spec=review.spec.placed(path.parent)))
            problems.raise_any()
            return spec.placed(path.parent)
    problems.raise_any()
    raise SpecError([f"{path}: nothing to run"])  # unreachable: no spec without a problem


def _document(path: Path, environment: Mapping[str, str], problems: Problems) -> Written | None:
    document = read(_text(path), lambda line, column: Place(str(path), line + 1, column + 1), environment, problems)
    if document is not None and not isinstance(document.value, dict):
        problems.add(document.place, "a workflow file is a mapping of sections: objective, data, …")
        return None
    if document is not None:
        for section, written in list(document.value.items()):
            if written.value is None:  # an empty section is a left-out one
                del document.value[section]
    return document


def _text(path: Path) -> str:
    try:
        if path.is_dir():
            raise InvalidInput(f"{path} is a folder: name the workflow file in it")
        if path.stat().st_size > MAX_BYTES:
            raise InvalidInput(f"{path} is larger than {MAX_BYTES} bytes: this is no workflow file")
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InvalidInput(f"{path}: there is no such file (make one with: cyclery init)") from None
    except UnicodeDecodeError as error:
        raise SpecError([f"{_place_of(path, error)}: {_what_it_is(error.object)}: save the file as UTF-8"]) from None
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError:  # a NUL, or a character that no name of a file can hold
        raise InvalidInput(f"{str(path)!a}: no file can have this name") from None


def _place_of(path: Path, error: UnicodeDecodeError) -> Place:
    """The place of the byte that is wrong."""
    before = error.object[: error.start].removeprefix(codecs.BOM_UTF8).decode(errors="replace")
    return Place(str(path), before.count("\n") + 1, len(before) - before.rfind("\n"))


def _what_it_is(data: bytes) -> str:
    return "this is UTF-16" if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "this byte is not UTF-8"


def _default_name(document: Written, path: Path) -> None:
    if "name" not in document.value:
        name = re.sub(r"[^A-Za-z0-9_-]+", "-", path.stem).strip("-_")[:60]
        document.value["name"] = Written(name or "workflow", document.place)
