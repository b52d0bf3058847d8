"""What gates are judged on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from orchestrator.contracts.documents import Evaluation
from orchestrator.contracts.evaluation import GatesParams
from workers.evaluation.rival import Rival
from workers.evaluation.sample import Sample
from workers.evaluation.slices import Columns, Mask


@dataclass(frozen=True)
class Court:
    """The evidence before the gates; `among` marks the test rows that a gate on a slice is judged on."""

    evaluation: Evaluation
    whole: Sample  # all test rows
    train: pd.DataFrame
    rival: Rival | None
    columns: Columns | None
    params: GatesParams
    among: Mask | None = None

    @cached_property
    def sample(self) -> Sample:
        """The rows that are judged."""
        return self.whole if self.among is None else self.whole.take(self.among)
