"""Gates on what is known of the model and the data without looking at a prediction."""

from __future__ import annotations

from orchestrator.contracts.documents.data import Finding
from orchestrator.contracts.documents.evaluation import Verdict
from orchestrator.contracts.evaluation import ChecksGate, SizeGate
from workers.evaluation.gates.court import Court, untold

TOLD = 3  # findings in a sentence


def judge_size(gate: SizeGate, court: Court) -> Verdict:
    """Passed when the model's file, which makes up nearly all of the bundle, has no more bytes than asked."""
    if court.model_bytes is None:
        return untold(gate, "the model was not at hand")
    passed = court.model_bytes <= gate.size
    sizes = in_bytes(court.model_bytes), in_bytes(gate.size)
    told = f"the model's file has {sizes[0]}, {'and' if passed else 'but'} at most {sizes[1]}"
    evidence = {"value": court.model_bytes, "at_most": gate.size, "unit": "bytes"}
    return Verdict(gate=gate.text, passed=passed, evidence=evidence, sentence=f"{told} is asked")


def judge_checks(gate: ChecksGate, court: Court) -> Verdict:
    """Passed when the checks of the data found nothing, those that only warn included."""
    if court.findings is None:
        return untold(gate, "what the checks found was not at hand")
    asked = [one for one in court.findings.findings if not gate.checks or one.column in gate.checks]
    failed = [one for one in asked if not one.passed]
    found = [_told(one) for one in failed]
    evidence = {"checks": len(asked), "failed": len(failed), "found": found}
    if not asked:
        return untold(gate, "no check looked at what it names")
    more = f" and {len(failed) - TOLD} more" if len(failed) > TOLD else ""
    told = (
        f"{len(failed)} of {len(asked)} checks of the data found something: {'; '.join(found[:TOLD])}{more}"
        if failed
        else f"the checks of the data ({len(asked)}) found nothing"
    )
    return Verdict(gate=gate.text, passed=not failed, evidence=evidence, sentence=told)


def _told(finding: Finding) -> str:
    where = f"{finding.column} is not {finding.expected}" if finding.column else f"{finding.check} {finding.expected}"
    return f"{where} in {finding.failing} rows" if finding.failing else where


def in_bytes(number: int) -> str:
    """`12.3 MB`."""
    for unit, size in (("GB", 2**30), ("MB", 2**20), ("KB", 2**10)):
        if number >= size:
            return f"{number / size:.4g} {unit}"
    return f"{number} bytes"
