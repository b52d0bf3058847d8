"""Lines of a log for those who watch: whole, few enough, and without secrets."""

from __future__ import annotations

from workers.runtime.secret_values import Redaction

BATCH = 64 << 10  # bytes that one batch of lines may hold
LONGEST = 2000  # characters of a line


class LiveLines:
    """Takes bytes as they come and gives lines in bounded batches; what is too much is counted and left out."""

    def __init__(self, redaction: Redaction) -> None:
        self._redaction = redaction
        self._fresh = bytearray()
        self._skipping = False  # until the next line begins
        self._skipped = 0

    def add(self, data: bytes) -> None:
        """Take the next bytes."""
        if self._skipping:
            data = self._resume(data)
        room = BATCH - len(self._fresh)
        self._fresh += data[:room]
        if len(data) > room:
            self._skipped += len(data) - room
            self._skipping = not data.endswith(b"\n")
            self._cut_to_lines()

    def take(self, last: bool) -> list[str]:
        """The batch so far; `last`: with the line that has no end yet."""
        if not self._fresh and not self._skipped:
            return []
        end = len(self._fresh) if last else self._fresh.rfind(b"\n") + 1
        text = bytes(self._fresh[:end]).decode(errors="backslashreplace")
        del self._fresh[:end]
        lines = [_short(self._redaction(line)) for line in text.splitlines()]
        if self._skipped and (lines or last):
            lines.append(f"… {self._skipped / 1e6:.1f} MB not shown live: see the whole log when the stage has ended")
            self._skipped = 0
        return lines

    def _resume(self, data: bytes) -> bytes:
        start = data.find(b"\n") + 1
        if start == 0:
            self._skipped += len(data)
            return b""
        self._skipped += start
        self._skipping = False
        return data[start:]

    def _cut_to_lines(self) -> None:
        """Drop the line that was cut off: half a secret would not be known as one."""
        end = self._fresh.rfind(b"\n") + 1
        self._skipped += len(self._fresh) - end
        del self._fresh[end:]
        if not self._skipping:
            return
        if end == 0:
            self._fresh += b"(a very long line)\n"


def _short(line: str) -> str:
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"
