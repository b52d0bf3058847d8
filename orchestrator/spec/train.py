"""The section `train`: candidates with the parameters that are tried, the search, models of segments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from orchestrator.contracts.training import SearchMethod, Segmenting, Weights
from orchestrator.contracts.values import Value
from orchestrator.spec import shorthand
from orchestrator.spec.presets import PresetName
from orchestrator.spec.quantities import Duration, Memory, Name, OneOrMany, PositiveInt, Several, Share


class Choices(Value):
    """The values of a parameter in a grid."""

    choices: tuple[Any, ...]
    when: dict[str, Several] = Field(
        default_factory=dict, description="it is given only where other parameters have these values"
    )

    @model_serializer(mode="wrap")
    def _short(self, written: SerializerFunctionWrapHandler) -> Any:
        """A list where it stands for all there is to say, as releases wrote it before there were conditions."""
        return written(self) if self.when else self.choices


GridForm = Annotated[Choices, BeforeValidator(shorthand.grid_form, json_schema_input_type=Choices | tuple[Any, ...])]


class Range(Value):
    """The values that a random search draws from: between two numbers, or one of some choices."""

    low: float | None = None
    high: float | None = None
    log: bool = Field(False, description="drawn evenly on a logarithmic scale")
    int: bool = Field(False, description="whole numbers")
    choices: tuple[Any, ...] | None = None
    when: dict[str, Several] = Field(
        default_factory=dict, description="it is given only where other parameters have these values"
    )


class Part(Value):
    """An estimator inside another one."""

    name: Name
    estimator: str = Field(description="short name, or dotted path of a class")
    fixed: dict[str, Any] = Field(default_factory=dict, description="its parameters")
    of: Parts = Field((), description="the estimators inside it")
    final: PartForm | None = Field(None, description="of a stacking: the estimator that joins the others' answers")

    @property
    def own(self) -> bool:
        """Whether the estimator is the team's own class (`module:Class`) and not a library's."""
        return ":" in self.estimator

    @property
    def entries(self) -> tuple[str, ...]:
        """The team's own classes that it is made of: itself, and those inside it, each once."""
        inside = (entry for _, part in self.parts() for entry in part.entries)
        return tuple(dict.fromkeys((*((self.estimator,) if self.own else ()), *inside)))

    def parts(self) -> Iterator[tuple[tuple[str | int, ...], Part]]:
        """The estimators inside it, each with where it stands below it."""
        for index, part in enumerate(self.of):
            yield ("of", index), part
        if self.final is not None:
            yield ("final",), self.final


PartForm = Annotated[Part, BeforeValidator(shorthand.part_form, json_schema_input_type=Part | str | dict[str, Any])]
Parts = Annotated[
    tuple[PartForm, ...], BeforeValidator(shorthand.parts_form, json_schema_input_type=PartForm | tuple[PartForm, ...])
]
Part.model_rebuild()


class Candidate(Part):
    """An estimator with the parameters that are tried."""

    estimator: str = Field(description="short name, dotted path of a class, or module:Class of your own")
    fixed: dict[str, Any] = Field(default_factory=dict, description="parameters of every trial")
    grid: dict[str, GridForm] = Field(default_factory=dict, description="every combination is tried")
    range: dict[str, Range] = Field(default_factory=dict, description="random search draws from these")
    requires: OneOrMany = Field((), description="packages that code of your own needs, as PEP 508 says it")

    @property
    def code(self) -> str:
        """What its code is called among a plan's fingerprints."""
        return " ".join(self.entries)

    @property
    def conditions(self) -> dict[str, dict[str, tuple[Any, ...]]]:
        """By parameter that has some: other parameters, and the values that they must have."""
        tried: dict[str, Choices | Range] = {**self.grid, **self.range}
        return {name: one.when for name, one in tried.items() if one.when}


CandidateForm = Annotated[
    Candidate, BeforeValidator(shorthand.candidate_form, json_schema_input_type=Candidate | str | dict[str, Any])
]


class Search(Value):
    """How parameters are drawn, and how trials are scored."""

    method: SearchMethod = Field("grid", description="random by default where a candidate has a range")
    trials: PositiveInt = Field(
        20, description="draws over all candidates together; 1000 at most by default where there is a budget of time"
    )
    time: Duration | None = Field(None, gt=0, description="nothing new is tried after so long: 30m")
    worker_time: Duration | None = Field(None, gt=0, description="nothing new is tried after so much of workers' time")
    patience: PositiveInt | None = Field(None, description="the search ends after so many trials without improvement")
    tolerance: float = Field(0.0, ge=0, description="what is no improvement, in units of the metric")
    batch: PositiveInt | None = Field(
        None, description="trials decided together; 8 (bayesian: 4), or a fiftieth of `trials`"
    )
    factor: int = Field(3, ge=2, le=100, description="halving, asha, hyperband: one of so many goes up a rung")
    resource: str = Field(
        "rows", description="halving, asha, hyperband: rows, or a parameter such as max_iter or n_estimators"
    )
    min_resource: float | None = Field(
        None,
        gt=0,
        description="halving, asha, hyperband: at the lowest rung, a share of the rows or a value of the parameter",
    )
    folds: int = Field(5, ge=2, le=100)
    seed: int = Field(0, ge=0, description="the workflow's seed by default")


class Per(Segmenting):
    """One model for each value of a column."""

    column: str = Field(description="after `prepare`, or derived; it becomes no feature")
    min_rows: int = Field(100, ge=20, description="training rows that a value needs for a model of its own")
    max_failed: Share = Field(0.1, ge=0, le=1, description="share of these models whose fits may fail")


class Train(Value):
    """What is tried, and how the champion is chosen."""

    candidates: Annotated[
        tuple[CandidateForm, ...],
        BeforeValidator(shorthand.candidates_form, json_schema_input_type=tuple[CandidateForm, ...] | PresetName),
    ] = Field((), description="a list, or fast, balanced, thorough; by default a linear model and gradient boosting")
    search: Search = Search()
    per: Annotated[Per | None, BeforeValidator(shorthand.per_form, json_schema_input_type=Per | str)] = Field(
        None, description="a column: each of its values with rows enough gets a model of its own"
    )
    dtype: Literal["float64", "float32"] = Field(
        "float64", description="of the features' numbers: float32 takes half the memory and keeps seven digits"
    )
    sparse: Literal["never", "auto", "always"] = Field(
        "never", description="prepared rows as a sparse matrix; auto: where at most a tenth of their cells is not zero"
    )
    select: Literal["best", "one_standard_error"] = "best"
    weights: Weights | None = Field(None, description="balanced: every class weighs the same in training, as a whole")
    timeout: Duration = Field(3600.0, gt=0, description="of one trial: seconds, or 90s, 10m, 2h")
    memory: Memory | None = Field(None, gt=0, description="of one trial's process: megabytes, or 500MB, 2GB")
    min_success: PositiveInt | None = Field(None, description="failed trials are borne while so many succeed")
    max_failures: int | None = Field(None, ge=0, description="failed trials are borne up to so many")
