"""Parameters of the stages that read, check, prepare and split data."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from orchestrator.contracts.roles import Columns, Objective
from orchestrator.contracts.values import Value, unsaid

Format = Literal["csv", "tsv", "json", "jsonl", "parquet"]
Scalar = str | int | float | bool


class IngestParams(Value):
    """How the bytes of a file source become a table."""

    source: str  # the source's name in the spec
    filename: str  # as the person wrote it: for messages
    format: Format
    delimiter: str | None = None  # of CSV and TSV; the format's own when None
    encoding: str = "utf-8"  # a byte-order mark is dropped
    decimal: str = "."
    quote: str | None = '"'  # None: quotes are text
    header: bool = True
    names: tuple[str, ...] | None = None  # column names, where the file has none or too few
    missing: tuple[str, ...] = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")
    records: str | None = None  # JSON: the path of the list inside the document, dotted


class ColumnCheck(Value):
    """What is asked of one column, or of the table's rows; all parts are optional."""

    type: Literal["number", "integer", "text", "boolean", "date"] | None = None
    min: float | str | None = None  # inclusive; a date is written as text
    max: float | str | None = None
    allowed: tuple[Scalar, ...] | None = None
    pattern: str | None = None  # Python regular expression that the whole text must match
    unique: bool | None = None
    missing: float | None = None  # the largest share of missing values, 0 to 1; blank text is missing
    on_failure: Literal["stop", "warn"] = "stop"


class RowsCheck(Value):
    """What is asked of the number of rows."""

    min: int | None = None
    max: int | None = None
    on_failure: Literal["stop", "warn"] = "stop"


class CheckParams(Value):
    """The checks of a table, by column as it is in the source."""

    columns: dict[str, ColumnCheck] = Field(default_factory=dict)
    rows: RowsCheck | None = None
    filename: str = ""  # of the source, as the person wrote it: for messages


class Cast(Value):
    """The type that a column is turned into."""

    to: Literal["float", "integer", "text", "boolean", "date"]
    blank: Literal["missing", "error"] = "missing"  # what empty or blank text becomes
    invalid: Literal["error", "missing"] = "error"  # what cannot be turned becomes
    format: str | None = None  # of dates, as strptime writes it
    true: tuple[Scalar, ...] | None = None  # of booleans: what counts as true
    false: tuple[Scalar, ...] | None = None


class Deduplicate(Value):
    """Which rows count as the same, and which of them stays."""

    by: tuple[str, ...] | None = None  # all columns when None
    keep: Literal["first", "last"] = "first"


class PrepareParams(Value):
    """Row-wise preparation in this order: rename, drop, cast, filter, deduplicate."""

    rename: dict[str, str] = Field(default_factory=dict)
    drop: tuple[str, ...] = ()
    cast: dict[str, Cast] = Field(default_factory=dict)
    filter: tuple[str, ...] = ()  # expressions of the allow-listed grammar; rows where one is not true go
    deduplicate: Deduplicate | None = None


SplitMethod = Literal["random", "stratified", "hash", "group", "time"]


class SplitParams(Value):
    """Which rows are held back for the test, and the folds of the rest, by the same method.

    `hash` keeps a row on its side for ever, by the hash of its id (or of its content).
    `time` takes the last rows for the test; folds are an expanding window with a gap.
    """

    test: float = 0.2  # share of rows (of groups, with method group)
    method: SplitMethod
    folds: int = 5
    gap: int = 0  # rows left out between training and what follows, with method time
    seed: int = 0
    objective: Objective
    columns: Columns = Columns()


class ColumnPreparation(Value):
    """How one column becomes features; None means the automatic rule of its type."""

    type: Literal["numeric", "categorical", "boolean", "date", "text", "drop"] | None = None
    missing: Literal["mean", "median", "most_frequent", "constant", "indicator", "none"] | None = None
    fill: Scalar | None = None  # with missing: constant
    encode: Literal["onehot", "ordinal", "none"] | None = None
    scale: Literal["standard", "robust", "minmax", "none"] | None = None
    rare: float | int | None = None  # categories below this share or count are put together
    parts: tuple[Literal["year", "month", "day", "weekday", "hour", "elapsed"], ...] | None = None


class FeaturesParams(Value):
    """Derived columns, and how each column is prepared."""

    derive: dict[str, str] = Field(default_factory=dict)
    columns: dict[str, ColumnPreparation] = Field(default_factory=dict)
    objective: Objective
    roles: Columns = Columns()
    segment: str | None = Field(None, exclude_if=unsaid)  # the column each of whose values gets a model of its own
    dtype: Literal["float32"] | None = Field(None, exclude_if=unsaid)  # of the features; float64 where nothing is said
    sparse: Literal["auto", "always"] | None = Field(None, exclude_if=unsaid)  # rows are prepared as a sparse matrix
