"""Documents that carry a reference, and so what their events are about: the latest first, so many at a time.

Each look is bounded: it goes through so many entries of the index of references, whoever's they are, and says behind which of them it goes on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from gateway.clock import Instant
from gateway.store.lists import run, scoped, walk_in_order

LOOKED = 2_000
"""Entries of the index that one look goes through."""
TOGETHER = 200
"""Documents of one look."""

Mark = tuple[Instant, str]
"""An entry's place: when the document's message came, and the document."""
START: Mark = (2**62, "")
"""Behind it is everything."""

_ENTRIES = "SELECT at, document FROM document_references WHERE value = :value_{number} AND at <= :at AND (at, document) < (:at, :document)"
_LATEST_FIRST = "ORDER BY at DESC, document DESC"
_LAST = f"SELECT at, document FROM ({{entries}}) r {_LATEST_FIRST} LIMIT 1 OFFSET :last"  # noqa: S608 - names are ours
_THEIRS = f"SELECT DISTINCT at, document FROM ({{entries}}) r {_LATEST_FIRST} LIMIT :most"  # noqa: S608 - names are ours
_SUBJECTS = "SELECT DISTINCT subject FROM events WHERE document IN :documents AND {partners}"


@dataclass(frozen=True, slots=True)
class Named:
    documents: list[str]
    last: Mark | None
    """Behind this entry it goes on; None at the end."""


def documents_named(tx: Connection, spellings: Sequence[str], partners: tuple[str, ...] | None, after: Mark = START) -> Named:
    """The next documents of these partners that carry a reference in any of these spellings."""
    if not spellings:
        return Named([], None)
    walk_in_order(tx)
    given = {f"value_{number}": value for number, value in enumerate(spellings)} | {"at": after[0], "document": after[1]}
    walk = _entries(len(spellings), f"{_LATEST_FIRST} LIMIT :looked")
    row = run(tx, _LAST.format(entries=walk), given | {"looked": LOOKED, "last": LOOKED - 1}).first()
    more = "AND type <> 'control'"
    if partners is not None:
        more += " AND partner IN :partners"
        given["partners"] = list(partners)
    if row is not None:
        more += " AND at >= :until_at AND (at, document) >= (:until_at, :until_document)"
        given |= {"until_at": row.at, "until_document": row.document}
    theirs = _entries(len(spellings), more)
    found = run(tx, _THEIRS.format(entries=theirs), given | {"most": TOGETHER + 1}).all()
    whole, last = found[:TOGETHER], row
    if len(found) > TOGETHER:
        last = whole[-1]
    return Named([one.document for one in whole], None if last is None else (last.at, last.document))


def subjects_named(tx: Connection, documents: Sequence[str], partners: tuple[str, ...] | None) -> list[str]:
    """What events of these partners are about that these documents tell."""
    return sorted(scoped(tx, _SUBJECTS, partners, documents=list(documents)).scalars()) if documents else []


def _entries(spellings: int, more: str) -> str:
    """Entries of each spelling, by its own range of the index."""
    parts = (f"SELECT * FROM ({_ENTRIES.format(number=number)} {more}) p{number}" for number in range(spellings))  # noqa: S608 - names are ours
    return " UNION ALL ".join(parts)
