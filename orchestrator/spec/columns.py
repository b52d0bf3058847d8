"""Columns from section to section: what is called how after `prepare`, and who may refer to what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from orchestrator.contracts.data import ColumnPreparation
from orchestrator.contracts.expressions import Expression
from orchestrator.spec.problems import did_you_mean
from orchestrator.spec.review import Review
from orchestrator.spec.segments import segment_column
from orchestrator.spec.slices import sliced_columns
from orchestrator.spec.stages import changes_table
from orchestrator.spec.written import Step

_ROLES = ("id", "time", "group", "weight")


def check_columns(review: Review, source: tuple[str, ...] | None) -> None:
    """Note every reference to a column that is not there where it is used."""
    if changes_table(review.spec, before="prepare"):
        source = None
    prepared = _check_prepare(review, source)
    if changes_table(review.spec, before="split"):
        prepared = None
    known = _Known(review, source, prepared)
    _check_roles(review, known)
    _check_derived(review, known)
    _check_overrides(review, known)
    for name, location in (*sliced_columns(review), *segment_column(review)):
        known.require(name, location, more=review.spec.features.derive)


class _Known:
    """The columns after `prepare` (None: unknown), and why one that the source has is not among them."""

    def __init__(self, review: Review, source: tuple[str, ...] | None, prepared: tuple[str, ...] | None) -> None:
        self._review = review
        self._source = source or ()
        self.columns = prepared

    def require(self, name: str, location: tuple[Step, ...], *, more: Iterable[str] = (), key: bool = False) -> None:
        """Note a problem where `name` is neither a column nor one of `more`."""
        if self.columns is None or name in self.columns or name in more:
            return
        self._review.note(location, self.absent(name, more), key=key)

    def absent(self, name: str, more: Iterable[str] = ()) -> str:
        """Why there is no such column."""
        prepare = self._review.spec.prepare
        if name in prepare.rename:
            return f"{name!r} is called {prepare.rename[name]!r} after `prepare.rename`"
        if name in prepare.drop:
            return f"{name!r} is dropped by `prepare.drop`"
        where = " after `prepare`" if name in self._source else ""
        return f"the data has no column {name!r}{where}{did_you_mean(name, [*(self.columns or ()), *more])}"


def _check_prepare(review: Review, source: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """The columns after rename and drop."""
    renamed = _check_rename(review, source)
    expressions = _expressions_of_filter(review)
    if renamed is None:
        return None
    prepare = review.spec.prepare
    columns = tuple(name for name in renamed if name not in prepare.drop)
    for index, name in enumerate(prepare.drop):
        if name not in renamed:
            words = f"the data has no column {name!r}{did_you_mean(name, renamed)}"
            review.note(("prepare", "drop", index), words)
    known = _Known(review, source, columns)
    for name in prepare.cast:
        known.require(name, ("prepare", "cast", name), key=True)
    for index, name in enumerate((prepare.deduplicate.by or ()) if prepare.deduplicate else ()):
        known.require(name, ("prepare", "deduplicate", "by", index))
    for location, expression in expressions:
        _require_columns(review, known, location, expression)
    return columns


def _check_rename(review: Review, source: tuple[str, ...] | None) -> tuple[str, ...] | None:
    rename = review.spec.prepare.rename
    renamed = None if source is None else tuple(rename.get(name, name) for name in source)
    for old, new in rename.items():
        if source is not None and old not in source:
            words = f"the data has no column {old!r}{did_you_mean(old, source)}"
            review.note(("prepare", "rename", old), words, key=True)
        _check_name(review, new, ("prepare", "rename", old))
        if list(rename.values()).count(new) > 1 or (renamed or ()).count(new) > 1:
            review.note(("prepare", "rename", old), f"there would be two columns {new!r}")
    return renamed


def _expressions_of_filter(review: Review) -> list[tuple[tuple[Step, ...], Expression]]:
    found = []
    for index, text in enumerate(review.spec.prepare.filter):
        location: tuple[Step, ...] = ("prepare", "filter", index)
        expression = review.expression(location, text)
        if expression is not None:
            found.append((location, expression))
    return found


def _require_columns(
    review: Review, known: _Known, location: tuple[Step, ...], expression: Expression, more: Iterable[str] = ()
) -> None:
    for name in expression.columns():
        if known.columns is not None and name not in known.columns and name not in more:
            written = review.document.at(review.document.find(location))
            place = written.within(max(expression.text.find(name), 0))
            review.problems.add(place, known.absent(name, more))


def _check_roles(review: Review, known: _Known) -> None:
    spec = review.spec
    for location, name in _targets(review):
        known.require(name, location)
    roles: dict[str, str] = {}
    for role in _ROLES:
        name = getattr(spec.columns, role)
        if name is not None:
            known.require(name, ("columns", role))
            _take(review, roles, name, role, ("columns", role))
    for index, name in enumerate(spec.columns.ignore):
        known.require(name, ("columns", "ignore", index))
        _take(review, roles, name, "ignore", ("columns", "ignore", index))


def _targets(review: Review) -> list[tuple[tuple[Step, ...], str]]:
    """The columns that are predicted, with where they are named; none where the file does not say."""
    at: tuple[Step, ...] = ("objective", "predict")
    predict = review.spec.objective.predict
    if not review.knows("predict"):
        return []
    return [(at, predict)] if isinstance(predict, str) else [((*at, index), name) for index, name in enumerate(predict)]


def _predicted(review: Review) -> set[str]:
    return {name for _, name in _targets(review)}


def _take(review: Review, roles: dict[str, str], name: str, role: str, location: tuple[Step, ...]) -> None:
    if name in _predicted(review):
        review.note(location, f"{name!r} is what is predicted: it cannot be in `columns.{role}` too")
    elif name in roles:
        review.note(location, f"{name!r} is in `columns.{roles[name]}` already")
    roles[name] = role


def _check_derived(review: Review, known: _Known) -> None:
    derive = review.spec.features.derive
    needs: dict[str, tuple[str, ...]] = {}
    for name, text in derive.items():
        location: tuple[Step, ...] = ("features", "derive", name)
        _check_name(review, name, location)
        if name in _predicted(review):
            review.note(location, f"{name!r} is what is predicted: it cannot be derived", key=True)
        elif known.columns is not None and name in known.columns:
            review.note(location, f"the data has a column {name!r} already: choose another name", key=True)
        expression = review.expression(location, text)
        if expression is None:
            continue
        needs[name] = tuple(column for column in expression.columns() if column in derive)
        _require_columns(review, known, location, expression, more=derive)
        for used in sorted(_predicted(review).intersection(expression.columns())):
            review.note(location, f"{name!r} would be made of {used!r}, which is what is predicted")
    for name in needs:
        if (circle := _circle(needs, name)) is not None and name == min(circle):
            review.note(("features", "derive", name), f"derived in a circle: {' → '.join(circle)}", key=True)


def _check_name(review: Review, name: str, location: tuple[Step, ...]) -> None:
    if name.startswith("__") and name.endswith("__"):
        review.note(location, f"names like {name!r} are Cyclery's own: choose another", key=True)


def _circle(needs: dict[str, tuple[str, ...]], start: str) -> tuple[str, ...] | None:
    """The way from a name back to itself."""
    seen: set[str] = set()
    ways: list[tuple[str, ...]] = [(start,)]
    while ways:
        way = ways.pop()
        for name in needs.get(way[-1], ()):
            if name == start:
                return (*way, start)
            if name not in seen:
                seen.add(name)
                ways.append((*way, name))
    return None


def _check_overrides(review: Review, known: _Known) -> None:
    spec = review.spec
    for name, rule in spec.features.columns.items():
        location: tuple[Step, ...] = ("features", "columns", name)
        known.require(name, location, more=spec.features.derive, key=True)
        if name in _predicted(review):
            review.note(location, f"{name!r} is what is predicted, not a feature", key=True)
        elif name in spec.columns.reserved():
            review.note(location, f"{name!r} has a role in `columns` and is not a feature", key=True)
        for option, words in _useless(rule):
            review.note((*location, option), words, key=True)


def _useless(rule: ColumnPreparation) -> Iterator[tuple[str, str]]:
    """Options that would do nothing, or cannot be done, whatever the data is."""
    kind = rule.type
    if rule.fill is not None and rule.missing != "constant":
        yield "fill", "`fill` needs `missing: constant`"
    if rule.missing == "constant" and rule.fill is None and kind in {"numeric", "boolean", "date"}:
        yield "missing", f"`missing: constant` of a {kind} column needs `fill`: the value to put in"
    if rule.parts is not None and kind not in {None, "date"}:
        yield "parts", f"`parts` are of dates; this column is {kind}"
    if rule.rare is not None and kind not in {None, "categorical"}:
        yield "rare", f"`rare` is for categories; this column is {kind}"
    if rule.encode in {"onehot", "ordinal"} and kind not in {None, "categorical"}:
        yield "encode", f"`encode` is for categories; this column is {kind}"
    if rule.encode == "none" and kind == "categorical":
        yield "encode", "a category cannot enter a model as it is: onehot or ordinal"
