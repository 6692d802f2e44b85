"""What became of each message, step by step, both ways: when, with which evidence, and what is still owed. And the check that every receipt we owe is there, once.

Knows rows. Every cell names what its bytes are called (`opens`), for evidence.py.
"""

import json
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, text

from gateway.clock import Instant, as_text
from gateway.store.controls import used_twice
from gateway.store.sql import in_lists, one_of

Cell = dict[str, Any]
"""{"state": done, waiting, failed or none (nothing is owed); "at"; "text"; "opens": ids whose bytes are the evidence}."""
MOST = 200
MOST_CHECKED = 100_000
MOST_WRONG = 200
PATIENCE = 5 * 60 * 1_000_000
"""Microseconds after which what we owe must have been written."""
IN = ("received", "mdn", "acknowledged", "translated", "delivered", "confirmed")
OUT = ("written", "sent", "mdn", "TA1", "997", "824")

_PAGE = text(
    "SELECT id, partner, channel, state, reason, size, file_name, arrival, decided_at FROM messages WHERE direction = :direction"
    " AND (CAST(:partner AS VARCHAR) IS NULL OR partner = :partner) AND (CAST(:id AS VARCHAR) IS NULL OR id = :id)"
    " AND (CAST(:since AS BIGINT) IS NULL OR arrival >= :since) AND (CAST(:until AS BIGINT) IS NULL OR arrival < :until)"
    " AND (:direction = 'in' OR answers IS NULL) ORDER BY arrival DESC LIMIT :limit"
)
_DELIVERIES = one_of(
    "SELECT id, message, kind, state, reason, event, outgoing, done_at, confirmation, confirmed, next_due FROM deliveries WHERE message IN :keys ORDER BY id"
)
_GROUPS = one_of(
    "SELECT message, interchange, ordinal, functional, control, verdict FROM groups WHERE message IN :keys ORDER BY interchange, ordinal"
)
_COUNTS = one_of("SELECT message, set_id, state, count(*) AS number FROM documents WHERE message IN :keys GROUP BY message, set_id, state")
_AS2 = one_of("SELECT id AS message, id, state, receipt, receipt_at, disposition FROM as2_messages WHERE direction = 'in' AND id IN :keys")
_AWAITED = one_of(
    "SELECT message, kind, state, due_at, overdue_at, settled_at, late_at, settled_by, disputed_at FROM awaited WHERE message IN :keys ORDER BY id"
)
_GROUPS_SINCE = text(
    "SELECT g.message, g.interchange, g.ordinal, g.functional, g.acknowledgment, m.partner, m.profile_revision, m.channel FROM groups g"
    " JOIN messages m ON m.id = g.message WHERE m.direction = 'in' AND m.arrival >= :since AND g.verdict IS NOT NULL"
    " ORDER BY g.message, g.interchange, g.ordinal LIMIT :limit"
)
_SETS = one_of("SELECT DISTINCT message, interchange, grp, set_id FROM documents WHERE message IN :keys")
_TWICE = text(
    "SELECT answers, file_name, count(*) AS number FROM messages WHERE direction = 'out' AND answers IS NOT NULL AND arrival >= :since"
    " GROUP BY answers, file_name HAVING count(*) > 1 LIMIT :limit"
)
_UNWRITTEN = text("SELECT id, partner, at FROM owed WHERE state = 'due' AND at < :before ORDER BY at LIMIT :limit")
_WITHOUT_MDN = text(
    "SELECT id, partner, state FROM as2_messages WHERE direction = 'in' AND at >= :since AND at < :before AND receipt <> 'none' AND state <> 'kept'"
    " AND receipt_payload IS NULL LIMIT :limit"
)
_DEAD_RECEIPTS = text(
    "SELECT id, partner, reason FROM deliveries WHERE kind = 'receipt' AND state = 'dead' AND created_at >= :since ORDER BY id LIMIT :limit"
)


def cell(state: str, at: Instant | None = None, what: str = "", opens: list[str] | None = None) -> Cell:
    return {"state": state, "at": as_text(at) if at else None, "text": what, "opens": opens or []}


NONE = cell("none")


def matrix(
    tx: Connection, *, direction: str, partner: str | None = None, message: str | None = None, since: Instant | None = None, until: Instant | None = None,
    limit: int = 50,
) -> list[dict[str, Any]]:  # fmt: skip
    """A row for each message, the latest first: who, what, and the cells of IN or OUT by name."""
    given = {"direction": direction, "partner": partner, "id": message, "since": since, "until": until, "limit": min(limit, MOST)}
    page = tx.execute(_PAGE, given).all()
    keys = [row.id for row in page]
    rows = _in(tx, page, keys) if direction == "in" else _out(tx, page, keys)
    return [
        {
            "message": row.id,
            "partner": row.partner,
            "channel": row.channel,
            "file_name": row.file_name,
            "size": row.size,
            "state": row.state,
            "cells": cells,
        }
        for row, cells in zip(page, rows, strict=True)
    ]


def _by_message(tx: Connection, statement: Any, keys: list[str]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for row in in_lists(tx, statement, keys):
        found[row.message].append(row)
    return found


# ---- what came in


def _in(tx: Connection, page: Any, keys: list[str]) -> list[dict[str, Cell]]:
    deliveries, groups, counts = (_by_message(tx, one, keys) for one in (_DELIVERIES, _GROUPS, _COUNTS))
    as2 = {row.message: row for row in in_lists(tx, _AS2, keys)}
    return [
        {
            "received": cell("done", row.arrival, f"{row.size} bytes by {row.channel}", [row.id]),
            "mdn": _our_mdn(as2.get(row.id)),
            "acknowledged": _acknowledged([one for one in deliveries[row.id] if one.kind == "receipt"], groups[row.id], row),
            "translated": _translated(row, counts[row.id]),
            "delivered": _delivered([one for one in deliveries[row.id] if one.kind == "event"]),
            "confirmed": _confirmed([one for one in deliveries[row.id] if one.kind == "event"]),
        }
        for row in page
    ]


def _our_mdn(row: Any) -> Cell:
    if row is None or row.receipt == "none":
        return NONE
    if row.receipt_at is None:
        return cell("waiting", None, "not made yet", [f"as2:{row.id}"])
    return cell("done", row.receipt_at, str(row.disposition or "").rpartition(";")[2].strip(), [f"mdn:{row.id}", f"as2:{row.id}"])


WORDS = {"A": "accepted", "E": "accepted with errors", "P": "partly accepted", "R": "rejected"}


def _acknowledged(receipts: list[Any], groups: list[Any], row: Any) -> Cell:
    """997, 999, TA1, 824 and reports together: the least far of them decides."""
    if not receipts:
        return NONE if row.decided_at or row.state != "received" else cell("waiting", None, "not read yet")
    said = {f"{one.message}.{one.interchange}.{one.ordinal}": WORDS.get(one.verdict or "", "") for one in groups}
    words = []
    for one in receipts:
        form, _, answers = one.id.partition(":")
        words.append(" ".join(filter(None, (form if form != "again" else "again", said.get(answers, "")))))
    return _together(receipts, words, [one.id for one in receipts])


def _together(rows: list[Any], words: list[str], opens: list[str]) -> Cell:
    states = {one.state for one in rows}
    state = "failed" if "dead" in states else "waiting" if "due" in states else "done" if "delivered" in states else "none"
    at = max((one.done_at for one in rows if one.done_at), default=None)
    return cell(state, at, ", ".join(dict.fromkeys(words)), opens)


def _translated(row: Any, counts: list[Any]) -> Cell:
    if row.state == "received":
        return cell("waiting", None, "not read yet", [row.id])
    words = ", ".join(f"{one.number} × {one.set_id} {one.state}" for one in sorted(counts, key=lambda one: (one.set_id, one.state)))
    held = row.state == "held" or any(one.state in ("held", "rejected") for one in counts)
    return cell("failed" if held else "done", row.decided_at, words or row.reason or row.state, [row.id])


def _delivered(events: list[Any]) -> Cell:
    if not events:
        return NONE
    by: dict[str, int] = defaultdict(int)
    for one in events:
        by[one.state] += 1
    return _together(events, [", ".join(f"{number} {state}" for state, number in sorted(by.items()))], [one.event for one in events if one.event])


def _confirmed(events: list[Any]) -> Cell:
    if not events:
        return NONE
    said = [one for one in events if one.confirmation]
    ids = ", ".join(one.confirmed for one in said if one.confirmed)
    text_ = f"{len(said)} of {len(events)}" + (f": {ids}" if ids else "")
    at = max((one.done_at for one in said if one.done_at), default=None)
    return cell("done" if len(said) == len(events) else "waiting", at, text_, [f"answer:{one.id}" for one in said])


# ---- what went out


def _out(tx: Connection, page: Any, keys: list[str]) -> list[dict[str, Cell]]:
    deliveries, awaited = _by_message(tx, _DELIVERIES, keys), _by_message(tx, _AWAITED, keys)
    rows = []
    for row in page:
        sent = [one for one in deliveries[row.id] if one.outgoing == row.id or one.kind == "document"]
        cells = {"written": cell("done", row.arrival, f"{row.size} bytes", [row.id]), "sent": _sent(sent)}
        kinds: dict[str, list[Any]] = defaultdict(list)
        for one in awaited[row.id]:
            kinds[one.kind].append(one)
        rows.append(cells | {name: _owed_to_us(kinds[name.upper()]) for name in OUT[2:]})
    return rows


def _sent(deliveries: list[Any]) -> Cell:
    if not deliveries:
        return NONE
    words = [f"{one.id}: {one.reason}" if one.reason else one.state for one in deliveries]
    return _together(deliveries, words, [f"answer:{one.id}" for one in deliveries])


def _owed_to_us(rows: list[Any]) -> Cell:
    """An acknowledgment of the partner's: one row for each set of the document."""
    if not rows:
        return NONE
    waiting = [one for one in rows if one.state == "waiting"]
    if waiting:
        late = any(one.overdue_at for one in waiting)
        return cell("failed" if late else "waiting", None, f"{'overdue since' if late else 'due'} {as_text(min(one.due_at for one in waiting))[:16]}")
    states = sorted({one.state + (" (late)" if one.late_at else "") for one in rows})
    bad = any(one.state in ("rejected", "disputed", "partly accepted") for one in rows)
    opens = sorted({one.settled_by for one in rows if one.settled_by})
    return cell("failed" if bad else "done", max(one.settled_at for one in rows if one.settled_at), ", ".join(states), opens)


# ---- exactly one


def check(tx: Connection, *, since: Instant, now: Instant, owes: Callable[[str, int, set[str]], bool]) -> dict[str, Any]:
    """Whether every receipt that we owe since then is there, once.

    `owes` says of (partner, profile revision, sets) whether a group of those sets is to be answered. {"groups", "answered", "not_owed", "wrong": [words]}.
    """
    groups = tx.execute(_GROUPS_SINCE, {"since": since, "limit": MOST_CHECKED}).all()
    sets: dict[tuple[str, int, int], set[str]] = defaultdict(set)
    for row in in_lists(tx, _SETS, {one.message for one in groups}):
        sets[row.message, row.interchange, row.grp].add(row.set_id)
    deliveries: dict[str, list[str]] = defaultdict(list)
    for message, found in _by_message(tx, _DELIVERIES, sorted({one.message for one in groups})).items():
        for row in found:
            form, _, answers = row.id.partition(":")
            if form in ("997", "999", "report") and answers.startswith(message):
                deliveries[answers].append(row.id)
    wrong, answered, not_owed = [], 0, 0
    for group in groups:
        place = f"{group.message}.{group.interchange}.{group.ordinal}"
        there, owed = (
            deliveries[place],
            group.functional not in ("FA", "AG")
            and owes(group.partner, group.profile_revision, sets[group.message, group.interchange, group.ordinal]),
        )
        if len(there) > 1:
            wrong.append(f"{place} of {group.partner} is answered {len(there)} times: {', '.join(there)}")
        elif there:
            answered += 1
        elif owed:
            wrong.append(f"{place} of {group.partner} owes an answer and has none; `crossdock show {group.message}`")
        else:
            not_owed += 1
    given = {"since": since, "before": now - PATIENCE, "limit": MOST_WRONG}
    wrong += [f"{row.answers} is answered by {row.number} messages called {row.file_name}" for row in tx.execute(_TWICE, given)]
    wrong += used_twice(tx, since)
    wrong += [f"{row.id} of {row.partner} is owed since {as_text(row.at)} and not written" for row in tx.execute(_UNWRITTEN, given)]
    wrong += [f"AS2 message {row.id} of {row.partner} is {row.state} and has no receipt" for row in tx.execute(_WITHOUT_MDN, given)]
    wrong += [f"{row.id} of {row.partner} was written and is a dead letter: {row.reason}" for row in tx.execute(_DEAD_RECEIPTS, given)]
    return {
        "since": as_text(since),
        "groups": len(groups),
        "answered": answered,
        "not_owed": not_owed,
        "whole": len(groups) < MOST_CHECKED,
        "wrong": wrong[:MOST_WRONG],
    }


# ---- evidence

_PAYLOAD_OF: dict[str, Any] = {
    "message": text("SELECT p.data, p.sha256, m.media_type, m.file_name FROM messages m JOIN payloads p ON p.id = m.payload WHERE m.id = :id"),
    "event": text(
        "SELECT p.data, p.sha256, 'application/json' AS media_type, NULL AS file_name FROM events e JOIN payloads p ON p.id = e.payload WHERE e.id = :id"
    ),
    "delivery": text("SELECT p.data, p.sha256, d.attributes FROM deliveries d JOIN payloads p ON p.id = d.payload WHERE d.id = :id"),
    "as2": text(
        "SELECT p.data, p.sha256, NULL AS media_type, NULL AS file_name FROM as2_messages a JOIN payloads p ON p.id = a.payload WHERE a.id = :id"
    ),
    "mdn": text(
        "SELECT p.data, p.sha256, NULL AS media_type, NULL AS file_name FROM as2_messages a JOIN payloads p ON p.id = a.receipt_payload WHERE a.id = :id"
    ),
}
_ANSWER = text("SELECT answer FROM attempts WHERE delivery = :id AND answer IS NOT NULL ORDER BY number DESC LIMIT 1")
_CONFIRMATION = text("SELECT confirmation FROM deliveries WHERE id = :id")
_DOCUMENT = text("SELECT message, byte_start, byte_end FROM documents WHERE id = :id")


def bytes_named(tx: Connection, wanted: str, read: Callable[[Any], bytes]) -> tuple[bytes, str, str | None] | None:
    """(bytes, media type, file name) of what a cell opens: a message, document, event or delivery by its id, or as2:ID, mdn:ID, answer:DELIVERY."""
    kind, _, name = wanted.partition(":")
    if kind == "answer":
        row = tx.execute(_ANSWER, {"id": name}).first()
        words = bytes(row.answer) if row else str(tx.execute(_CONFIRMATION, {"id": name}).scalar() or "").encode()
        return (words, "text/plain", None) if words else None
    if kind in ("as2", "mdn") and name:
        row = tx.execute(_PAYLOAD_OF[kind], {"id": name}).first()
        return None if row is None else (read(row), "application/octet-stream", None)
    document = tx.execute(_DOCUMENT, {"id": wanted}).first()
    if document is not None:
        row = tx.execute(_PAYLOAD_OF["message"], {"id": document.message}).first()
        return None if row is None else (read(row)[document.byte_start : document.byte_end], row.media_type, None)
    for one in ("message", "event", "delivery"):
        row = tx.execute(_PAYLOAD_OF[one], {"id": wanted}).first()
        if row is not None:
            attributes = json.loads(row.attributes) if one == "delivery" else {"media_type": row.media_type, "file_name": row.file_name}
            return read(row), str(attributes.get("media_type") or "application/json"), attributes.get("file_name")
    return None
