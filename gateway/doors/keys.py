"""Headers that every door reads the same way: Idempotency-Key, traceparent, Basic."""

import base64
import binascii
import re
from urllib.parse import unquote_plus

from gateway.errors import Refused

KEY = re.compile(r"[\x21-\x7e][\x20-\x7e]{0,199}")
TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def traceparent_of(header: str | None) -> str | None:
    """The W3C trace context, None for what is none."""
    return header if header and TRACEPARENT.fullmatch(header) else None


def usable_key(header: str | None) -> str | None:
    """The Idempotency-Key without its quotes (draft 07 makes it a quoted string; bare ones are taken too)."""
    if header is None:
        return None
    key = header.strip()
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not KEY.fullmatch(key):
        raise Refused(422, "bad-key", f"{len(key)} characters; 1 to 200 printable ones are taken")
    return key


def basic_of(header: str) -> tuple[str, str] | None:
    """User and password of Basic (RFC 7617), as OAuth2 clients encode them (RFC 6749, 2.3.1); None where there is none."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return unquote_plus(user), unquote_plus(password)
