"""The sections of a workflow file as frozen models; where a stage's parameters say the same, they are reused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    Tag,
    model_serializer,
    model_validator,
)

from orchestrator.contracts import data, roles
from orchestrator.contracts.evaluation import (
    BeatsGate,
    ChecksGate,
    DriftGate,
    FairnessGate,
    MemoryGate,
    MetricGate,
    NotWorseGate,
    OwnGate,
    SizeGate,
    Slicing,
    SpeedGate,
    Top,
)
from orchestrator.contracts.training import SearchMethod, Segmenting, Weights
from orchestrator.contracts.values import Value, unsaid
from orchestrator.spec import shorthand
from orchestrator.spec.defaults import with_defaults
from orchestrator.spec.presets import PresetName
from orchestrator.spec.shorthand import Bound, Duration, Memory, OneOrMany, Several, Share

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
WorkflowName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$")]
QueueName = Literal["prep", "train", "evaluate", "ops"]
PositiveInt = Annotated[int, Field(ge=1)]


def _without_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


class Objective(roles.Objective):
    """What is predicted, and what counts as good."""

    predict: str | tuple[str, ...] = Field(
        description="the column to predict, under its name after `prepare`; with task multilabel a list of columns "
        "of 0 and 1"
    )
    task: roles.Task
    metric: str = Field(
        "",
        description="what candidates are ranked by; by default roc_auc where `positive` is named, "
        "balanced_accuracy for other classifications, f1_micro for several labels, rmse for regressions, "
        "pinball for their quantiles",
        json_schema_extra=_without_default,
    )
    positive: str | int | float | bool | None = Field(None, description="the class of interest of a binary target")
    quantile: float | None = Field(
        None,
        exclude_if=unsaid,
        description="of a regression: what is predicted is not the mean but the value that this share of rows lies at "
        "or below; 0.9 for the 90 % quantile",
    )
    goal: float | None = Field(
        None,
        description="the value of the metric that would be good enough; the report shows it, nothing is judged by it",
    )
    target: float | None = Field(
        None, description="the value of the metric that is needed: whether it is in reach is judged before the search"
    )
    require: Literal["realistic"] | None = Field(
        None, description="realistic: the run ends as refused, before the search, unless the target is found realistic"
    )

    threshold: Annotated[
        roles.Threshold | None,
        BeforeValidator(shorthand.threshold_form, json_schema_input_type=roles.Threshold | float | str),
    ] = Field(None, description="from where on a row is called positive: a probability, or the metric it is tuned for")
    costs: roles.Costs | None = Field(
        None,
        description="of a row by truth and prediction; the threshold is tuned for the least mean unless it is said",
    )

    @property
    def decision(self) -> roles.Threshold | None:
        """How the threshold is set: as it is said, else for the least cost where costs are known."""
        return self.threshold or (roles.Threshold(metric="cost") if self.costs else None)

    @model_validator(mode="before")
    @classmethod
    def _choose_metric(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("metric") is None:
            said = (value.get(key) for key in ("task", "positive", "quantile"))
            return {**value, "metric": shorthand.default_metric(*said)}
        return value


class Columns(roles.Columns):
    """Columns that are known to split, folds, intervals and checks; none of them becomes a feature."""

    ignore: OneOrMany = Field((), description="columns that are carried along and never used")


class Source(Value):
    """A file; what is not said about its format is taken from its name."""

    file: str = Field(description="path, relative to the workflow file")
    format: data.Format | None = Field(None, description="by the file's ending when left out")
    delimiter: str | None = Field(None, min_length=1, max_length=1)
    encoding: str = "utf-8"
    decimal: Literal[".", ","] = "."
    quote: str | None = Field('"', min_length=1, max_length=1, description="null: quotes are text")
    header: bool = True
    names: tuple[str, ...] | None = Field(None, description="column names, instead of the file's")
    missing: tuple[str, ...] = Field(
        data.IngestParams.model_fields["missing"].default, description="texts that stand for a missing value"
    )
    records: str | None = Field(None, description="JSON: path of the list inside the document, dotted")


class Check(data.ColumnCheck):
    """What is asked of one column of the source; each part is optional."""

    missing: Share | None = Field(None, ge=0, le=1, description="largest share of missing values: 0.01, 1%, '<= 1%'")
    min: Bound | None = Field(None, description="inclusive; a date is written as text")
    max: Bound | None = None


class Data(Value):
    """Where the data is, and what must hold of it."""

    sources: dict[Name, Annotated[Source, BeforeValidator(shorthand.source_form, json_schema_input_type=Source | str)]]
    checks: dict[str, Check] = Field(default_factory=dict, description="by column, as it is named in the source")
    rows: data.RowsCheck | None = Field(None, description="bounds of the number of rows")

    @property
    def source(self) -> tuple[str, Source]:
        """The name and the description of the one source."""
        return next(iter(self.sources.items()))


CastForm = Annotated[data.Cast, BeforeValidator(shorthand.cast_form, json_schema_input_type=data.Cast | str)]


class Deduplicate(data.Deduplicate):
    """Which rows count as the same, and which of them stays."""

    by: OneOrMany | None = Field(None, description="the columns that are compared; all when left out")


class Prepare(data.PrepareParams):
    """Row-wise preparation in this order: rename, drop, cast, filter, deduplicate."""

    drop: OneOrMany = ()
    cast: dict[str, CastForm] = Field(default_factory=dict)
    filter: OneOrMany = Field((), description="expressions; rows stay where all are true")
    deduplicate: Annotated[
        Deduplicate | None,
        BeforeValidator(shorthand.deduplicate_form, json_schema_input_type=Deduplicate | bool | str | tuple[str, ...]),
    ] = None


class Split(Value):
    """Which rows are held back for the test; folds are made the same way (their number: `train.search.folds`)."""

    test: Share = Field(0.2, gt=0, lt=1, description="share of rows (of groups, with method group)")
    method: data.SplitMethod = Field(
        "random", description="stratified by default for classifications and several labels, random for regressions"
    )
    gap: int = Field(0, ge=0, description="rows left out between training and what follows; method time only")
    seed: int = Field(0, ge=0, description="the workflow's seed by default")
    assume_independent: bool = Field(
        False,
        description="rows are taken for independent, although a column says which belong together or when they were",
    )

    @property
    def plain(self) -> bool:
        """Whether it takes rows one by one, whatever they have in common."""
        return self.method not in {"group", "time"}


ColumnForm = Annotated[
    data.ColumnPreparation,
    BeforeValidator(shorthand.column_form, json_schema_input_type=data.ColumnPreparation | str),
]


class Features(Value):
    """Derived columns, and how columns become features where the automatic rule is not wanted."""

    derive: dict[str, str] = Field(default_factory=dict, description="new column: expression")
    columns: dict[str, ColumnForm] = Field(default_factory=dict, description="overrides by column")


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


SliceForm = Annotated[
    Slicing, BeforeValidator(shorthand.slice_form, json_schema_input_type=Slicing | str | dict[str, list[Any]])
]


TopForm = Annotated[Top, BeforeValidator(shorthand.top_form, json_schema_input_type=Top | int | float | str)]


class Evaluation(Value):
    """What is looked at beside all test rows together."""

    slices: tuple[SliceForm, ...] = Field((), description="columns whose values, or bins, are judged by themselves")
    weakest: int = Field(
        0, ge=0, le=50, description="so many of the weakest slices are found among columns with few values"
    )
    top: tuple[TopForm, ...] = Field(
        (Top(share=0.1),), description="two classes: precision, recall and lift of the rows ranked highest: 100 or 10%"
    )


class Approve(Value):
    """A person decides before the model is registered."""

    deadline: Duration | None = Field(None, gt=0, description="after so long it is decided as `otherwise` says: 7d")
    otherwise: Literal["approve", "reject"] = "reject"
    note: str | None = Field(None, description="what whoever decides should know")


class CustomStage(Value):
    """A team's own stage: a function of plain Python."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    name: Name
    call: str = Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$", description="module:function")
    with_: dict[str, Any] = Field(default_factory=dict, alias="with", description="keyword arguments of the function")
    after: OneOrMany = Field((), description="stages that it waits for")
    before: OneOrMany = Field((), description="stages that wait for it")
    inputs: dict[str, str] = Field(default_factory=dict, description="positional parameter: STAGE or STAGE.OUTPUT")
    queue: QueueName | None = Field(None, description="the decorator's when left out, else prep")
    rowwise: bool | None = Field(None, description="each row is treated by itself: it then ships with the model")
    purity: Literal["pure", "volatile", "effect"] = "pure"
    requires: OneOrMany = ()
    timeout: Duration = Field(3600.0, gt=0)
    memory: Memory | None = Field(None, gt=0)


class RunOptions(Value):
    """How a run behaves."""

    on_failure: Literal["stop", "continue"] = Field("stop", description="continue: what does not depend goes on")
    max_parallel: PositiveInt | None = Field(None, description="stages of this run under way at once")


class CodeOptions(Value):
    """Where a team's own code is."""

    path: OneOrMany = Field((".",), description="folders that modules are imported from, relative to the file")
    include: OneOrMany = Field((), description="patterns of other files that the code reads while it runs")


def _kind_of_gate(value: Any) -> str:
    keys = value if isinstance(value, dict) else type(value).model_fields
    return next((f"gate:{word}" for word in shorthand.GATES if word in keys), "gate:metric")


Gate = Annotated[
    Annotated[MetricGate, Tag("gate:metric")]
    | Annotated[BeatsGate, Tag("gate:beats")]
    | Annotated[NotWorseGate, Tag("gate:not_worse_than")]
    | Annotated[FairnessGate, Tag("gate:fairness")]
    | Annotated[SizeGate, Tag("gate:size")]
    | Annotated[SpeedGate, Tag("gate:speed")]
    | Annotated[MemoryGate, Tag("gate:memory")]
    | Annotated[ChecksGate, Tag("gate:checks")]
    | Annotated[DriftGate, Tag("gate:drift")]
    | Annotated[OwnGate, Tag("gate:call")],
    Discriminator(_kind_of_gate),
    BeforeValidator(shorthand.gate_form, json_schema_input_type=str | dict[str, Any]),
]


class Spec(Value):
    """One workflow, as a person describes it."""

    name: WorkflowName = Field(description="the workflow's and the model's name; by default the file's")
    seed: int = Field(0, ge=0, description="of everything that is drawn")
    objective: Objective
    columns: Columns = Columns()
    data: Data
    prepare: Prepare = Prepare()
    split: Split = Split()
    features: Features = Features()
    train: Train = Train()
    evaluation: Evaluation = Evaluation()
    gates: tuple[Gate, ...] = ()
    approve: Annotated[
        Approve | None, BeforeValidator(shorthand.approve_form, json_schema_input_type=Approve | bool)
    ] = None
    stages: tuple[CustomStage, ...] = ()
    run: RunOptions = RunOptions()
    code: CodeOptions = CodeOptions()

    _directory: Path = PrivateAttr(default=Path())

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, value: Any) -> Any:
        return with_defaults(value)

    @property
    def directory(self) -> Path:
        """The folder that relative paths start from: the one that holds the file."""
        return self._directory

    def placed(self, directory: Path) -> Spec:
        """The same spec, its relative paths starting from `directory`."""
        copy = self.model_copy()
        copy._directory = directory  # noqa: SLF001  (its own)
        return copy

    def document(self) -> dict[str, Any]:
        """The spec as JSON, every default filled in; `Spec.model_validate` reads it back."""
        return self.model_dump(mode="json", by_alias=True)
