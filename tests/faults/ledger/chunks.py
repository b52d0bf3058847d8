"""Steps that do a few stages at a time, so that small workflows go the way of large ones: a variant of the tree."""

from __future__ import annotations

import re
from pathlib import Path


def chunks_of(stages: int, tree: Path) -> None:
    """Let the copy of the product at `tree` work in chunks of so many stages; its scripts are read anew."""
    from orchestrator.engine import scripts, submission

    library = tree / "orchestrator" / "engine" / "lua" / "_library.lua"
    text, changed = re.subn(r"(?m)^local CHUNK = \d+", f"local CHUNK = {stages}", library.read_text())
    assert changed == 1
    library.write_text(text)
    submission.CHUNK = stages
    scripts._scripts.cache_clear()
