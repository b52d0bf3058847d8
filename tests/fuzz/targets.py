"""Every target by name: importing the modules fills the table."""

from __future__ import annotations

from pathlib import Path

from tests.fuzz import artifacts, command, files, messages, records, specs
from tests.fuzz.contract import TARGETS, Target

MODULES = (artifacts, command, files, messages, records, specs)
CORPUS = Path(__file__).with_name("corpus")  # <target>/<file>: seeds, and inputs that once broke it

__all__ = ["CORPUS", "MODULES", "TARGETS", "Target"]
