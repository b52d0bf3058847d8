"""The bytes of a source as text: for the command, that reads the head of a file, and for `ingest`."""

from __future__ import annotations

from orchestrator.contracts.errors import DataError

_MARKS = {
    b"\xff\xfe": "text in utf-16 (set encoding: utf-16)",
    b"\xfe\xff": "text in utf-16 (set encoding: utf-16)",
    b"PAR1": "Parquet (set format: parquet)",
    b"PK\x03\x04": "a zip archive or a spreadsheet (unpack it, or save it as CSV)",
    b"\x1f\x8b": "compressed with gzip (unpack it)",
    b"\xfd7zXZ\x00": "compressed with xz (unpack it)",
    b"BZh91AY&SY": "compressed with bzip2 (unpack it)",
    b"\x28\xb5\x2f\xfd": "compressed with zstd (unpack it)",
    b"SQLite format 3": "a database (export the table as CSV)",
}


def is_utf8(encoding: str) -> bool:
    """Whether this is one of the names of UTF-8, in which a byte-order mark is dropped."""
    return encoding.lower().replace("_", "-") in {"utf-8", "utf8", "utf-8-sig"}


def refuse_other_kinds(data: bytes, encoding: str) -> None:
    """Raise DataError for the first bytes of what is no text at all, where text in UTF-8 is expected."""
    if not is_utf8(encoding):
        return
    for mark, what in _MARKS.items():
        if data.startswith(mark):
            raise DataError(f"the file is {what}")


def decode(data: bytes, encoding: str) -> str:
    """The text. Raises DataError with the line and the column of the byte that is wrong."""
    try:
        return data.decode("utf-8-sig" if is_utf8(encoding) else encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        raise DataError(
            f"line {line}, column {column}: byte 0x{data[error.start]:02x} is not {encoding} "
            f"(set encoding: of the source, often cp1252 or latin-1)"
        ) from None
    except LookupError:
        raise DataError(f"there is no encoding {encoding!r} (set encoding: utf-8)") from None
    except ValueError as error:  # UnicodeError without a place, and names that no codec can have
        raise DataError(f"the file cannot be read as {encoding!r} ({error}): correct encoding:") from None
