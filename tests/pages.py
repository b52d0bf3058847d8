"""Pages of the documentation, as tests read them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]


def text_of(page: str) -> str:
    """A page by its path in the repository."""
    return (ROOT / page).read_text(encoding="utf-8")


def steps(page: str) -> Iterator[tuple[str, str]]:
    """What a reader does: files to write (name, text; the first line names the file) and shell lines ("", line)."""
    for block in re.finditer(r"^```(\w+)\n(.*?)^```", text_of(page), re.MULTILINE | re.DOTALL):
        named = re.match(r"# (\S+\.\w+)\n", block[2])
        if block[1] == "sh":
            yield from (("", line) for line in block[2].splitlines())
        elif named:
            yield named[1], block[2]
