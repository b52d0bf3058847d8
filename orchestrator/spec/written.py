"""A workflow file as it was written: values with the place where each stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Step = str | int


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something stands: a line and a column of a file, both from 1, or a `--set` option."""

    source: str
    line: int = 0  # 0: the source says it all
    column: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source

    def shifted(self, characters: int) -> Place:
        """The place so many characters further in the same line."""
        return Place(self.source, self.line, self.column + characters) if self.line else self


@dataclass(slots=True)
class Written:
    """One value: a mapping, a list or a scalar. `keys` says where the keys of a mapping stand."""

    value: Any  # dict[str, Written] | list[Written] | a scalar
    place: Place
    keys: dict[str, Place] = field(default_factory=dict)
    removed: list[tuple[Step, ...]] = field(default_factory=list)  # paths below that were taken away
    inside: int | None = None  # characters between the place and the text; None where they cannot be counted

    def plain(self) -> Any:
        """The value alone; lists become tuples, as frozen models want them."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, list):
            return tuple(child.plain() for child in self.value)
        return self.value

    def within(self, characters: int) -> Place:
        """The place of a character of a text."""
        return self.place if self.inside is None else self.place.shifted(self.inside + characters)

    def child(self, step: Step) -> Written | None:
        """What stands under a key or an index."""
        if isinstance(self.value, dict):
            return self.value.get(str(step))
        if isinstance(self.value, list) and isinstance(step, int) and 0 <= step < len(self.value):
            found: Written = self.value[step]
            return found
        return None

    def find(self, location: Sequence[Step]) -> tuple[Step, ...]:
        """The path in the file that is nearest to a location in the models.

        A candidate `{NAME: {…}}` is one level deeper in the file; tags that validation adds are passed over.
        """
        node, path = self, ()  # type: tuple[Written, tuple[Step, ...]]
        for step in location:
            below = node.child(step)
            if below is not None:
                node, path = below, (*path, step)
            elif (inner := node.only()) and (below := inner[1].child(step)) is not None:
                node, path = below, (*path, inner[0], step)
        return path

    def only(self) -> tuple[str, Written] | None:
        """The key and the value of a mapping that has one."""
        if isinstance(self.value, dict) and len(self.value) == 1:
            key, value = next(iter(self.value.items()))
            return str(key), value
        return None

    def at(self, path: Sequence[Step]) -> Written:
        """The value at a path that `find` gave."""
        node = self
        for step in path:
            below = node.child(step)
            if below is None:
                return node
            node = below
        return node

    def place_of(self, location: Sequence[Step], *, key: bool = False) -> Place:
        """Where a location of the models stands in the file; with `key`, where its key does."""
        path = self.find(location)
        if key and path and isinstance(path[-1], str):
            return self.at(path[:-1]).keys.get(path[-1], self.at(path).place)
        return self.at(path).place

    def damaged(self, path: Sequence[Step]) -> bool:
        """Whether something at this path, or below it, was taken away."""
        return any(gone[: len(path)] == tuple(path) for gone in self.removed)

    def remove(self, path: Sequence[Step]) -> None:
        """Take away what stands at a path, and remember that it was there."""
        self.removed.append(tuple(path))
        parent, last = self.at(path[:-1]), path[-1]
        if isinstance(parent.value, dict):
            parent.value.pop(str(last), None)
        elif isinstance(parent.value, list) and isinstance(last, int):
            del parent.value[last]
