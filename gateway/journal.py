"""The journal: one JSON line a step, on standard error. Ids, states, counts, durations; never payloads, never keys.

Each kind of line has its function here, so a call site is a word.
"""

import json
import sys
from typing import Any

import structlog

from gateway.clock import Instant, as_text, now

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode
"""Made once: a small document has three lines, and an encoder made for each cost as much as the line."""


def _bytes(line: Any, **_: Any) -> bytes:
    return _encode(line).encode("utf-8", "replace")


_log = structlog.wrap_logger(
    structlog.BytesLogger(sys.stderr.buffer),
    processors=[structlog.processors.JSONRenderer(serializer=_bytes)],
    wrapper_class=structlog.make_filtering_bound_logger(0),
    cache_logger_on_first_use=True,
)
_quiet = False


def silence() -> None:
    """No lines at all, for the demo's story and for short commands."""
    global _quiet
    _quiet = True


def _line(step: str, **facts: Any) -> None:
    if not _quiet:
        _log.info(step, at=as_text(now()), **{key: value for key, value in facts.items() if value is not None})


def started(node: str, version: str, store: str, listeners: dict[str, str], notes: list[str]) -> None:
    _line("started", node=node, version=version, store=store, listeners=listeners, notes=notes or None)


def stopping(node: str, why: str) -> None:
    _line("stopping", node=node, why=why)


def received(message: str, partner: str, channel: str, size: int, outcome: str) -> None:
    _line("received", message=message, partner=partner, channel=channel, bytes=size, outcome=outcome)


def polled(partner: str, poll: str, files: int, failures: int, why: str | None) -> None:
    if files or why:
        _line("polled", partner=partner, poll=poll, files=files, failures=failures or None, why=why)


def session(partner: str, channel: str, address: str, how: str, client: str) -> None:
    _line("session", partner=partner, channel=channel, address=address, how=how, client=client[:100])


def refused(partner: str | None, channel: str, status: int, kind: str) -> None:
    _line("refused", partner=partner, channel=channel, status=status, kind=kind)


def translated(message: str, partner: str, states: dict[str, int], dropped: dict[int, str], whole: bool) -> None:
    _line("translated", message=message, partner=partner, documents=states, interchanges=dropped or None, whole=whole)


def held(message: str, partner: str, why: str) -> None:
    _line("held", message=message, partner=partner, why=why)


def worker_lost(worker: int, why: str, messages: list[str]) -> None:
    _line("worker lost", worker=worker, why=why, messages=messages)


def steered(destination: str, state: str) -> None:
    """The breaker's state has changed, as this node sees it at its next claim."""
    _line("destination", destination=destination, state=state)


def attempted(delivery: str, destination: str, outcome: str, status: int | None, duration: Instant, why: str | None) -> None:
    _line("attempted", delivery=delivery, destination=destination, outcome=outcome, status=status, milliseconds=duration // 1000, why=why)


def trouble(where: str, error: BaseException) -> None:
    _line("trouble", where=where, kind=type(error).__name__, text=str(error)[:500])


def composed(message: str, partner: str, set_id: str, subject: str, outcome: str) -> None:
    _line("composed", message=message, partner=partner, set=set_id, subject=subject, outcome=outcome)


def replay(job: str, partner: str, state: str, counts: dict[str, int] | None = None) -> None:
    _line("replay", job=job, partner=partner, state=state, counts=counts)


def overdue(count: int) -> None:
    if count:
        _line("overdue", acknowledgments=count)


def chore(name: str, told: str) -> None:
    """Work that one node does for all is done."""
    _line("chore", chore=name, told=told)


def swept(what: str, count: int) -> None:
    if count:
        _line("swept", what=what, count=count)
