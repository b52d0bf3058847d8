"""Text that came from outside: whether it is any, and how it may be shown."""

from __future__ import annotations

import re

_UNSHOWN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def shown(text: str) -> str:
    """The text as every terminal and file may have it: control characters and halves of characters are escaped.

    Messages quote what people and files say; a quoted escape sequence must not act on whoever reads the message.
    """
    return _UNSHOWN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def first_line(error: BaseException) -> str:
    """What an error says first, without its full stop; its type where it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0].strip().rstrip(".")


def is_unicode(text: str) -> bool:
    """Whether it can be written, recorded and sent: bytes that are not UTF-8 arrive as halves of characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
