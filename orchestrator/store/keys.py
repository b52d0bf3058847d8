"""The names of keys in Redis: one hash tag for each namespace, so that one step may touch several keys."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Keys:
    """Names below one namespace's prefix; the Lua steps spell the same ones."""

    namespace: str

    @property
    def prefix(self) -> str:
        """`{namespace}:`, with the braces that make it one hash tag."""
        return "{" + self.namespace + "}:"

    def __call__(self, *parts: str) -> str:
        """The key of these parts."""
        return self.prefix + ":".join(parts)

    def run(self, run: str, *part: str) -> str:
        """A key of one run."""
        return self("run", run, *part)

    def broker(self, queue: str) -> str:
        """The list in which Celery keeps the messages of a queue."""
        return self.prefix + queue
