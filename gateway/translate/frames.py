"""What parent and worker say to each other over a pipe: a length, JSON, and raw bytes behind it. No pickled objects."""

import struct
from typing import Any

from pydantic_core import from_json, to_json

HEAD = struct.Struct("!II")
MOST = 512 * 2**20


def pack(value: Any, blob: bytes = b"") -> bytes:
    text = to_json(value)
    return HEAD.pack(len(text), len(blob)) + text + blob


def sizes(head: bytes) -> tuple[int, int]:
    """Lengths of the JSON and of the bytes behind it. Raises ValueError for a frame beyond all bounds."""
    text, blob = HEAD.unpack(head)
    if text + blob > MOST:
        raise ValueError(f"a frame of {text + blob} bytes")
    return text, blob


def unpack(text: bytes) -> Any:
    """The value of a frame's JSON. Raises ValueError for what is none."""
    return from_json(text)
