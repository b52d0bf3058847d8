"""Specs and fingerprints from which plans are built in tests."""

from __future__ import annotations

import hashlib
from typing import Any

from orchestrator.contracts.calls import ArtifactRef, Code, Kind, Plan, StageCall
from orchestrator.plan.build import build
from orchestrator.plan.fingerprints import Fingerprints
from orchestrator.plan.signature import Parameter, Signature
from orchestrator.spec.models import Spec

TABLE_STAGE = Signature(
    "geo", "enrich.py:3", (Parameter("customers", "table"),), {"radius": False}, False, (("result", "table"),)
)


def ref(text: str, size: int = 1000) -> ArtifactRef:
    return ArtifactRef(kind=Kind.FILE, digest=f"sha256:{hashlib.sha256(text.encode()).hexdigest()}", size=size)


def document(**sections: Any) -> dict[str, Any]:
    return {
        "name": "churn",
        "objective": {"predict": "churn", "task": "classification", "positive": "yes"},
        "data": {"sources": {"customers": {"file": "customers.csv"}}},
        **sections,
    }


def fingerprints(spec: Spec, *, signatures: dict[str, Signature] | None = None, **changed: Any) -> Fingerprints:
    signatures = signatures or {stage.call: TABLE_STAGE for stage in spec.stages}
    own = [candidate.code for candidate in spec.train.candidates if candidate.entries]
    entries = [*signatures, *own]
    known: dict[str, Any] = {
        "sources": {name: ref(name) for name in spec.data.sources},
        "code": {entry: Code(snapshot=ref(entry), entry=entry.split()[0]) for entry in entries},
        "signatures": signatures,
        "model_code": Code(snapshot=ref("models"), entry=own[0].split()[0]) if own else None,
        "environments": dict.fromkeys(("prep", "train", "evaluate", "ops"), "sha256:env"),
    }
    return Fingerprints(**(known | changed))


def plan_of(
    *, signatures: dict[str, Signature] | None = None, prints: dict[str, Any] | None = None, **sections: Any
) -> Plan:
    spec = Spec.model_validate(document(**sections))
    return build(spec, fingerprints(spec, signatures=signatures, **(prints or {})))


def ids(plan: Plan) -> list[str]:
    return [call.id for call in plan.stages]


def call(plan: Plan, identifier: str) -> StageCall:
    return next(one for one in plan.stages if one.id == identifier)
