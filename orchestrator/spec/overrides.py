"""`--set a.b=v`: values that take the place of what the file says."""

from __future__ import annotations

import re
from collections.abc import Mapping

from orchestrator.spec.problems import Problems, did_you_mean
from orchestrator.spec.reading import read
from orchestrator.spec.validation import known_keys
from orchestrator.spec.written import Place, Written

_STEP = re.compile(r'"([^"]*)"|\[(\d+)\]|([^.\[\]"]+)')


def apply(document: Written, override: str, environment: Mapping[str, str], problems: Problems) -> None:
    """Set one value in `document`; the value is read as YAML."""
    place = Place(f"--set {override}")
    written, equals, text = override.partition("=")
    steps = _steps(written)
    if not equals or not steps:
        problems.add(place, "write it as PATH=VALUE: --set train.search.folds=3")
        return
    value = read(text or '""', lambda _line, _column: place, environment, problems)
    if value is not None:
        _put(document, steps, value, place, problems)


def _steps(path: str) -> list[str]:
    found = list(_STEP.finditer(path))
    rest = _STEP.sub("", path)
    return [] if rest.strip(".") else [next(step for step in match.groups() if step is not None) for match in found]


def _put(document: Written, steps: list[str], value: Written, place: Place, problems: Problems) -> None:
    node = document
    for depth, step in enumerate(steps):
        last = depth == len(steps) - 1
        if node.value is None:  # an empty section
            node.value = {}
        if isinstance(node.value, list):
            index = _index(node, step)
            if index is None:
                problems.add(place, f"{'.'.join(steps[:depth])} has no {step!r}: {_entries(node)}")
                return
            if last:
                node.value[index] = value
            else:
                node = _entry(node.value[index], step)
        elif isinstance(node.value, dict):
            if last or step not in node.value:
                if not last and depth == 0 and step not in (known := known_keys(())):
                    problems.add(place, f"unknown key {step!r}{did_you_mean(step, known)}")
                    return
                node.keys.setdefault(step, place)
                if last:
                    node.keys[step] = place
                node.value[step] = value if last else Written({}, place)
            node = node.value[step]
        else:
            where = ".".join(steps[:depth])
            problems.add(place, f"{where} is {node.value!r}, which holds no {step!r} (set {where} as a whole)")
            return


def _index(node: Written, step: str) -> int | None:
    """A list is entered by index, or by the name of an entry (a candidate, a stage)."""
    if step.isdigit():
        return int(step) if int(step) < len(node.value) else None
    for index, child in enumerate(node.value):
        if child.value == step or step in _names(child):
            return index
    return None


def _names(child: Written) -> list[str]:
    """What an entry of a list is called: by its one key, or its `name`."""
    only, name = child.only(), child.child("name")
    found = [only[0] if only else None, name.value if name else None]
    return [one for one in found if isinstance(one, str)]


def _entry(child: Written, step: str) -> Written:
    """The parameters of a candidate that is entered by its name."""
    if child.value == step:  # `- ridge` becomes `- ridge: {}`
        child.value = {step: Written({}, child.place)}
        child.keys[step] = child.place
    inner = child.child(step)
    return inner if inner is not None and child.only() else child


def _entries(node: Written) -> str:
    names = [name for child in node.value for name in (_names(child) or [_said(child)])]
    return f"it has {len(names)} entries ({', '.join(names)})" if names else "it is empty"


def _said(child: Written) -> str:
    """An entry without a name, in short."""
    return "…" if isinstance(child.value, dict | list) else str(child.value)
