"""Executing: inputs, options, secrets and outputs of one call, and how failures are told."""

from __future__ import annotations

import importlib.util
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest

from orchestrator.contracts.calls import ArtifactRef, Gather, Kind, Output, StageCall
from orchestrator.contracts.errors import (
    DataError,
    InvalidInput,
    LimitExceeded,
    RequirementMissing,
    TransientError,
    UserCodeError,
)
from orchestrator.contracts.tasks import ProbeParams
from orchestrator.store.artifacts import ArtifactStore
from workers.runtime.codecs import Desk, load, save
from workers.runtime.context import StageContext
from workers.runtime.execute import execute
from workers.runtime.failures import describe, trace
from workers.runtime.interruption import StageTimeout
from workers.runtime.job import Job, resolve_inputs
from workers.runtime.requirements import check_requirements
from workers.runtime.secret_values import HIDDEN, Redaction
from workers.runtime.signature import Slot


class Silent:
    cancelled = False

    def progress(self, share: float) -> None: ...


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(ArtifactStore(str(tmp_path / "store"), tmp_path / "cache", 1 << 30), lambda: tmp_path)


@pytest.fixture
def run(desk: Desk, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Execute a function as a stage and load what it left."""

    def run(
        function: Callable[..., Any],
        inputs: dict[str, Any] | None = None,
        params: dict[str, Any] | None = None,
        environment: dict[str, str] | None = None,
        task: str = "custom",
    ) -> dict[str, Any]:
        call = StageCall(id="geo", task=task, queue="prep", version=1, params=params or {})
        resolved = {name: save(value, Slot(name), desk) for name, value in (inputs or {}).items()}
        job = Job(run="w-1", attempt=1, key="k", call=call, inputs=resolved)
        context = StageContext("w-1", "geo", 1, "k", tmp_path / "work", Silent(), desk.store.cache)
        outputs = execute(job, function, context, desk, environment or {})
        return {name: load(ref, Slot(name), desk) for name, ref in outputs.items()}

    return run


def test_inputs_options_and_a_bare_result(run: Callable[..., Any]) -> None:
    def geo(customers: pd.DataFrame, *, radius_km: float = 5, name: str = "x") -> pd.DataFrame:
        return customers.assign(radius=radius_km, name=name)

    result = run(geo, {"customers": pd.DataFrame({"a": [1]})}, {"radius_km": 3})["result"]
    assert result["radius"].tolist() == [3.0]
    assert result["radius"].dtype == "float64"
    assert result["name"].tolist() == ["x"]


def test_named_outputs_none_and_context(run: Callable[..., Any]) -> None:
    class Outputs(NamedTuple):
        note: dict[str, Any]
        maybe: dict[str, Any] | None = None

    def fields(*, context: StageContext) -> Outputs:
        context.measure("rows", 3)
        return Outputs({"run": context.run, "folder": context.workdir.is_dir()})

    fields.__annotations__["return"] = Outputs

    def nothing() -> None: ...

    assert run(fields) == {"note": {"run": "w-1", "folder": True}}
    assert run(nothing) == {}


def test_params_of_the_table_are_validated(run: Callable[..., Any]) -> None:
    def probe(*, params: ProbeParams) -> dict[str, Any]:
        return {"echo": params.echo}

    assert run(probe, params={"echo": 3}, task="ops.probe") == {"result": {"echo": 3}}
    with pytest.raises(InvalidInput, match="stage geo of w-1: seconds: Input should be a valid number"):
        run(probe, params={"seconds": "much"}, task="ops.probe")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"radius": 3}, r"takes no radius \(did you mean 'radius_km'\?\)"),
        ({}, "radius_km is not given: add it under `with:`"),
        ({"radius_km": "far"}, "radius_km: Input should be a valid number"),
    ],
)
def test_wrong_options_are_told(run: Callable[..., Any], params: dict[str, Any], message: str) -> None:
    def geo(*, radius_km: float) -> float:
        return radius_km

    with pytest.raises(InvalidInput, match=message):
        run(geo, params=params)


def test_wrong_inputs_are_told(run: Callable[..., Any]) -> None:
    def geo(customers: pd.DataFrame, other: dict[str, Any]) -> pd.DataFrame:
        return customers

    with pytest.raises(DataError, match="input customers: it is a document where the function asks for a table"):
        run(geo, {"customers": {"a": 1}})
    with pytest.raises(UserCodeError, match="takes no input tabel"):
        run(geo, {"tabel": pd.DataFrame({"a": [1]})})
    with pytest.raises(UserCodeError, match="input other is given by no stage"):
        run(geo, {"customers": pd.DataFrame({"a": [1]})})


def test_what_cannot_be_kept_names_output_type_and_remedy(run: Callable[..., Any]) -> None:
    def series() -> Any:
        return pd.Series([1])

    def generator() -> Any:
        return (n for n in range(3))

    def nan() -> dict[str, float]:
        return {"auc": float("nan")}

    with pytest.raises(UserCodeError, match=r"output result cannot be kept: it is of type pandas.*Series.*to_frame"):
        run(series)
    with pytest.raises(UserCodeError, match=r"stage geo of w-1: output result cannot be kept: .*generator"):
        run(generator)
    with pytest.raises(UserCodeError, match="auc is nan"):
        run(nan)


def test_secrets_are_resolved_here_and_never_told(run: Callable[..., Any]) -> None:
    def call(*, token: str, deep: dict[str, Any]) -> bool:
        return token == "s3cr3t" and deep["inner"] == "other"

    params = {"token": {"secret": "TOKEN"}, "deep": {"inner": {"secret": "OTHER"}}}
    environment = {"TOKEN": "s3cr3t", "OTHER": "other"}
    assert run(call, params=params, environment=environment) == {"result": True}
    with pytest.raises(RequirementMissing, match=r"stage geo of w-1: the secret OTHER is not set"):
        run(call, params=params, environment={"TOKEN": "s3cr3t"})

    def number(*, token: int) -> int:
        return token

    with pytest.raises(InvalidInput) as caught:
        run(number, params={"token": {"secret": "TOKEN"}}, environment=environment)
    assert "s3cr3t" not in str(caught.value)


def test_redaction_hides_each_line_of_a_secret() -> None:
    redact = Redaction.of({"a": [{"secret": "KEY"}]}, {"KEY": "first-line\nsecond-line"})
    assert redact("x first-line y") == f"x {HIDDEN} y"
    assert redact("second-line") == HIDDEN


def ref(digit: str) -> ArtifactRef:
    return ArtifactRef(kind=Kind.JSON, digest="sha256:" + digit * 64, size=1)


def test_inputs_resolve_from_outputs() -> None:
    call = StageCall(
        id="select",
        task="custom",
        queue="train",
        version=1,
        inputs={
            "all": Gather(stages=("a", "b", "c"), output="x"),
            "one": Output(stage="p", output="maybe"),
            "f": ref("9"),
        },
    )
    outputs = {"a": {"x": ref("1")}, "c": {"x": ref("3")}, "grown": {"x": ref("4")}, "p": {"other": ref("5")}}
    assert resolve_inputs(call, outputs) == {"all": (ref("1"), ref("3"), ref("4")), "f": ref("9")}


@pytest.fixture
def team(tmp_path: Path) -> Callable[[str], Any]:
    """Import a team's module from a folder that stands for its snapshot."""

    def load_module(source: str) -> Any:
        path = tmp_path / "enrich.py"
        path.write_text(source)
        specification = importlib.util.spec_from_file_location("enrich", path)
        assert specification is not None
        assert specification.loader is not None
        module = importlib.util.module_from_spec(specification)
        sys.modules["enrich"] = module
        specification.loader.exec_module(module)
        return module

    return load_module


def caught(function: Callable[[], Any]) -> BaseException:
    try:
        function()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def test_a_teams_error_shows_its_own_frames_only(team: Callable[[str], Any], tmp_path: Path) -> None:
    source = "import json\ndef geo():\n    return inner()\ndef inner():\n    return json.loads('{')\n"
    error = caught(team(source).geo)
    told = describe(error, tmp_path)
    assert told.family == "user"
    assert told.message.startswith("JSONDecodeError: Expecting property name")
    assert told.message.endswith("(enrich.py:5)")
    assert [frame.split(" in ")[0] for frame in told.frames] == ["enrich.py:3", "enrich.py:5"]
    written = trace(error, tmp_path)
    assert [line.strip() for line in written.splitlines() if line.startswith('  File "')] == [
        'File "enrich.py", line 3, in geo',
        'File "enrich.py", line 5, in inner',
    ]
    assert "JSONDecodeError" in written


def test_what_a_failure_came_from_is_shown_without_the_frames_of_libraries(
    team: Callable[[str], Any], tmp_path: Path
) -> None:
    code = """
    import json
    def geo():
        try:
            json.loads("{")
        except ValueError as error:
            raise RuntimeError("no places") from error
    """
    written = trace(caught(team(textwrap.dedent(code)).geo), tmp_path)
    assert "JSONDecodeError" in written
    assert "RuntimeError: no places" in written
    assert {line.strip() for line in written.splitlines() if line.startswith('  File "')} == {
        'File "enrich.py", line 5, in geo',
        'File "enrich.py", line 7, in geo',
    }


def test_exit_and_syntax_errors_of_a_team(team: Callable[[str], Any], tmp_path: Path) -> None:
    told = describe(caught(team("import sys\ndef geo():\n    sys.exit(3)\n").geo), tmp_path)
    assert (told.family, told.message) == (
        "user",
        "the code called sys.exit(3): return from the function instead (enrich.py:3)",
    )
    told = describe(caught(lambda: team("def geo(:\n")), tmp_path)
    assert told.family == "user"
    assert told.message.startswith("SyntaxError: ")
    assert "(enrich.py:1)" in told.message


@pytest.mark.parametrize(
    ("error", "family"),
    [
        (DataError("x"), "data"),
        (UserCodeError("x"), "user"),
        (RequirementMissing("x"), "requires"),
        (TransientError("x"), "transient"),
        (StageTimeout("x"), "timeout"),
        (LimitExceeded("x"), "memory"),
        (MemoryError(), "memory"),
        (KeyError("x"), "internal"),
    ],
)
def test_families(error: BaseException, family: str) -> None:
    told = describe(error)
    assert told.family == family
    assert "\n" not in told.message


def test_our_own_faults_leave_a_trace_in_the_log() -> None:
    error = caught(lambda: {}["x"])
    assert "fault of Cyclery's own" in describe(error).message
    assert "test_runtime_execute" in trace(error)


@pytest.mark.parametrize(
    ("requires", "message"),
    [
        ("no-such-package>=2", r"requires no-such-package>=2, but on prep@host it is not installed: install it"),
        ("pandas<1", r"found \d+\.\d+"),
    ],
)
def test_missing_requirements_say_wanted_found_where_and_remedy(requires: str, message: str) -> None:
    with pytest.raises(RequirementMissing, match=message):
        check_requirements((requires,), "geo", "prep@host")


def test_met_and_foreign_requirements_pass() -> None:
    check_requirements(("pandas>=2", "no-such-package; sys_platform == 'none'", "click"), "geo", "prep@host")
    with pytest.raises(InvalidInput, match="is no requirement"):
        check_requirements(("pandas >>> 2",), "geo", "prep@host")
