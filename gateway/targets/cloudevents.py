"""A CloudEvent over HTTP: binary (attributes as headers, the data as the body), structured (one JSON object), or several in a batch.

Knows bytes and headers; knows no target.
"""

import json
from collections.abc import Iterable, Mapping

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"


def binary_headers(attributes: Mapping[str, str]) -> dict[str, str]:
    """CloudEvents 1.0, HTTP binding 3.1."""
    return {"Content-Type": "application/json", "ce-specversion": "1.0"} | {f"ce-{key}": header_value(value) for key, value in attributes.items()}


def structured(attributes: Mapping[str, str], data: bytes) -> bytes:
    """The CloudEvent as one JSON object, its data as the bytes that it always has (CloudEvents 1.0, JSON format 3)."""
    head = json.dumps({"specversion": "1.0", **attributes, "datacontenttype": "application/json"}, ensure_ascii=False, separators=(",", ":"))
    return head[:-1].encode() + b',"data":' + data + b"}"


def batch(events: Iterable[bytes]) -> bytes:
    """Structured events as one array (JSON format 4)."""
    return b"[" + b",".join(events) + b"]"


def header_value(text: str) -> str:
    """CloudEvents HTTP binding 3.1.3.2: anything outside printable ASCII, and blank, quote and percent, as percent-encoded UTF-8."""
    if text.isascii() and text.isprintable() and not (set(text) & {" ", '"', "%"}):
        return text
    return "".join(chr(byte) if 0x21 <= byte <= 0x7E and byte not in b'"%' else f"%{byte:02X}" for byte in text.encode())
