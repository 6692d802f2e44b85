"""Texts that strangers give: what of them no store can keep and no answer can tell. Knows no address and no store."""

import re
from collections.abc import Iterator
from typing import Any

from gateway.errors import Refused

UNUSABLE = re.compile("[\x00\ud800-\udfff]")
"""NUL, which PostgreSQL has in no text, and halves of a character, which UTF-8 has not: JSON escapes and the bytes of a header bring them."""
_HINTS = (b"\xed", b"\x00", b"\\u0000", b"\\ud", b"\\uD")
"""Without any of these a JSON body brings neither."""
_INNER = (str, dict, list)
SIGN = "\ufffd"


def keepable(text: str) -> str:
    """The text with a sign in place of what cannot be kept."""
    return text if text.isascii() and "\x00" not in text else UNUSABLE.sub(SIGN, text)


def check_text(text: str, name: str) -> str:
    """The same text. Raises Refused (400) where it cannot be kept."""
    if UNUSABLE.search(text):
        raise Refused(400, "bad-request", f"{name} has NUL or half of a character in it")
    return text


def check_json(value: Any, body: bytes) -> None:
    """Raises Refused (400) if any text in a JSON value, or name of a member, cannot be kept; `body` is what it was read from."""
    if not any(hint in body for hint in _HINTS):
        return
    for text in _texts(value):
        check_text(text, f"{keepable(text)[:40]!r} in the body")


def _texts(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            yield from one
            waiting.extend([inner for inner in one.values() if isinstance(inner, _INNER)])
        elif isinstance(one, list):
            waiting.extend([inner for inner in one if isinstance(inner, _INNER)])
