"""What a bundle says about itself: the one JSON document in it."""

from __future__ import annotations

from pydantic import Field

from orchestrator.contracts.documents.data import Changes, Preparation
from orchestrator.contracts.documents.release import Signature
from orchestrator.contracts.release import CustomStep
from orchestrator.contracts.roles import Objective
from orchestrator.contracts.values import Value

BUNDLE_VERSION = 1  # raised when an older reader could misread a bundle

MANIFEST, MODEL, CODE = "manifest.json", "model.skops", "code/"


class Manifest(Value):
    """Everything but the model's own numbers."""

    version: int = BUNDLE_VERSION
    model: str  # the name, without a version: that is given at registration
    objective: Objective
    signature: Signature
    dtypes: dict[str, str]  # raw column → its type in the ingested table, which raw rows are brought to
    changes: Changes
    preparation: Preparation
    custom: tuple[CustomStep, ...] = ()  # row-wise stages of the team's own, in their order
    environment: dict[str, str] = Field(default_factory=dict)  # name → version, where the model was made

    @property
    def features(self) -> tuple[str, ...]:
        """The frame's columns that the pipeline takes."""
        return tuple(column.name for column in self.preparation.features)
