"""`data.check`: what a team expects of its table, found true or found wanting row by row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pandas as pd

from orchestrator.contracts.data import CheckParams, ColumnCheck, RowsCheck
from orchestrator.contracts.documents.data import Finding, Findings
from orchestrator.contracts.errors import DataError
from workers.data import cells
from workers.data.expressions import suggestion
from workers.runtime.context import StageContext

_EXAMPLES = 10
_TYPES = {"number": "a number", "integer": "a whole number", "text": "text", "boolean": "a truth", "date": "a date"}


class CheckOutputs(NamedTuple):
    """What `check` leaves behind."""

    findings: Findings


def check(table: pd.DataFrame, *, params: CheckParams, context: StageContext | None = None) -> CheckOutputs:
    """Every check with what came of it; raises DataError with all that failed, where one of them is to stop the run."""
    for name in params.columns:
        if name not in table.columns:
            raise DataError(f"{_file(params)}checks: there is no column {name!r}{suggestion(name, table.columns)}")
    findings = list(_rows_findings(table, params.rows)) if params.rows else []
    for name in sorted(params.columns):
        findings.extend(_column_findings(name, table[name], params.columns[name]))
    if context is not None:
        for finding in findings:
            (context.log.info if finding.passed else context.log.warning)("%s", sentence(finding))
    stops = [finding for finding in findings if not finding.passed and finding.on_failure == "stop"]
    if stops:
        more = f" (and {len(stops) - 1} more: {'; '.join(map(sentence, stops[1:]))})" if len(stops) > 1 else ""
        raise DataError(f"{_file(params)}{sentence(stops[0])}{more}: mend the data, or change checks:")
    return CheckOutputs(Findings(findings=tuple(findings)))


def sentence(finding: Finding) -> str:
    """A finding in words: what was expected of what, and where it does not hold."""
    subject = "rows" if finding.column is None else f"column {finding.column!r}"
    if finding.passed:
        return f"{subject}: {finding.expected} holds"
    if finding.column is None:
        return f"{subject}: expected {finding.expected}, there are {finding.examples[0]:,}"
    shown = ", ".join(repr(example) for example in finding.examples[:3])
    values = f" ({shown})" if shown else ""
    where = cells.listed(finding.rows, finding.failing)
    return f"{subject}: expected {finding.expected}, not so in {where}{values}"


def _rows_findings(table: pd.DataFrame, rule: RowsCheck) -> Iterator[Finding]:
    bounds = (("min", rule.min, ">="), ("max", rule.max, "<="))
    for name, bound, sign in bounds:
        if bound is not None:
            passed = len(table) >= bound if name == "min" else len(table) <= bound
            yield Finding(
                column=None,
                check=f"rows {name}",
                expected=f"{sign} {bound:,} rows",
                passed=passed,
                on_failure=rule.on_failure,
                examples=() if passed else (len(table),),
            )


def _column_findings(name: str, column: pd.Series[Any], rule: ColumnCheck) -> Iterator[Finding]:
    gaps = cells.missing(column)
    for check_name, expected, failing in _judgements(name, column, gaps, rule):
        examples = column[failing].drop_duplicates()[:_EXAMPLES]
        yield Finding(
            column=name,
            check=check_name,
            expected=expected,
            passed=not bool(failing.any()),
            on_failure=rule.on_failure,
            failing=int(failing.sum()),
            rows=cells.row_numbers(failing),
            examples=() if check_name == "missing" else tuple(cells.scalar(value) for value in examples),
        )


def _judgements(
    name: str, column: pd.Series[Any], gaps: pd.Series[bool], rule: ColumnCheck
) -> Iterator[tuple[str, str, pd.Series[bool]]]:
    """(check, expectation in words, failing rows); a missing value fails only the check of missing values."""
    if rule.type is not None:
        yield "type", _TYPES[rule.type], _wrong_type(column, gaps, rule.type)
    for bound_name, bound, sign in (("min", rule.min, ">="), ("max", rule.max, "<=")):
        if bound is not None:
            yield (
                bound_name,
                f"{sign} {cells.cell_text(bound)}",
                _out_of_range(name, column, gaps, bound, low=bound_name == "min"),
            )
    if rule.allowed is not None:
        allowed = frozenset(cells.cell_text(value) for value in rule.allowed)
        words = ", ".join(cells.cell_text(value) for value in rule.allowed)
        yield "allowed", f"one of {words}", ~cells.texts(column).isin(allowed) & ~gaps
    if rule.pattern is not None:
        yield "pattern", f"text like {rule.pattern!r}", _unlike(name, column, gaps, rule.pattern)
    if rule.unique:
        yield "unique", "no value twice", column.duplicated() & ~gaps
    if rule.missing is not None:
        share = float(gaps.mean()) if len(gaps) else 0.0
        expected = f"at most {rule.missing:.4g} missing (it is {share:.4g})" if rule.missing else "no missing value"
        yield "missing", expected, gaps if share > rule.missing else gaps & False


def _wrong_type(column: pd.Series[Any], gaps: pd.Series[bool], wanted: str) -> pd.Series[bool]:
    """Values of another type; text that spells a value of the wanted type has it."""
    match wanted:
        case "number":
            return cells.numbers(column).invalid | (~gaps & (cells.is_boolean(column)))
        case "integer":
            read = cells.numbers(column)
            return read.invalid | (read.values % 1 != 0) & read.values.notna() | (~gaps & cells.is_boolean(column))
        case "date":
            return cells.dates(column).invalid
        case "boolean":
            return cells.booleans(column).invalid
    return ~gaps & (not cells.is_text(column) or cells.is_boolean(column))


def _out_of_range(
    name: str, column: pd.Series[Any], gaps: pd.Series[bool], bound: float | str, *, low: bool
) -> pd.Series[bool]:
    """Values beyond the bound, and those that cannot be compared with it."""
    if isinstance(bound, str):
        limit = cells.dates(pd.Series([bound], dtype="str"))
        if bool(limit.invalid.any()):
            raise DataError(f"checks: {name}: {bound!r} is neither a number nor a date (write dates as '2024-12-31')")
        values, edge = cells.dates(column).values, limit.values.iloc[0]
    else:
        values, edge = cells.numbers(column).values, bound
    inside = values >= edge if low else values <= edge
    outside: pd.Series[bool] = ~inside & ~gaps
    return outside


def _unlike(name: str, column: pd.Series[Any], gaps: pd.Series[bool], pattern: str) -> pd.Series[bool]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise DataError(f"checks: {name}: the pattern {pattern!r} is no regular expression ({error})") from None
    texts = cells.texts(column).tolist()
    unlike = [isinstance(text, str) and compiled.fullmatch(text) is None for text in texts]
    return pd.Series(unlike, index=column.index) & ~gaps


def _file(params: CheckParams) -> str:
    return f"{params.filename}: " if params.filename else ""
