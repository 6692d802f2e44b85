"""What waits for a person: dead deliveries, held and rejected documents, interchanges and messages, blocked lanes; each with its cause.

A cause is told by how a row's reason begins, so it needs no column, and what was written before it had a name has it, too.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, TextClause, text

from gateway.clock import Instant, as_text
from gateway.replay.records import DeadKind, DeadLetter
from gateway.store.payloads import DAMAGED
from gateway.store.sql import in_lists, one_of

RUNBOOKS = "docs/runbooks/"
KINDS: tuple[DeadKind, ...] = ("delivery", "document", "interchange", "message")
LANE_BLOCKED = "lane-blocked"


class Cause(NamedTuple):
    """One reason for which something waits: its runbook is RUNBOOKS and its name."""

    name: str
    kind: DeadKind
    reasons: tuple[str, ...] = ()
    """How its reason reads, as patterns of LIKE; none: whatever no other cause of the kind takes."""
    state: str | None = None
    """Only in this state."""


CAUSES = (
    Cause("delivery-outcome-unknown", "delivery", ("an earlier attempt may have had its effect%", "it took this at first, and did not say within %")),
    Cause("delivery-given-up", "delivery", ("given up after %",)),
    Cause("delivery-damaged", "delivery", (f"{DAMAGED}%",)),
    Cause("delivery-fault", "delivery", ("our own fault: %",)),
    Cause("delivery-lookup", "delivery", ("refused by the mapping: %the table % has no entry for %",)),
    Cause(
        "delivery-refused",
        "delivery",
        ("answered %", "refused by the mapping: %", "it took this at first, and says now: %", "it took this at first, and refuses it since: %"),
    ),
    Cause("delivery-failed", "delivery"),
    Cause("document-rejected", "document", state="rejected"),
    Cause("document-conflict", "document", ("% was told before (%",)),
    Cause("document-not-mapped", "document", ("the mapping % cannot make an event of it%",)),
    Cause("document-without-mapping", "document", ("no mapping ships for %",)),
    Cause("document-without-agreement", "document", ("there is no agreement for %",)),
    Cause("document-too-large", "document", ("the set is larger than %",)),
    Cause("document-lost-workers", "document", ("reading this % has ended three worker processes%",)),
    Cause("document-unclear-answer", "document", ("it fits more than one %",)),
    Cause("document-late-answer", "document", ("it comes too late: %",)),
    Cause("document-held", "document"),
    Cause("interchange-rejected", "interchange", state="rejected"),
    Cause("interchange-foreign-sender", "interchange"),
    Cause("message-damaged", "message", (f"{DAMAGED}%",)),
    Cause("message-fault", "message", ("our own fault: %",)),
    Cause("message-lost-workers", "message", ("reading it has ended %", "it needs more memory %")),
    Cause("message-not-agreed", "message", ("it looks like CSV%", "it looks like XML%", "the file fits %", "the mapping of %")),
    Cause("message-of-held-interchanges", "message", ("every interchange in it is held%",)),
    Cause("message-unreadable", "message"),
)
NAMES = frozenset({LANE_BLOCKED, *(cause.name for cause in CAUSES)})


def _case(kind: DeadKind, row: str) -> str:
    """The cause of a row, in SQL."""
    found = []
    for cause in CAUSES:
        if cause.kind == kind and (cause.state or cause.reasons):
            fits = [f"{row}.state = '{cause.state}'"] if cause.state else [f"{row}.reason LIKE '{reason}'" for reason in cause.reasons]
            found.append(f"WHEN {' OR '.join(fits)} THEN '{cause.name}'")
    (rest,) = [cause.name for cause in CAUSES if cause.kind == kind and not cause.state and not cause.reasons]
    return f"CASE {' '.join(found)} ELSE '{rest}' END"


@dataclass(frozen=True, slots=True)
class Search:
    """Which of them are meant; what is None does not narrow."""

    partner: str | None = None
    target: str | None = None
    """A destination: target:erp, or erp for short. Only deliveries have one."""
    type: str | None = None
    """A set such as 856, or a type of event such as shipment.status. Messages and interchanges have none."""
    cause: str | None = None
    text: str | None = None
    """What stands in the reason, in small or capital letters."""
    since: Instant = 0
    until: Instant = 2**62

    def values(self) -> dict[str, Any]:
        words = None if self.text is None else "%" + self.text.lower().replace("!", "!!").replace("%", "!%").replace("_", "!_") + "%"
        target = self.target if self.target is None or ":" in self.target else f"target:{self.target}"
        event = None if self.type is None else f"org.crossdock.{self.type}.v%"
        return {
            "partner": self.partner, "target": target, "type": self.type, "event": event, "cause": self.cause, "words": words, "since": self.since,
            "until": self.until,
        }  # fmt: skip


_COMMON = (
    "(CAST(:partner AS VARCHAR) IS NULL OR x.partner = :partner) AND (CAST(:cause AS VARCHAR) IS NULL OR x.cause = :cause)"
    " AND (CAST(:words AS VARCHAR) IS NULL OR lower(x.reason) LIKE :words ESCAPE '!') AND x.since >= :since AND x.since < :until"
    " AND (CAST(:target AS VARCHAR) IS NULL OR x.target = :target)"
    " AND (CAST(:type AS VARCHAR) IS NULL OR x.set_id = :type OR x.event_type LIKE :event)"
)
_ROWS: dict[DeadKind, str] = {
    "delivery": (
        "SELECT d.id, d.message, d.partner, d.state, d.reason, d.created_at AS key, d.done_at AS since, d.destination AS target, o.set_id,"
        " e.type AS event_type, d.document, d.event, d.attempts, d.kind, {cause} AS cause"
        " FROM deliveries d LEFT JOIN events e ON e.id = d.event LEFT JOIN documents o ON o.id = d.document WHERE d.state = 'dead'"
    ),
    "document": (
        "SELECT o.id, o.message, o.partner, o.state, o.reason, o.at AS key, o.at AS since, NULL AS target, o.set_id, NULL AS event_type, o.control,"
        " {cause} AS cause FROM documents o WHERE o.state IN ('held', 'rejected')"
    ),
    "interchange": (
        "SELECT i.message AS id, i.message, i.partner, i.state, i.reason, m.arrival AS key, COALESCE(m.decided_at, m.arrival) AS since, NULL AS target,"
        " NULL AS set_id, NULL AS event_type, i.control, i.ordinal, {cause} AS cause"
        " FROM interchanges i JOIN messages m ON m.id = i.message WHERE i.state IN ('held', 'rejected')"
    ),
    "message": (
        "SELECT m.id, m.id AS message, m.partner, m.state, m.reason, m.arrival AS key, COALESCE(m.decided_at, m.arrival) AS since, NULL AS target,"
        " NULL AS set_id, NULL AS event_type, {cause} AS cause FROM messages m WHERE m.state = 'held'"
    ),
}


_ROW = {"delivery": "d", "document": "o", "interchange": "i", "message": "m"}


def _statement(kind: DeadKind, ending: str, select: str = "*") -> TextClause:
    rows = _ROWS[kind].replace("{cause}", _case(kind, _ROW[kind]))
    return text(f"SELECT {select} FROM ({rows}) x WHERE {_COMMON}{ending}")  # noqa: S608 - all of it is ours


_LISTED = {kind: _statement(kind, " ORDER BY x.key DESC LIMIT :limit") for kind in KINDS}
_PAGE = {kind: _statement(kind, " AND x.key >= :key AND (x.key > :key OR x.id > :id) ORDER BY x.key, x.id LIMIT :limit") for kind in KINDS}
_COUNTED = {kind: _statement(kind, " GROUP BY x.cause, x.state", "x.cause, x.state, count(*) AS number") for kind in KINDS}
_ANSWERS = one_of("SELECT delivery, number, status, answer FROM attempts WHERE delivery IN :keys ORDER BY number")
_BLOCKED = text(
    "SELECT subject, partner, destination, head FROM lanes WHERE blocked AND (CAST(:partner AS VARCHAR) IS NULL OR partner = :partner)"
    " AND (CAST(:target AS VARCHAR) IS NULL OR destination = :target) ORDER BY id LIMIT :limit"
)


def listed(tx: Connection, search: Search, *, limit: int) -> dict[str, Any]:
    """The latest of each kind: with cause, since when, the answer's body, and the address of the cause's runbook."""
    values = search.values() | {"limit": limit}
    rows = {kind: tx.execute(_LISTED[kind], values).all() for kind in KINDS}
    answers = {row.delivery: row for row in in_lists(tx, _ANSWERS, [row.id for row in rows["delivery"]]) if row.answer is not None or row.status}
    found: dict[str, Any] = {f"{kind[:-1]}ies" if kind == "delivery" else f"{kind}s": [_shown(kind, row) for row in rows[kind]] for kind in KINDS}
    for one in found["deliveries"]:
        answer = answers.get(one["id"])
        one["status"] = answer.status if answer else None
        one["answer"] = bytes(answer.answer).decode("utf-8", "replace") if answer and answer.answer else None
    narrowed = search.type or search.text or search.cause not in (None, LANE_BLOCKED)
    lanes = [] if narrowed else tx.execute(_BLOCKED, values).all()
    found["blocked_lanes"] = [dict(row._mapping) | {"cause": LANE_BLOCKED, "runbook": runbook_of(LANE_BLOCKED)} for row in lanes]
    return found


_HIDDEN = ("key", "since", "target")


def _shown(kind: DeadKind, row: Any) -> dict[str, Any]:
    value = {name: one for name, one in row._mapping.items() if name not in _HIDDEN}
    if kind == "delivery":
        value["destination"] = row.target
    return value | {"since": as_text(row.since), "runbook": runbook_of(row.cause)}


def runbook_of(cause: str) -> str:
    return f"{RUNBOOKS}{cause}.md"


def counted(tx: Connection, search: Search) -> list[dict[str, Any]]:
    """How many a search means: by kind, cause and state."""
    return [
        {"kind": kind, "cause": row.cause, "state": row.state, "count": row.number}
        for kind in KINDS
        for row in tx.execute(_COUNTED[kind], search.values())
    ]


def page(tx: Connection, search: Search, kind: DeadKind, *, key: Instant, after: str, limit: int) -> list[DeadLetter]:
    """The next of one kind that a search means, behind (key, id)."""
    rows = tx.execute(_PAGE[kind], search.values() | {"key": key, "id": after, "limit": limit})
    return [DeadLetter(kind, row.id, row.message, row.partner, row.state, row.cause, row.key) for row in rows]
