"""How each shipment and order stands: one row for each subject, partner and stream, kept in COMMIT 2.

The row is the join of what the latest revisions of its events say: the step with the highest rank, whatever order they came in. Ranks are made by
translators.events.standing; here they are only compared. Where a correction lowers or withdraws the step that stands, the next one is looked up.
"""

import contextlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, text

from gateway.clock import Instant
from gateway.records.documents import EventRow
from gateway.records.translation import Chunk
from gateway.store.payloads import PayloadDamaged, PayloadFiles
from gateway.store.sql import in_lists, insert, json_text, many, one_of, rows_of
from translators.events.standing import MOST_REFERENCES, standing_of

Key = tuple[str, str, str]
"""Subject, partner, stream."""
KEY = ("subject", "partner", "stream")
_STEP = ("stands", "step", "milestone", "at", "local", "zone", "certainty", "event", "document", "revision", "cancelled")
_EXPECTED = ("expects", "expected", "expected_at", "expected_local", "expected_zone", "expected_certainty", "expected_event")
COLUMNS = (*KEY, *_STEP, *_EXPECTED, "actuals", "refs", "changed_at")
_NAMES = ", ".join(COLUMNS)

_STANDING = one_of(f"SELECT {_NAMES} FROM standings WHERE subject IN :keys")  # noqa: S608 - names are ours
_PUT_STANDING = text(
    insert("standings", *COLUMNS).text
    + " ON CONFLICT (subject, partner, stream) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in COLUMNS if name not in KEY)
)
_TOP = (
    "SELECT i.event, i.revision, i.document, i.{rank} AS rank, e.type, e.subject, e.time, p.data, p.sha256 FROM identities i"
    " JOIN events e ON e.id = i.event JOIN payloads p ON p.id = e.payload"
    " WHERE i.subject = :subject AND i.partner = :partner AND i.stream = :stream AND i.{rank} IS NOT NULL ORDER BY i.{rank} DESC LIMIT 5"
)
_TOP_STEP, _TOP_EXPECTED = text(_TOP.format(rank="stands")), text(_TOP.format(rank="expects"))


class Standings:
    """The rows of one commit, kept current while its chunks are decided one after another."""

    def __init__(self, tx: Connection, chunks: list[Chunk]) -> None:
        subjects = {
            event.subject[:200] for chunk in chunks for document in chunk.documents for event in document.events if event.standing is not None
        }
        self._rows: dict[Key, dict[str, Any]] = {}
        self._changed: set[Key] = set()
        self._again: dict[Key, Instant] = {}
        """Those whose step is withdrawn or lowered, and when: what stands in its place, the rows know."""
        self._load(in_lists(tx, _STANDING, subjects))

    def know(self, tx: Connection, subjects: Iterable[str]) -> None:
        """Of these, too."""
        self._load(in_lists(tx, _STANDING, {subject[:200] for subject in subjects}))

    def _load(self, rows: Iterable[Any]) -> None:
        for row in rows:
            value = dict(zip(COLUMNS, row, strict=True))
            value["actuals"], value["refs"] = json.loads(value["actuals"]), json.loads(value["refs"])
            self._rows.setdefault((row.subject, row.partner, row.stream), value)

    def late(self, partner: str, stream: str, event: EventRow) -> bool:
        """Whether a later actual of the same subject was told before, by a clock that can be compared: known zones, or the same assumed one."""
        actual = event.standing and event.standing["actual"]
        row = self._rows.get((event.subject[:200], partner, stream))
        return bool(actual and row and actual[0] < row["actuals"].get(actual[1], actual[0]))

    def take(
        self, partner: str, stream: str, event: EventRow, *, event_id: str, revision: int, document: str, replaces: tuple[str, str | None] | None,
        at: Instant,
    ) -> None:  # fmt: skip
        """One event as it is told; `replaces`: the event it takes the place of, and the subject of that."""
        if replaces is not None and replaces[1] is not None and (event.standing is None or replaces[1] != event.subject[:200]):
            self._look_later((replaces[1], partner, stream), at)
        said = event.standing
        if said is None:
            return
        key = (event.subject[:200], partner, stream)
        row = self._rows.setdefault(key, dict.fromkeys(COLUMNS) | dict(zip(KEY, key, strict=True)) | {"actuals": {}, "refs": [], "cancelled": False})
        self._changed.add(key)
        _touch(row, at)
        replaced = replaces[0] if replaces else None
        for slot, name, event_of, values in (("state", "stands", "event", _step), ("expected", "expects", "expected_event", _expected)):
            rank = rank_of(event, slot)
            if rank is not None and (row[name] is None or rank >= row[name]):
                row |= values(said[slot], rank, event_id, document, revision)
            elif replaced is not None and row[event_of] == replaced:
                self._look_later(key, at)
        row["refs"] = sorted({tuple(one) for one in (*row["refs"], *said["references"])})[:MOST_REFERENCES]
        if said["actual"]:
            when, clock = said["actual"]
            row["actuals"][clock] = max(when, row["actuals"].get(clock, when))

    def _look_later(self, key: Key, at: Instant) -> None:
        self._again[key] = max(at, self._again.get(key, at))

    def put(self, tx: Connection, files: PayloadFiles) -> None:
        """Writes the rows. After the identities: what stands again is read from them."""
        if self._again:
            self._load(in_lists(tx, _STANDING, {key[0] for key in self._again if key not in self._rows}))
        for key in sorted(self._again):
            if key in self._rows:
                _touch(self._rows[key], self._again[key])
                self._look_again(tx, key, files)
        keys = sorted((self._changed | self._again.keys()) & self._rows.keys())
        many(tx, _PUT_STANDING, [self._rows[key] | {name: json_text(self._rows[key][name]) for name in ("actuals", "refs")} for key in keys])

    def _look_again(self, tx: Connection, key: Key, files: PayloadFiles) -> None:
        row, given = self._rows[key], dict(zip(KEY, key, strict=True))
        for slot, query, names, values in (("state", _TOP_STEP, _STEP, _step), ("expected", _TOP_EXPECTED, _EXPECTED, _expected)):
            top, data = next(_whole(rows_of(tx, query, given), files), (None, b""))
            if top is None:
                row |= dict.fromkeys(names) | {"cancelled": bool(row["cancelled"] and slot == "expected")}
                continue
            said = standing_of(top.type, top.subject, top.time, json.loads(data))
            assert said is not None, f"{top.event} has a rank and says nothing"
            row |= values(said[slot], top.rank, top.event, top.document, top.revision)


def _touch(row: dict[str, Any], at: Instant) -> None:
    """Never back, so that who follows changes meets it again."""
    row["changed_at"] = max(at, row["changed_at"] or at)


def _whole(rows: Iterable[Any], files: PayloadFiles) -> Iterator[tuple[Any, bytes]]:
    """Each with its data; what is damaged speaks for nothing, and holds no commit up."""
    for row in rows:
        with contextlib.suppress(PayloadDamaged):
            yield row, files.bytes_of(row)


def rank_of(event: EventRow, slot: str) -> str | None:
    """The rank of what an event says of a slot (state, expected); equal moments are told apart by the event's identity."""
    said = event.standing and event.standing[slot]
    return f"{said['rank']}.{event.identity}"[:80] if said else None


def _step(said: dict[str, Any], rank: str, event: str, document: str, revision: int) -> dict[str, Any]:
    values = (rank, said["what"][:80], said["milestone"][:24], said["at"], *_when(said), event, document, revision, said["cancelled"])
    return dict(zip(_STEP, values, strict=True))


def _expected(said: dict[str, Any], rank: str, event: str, document: str, revision: int) -> dict[str, Any]:
    return dict(zip(_EXPECTED, (rank, said["what"][:80], said["at"], *_when(said), event), strict=True))


def _when(said: dict[str, Any]) -> tuple[Any, ...]:
    return (said["local"] and said["local"][:40], said["zone"] and said["zone"][:64], said["certainty"])


# ---- reading

_OF_SUBJECT = text(f"SELECT {_NAMES} FROM standings WHERE subject = :subject ORDER BY partner, stream LIMIT :limit")  # noqa: S608 - names are ours
_SUBJECTS_OF = text(
    "SELECT DISTINCT e.subject FROM (SELECT document FROM document_references WHERE value = :value AND type <> 'control'"
    " ORDER BY value DESC, at DESC, document DESC LIMIT :limit) r JOIN events e ON e.document = r.document ORDER BY e.subject"
)
MOST_SUBJECTS = 50


def standing(tx: Connection, kind: str, names: Sequence[str], references: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of a shipment or order by its own id in any of these spellings; if none is called so, of those that documents with such a reference tell of."""
    subjects = [f"{kind}/{name}"[:200] for name in names]
    found = _rows(tx, subjects)
    if found:
        return found
    for value in references:
        more = tx.execute(_SUBJECTS_OF, {"value": value, "limit": MOST_SUBJECTS * 4}).scalars()
        found += _rows(tx, [subject for subject in more if subject.startswith(f"{kind}/")])
    return found[:MOST_SUBJECTS]


def _rows(tx: Connection, subjects: Sequence[str]) -> list[dict[str, Any]]:
    found = []
    for subject in dict.fromkeys(subjects):
        for row in tx.execute(_OF_SUBJECT, {"subject": subject, "limit": MOST_SUBJECTS}):
            value = dict(row._mapping)
            found.append(value | {"refs": json.loads(value.pop("refs")), "actuals": json.loads(value.pop("actuals"))})
    return found
