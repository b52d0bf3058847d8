"""Every target by name: importing the modules fills the table."""

from __future__ import annotations

from tests.fuzz import answers, artifacts, command, files, messages, records, specs
from tests.fuzz.contract import TARGETS, Target

MODULES = (answers, artifacts, command, files, messages, records, specs)
CORPUS = artifacts.CORPUS

__all__ = ["CORPUS", "MODULES", "TARGETS", "Target"]
