"""Signatures: what a function's annotations say about inputs, options and outputs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd
import pytest

from orchestrator.contracts.errors import UserCodeError
from workers import stage
from workers.runtime.context import StageContext
from workers.runtime.signature import REQUIRED, read_signature

if TYPE_CHECKING:
    from decimal import Decimal


class Outputs(NamedTuple):
    table: pd.DataFrame
    note: dict[str, Any] | None = None


def everything(
    customers: pd.DataFrame,
    parts: list[dict[str, Any]],
    extra: Path | None = None,
    *,
    radius_km: float = 5,
    name: str,
    context: StageContext,
) -> Outputs:
    raise NotImplementedError


def test_reads_text_annotations() -> None:
    signature = read_signature(everything)
    assert signature.inputs["customers"].annotation is pd.DataFrame
    assert signature.inputs["parts"].item == dict[str, Any]
    assert signature.inputs["extra"].optional
    assert signature.inputs["extra"].annotation is Path
    assert list(signature.options) == ["radius_km", "name"]
    assert signature.options["radius_km"].default == 5
    assert signature.options["name"].default is REQUIRED
    assert signature.context
    assert signature.shape == "fields"
    assert signature.outputs["table"].annotation is pd.DataFrame
    assert signature.outputs["note"].optional


def test_bare_and_no_output() -> None:
    def bare(x: int) -> int:
        return x

    def nothing(x: int) -> None: ...

    def unsaid(x, *, y=1):  # type: ignore[no-untyped-def]
        return x

    assert list(read_signature(bare).outputs) == ["result"]
    assert read_signature(nothing).shape == "none"
    assert read_signature(unsaid).inputs["x"].annotation is Any
    assert list(read_signature(unsaid).outputs) == ["result"]


def test_an_annotation_that_only_type_checkers_see_is_named() -> None:
    def hidden(x: Decimal) -> int:
        return int(x)

    with pytest.raises(UserCodeError, match=r"'Decimal' of x cannot be read.*TYPE_CHECKING"):
        read_signature(hidden)


def test_star_arguments_are_refused_and_open_options_noted() -> None:
    def starred(*tables: int) -> int: ...

    def opened(**options: int) -> int: ...

    with pytest.raises(UserCodeError, match=r"takes \*tables"):
        read_signature(starred)
    assert read_signature(opened).open_ended


def test_a_stage_stays_a_plain_function() -> None:
    def geo(x: int) -> int:
        return x + 1

    marked = stage("geo", queue="train", rowwise=True, requires=("rich",))(geo)
    assert marked is geo
    assert marked(1) == 2
    mark = geo.__stage__  # type: ignore[attr-defined]
    assert (mark.name, mark.queue, mark.rowwise, mark.requires) == ("geo", "train", True, ("rich",))
