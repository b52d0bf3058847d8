"""YAML text → values with places. Bounded in size, depth and in what aliases may expand to."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import yaml

from orchestrator.contracts.text import is_unicode
from orchestrator.spec import scalars
from orchestrator.spec.problems import Problems
from orchestrator.spec.written import Place, Written

MAX_BYTES = 10_000_000
MAX_DEPTH = 40
MAX_REPEATED = 50_000  # values that stand there again by an alias

_PLAIN = "!plain"
_TEXT = "tag:yaml.org,2002:str"
_COLLECTIONS = frozenset({"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})
_VARIABLE = re.compile(r"\$(?:\$|\{([^}]*)\})")
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_Loader: type[yaml.BaseLoader] = yaml.CBaseLoader if yaml.__with_libyaml__ else yaml.BaseLoader  # type: ignore[assignment]


class _Composer(_Loader):  # type: ignore[valid-type, misc]
    """PyYAML's parser; every plain scalar gets our own tag instead of what YAML 1.1 makes of it."""


_Composer.add_implicit_resolver(_PLAIN, re.compile(r"(?s).*"), None)

PlaceOf = Callable[[int, int], Place]  # line and column from 0


def read(text: str, place_of: PlaceOf, environment: Mapping[str, str], problems: Problems) -> Written | None:
    """The one document in `text`, or None where nothing can be made of it; what is wrong goes to `problems`."""
    try:
        _check_depth(text)
        node = _Composer(text).get_single_node()
    except _TooDeepError as error:
        problems.add(place_of(error.line, 0), f"nested more than {MAX_DEPTH} levels deep")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = place_of(mark.line, mark.column) if mark else place_of(0, 0)
        problems.add(place, _words(error, _rest_of_line(text, mark)))
    except (yaml.YAMLError, ValueError) as error:
        problems.add(place_of(0, 0), f"not readable as YAML: {str(error).splitlines()[0]}")
    else:
        if node is not None:
            return _Reader(place_of, environment, problems).read(node)
        problems.add(place_of(0, 0), "the file is empty")
    return None


class _TooDeepError(Exception):
    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


def _check_depth(text: str) -> None:
    """Composing recurses, so that depth is judged before, on the events."""
    parser, depth, line = _Composer(text), 0, 0
    while parser.check_event():
        event = parser.get_event()
        line = event.start_mark.line if event.start_mark else line
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise _TooDeepError(line)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _rest_of_line(text: str, mark: yaml.Mark | None) -> tuple[str, str]:
    """The line of a mark before the mark, and from it on."""
    line = text.splitlines()[mark.line] if mark and mark.line < len(text.splitlines()) else ""
    return (line[: mark.column], line[mark.column :]) if mark else ("", "")


def _words(error: yaml.MarkedYAMLError, line: tuple[str, str]) -> str:
    text = str(error.problem or error.context)
    if "${" in "".join(line):
        return 'inside {…} and […] quote the variable: "${NAME}"'
    if "cannot start any token" in text:
        if line[1].startswith("\t"):
            return "a tab cannot stand here in YAML: indent with blanks"
        return "this character cannot stand here in YAML: quote the text"
    if "mapping values are not allowed" in text:
        return "a ':' cannot stand here (quote a text that holds one; check the indentation)"
    if "another document" in text:
        return "a workflow file holds one document: take out '---'"
    return f"not readable as YAML: {text}"


class _Reader:
    """Turns composed nodes into values, once for each time that they are referred to."""

    def __init__(self, place_of: PlaceOf, environment: Mapping[str, str], problems: Problems) -> None:
        self._place_of = place_of
        self._environment = environment
        self._problems = problems
        self._seen: set[int] = set()
        self._repeated = 0
        self._open: set[int] = set()

    def read(self, node: yaml.Node) -> Written | None:
        place = self._place_of(node.start_mark.line, node.start_mark.column)
        self._repeated += id(node) in self._seen
        self._seen.add(id(node))
        if self._repeated > MAX_REPEATED or id(node) in self._open:
            if self._repeated <= MAX_REPEATED + 1:
                self._repeated = MAX_REPEATED + 2
                self._problems.add(place, f"aliases expand to themselves, or to more than {MAX_REPEATED} values")
            return None
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, place)
        if node.tag not in _COLLECTIONS:
            self._problems.add(place, f"the YAML tag {node.tag} has no meaning here")
        self._open.add(id(node))
        found = self._mapping(node, place) if isinstance(node, yaml.MappingNode) else self._list(node, place)
        self._open.discard(id(node))
        return found

    def _list(self, node: yaml.Node, place: Place) -> Written:
        children = [self.read(child) for child in node.value]
        return Written([child for child in children if child is not None], place)

    def _mapping(self, node: yaml.MappingNode, place: Place) -> Written:
        found = Written({}, place)
        for key, value in node.value:
            at = self._place_of(key.start_mark.line, key.start_mark.column)
            if not isinstance(key, yaml.ScalarNode) or key.value == "" or not is_unicode(key.value):
                self._problems.add(at, "a key must be text")
            elif key.value in found.keys:
                first = found.keys[key.value]
                self._problems.add(at, f"duplicate key {key.value!r} (first on line {first.line})")
            else:
                found.keys[key.value] = at
                if (child := self.read(value)) is not None:
                    found.value[key.value] = child
        return found

    def _scalar(self, node: yaml.ScalarNode, place: Place) -> Written:
        if node.tag not in {_PLAIN, _TEXT}:
            self._problems.add(place, f"the YAML tag {node.tag} has no meaning here (only !!str has)")
        whole = _VARIABLE.fullmatch(node.value) is not None and node.value != "$$"
        text = (
            _VARIABLE.sub(lambda found: self._variable(found, place), node.value) if "$" in node.value else node.value
        )
        plain = node.tag == _PLAIN or (
            whole and node.start_mark.index != node.end_mark.index and node.style in {'"', "'"}
        )
        try:
            value = scalars.resolve(text) if plain else text
        except ValueError as error:
            self._problems.add(place, str(error))
            value = None
        if isinstance(value, str) and not is_unicode(value):
            self._problems.add(place, "this text holds what is no character: write it in UTF-8")
            value = None
        on_one_line = node.start_mark.line == node.end_mark.line and "$" not in node.value
        return Written(value, place, inside=int(node.style in {'"', "'"}) if on_one_line else None)

    def _variable(self, found: re.Match[str], place: Place) -> str:
        name = found[1]
        if name is None:
            return "$"
        if _VARIABLE_NAME.fullmatch(name) is None:
            self._problems.add(place, f"'${{{name}}}' does not name a variable (write $${{ for the text '${{')")
            return ""
        if name not in self._environment:
            self._problems.add(place, f"the variable {name} is not set in the environment")
            return ""
        return self._environment[name]
