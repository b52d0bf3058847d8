"""Which rows a test set holds, in a few kilobytes: enough to tell how many of them another one holds too.

The least identities of a set are a sample of it that is coordinated with those of other sets (bottom-k sketches: Cohen
and Kaplan 2007, PODC): identities are hashes, and what is small in one set is small in all.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

SIZE = 512  # identities: the overlap has a standard error of 2.2 % at most; sets of so many rows are told exactly


@dataclass(frozen=True, slots=True)
class Sketch:
    """The least identities of a set of rows, rising, and how many different ones there are."""

    least: Hashes
    rows: int

    @classmethod
    def of(cls, identities: Hashes) -> Sketch:
        """Of the rows with these identities."""
        different = np.unique(identities)
        return cls(different[:SIZE], len(different))

    @classmethod
    def parse(cls, text: str, rows: int) -> Sketch:
        """From what `text` wrote. Raises ValueError."""
        return cls(np.frombuffer(base64.b64decode(text, validate=True), dtype="<u8").astype(np.uint64), rows)

    @property
    def text(self) -> str:
        """As base64."""
        return base64.b64encode(self.least.astype("<u8").tobytes()).decode()

    def shared(self, other: Sketch) -> float:
        """The share of these rows that the other set holds, estimated on the identities that both would have kept.

        1, which errs on the safe side, where the other set is so much larger that there is none.
        """
        known = self.least if other.rows <= len(other.least) else self.least[self.least <= other.least[-1]]
        if not len(known):
            return 1.0 if self.rows else 0.0
        return float(np.isin(known, other.least).mean())
