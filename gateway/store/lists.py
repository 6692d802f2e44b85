"""Lists for consumers: shipments, orders, stock and documents, by keys that rows keep, or by when they were altered.

Every page is bounded: first a walk of one index, without looking at the rows, finds up to which key it looks; then the rows up to there that fit are read.
So a page may have few rows, or none, and still go on. A consumer's partners are a condition of the SQL, one range of an index for each of them where there is
such an index.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, bindparam, text

from gateway.clock import Instant

SCAN = 2_000
"""Rows that one query looks at, at most."""


@dataclass(frozen=True, slots=True)
class View:
    """A table as a list: its key, which alone gives the order; when a row was altered; by what it can be narrowed."""

    table: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    changed: str
    bounds: str = "1 = 1"
    """Which of the table's rows are of this list."""
    narrow: tuple[str, ...] = ()
    """Columns with an index of their own before the key, the best first."""
    conditions: Mapping[str, str] = field(default_factory=dict)
    """Filter -> its condition, over the row (s) and what is joined to it."""
    joined: str = ""
    more: str = ""
    """Columns of what is joined."""


_STANDING = (
    "subject", "partner", "stream", "step", "milestone", "at", "local", "zone", "certainty", "event", "document", "revision", "cancelled", "expected",
    "expected_at", "expected_local", "expected_zone", "expected_certainty", "expected_event", "refs", "changed_at",
)  # fmt: skip
_STATUS = {"status": "(s.milestone = :status OR s.step = :status OR (:status = 'cancelled' AND s.cancelled))"}
_OF_STANDING = ("subject", "partner", "stream")
SHIPMENTS = View("standings", _STANDING, _OF_STANDING, "changed_at", "s.subject >= 'shipment/'", conditions=_STATUS)
ORDERS = View("standings", _STANDING, _OF_STANDING, "changed_at", "s.subject < 'shipment/'", conditions=_STATUS)
"""Subjects are order/… and shipment/…, and nothing between them, whatever the database's collation makes of the slash."""
STOCK = View(
    "stock",
    ("id", "partner", "stream", "place", "numbering", "item", "unit", "quantities", "as_of", "event", "document", "changes", "changed_at", "told_at"),
    ("id",),
    "told_at",
    narrow=("item", "place"),
    conditions={"item": "s.item = :item", "place": "s.place = :place"},
)
_SENT = "(SELECT x.state FROM deliveries x WHERE m.direction = 'out' AND x.message = s.message AND x.outgoing = s.message LIMIT 1)"
"""How it stands with a document of ours is its delivery's state (`gateway.store.outgoing.sent`)."""
DOCUMENTS = View(
    "documents",
    ("id", "message", "partner", "stream", "set_id", "control", "state", "reason", "verdict", "mapping", "duplicate_of", "at"),
    ("id",),
    "at",
    conditions={"status": f"COALESCE({_SENT}, s.state) = :status", "set_id": "s.set_id = :set_id", "direction": "m.direction = :direction"},
    joined=" JOIN messages m ON m.id = s.message",
    more=f", m.direction, m.channel, m.arrival, m.file_name, {_SENT} AS sent",
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of a list is wanted, and of whom."""

    partners: tuple[str, ...] | None
    """Nothing else may be seen; None for all."""
    stream: str | None
    limit: int
    after: Sequence[Any] | None = None
    """The key of the last row that was looked at: with `since`, when it was altered before it."""
    since: Instant | None = None
    named: Sequence[str] | None = None
    """Of these alone: values of the key's first column."""
    filters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Page:
    rows: list[dict[str, Any]]
    last: list[Any] | None
    """Behind this key it goes on; None at the end."""


def page(tx: Connection, view: View, wanted: Wanted) -> Page:
    """Rows in the order of the key, or of when they were altered where `since` is given."""
    if wanted.partners == ():
        return Page([], None)
    query = Query(view, wanted)
    walk_in_order(tx)
    until = query.until(tx) if query.conditions and wanted.named is None else None
    rows = query.rows(tx, until)
    if len(rows) > wanted.limit:
        return Page(rows[: wanted.limit], [rows[wanted.limit - 1][name] for name in query.order])
    return Page(rows, until)


class Query:
    """The two statements of a page: up to which key it looks, and the rows up to there.

    Each is made of ranges of one index: one, or one for each partner, where its index begins with the partner.
    """

    def __init__(self, view: View, wanted: Wanted) -> None:
        by_change = wanted.since is not None and wanted.named is None
        by = next((name for name in view.narrow if name in wanted.filters), None) if not by_change and wanted.named is None else None
        by_partner = wanted.partners if not by_change and by is None and wanted.named is None else None
        self._view, self._wanted = view, wanted
        self.order = (view.changed, *view.key) if by_change else view.key
        self._keys = ", ".join(f"s.{name}" for name in self.order)
        self._given: dict[str, Any] = {"since": wanted.since, "stream": wanted.stream, **wanted.filters}
        for name in ("partners", "named"):
            if getattr(wanted, name) is not None:
                self._given[name] = list(getattr(wanted, name))
        where = [view.bounds]
        if wanted.after is not None:
            where += self._beyond("after", wanted.after)
        if by_change:
            where.append(f"s.{view.changed} >= :since")
        if by is not None:
            where.append(f"s.{by} = :{by}")
        if wanted.named is not None:
            where.append(f"s.{view.key[0]} IN :named")
        self._ranges = [where]
        if by_partner is not None:
            self._ranges = [[*where, f"s.partner = :partner_{number}"] for number in range(len(by_partner))]
            self._given |= {f"partner_{number}": partner for number, partner in enumerate(by_partner)}
        self.conditions = [view.conditions[name] for name in sorted(wanted.filters) if name != by]
        """What leaves rows of the ranges out."""
        if wanted.stream is not None:
            self.conditions.append("s.stream = :stream")
        if wanted.partners is not None and by_partner is None:
            self.conditions.append("s.partner IN :partners")
        if wanted.since is not None and not by_change:
            self.conditions.append(f"s.{view.changed} >= :since")

    def until(self, tx: Connection) -> list[Any] | None:
        """The key of the last row that this page looks at; None where it looks at all that there are."""
        scan = max(self._wanted.limit + 1, SCAN // len(self._ranges))
        self._given |= {"scan": scan, "last": scan - 1}
        parts = [
            f"SELECT {self._keys} FROM {self._view.table} s WHERE {' AND '.join(where)} ORDER BY {self._keys} LIMIT :scan"  # noqa: S608 - names are ours
            for where in self._ranges
        ]
        row = run(tx, f"{self._together(parts)} LIMIT 1 OFFSET :last", self._given).first()
        return None if row is None else list(row)

    def rows(self, tx: Connection, until: list[Any] | None) -> list[dict[str, Any]]:
        """One more than a page has, if there are so many."""
        more = [*self.conditions, *(self._beyond("until", until, "<=") if until is not None else ())]
        self._given["most"] = self._wanted.limit + 1
        columns = ", ".join(f"s.{name}" for name in self._view.columns) + self._view.more
        parts = [
            f"SELECT {columns} FROM {self._view.table} s{self._view.joined} WHERE {' AND '.join([*where, *more])}"  # noqa: S608 - names are ours
            f" ORDER BY {self._keys} LIMIT :most"
            for where in self._ranges
        ]
        return [dict(row._mapping) for row in run(tx, f"{self._together(parts)} LIMIT :most", self._given)]

    def _together(self, parts: list[str]) -> str:
        union = " UNION ALL ".join(f"SELECT * FROM ({part}) p{number}" for number, part in enumerate(parts))  # noqa: S608 - names are ours
        return f"SELECT * FROM ({union}) s ORDER BY {self._keys}"  # noqa: S608 - names are ours

    def _beyond(self, what: str, key: Sequence[Any], sign: str = ">") -> list[str]:
        """Rows behind a key, or up to it; its first column by itself, too, so that it is a range of whatever index begins with it."""
        self._given |= {f"{what}_{number}": value for number, value in enumerate(key)}
        values = ", ".join(f":{what}_{number}" for number in range(len(key)))
        return [f"s.{self.order[0]} {sign.rstrip('=')}= :{what}_0", f"({self._keys}) {sign} ({values})"]


def walk_in_order(tx: Connection) -> None:
    """PostgreSQL walks the index in its order and stops, also while it has no statistics of the table yet and would sort all that is behind the key."""
    if tx.dialect.name == "postgresql":
        tx.exec_driver_sql("SET LOCAL enable_bitmapscan = off")
        tx.exec_driver_sql("SET LOCAL enable_sort = off")


def run(tx: Connection, query: str, given: dict[str, Any]) -> Any:
    statement = text(query)
    used = {name: value for name, value in given.items() if re.search(rf":{name}\b", query)}
    for name, value in used.items():
        if isinstance(value, list):
            statement = statement.bindparams(bindparam(name, expanding=True))
    return tx.execute(statement, used)


def scoped(tx: Connection, query: str, partners: tuple[str, ...] | None, column: str = "partner", **given: Any) -> Any:
    """A query whose {partners} is the condition that the rows are of these partners."""
    statement = text(query.format(partners="1 = 1" if partners is None else f"{column} IN :partners"))
    if partners is not None:
        given["partners"] = list(partners)
    for name, value in given.items():
        if isinstance(value, list):
            statement = statement.bindparams(bindparam(name, expanding=True))
    return tx.execute(statement, given)


# ---- one

_SUBJECT = (
    f"SELECT {', '.join(_STANDING)} FROM standings"  # noqa: S608 - names are ours
    " WHERE subject IN :subjects AND {partners} ORDER BY subject, partner, stream LIMIT 200"
)
_TELLING = "SELECT event FROM identities WHERE subject IN :subjects AND (stands IS NOT NULL OR expects IS NOT NULL) AND {partners} ORDER BY at DESC, event LIMIT :limit"
_DOCUMENT = (
    f"SELECT {', '.join(f'd.{name}' for name in DOCUMENTS.columns)}, m.direction, m.channel, m.arrival, m.file_name FROM documents d"  # noqa: S608 - names are ours
    " JOIN messages m ON m.id = d.message WHERE (d.id = :id OR (d.message = :id AND m.direction = 'out')) AND {partners} ORDER BY d.id LIMIT 1"
)
_REFERENCES = text("SELECT type, value FROM document_references WHERE document = :id ORDER BY type, value LIMIT 500")
_EVENTS_OF = text("SELECT id FROM events WHERE document = :id ORDER BY at, id LIMIT :limit")


def standings_of(tx: Connection, subjects: Sequence[str], partners: tuple[str, ...] | None, stream: str | None) -> list[dict[str, Any]]:
    """How a shipment or an order stands, by each of these partners that tells of it."""
    rows = [dict(row._mapping) for row in scoped(tx, _SUBJECT, partners, subjects=list(subjects))]
    return [row for row in rows if stream in (None, row["stream"])]


def events_telling(tx: Connection, subjects: Sequence[str], partners: tuple[str, ...] | None, limit: int) -> list[str]:
    """The events, each in its latest revision, that say how it stands; the latest first."""
    return list(scoped(tx, _TELLING, partners, subjects=list(subjects), limit=limit).scalars())


def document(tx: Connection, wanted: str, partners: tuple[str, ...] | None, stream: str | None) -> dict[str, Any] | None:
    """A document by its id, or one of ours by its message's; None where these partners have none in this stream."""
    row = scoped(tx, _DOCUMENT, partners, "d.partner", id=wanted).first()
    return None if row is None or stream not in (None, row.stream) else dict(row._mapping)


def references_of(tx: Connection, document_id: str) -> list[list[str]]:
    return [[row.type, row.value] for row in tx.execute(_REFERENCES, {"id": document_id})]


def events_of(tx: Connection, document_id: str, limit: int) -> list[str]:
    return list(tx.execute(_EVENTS_OF, {"id": document_id, "limit": limit}).scalars())


def opened(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """A row with these columns read as JSON."""
    return dict(row) | {name: json.loads(row[name]) for name in names}
