"""Text from runs, names and logs as a terminal may have it: nothing in it moves the cursor, colours or hides."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# C0 but for tab and line feed, DEL, C1, and what turns the direction of writing.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    """Without colours, and with every other control character spelled out."""
    return _CONTROL.sub(_spelled, _COLOUR.sub("", text) if "\x1b" in text else text)


def json_plain(document: str) -> str:
    """JSON text with what JSON leaves alone spelled as JSON spells it."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found.group()):04x}", document)


def console(*, stderr: bool, width: int | None) -> Console:
    """Rich's console for what people read: its own colours pass, those in the text do not."""
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

    class PlainConsole(Console):
        def render(self, renderable: RenderableType, options: ConsoleOptions | None = None):  # type: ignore[no-untyped-def]
            for part in super().render(renderable, options):
                yield part if part.control else Segment(plain(part.text), part.style)

    return PlainConsole(stderr=stderr, width=width, highlight=False)


def _spelled(found: re.Match[str]) -> str:
    code = ord(found.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
