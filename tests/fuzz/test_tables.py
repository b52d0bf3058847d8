"""Tables as a team's own code may return them, of any type, with any index: kept as they are, or refused."""

from __future__ import annotations

import contextlib
import datetime as dt
import decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.contracts.data import Cast, CheckParams, PrepareParams
from orchestrator.contracts.errors import CycleryError
from tests.fuzz.contract import check_told
from tests.fuzz.variations import SETTINGS
from workers.data.check import check
from workers.data.prepare import prepare
from workers.data.profile import profile_of
from workers.runtime.tables import read_table, write_table

pytestmark = pytest.mark.filterwarnings("default")

ODD: tuple[Any, ...] = (
    *(None, np.nan, pd.NA, pd.NaT, True, np.bool_(False), 0, -1, 2**63, 2**70, 1.5, np.inf, -np.inf, 1e308, np.int8(3)),
    *("", " ", "x", "1", "yes", "2024-01-31", "2024-02-30", "\ud800", "\x00", "a" * 500, b"\xff", 1j),
    *(dt.date(2024, 1, 31), dt.datetime.max, dt.time(3), dt.timedelta(days=1), pd.Timestamp("2024-01-01", tz="UTC")),
    *(pd.Timestamp.max, pd.Timedelta(1), pd.Period("2024-01", "M"), pd.Interval(0, 1), decimal.Decimal("NaN")),
    *([], [1, "a"], {}, {"a": [None]}, (1, 2), {1}, np.array([1, 2]), object, "__row__", Path("x")),
)
DTYPES = (
    *("object", "str", "string", "Int64", "int8", "uint64", "float32", "Float64", "bool", "boolean", "category"),
    *("complex128", "datetime64[ns]", "datetime64[s]", "timedelta64[ns]", "datetime64[ns, Europe/Berlin]"),
    *("Sparse[float]", "period[D]", "int64[pyarrow]", "string[pyarrow]"),
)
NAMES = ("a", "b", "", " ", "__row__", "__target__", "\ud800", "a\nb", 1, None, ("a", "b"), 2.5, True)


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    """A table of a few rows; a type that its values do not have is left out."""
    rows = draw(st.integers(0, 4))
    columns = []
    for _ in range(draw(st.integers(0, 3))):
        column = pd.Series([draw(st.sampled_from(ODD)) for _ in range(rows)], dtype=object)
        with contextlib.suppress(Exception):  # pandas refuses in many ways
            column = column.astype(draw(st.sampled_from(DTYPES)))
        columns.append(column)
    table = pd.concat(columns, axis=1) if columns else pd.DataFrame(index=range(rows))
    table.columns = pd.Index([draw(st.sampled_from(NAMES)) for _ in columns], dtype=object)
    return draw(
        st.sampled_from((table, table.rename_axis(index="row"), table.iloc[::-1], table.set_index([["i"] * rows])))
    )


CHECKED = {
    "type": "number", "min": 0, "max": "2024-01-01", "allowed": [1, "x", True], "pattern": "[a-z]*", "unique": True,
    "on_failure": "warn",
}  # fmt: skip
CASTS = [Cast(to=to, invalid="missing") for to in ("float", "integer", "text", "boolean", "date")]


@SETTINGS
@given(table=tables(), cast=st.sampled_from(CASTS))
def test_a_table_of_any_kind_is_kept_or_refused(table: pd.DataFrame, cast: Cast, tmp_path_factory: Any) -> None:
    file = tmp_path_factory.getbasetemp() / "table.parquet"
    try:
        write_table(table, file)
        kept = read_table(file)
        assert len(kept) == len(table)
        profile_of(kept)
        names = [str(name) for name in kept.columns]
        check(kept, params=CheckParams.model_validate({"columns": dict.fromkeys(names, CHECKED)}))
        prepare(kept, params=PrepareParams(cast=dict.fromkeys(names, cast)))
    except CycleryError as error:
        check_told(error, 1000)
