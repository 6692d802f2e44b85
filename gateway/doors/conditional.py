"""Answers that a reader may have already: strong entity tags and If-None-Match (RFC 9110, 8.8.3 and 13.1.2)."""

import hashlib
import json
import re
from typing import Any

from aiohttp import web

MOST_TAGS = 100
_TAG = re.compile(r'\s*(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")\s*(?:,|$)')


def answer(request: web.Request, value: Any, headers: dict[str, str] | None = None) -> web.Response:
    """200 with the value as JSON and the tag of its bytes; 304 without a body for who has those bytes."""
    body = json_bytes(value)
    return tagged(request, body, tag_of(body), headers)


def json_bytes(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def tag_of(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def tagged(request: web.Request, body: bytes, tag: str, headers: dict[str, str] | None = None) -> web.Response:
    more = {"ETag": tag, **(headers or {})}
    if has_it(", ".join(request.headers.getall("If-None-Match", [])) or None, tag):  # lines of one field are one list (RFC 9110, 5.3)
        return web.Response(status=304, headers=more)
    return web.Response(body=body, content_type="application/json", headers=more)


def has_it(header: str | None, tag: str) -> bool:
    """Whether the field names the tag, by the weak comparison that it asks for, or all. What is no list of tags names nothing."""
    if header is None:
        return False
    if header.strip() == "*":
        return True
    at = 0
    for _ in range(MOST_TAGS):
        found = _TAG.match(header, at)
        if found is None:
            return False
        if found[1] == tag:
            return True
        at = found.end()
        if at >= len(header):
            return False
    return False
