"""What a bootstrap draws: rows, groups of rows, or blocks of rows that follow one another in time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CELLS = 4_000_000  # of a chunk's weight matrix: 32 MB


@dataclass(frozen=True, slots=True)
class Units:
    """Rows, or the groups or blocks that hold them; units are taken to be independent of one another.

    Blocks are the circular moving blocks of Politis and Romano (1992): every row starts one.
    """

    kind: Literal["rows", "groups", "blocks"]
    rows: int
    count: int  # different units
    draws: int  # units that make one resample
    block: int = 1  # rows of a block
    codes: NDArray[np.intp] | None = None  # group of each row

    @property
    def effective(self) -> int:
        """How many independent observations there are at least."""
        return self.draws

    def take(self, mask: NDArray[np.bool_]) -> Units:
        """The units of the rows that the mask keeps, in their order."""
        if self.kind == "groups" and self.codes is not None:
            return by_group(self.codes[mask])
        kept = int(mask.sum())
        return by_time(kept) if self.kind == "blocks" else by_row(kept)

    def sums(self, values: Floats) -> Floats:
        """Per unit, the sum over its rows; `values` has rows along its first axis."""
        if self.kind == "rows":
            return values
        if self.codes is not None:
            order = np.argsort(self.codes, kind="stable")
            starts = np.searchsorted(self.codes[order], np.arange(self.count))
            return np.add.reduceat(values[order], starts, axis=0)
        padded = np.concatenate([np.zeros_like(values[:1]), values, values[: self.block - 1]])
        total = np.cumsum(padded, axis=0)
        return np.asarray(total[self.block :] - total[: -self.block])

    def resamples(self, rng: np.random.Generator, number: int) -> Iterator[Floats]:
        """Chunks of `number` resamples: how often each unit was drawn (resamples × units)."""
        chunk = max(1, CELLS // max(self.count, self.rows))
        for start in range(0, number, chunk):
            size = min(chunk, number - start)
            drawn = rng.integers(0, self.count, size=(size, self.draws))
            drawn += np.arange(size)[:, None] * self.count
            yield np.bincount(drawn.ravel(), minlength=size * self.count).reshape(size, self.count).astype(float)

    def spread(self, counts: Floats) -> Floats:
        """Counts of units as counts of rows (resamples × rows)."""
        if self.kind == "rows":
            return counts
        if self.codes is not None:
            return counts[:, self.codes]
        padded = np.concatenate([np.zeros((len(counts), 1)), counts[:, -(self.block - 1) :], counts], axis=1)
        if self.block == 1:
            return counts
        total = np.cumsum(padded, axis=1)
        return np.asarray(total[:, self.block :] - total[:, : -self.block])


def by_row(rows: int) -> Units:
    """Every row for itself."""
    return Units("rows", rows, rows, rows)


def by_group(groups: NDArray[np.intp]) -> Units:
    """Whole groups, given as any codes."""
    _, codes = np.unique(groups, return_inverse=True)
    count = int(codes.max()) + 1 if len(codes) else 0
    return Units("groups", len(groups), count, count, codes=codes)


def by_time(rows: int) -> Units:
    """Blocks of rows in time order, of length ⌈2·n^(1/3)⌉: the rate of Hall, Horowitz and Jing (1995).

    Politis and White (2004, Econometric Reviews 23:53–70) give (6φ²/(1 − φ²)²)^(1/3) as its factor where neighbours
    correlate by φ: 2 is that of φ = 0.65, on the long side for what hangs together less.
    """
    block = max(1, min(rows, math.ceil(round(2 * rows ** (1 / 3), 9))))
    return Units("blocks", rows, rows, math.ceil(rows / block), block)
