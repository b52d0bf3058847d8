"""The sections of a workflow file as frozen models; where a stage's parameters say the same, they are reused."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PrivateAttr,
    Tag,
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
from orchestrator.contracts.values import Value, unsaid
from orchestrator.spec import shorthand
from orchestrator.spec.defaults import with_defaults
from orchestrator.spec.quantities import Bound, Duration, Memory, Name, OneOrMany, PositiveInt, Share
from orchestrator.spec.train import Train

WorkflowName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$")]
QueueName = Literal["prep", "train", "evaluate", "ops"]


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
