"""Lists for consumers: shipments, orders, stock and documents, by keys that rows keep, or by when they were altered.

Every query is bounded: it looks at so many rows of one index and no more, and says up to where it has looked. So a page may have few rows, or none, and
still go on. A consumer's partners are a condition of the SQL, one range of an index for each of them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, bindparam, text

from gateway.clock import Instant

SCAN = 2_000
"""Rows that one query looks at, at most."""
SLACK = 2
"""Rows looked at for one that is wanted, where only the stream leaves some out."""
MOST_NAMED = 2_000
"""Documents of one reference that are looked at, the latest first."""


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
SHIPMENTS = View("standings", _STANDING, _OF_STANDING, "changed_at", "subject >= 'shipment/'", conditions=_STATUS)
ORDERS = View("standings", _STANDING, _OF_STANDING, "changed_at", "subject < 'shipment/'", conditions=_STATUS)
"""Subjects are order/… and shipment/…, and nothing between them, whatever the database's collation makes of the slash."""
STOCK = View(
    "stock",
    ("id", "partner", "stream", "place", "numbering", "item", "unit", "quantities", "as_of", "event", "document", "changes", "changed_at", "told_at"),
    ("id",),
    "told_at",
    narrow=("item", "place"),
    conditions={"item": "s.item = :item", "place": "s.place = :place"},
)
DOCUMENTS = View(
    "documents",
    ("id", "message", "partner", "stream", "set_id", "control", "state", "reason", "verdict", "mapping", "duplicate_of", "at"),
    ("id",),
    "at",
    conditions={"status": "s.state = :status", "set_id": "s.set_id = :set_id", "direction": "m.direction = :direction"},
    joined=" JOIN messages m ON m.id = s.message",
    more=", m.direction, m.channel, m.arrival, m.file_name",
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
    by_change = wanted.since is not None and wanted.named is None
    order = (view.changed, *view.key) if by_change else view.key
    scan = _scan(wanted)
    given: dict[str, Any] = {"scan": scan, "since": wanted.since, "stream": wanted.stream, **wanted.filters}
    if wanted.after is not None:
        given |= {f"after_{number}": value for number, value in enumerate(wanted.after)}
    fits = _fits(view, wanted, by_change=by_change)
    inner = _inner(view, wanted, order, given, by_change=by_change)
    query = (
        f"SELECT s.*{view.more}, CASE WHEN {' AND '.join(fits) or '1 = 1'} THEN 1 ELSE 0 END AS fits"  # noqa: S608 - names are ours
        f" FROM ({inner}) s{view.joined} ORDER BY {', '.join(f's.{name}' for name in order)}"
    )
    statement = text(query)
    for name in ("named", "partners"):
        if f":{name}" in query:
            given[name] = list(getattr(wanted, name))
            statement = statement.bindparams(bindparam(name, expanding=True))
    found: list[dict[str, Any]] = []
    last: list[Any] | None = None
    looked = 0
    for row in tx.execute(statement, {name: value for name, value in given.items() if f":{name}" in query}):
        if len(found) == wanted.limit:
            return Page(found, last)
        looked += 1
        last = [getattr(row, name) for name in order]
        if row.fits:
            found.append(dict(row._mapping))
    return Page(found, last if looked == scan else None)


def _scan(wanted: Wanted) -> int:
    """How many rows are looked at: more than are wanted, where filters leave some out."""
    parts = len(wanted.partners) if wanted.partners is not None else 1
    if wanted.filters or wanted.named is not None or wanted.since is not None:
        return max(wanted.limit + 1, SCAN // parts)
    return (wanted.limit * SLACK if wanted.stream is not None else wanted.limit) + 1


def _fits(view: View, wanted: Wanted, *, by_change: bool) -> list[str]:
    fits = [view.conditions[name] for name in sorted(wanted.filters)]
    if wanted.stream is not None:
        fits.append("s.stream = :stream")
    if wanted.partners is not None:
        fits.append("s.partner IN :partners")
    if wanted.since is not None and not by_change:
        fits.append(f"s.{view.changed} >= :since")
    return fits


def _inner(view: View, wanted: Wanted, order: tuple[str, ...], given: dict[str, Any], *, by_change: bool) -> str:
    """The rows that are looked at: a range of one index, or one for each partner."""
    where = [view.bounds]
    if wanted.after is not None:
        where += [f"{order[0]} >= :after_0", f"({', '.join(order)}) > ({', '.join(f':after_{number}' for number in range(len(order)))})"]
    by = next((name for name in view.narrow if name in wanted.filters), None)
    if wanted.named is not None:
        where.append(f"{view.key[0]} IN :named")
    elif by_change:
        where.append(f"{view.changed} >= :since")
    elif by is not None:
        where.append(f"{by} = :{by}")
    elif wanted.partners is not None:
        parts = []
        for number, partner in enumerate(wanted.partners):
            given[f"partner_{number}"] = partner
            parts.append(f"SELECT * FROM ({_select(view, [*where, f'partner = :partner_{number}'], order)}) p{number}")  # noqa: S608 - names are ours
        return f"SELECT * FROM ({' UNION ALL '.join(parts)}) u ORDER BY {', '.join(order)} LIMIT :scan"  # noqa: S608 - names are ours
    if wanted.partners is not None:
        where.append("partner IN :partners")
    return _select(view, where, order)


def _select(view: View, where: list[str], order: tuple[str, ...]) -> str:
    return f"SELECT {', '.join(view.columns)} FROM {view.table} WHERE {' AND '.join(where)} ORDER BY {', '.join(order)} LIMIT :scan"  # noqa: S608 - names are ours


# ---- by a reference


_REFERENCE = (
    "SELECT DISTINCT r.document FROM (SELECT document, partner FROM document_references WHERE value = :value AND type <> 'control'"
    " ORDER BY value DESC, at DESC, document DESC LIMIT :limit) r WHERE {partners}"
)
_SUBJECTS = "SELECT DISTINCT subject FROM events WHERE document IN :documents AND {partners}"


def documents_named(tx: Connection, spellings: Sequence[str], partners: tuple[str, ...] | None) -> list[str]:
    """Documents of these partners that carry a reference in any of these spellings."""
    found: set[str] = set()
    for value in spellings:
        found |= set(_scoped(tx, _REFERENCE, partners, value=value, limit=MOST_NAMED).scalars())
    return sorted(found)[:MOST_NAMED]


def subjects_named(tx: Connection, spellings: Sequence[str], partners: tuple[str, ...] | None) -> list[str]:
    """What events of these partners are about whose documents carry the reference."""
    documents = documents_named(tx, spellings, partners)[:500]
    return sorted(_scoped(tx, _SUBJECTS, partners, documents=documents).scalars()) if documents else []


def _scoped(tx: Connection, query: str, partners: tuple[str, ...] | None, column: str = "partner", **given: Any) -> Any:
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
    rows = [dict(row._mapping) for row in _scoped(tx, _SUBJECT, partners, subjects=list(subjects))]
    return [row for row in rows if stream in (None, row["stream"])]


def events_telling(tx: Connection, subjects: Sequence[str], partners: tuple[str, ...] | None, limit: int) -> list[str]:
    """The events, each in its latest revision, that say how it stands; the latest first."""
    return list(_scoped(tx, _TELLING, partners, subjects=list(subjects), limit=limit).scalars())


def document(tx: Connection, wanted: str, partners: tuple[str, ...] | None, stream: str | None) -> dict[str, Any] | None:
    """A document by its id, or one of ours by its message's; None where these partners have none in this stream."""
    row = _scoped(tx, _DOCUMENT, partners, "d.partner", id=wanted).first()
    return None if row is None or stream not in (None, row.stream) else dict(row._mapping)


def references_of(tx: Connection, document_id: str) -> list[list[str]]:
    return [[row.type, row.value] for row in tx.execute(_REFERENCES, {"id": document_id})]


def events_of(tx: Connection, document_id: str, limit: int) -> list[str]:
    return list(tx.execute(_EVENTS_OF, {"id": document_id, "limit": limit}).scalars())


def opened(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """A row with these columns read as JSON."""
    return dict(row) | {name: json.loads(row[name]) for name in names}
