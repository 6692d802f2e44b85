"""Traces, for who wants them: one span for each step of a message's way, told after the commit that ends the step. Like the journal, for machines.

Off unless the settings name a collector. Then every message has a trace: the partner's own, if it sent a `traceparent` (W3C), or a new one, and it goes on to the ERP by the event's. The only module that knows opentelemetry.
"""

import os
import random
import threading
from typing import TYPE_CHECKING, Any, Literal, Protocol

from gateway.clock import Instant

if TYPE_CHECKING:
    from gateway.settings import Traces as Terms

STOPPING = 3.0
"""Seconds that the last spans have."""
Kind = Literal["server", "client", "internal"]
TRACES = 2**63
"""A trace is told if the low half of its id is below the ratio of this: every service that goes by the same rule tells the same ones."""


class Teller(Protocol):
    """Takes finished spans."""

    def on_end(self, span: Any) -> None: ...

    def shutdown(self) -> None: ...


class _Told:
    """Where spans go, while traces are on."""

    def __init__(self, ratio: float, teller: Teller, resource: Any) -> None:
        self.ratio, self.teller, self.resource = ratio, teller, resource


_told: _Told | None = None


def use(terms: "Terms", *, node: str, version: str) -> None:
    """From now on spans are sent to the collector, in batches, by a thread of the library's."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    exporter = OTLPSpanExporter(endpoint=terms.endpoint, headers=dict(terms.headers), timeout=3)
    use_teller(BatchSpanProcessor(exporter), terms.ratio, service=terms.service, node=node, version=version)


def use_teller(teller: Teller, ratio: float = 1.0, *, service: str = "crossdock", node: str = "", version: str = "") -> None:
    global _told
    from opentelemetry.sdk.resources import Resource

    _told = _Told(ratio, teller, Resource({"service.name": service, "service.instance.id": node, "service.version": version}))


def stop() -> None:
    """What is not sent yet is sent, within STOPPING: a collector that hangs holds no node up."""
    global _told
    told, _told = _told, None
    if told is not None:
        ending = threading.Thread(target=told.teller.shutdown, name="traces-end", daemon=True)
        ending.start()
        ending.join(STOPPING)


def begin(parent: str | None) -> str | None:
    """The traceparent of a step below `parent`, or of a new trace; `parent` itself while traces are off."""
    if _told is None:
        return parent
    span = f"{random.getrandbits(64) | 1:016x}"
    if parent is not None:
        _, trace, _, flags = parent.split("-")
        return f"00-{trace}-{span}-{flags}"
    trace_id = int.from_bytes(os.urandom(16), "big") | 1
    is_told = (trace_id & (TRACES - 1)) < _told.ratio * TRACES
    return f"00-{trace_id:032x}-{span}-{'01' if is_told else '00'}"


def tell(
    name: str,
    own: str | None,
    parent: str | None,
    start: Instant,
    end: Instant,
    *,
    kind: Kind = "internal",
    failed: str | None = None,
    **attributes: Any,
) -> None:
    """A step is over: `own` is its traceparent (`begin`), `parent` that of the step above it, which may be another service's. Attributes are named `crossdock.…`."""
    if _told is None or own is None or not int(own[-2:], 16) & 1:
        return
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.status import Status, StatusCode

    span = ReadableSpan(
        name,
        context=_context(own),
        parent=_context(parent) if parent is not None and parent != own else None,
        resource=_told.resource,
        attributes={f"crossdock.{key}": value for key, value in attributes.items() if value is not None},
        kind=SpanKind[kind.upper()],
        status=Status(StatusCode.ERROR, failed) if failed is not None else Status(StatusCode.UNSET),
        start_time=start * 1000,
        end_time=max(start, end) * 1000,
        instrumentation_scope=InstrumentationScope("crossdock"),
    )
    _told.teller.on_end(span)


def _context(traceparent: str) -> Any:
    from opentelemetry.trace import SpanContext, TraceFlags

    _, trace, span, flags = traceparent.split("-")
    return SpanContext(int(trace, 16), int(span, 16), is_remote=False, trace_flags=TraceFlags(int(flags, 16)))


def are_on() -> bool:
    return _told is not None
