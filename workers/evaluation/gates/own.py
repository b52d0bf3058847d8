"""Gates of a team's own: a function of theirs says whether a model passes."""

from __future__ import annotations

import importlib
from typing import Any

from orchestrator.contracts.documents.evaluation import Verdict
from orchestrator.contracts.evaluation import OwnGate
from orchestrator.contracts.text import first_line
from workers.evaluation.gates.court import Court


def judge_own(gate: OwnGate, court: Court) -> Verdict:
    """What `module:function` answers to the evaluation and the predictions: whether it passes, and a sentence.

    It gets copies. Whatever it raises, or answers otherwise, is a gate that did not pass, with what went wrong.
    """
    try:
        module, _, name = gate.call.partition(":")
        function = getattr(importlib.import_module(module), name)
        answer = function(court.evaluation.model_dump(mode="json"), court.predictions.copy(deep=True), **gate.with_)
        passed, sentence = _read(answer)
    except (Exception, SystemExit) as error:  # theirs, whatever it is
        told = f"{type(error).__name__}: {first_line(error)}"
        evidence = {"call": gate.call, "error": told}
        sentence = f"{gate.call} could not judge ({told}): a gate that fails does not pass"
        return Verdict(gate=gate.text, passed=False, evidence=evidence, sentence=sentence)
    return Verdict(gate=gate.text, passed=passed, evidence={"call": gate.call, "with": gate.with_}, sentence=sentence)


def _read(answer: Any) -> tuple[bool, str]:
    """The answer, which is `(passed, sentence)`. Raises TypeError for anything else: what is truthy is no pass."""
    match answer:
        case (bool() as passed, str() as sentence) if sentence.strip():
            return passed, sentence.strip().splitlines()[0]
    raise TypeError(f"a gate answers (True or False, a sentence), not {repr(answer)[:200]}")
