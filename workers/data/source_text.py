"""The bytes of a text source in the encoding that was said."""

from __future__ import annotations

from orchestrator.contracts.data import IngestParams
from orchestrator.contracts.encodings import decode, refuse_other_kinds
from orchestrator.contracts.errors import DataError
from orchestrator.contracts.text import is_unicode


def text_of(data: bytes, params: IngestParams) -> str:
    """The text without a byte-order mark. Raises DataError where the bytes are none in this encoding."""
    try:
        refuse_other_kinds(data, params.encoding)
        text = decode(data, params.encoding).removeprefix("\ufeff")
    except DataError as error:
        raise DataError(f"{params.filename}: {error}") from None
    if not is_unicode(text):  # there are codecs that give halves of characters
        raise DataError(f"{params.filename}: read as {params.encoding} the file is no text: correct encoding:")
    return text
