"""What a packaged model answers and takes, and the version that it became."""

from __future__ import annotations

from typing import Literal

from orchestrator.contracts.documents.data import Scalar
from orchestrator.contracts.values import Value


class SignatureColumn(Value):
    """One raw source column that the model needs."""

    name: str
    type: Literal["number", "integer", "text", "boolean", "date"]
    required: bool  # whether a missing value was never seen in training


class Signature(Value):
    """What the bundle takes and gives."""

    inputs: tuple[SignatureColumn, ...]
    output: Literal["class", "value", "labels"]
    classes: tuple[Scalar, ...] = ()  # or the labels
    servable: bool = True
    not_servable_because: str | None = None


class Performance(Value):
    """How large, heavy and fast a bundle was when it was packaged or evaluated; measured, so never in a digest."""

    size_bytes: int  # of the bundle's file
    load_bytes: int  # that became resident by loading it
    predict_bytes: int | None = None  # more at the peak, while the batch was predicted; None: the host does not tell
    row_ms: float  # one raw row by itself: the median
    row_p95_ms: float  # 95 % of them were as fast
    rows_per_s: float  # of the batch
    batch_rows: int
    singles: int  # rows that were asked about by themselves


class Round(Value):
    """A bundle measured in one process that loaded it anew."""

    load_bytes: int  # that became resident by loading it
    predict_bytes: int | None = None  # more at the peak, while the batch was predicted; None: the host does not tell
    row_ms: tuple[float, ...]  # of raw rows by themselves, one after the other
    batch_ms: tuple[float, ...]  # of the batch, each time


class Measurements(Value):
    """Timings and memory of a bundle, for gates: round by round, with where and when they were taken."""

    rounds: tuple[Round, ...] = ()
    batch_rows: int = 0
    host: str = ""
    cores: int = 0  # that the process could use
    threads: int = 0  # that numerical libraries could use
    measured: str = ""  # when, in UTC
    why: str | None = None  # why nothing was measured


class Registration(Value):
    """What the effect of registering left."""

    model: str  # NAME@VERSION
    stage: Literal["candidate", "refused"]
