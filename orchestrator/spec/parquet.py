"""The column names in a Parquet file's footer: as much of Thrift's compact protocol as that takes.

Format: https://parquet.apache.org/docs/file-format/ (FileMetaData, field 2: list of SchemaElement, depth first).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from orchestrator.contracts.errors import DataError

_MAGIC = b"PAR1"
_MAX_FOOTER = 64_000_000  # bytes
_MAX_DEPTH = 32

# Thrift's compact types.
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)

_FIXED = {_TRUE: 0, _FALSE: 0, _BYTE: 1, _DOUBLE: 8}  # bytes of a value

_SCHEMA = 2  # of FileMetaData
_NAME, _CHILDREN = 4, 5  # of SchemaElement


def parquet_columns(file: Path) -> tuple[str, ...]:
    """The names of the top-level columns. Raises DataError for what is not Parquet."""
    footer = _footer(file)
    try:
        elements = _Footer(footer).schema()
    except (IndexError, ValueError, struct.error):
        raise DataError("the file's Parquet footer cannot be read") from None
    if not elements:
        raise DataError("the file's Parquet footer has no schema")
    return tuple(_top_level(elements))


def _top_level(elements: list[tuple[str, int]]) -> Iterator[str]:
    """The elements right below the root: what nests follows its parent, depth first."""
    inside = 0
    for name, children in elements[1:]:
        if not inside:
            yield name
        inside += max(children, 0) - (1 if inside else 0)


def _footer(file: Path) -> bytes:
    with file.open("rb") as stream:
        size = stream.seek(0, 2)
        if size < 12:
            raise DataError("the file is too small for Parquet")
        stream.seek(size - 8)
        length, magic = struct.unpack("<I4s", stream.read(8))
        if magic != _MAGIC:
            raise DataError("the file is not Parquet (it does not end with PAR1)")
        if length > min(size - 8, _MAX_FOOTER):
            raise DataError("the file's Parquet footer is cut off")
        stream.seek(size - 8 - length)
        return stream.read(length)


class _Footer:
    """Reads what it needs and steps over the rest; a bad byte ends in IndexError or ValueError."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def schema(self) -> list[tuple[str, int]]:
        """Name and number of children of each schema element, the root first."""
        field = 0
        while (header := self._byte()) != 0:
            field = self._field(header, field)
            if field == _SCHEMA and header & 15 == _LIST:
                count, kind = self._list_header()
                if kind != _STRUCT:
                    raise ValueError(kind)
                return [self._element() for _ in range(count)]
            self._skip(header & 15, _MAX_DEPTH)
        return []

    def _element(self) -> tuple[str, int]:
        name, children, field = "", 0, 0
        while (header := self._byte()) != 0:
            field, kind = self._field(header, field), header & 15
            if field == _NAME and kind == _BINARY:
                length = self._varint()
                name = self._data[self._at : self._at + length].decode()
                self._advance(length)
            elif field == _CHILDREN and kind == _I32:
                value = self._varint()
                children = (value >> 1) ^ -(value & 1)
            else:
                self._skip(kind, _MAX_DEPTH)
        return name, children

    def _field(self, header: int, last: int) -> int:
        """The field's number: the distance from the last one, or written out."""
        if header >> 4:
            return last + (header >> 4)
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def _list_header(self) -> tuple[int, int]:
        header = self._byte()
        count = header >> 4 if header >> 4 != 15 else self._varint()
        if count > len(self._data):
            raise ValueError(count)
        return count, header & 15

    def _skip(self, kind: int, depth: int) -> None:
        if depth == 0:
            raise ValueError(kind)
        if kind in {_I16, _I32, _I64}:
            self._varint()
        elif kind in _FIXED:
            self._advance(_FIXED[kind])
        elif kind == _BINARY:
            self._advance(self._varint())
        elif kind in {_LIST, _SET}:
            count, inner = self._list_header()
            for _ in range(count):
                self._skip(_BYTE if inner in {_TRUE, _FALSE} else inner, depth - 1)
        elif kind == _STRUCT:
            while (header := self._byte()) != 0:
                self._field(header, 0)
                self._skip(header & 15, depth - 1)
        else:  # maps do not stand before the schema
            raise ValueError(kind)

    def _byte(self) -> int:
        self._advance(1)
        return self._data[self._at - 1]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > 63:
                raise ValueError(shift)

    def _advance(self, count: int) -> None:
        self._at += count
        if self._at > len(self._data):
            raise IndexError(self._at)
