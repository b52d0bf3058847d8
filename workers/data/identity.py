"""What stays the same about a row when others come and go: a hash of its id, or of what it holds.

BLAKE2b of values as text: the same on every platform and under every version of every library. What a row holds is the
sum of its cells' hashes, each with its column's name: the order of columns does not matter, nor do cells without a
value; whole numbers are written without a fraction, so that a gap in another row does not change the hash.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import numpy as np
import pandas as pd

from workers.data import cells

Hashes = np.ndarray[Any, np.dtype[np.uint64]]


def identities(table: pd.DataFrame, id_column: str | None) -> Hashes:
    """A hash for each row: of its id, or where it has none of all its values."""
    if id_column is None:
        return _content(table)
    ids = _cells("", table[id_column])
    gaps = cells.missing(table[id_column]).to_numpy(dtype=bool)
    if gaps.any():
        ids[gaps] = _content(table[gaps])
    return ids


def shares(identity: Hashes, salt: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A number in [0, 1) for each identity, as good as random, and another one for each salt."""
    key = np.uint64(int.from_bytes(blake2b(salt.encode(), digest_size=8).digest(), "big"))
    with np.errstate(over="ignore"):
        mixed = identity ^ key
        # The finaliser of splitmix64: every bit of the result depends on every bit of the identity.
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(11)).astype(np.float64) / 2.0**53


def _content(table: pd.DataFrame) -> Hashes:
    total = np.zeros(len(table), dtype=np.uint64)
    for name in table.columns:
        total += _cells(str(name), table[name])  # wraps around, as it should
    return total


def _cells(name: str, column: pd.Series[Any]) -> Hashes:
    """The hash of each value in a column of this name, 0 where there is none."""
    texts = cells.texts(column)
    codes, distinct = pd.factorize(texts)
    key = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=32).digest()
    data = [
        blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8, key=key).digest() for text in distinct.tolist()
    ]
    hashes = np.frombuffer(b"".join([*data, bytes(8)]), dtype=">u8").astype(np.uint64)
    return hashes[codes]
