"""A team's own code: signatures read by syntax, and for each entry a snapshot of what it imports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.contracts.calls import ArtifactRef, Code, Kind
from orchestrator.contracts.errors import InvalidInput
from orchestrator.contracts.evaluation import OwnGate
from orchestrator.plan.signature import Signature, read_signature
from orchestrator.spec.models import Spec
from orchestrator.spec.train import Candidate
from orchestrator.store.artifacts import ArtifactStore

if TYPE_CHECKING:
    from orchestrator.plan.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class TeamCode:
    """What plans must know of the code that a spec names."""

    entries: Mapping[str, Code] = field(default_factory=dict)
    signatures: Mapping[str, Signature] = field(default_factory=dict)
    models: Code | None = None  # all own estimators in one snapshot: for whoever loads a model
    gates: Code | None = None  # all functions that gates call


def team_code(spec: Spec, store: ArtifactStore | None) -> TeamCode:
    """The code that a spec names; its snapshots are kept in `store` where one is given. Raises InvalidInput."""
    own = [candidate for candidate in spec.train.candidates if candidate.entries]
    judging = tuple(dict.fromkeys(gate.call for gate in spec.gates if isinstance(gate, OwnGate)))
    if not spec.stages and not own and not judging:
        return TeamCode()
    folders = [spec.directory / folder for folder in spec.code.path]
    shots = _Snapshots(folders, spec.code.include, store)
    signatures = {stage.call: read_signature(folders, stage.call) for stage in spec.stages}
    entries: dict[str, Code] = {}
    for stage in spec.stages:
        requires = dict.fromkeys((*stage.requires, *signatures[stage.call].requires))
        entries[stage.call] = shots.code([stage.call], tuple(requires))
    for candidate in own:
        entries[candidate.code] = shots.code(candidate.entries, candidate.requires)
    return TeamCode(entries, signatures, _models(own, shots), shots.code(judging, ()) if judging else None)


def _models(own: Sequence[Candidate], shots: _Snapshots) -> Code | None:
    if not own:
        return None
    requires = dict.fromkeys(one for candidate in own for one in candidate.requires)
    entries = dict.fromkeys(entry for candidate in own for entry in candidate.entries)
    return shots.code(tuple(entries), tuple(requires))


@dataclass(frozen=True, slots=True)
class _Snapshots:
    folders: Sequence[Path]
    include: tuple[str, ...]
    store: ArtifactStore | None
    kept: dict[str, ArtifactRef] = field(default_factory=dict)  # by digest: most stages share one snapshot

    def code(self, entries: Sequence[str], requires: tuple[str, ...]) -> Code:
        """One snapshot with all these entries, called by the first."""
        from orchestrator.plan.snapshot import snapshot

        root = self._root(entries)
        others = [name for entry in entries[1:] for name in snapshot(root, entry).files]
        taken = snapshot(root, entries[0], (*self.include, *others))
        if taken.digest not in self.kept:
            self.kept[taken.digest] = self._keep(taken)
        return Code(snapshot=self.kept[taken.digest], entry=entries[0], requires=requires)

    def _keep(self, taken: Snapshot) -> ArtifactRef:
        if self.store is not None:
            return self.store.put_bytes(taken.data, Kind.FILE, durable=True)
        return ArtifactRef(kind=Kind.FILE, digest=taken.digest, size=len(taken.data))

    def _root(self, entries: Sequence[str]) -> Path:
        """The one folder that has all entries; the first where none has, whose search says what is missing."""
        from orchestrator.plan.snapshot import locate

        modules = [entry.partition(":")[0] for entry in entries]
        having = [folder for folder in self.folders if all(locate(folder, module) for module in modules)]
        if not having and len(entries) > 1:
            raise InvalidInput(
                f"{', '.join(entries)}: estimators, and functions of gates, stand in one folder of code.path"
            )
        return next(iter(having), self.folders[0])
