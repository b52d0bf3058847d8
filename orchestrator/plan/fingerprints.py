"""What a plan must know of the world, found out before it: the digests of files, code and environments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator.contracts.calls import ArtifactRef, Code
from orchestrator.plan.signature import Signature


@dataclass(frozen=True, slots=True)
class Rival:
    """A registered version that a gate compares with."""

    bundle: ArtifactRef
    rows: ArtifactRef  # its split: the identities of the rows that it trained on
    frame: ArtifactRef | None = None  # their features, where a gate asks for them and the store still has them


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """What `build` takes beside the spec; nothing in it is looked up while planning."""

    sources: Mapping[str, ArtifactRef]  # by the source's name
    code: Mapping[str, Code] = field(default_factory=dict)  # by entry: `module:attribute`
    signatures: Mapping[str, Signature] = field(default_factory=dict)  # of stages, by entry
    model_code: Code | None = None  # with all estimators of the team's own: for whoever loads a model
    gate_code: Code | None = None  # with all functions of the team's own that gates call
    environments: Mapping[str, str | None] = field(default_factory=dict)  # by queue; None: no pool known yet
    rivals: Mapping[str, Rival] = field(default_factory=dict)  # by NAME@VERSION
    live: str | None = None  # NAME@VERSION of the workflow's model in production; None: nothing is
