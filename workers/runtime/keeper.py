"""The head and the tail of a log: what is kept of it when it is too long."""

from __future__ import annotations

from workers.runtime.secret_values import Redaction

HEAD = TAIL = 5 << 19  # bytes; together 5 MiB


class Keeper:
    """Takes bytes as they come and keeps the first and the last of them."""

    def __init__(self, redaction: Redaction) -> None:
        self._redaction = redaction
        self._head = bytearray()
        self._tail = bytearray()
        self._total = 0

    def add(self, data: bytes) -> None:
        """Take the next bytes."""
        self._total += len(data)
        room = HEAD - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        if len(self._tail) > 2 * TAIL:
            del self._tail[:-TAIL]

    def text(self) -> bytes | None:
        """What was kept, without secrets, with a note where something was cut; None when nothing came."""
        if not self._total:
            return None
        if self._total <= HEAD + TAIL:
            return self._clean(bytes(self._head + self._tail))
        head, tail = self._ends()
        cut = self._total - len(head) - len(tail)
        note = f"\n… {cut / 1e6:.1f} MB cut: a stage's log keeps its first and last {HEAD / 1e6:.1f} MB …\n"
        return self._clean(head) + note.encode() + self._clean(tail)

    def _ends(self) -> tuple[bytes, bytes]:
        """Both ends up to a whole line: a cut in the midst of a secret would keep half of it."""
        head, tail = bytes(self._head), bytes(self._tail[-TAIL:])
        longest = max((len(value.encode()) for value in self._redaction.values), default=0)
        end, start = head.rfind(b"\n"), tail.find(b"\n")
        return head[: end if end >= 0 else len(head) - longest], tail[start + 1 if start >= 0 else longest :]

    def _clean(self, data: bytes) -> bytes:
        if not self._redaction.values:
            return data
        return self._redaction(data.decode(errors="backslashreplace")).encode()
