"""A CloudEvent over HTTP: binary (attributes as headers, the data as the body), structured (one JSON object), or several in a batch.

Knows bytes and headers; knows no target.
"""

import json
import re
from collections.abc import Iterable, Mapping

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
PLAIN = re.compile(r"[!#$&-~]*")
"""Printable ASCII but blank, quote and percent."""


def binary_headers(attributes: Mapping[str, str], trace: str | None = None) -> dict[str, str]:
    """The attributes as ce-* headers (CloudEvents HTTP binding 3.1.3, which the NATS binding takes over), and W3C's traceparent under its own name, too.

    The event's own goes on as an attribute; the header is the attempt's, where there is one (CloudEvents, distributed tracing extension).
    """
    headers = {"ce-specversion": "1.0"} | {f"ce-{key}": header_value(value) for key, value in attributes.items()}
    return headers | traced(attributes, trace)


def traced(attributes: Mapping[str, str], trace: str | None) -> dict[str, str]:
    """W3C's header: of the attempt, else of the event."""
    above = trace or attributes.get("traceparent")
    return {} if above is None else {"traceparent": above}


def structured(attributes: Mapping[str, str], data: bytes) -> bytes:
    """The CloudEvent as one JSON object, its data as the bytes that it always has (CloudEvents 1.0, JSON format 3)."""
    head = json.dumps({"specversion": "1.0", **attributes, "datacontenttype": "application/json"}, ensure_ascii=False, separators=(",", ":"))
    return head[:-1].encode() + b',"data":' + data + b"}"


def batch(events: Iterable[bytes]) -> bytes:
    """Structured events as one array (JSON format 4)."""
    return b"[" + b",".join(events) + b"]"


def header_value(text: str) -> str:
    """CloudEvents HTTP binding 3.1.3.2: anything outside printable ASCII, and blank, quote and percent, as percent-encoded UTF-8."""
    if PLAIN.fullmatch(text):
        return text
    return "".join(chr(byte) if 0x21 <= byte <= 0x7E and byte not in b'"%' else f"%{byte:02X}" for byte in text.encode())
