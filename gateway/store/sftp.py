"""The commits of SFTP: files that partners put, documents that they fetch, and our key pairs.

Knows rows. When a file is whole, and when a document was read, comes decided.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import Connection, text

from gateway.clock import Instant
from gateway.records.deliveries import Settled
from gateway.records.incoming import Kept
from gateway.sftp.records import LISTED, UNFINISHED, FileKept, FilePut, FileRow, PickUp, SshKeyRow
from gateway.store.alarms import raise_alarms
from gateway.store.delivery import DeliveryVerbs
from gateway.store.intake import IntakeVerbs, lanes_of
from gateway.store.payload_rows import put_payloads
from gateway.store.serial import Rows, waits_for
from gateway.store.sql import in_lists, insert, many, one_of, rows_of

FILE = ("id", "partner", "folder", "name", "state", "size", "mtime", "sha256", "payload", "message", "duplicate", "reason", "at", "who")
KEY = ("id", "use", "name", "kind", "public", "private", "state", "at", "who")
MOST_LISTED = 10_000
_NAMES = ", ".join(FILE)
_LISTED = ", ".join(f"'{state}'" for state in LISTED)
_UNFINISHED = ", ".join(f"'{state}'" for state in UNFINISHED)

_PUT_FILE = text(
    f"INSERT INTO sftp_files ({_NAMES}) VALUES ({', '.join(f':{name}' for name in FILE)})"  # noqa: S608 - names are ours
    " ON CONFLICT (id) DO UPDATE SET folder = excluded.folder, name = excluded.name, state = excluded.state, size = excluded.size,"
    " mtime = excluded.mtime, sha256 = excluded.sha256, payload = excluded.payload, message = excluded.message, duplicate = excluded.duplicate,"
    " reason = excluded.reason, at = excluded.at, who = excluded.who"
)
_SAME_NAME = text(
    f"SELECT {_NAMES} FROM sftp_files WHERE partner = :partner AND folder = :folder AND name = :name AND state IN ({_LISTED}) AND id <> :id"  # noqa: S608
)
_BY_ID = text(f"SELECT {_NAMES} FROM sftp_files WHERE id = :id")  # noqa: S608 - names are ours
_REPLACE = text("UPDATE sftp_files SET state = 'replaced' WHERE id = :id")
_DROP_PAYLOAD = text("DELETE FROM payloads WHERE id = :id")
_IN_FOLDER = text(
    f"SELECT {_NAMES} FROM sftp_files WHERE partner = :partner AND folder = :folder AND (state IN ({_UNFINISHED})"  # noqa: S608
    f" OR (state IN ({_LISTED}) AND at > :since)) ORDER BY at, id LIMIT {MOST_LISTED}"
)
_BY_NAME = text(
    f"SELECT {_NAMES} FROM sftp_files WHERE partner = :partner AND folder = :folder AND name = :name AND (state IN ({_UNFINISHED})"  # noqa: S608
    f" OR (state IN ({_LISTED}) AND at > :since)) ORDER BY at DESC, id DESC LIMIT 1"
)
_HELD = text(f"SELECT COALESCE(SUM(size), 0) AS bytes, count(*) AS number FROM sftp_files WHERE partner = :partner AND state IN ({_UNFINISHED})")  # noqa: S608
_COUNT = text(f"SELECT count(*) FROM sftp_files WHERE partner = :partner AND state IN ({_LISTED}) AND at > :since")  # noqa: S608
_EXPIRED = text(
    f"SELECT {_NAMES} FROM sftp_files WHERE partner = :partner AND state IN ({_UNFINISHED}) AND at <= :before ORDER BY at LIMIT 1000"  # noqa: S608
)
_STILL_UNFINISHED = one_of(f"SELECT id FROM sftp_files WHERE id IN :keys AND state IN ({_UNFINISHED})")  # noqa: S608 - names are ours
_EXPIRE = text("UPDATE sftp_files SET state = 'expired', payload = NULL WHERE id = :id")
_LATEST = text(
    f"SELECT {_NAMES} FROM sftp_files WHERE (CAST(:partner AS VARCHAR) IS NULL OR partner = :partner)"  # noqa: S608 - names are ours
    " AND (CAST(:state AS VARCHAR) IS NULL OR state = :state) ORDER BY at DESC, id LIMIT :limit"
)
_PAYLOAD = text("SELECT size, sha256, data FROM payloads WHERE id = :id")
_REFUSED = text(f"SELECT {_NAMES} FROM sftp_files WHERE partner = :partner AND state = 'refused' AND at > :since ORDER BY at DESC LIMIT :limit")  # noqa: S608
_TROUBLED = text(
    "SELECT m.id, m.file_name, m.arrival, m.state FROM messages m WHERE m.partner = :partner AND m.direction = 'in' AND m.channel = 'sftp'"
    " AND m.arrival > :since AND m.state <> 'received' AND (m.state = 'held'"
    " OR EXISTS (SELECT 1 FROM interchanges i WHERE i.message = m.id AND i.state IN ('rejected', 'held'))"
    " OR EXISTS (SELECT 1 FROM documents d WHERE d.message = m.id AND d.state IN ('rejected', 'held'))) ORDER BY m.arrival DESC LIMIT :limit"
)
_WAITING = text(
    "SELECT d.id, d.lane, d.partner, d.message, d.state, d.attributes, d.created_at, d.done_at, p.size, p.sha256, p.id AS payload FROM deliveries d"
    " JOIN lanes l ON l.destination = :destination AND l.id = d.lane JOIN payloads p ON p.id = d.payload"
    " WHERE d.state = 'due' ORDER BY d.position LIMIT :limit"
)
_FETCHED = text(
    "SELECT d.id, d.lane, d.partner, d.message, d.state, d.attributes, d.created_at, d.done_at, p.size, p.sha256, p.id AS payload FROM deliveries d"
    " JOIN payloads p ON p.id = d.payload WHERE d.destination = :destination AND d.state = 'delivered' AND d.event IS NULL AND d.done_at > :since"
    " ORDER BY d.done_at DESC LIMIT :limit"
)
_HEAD = text(
    "SELECT d.id, d.lane, d.partner, d.destination, d.message, d.state, d.on_dead, l.fence FROM deliveries d JOIN lanes l ON l.id = d.lane WHERE d.id = :id"
)
_PUT_KEY = insert("ssh_keys", *KEY, or_nothing=True)
_KEYS = text(f"SELECT {', '.join(KEY)} FROM ssh_keys ORDER BY at, id")  # noqa: S608 - names are ours
_RETIRE_KEY = text("UPDATE ssh_keys SET state = 'retired' WHERE id = :id")


@dataclass(frozen=True, slots=True)
class SftpVerbs:
    intake: IntakeVerbs
    delivery: DeliveryVerbs

    @waits_for(lambda tx, items: Rows(incoming=lanes_of(item.incoming for item in items if item.incoming is not None)))
    def put(self, tx: Connection, items: list[FilePut]) -> list[FileKept]:
        """Files as they are from now on, and the messages that they become: COMMIT 1 of a file."""
        with_message = [item for item in items if item.incoming is not None]
        kept: dict[str, Kept] = dict(
            zip(
                (item.row.id for item in with_message),
                self.intake.keep_messages(tx, [item.incoming for item in with_message if item.incoming is not None]),
                strict=True,
            )
        )
        return [self._put(tx, item, kept.get(item.row.id)) for item in items]

    def _put(self, tx: Connection, item: FilePut, kept: Kept | None) -> FileKept:
        row = item.row
        leftovers: list[str] = []
        before = [] if item.is_new else rows_of(tx, _BY_ID, {"id": row.id})
        many(tx, _DROP_PAYLOAD, [{"id": one.payload} for one in before if one.payload and one.payload != row.payload])
        if kept is not None:
            row = replace(row, message=kept.id, duplicate=kept.outcome == "duplicate")
        if row.state in LISTED:
            others = rows_of(tx, _SAME_NAME, {"partner": row.partner, "folder": row.folder, "name": row.name, "id": row.id})
            many(tx, _REPLACE, [{"id": other.id} for other in others])
            many(tx, _DROP_PAYLOAD, [{"id": other.payload} for other in others if other.payload])
            leftovers = [other.id for other in others if other.state in UNFINISHED]
        if item.payload is not None:
            many(tx, _DROP_PAYLOAD, [{"id": item.payload.id}])
            put_payloads(tx, [item.payload.row()])
        many(tx, _PUT_FILE, [_values(row)])
        return FileKept(row.message, row.duplicate, leftovers)

    def pick_up(self, tx: Connection, items: list[PickUp]) -> list[bool]:
        """The documents are delivered. False where one was so already, or is none of this partner."""
        return [self._pick_up(tx, item) for item in items]

    def _pick_up(self, tx: Connection, item: PickUp) -> bool:
        row = tx.execute(_HEAD, {"id": item.delivery}).first()
        if row is None or row.partner != item.partner or row.state != "due":
            return False
        settled = Settled(
            delivery=row.id, lane=row.lane, fence=row.fence, partner=row.partner, destination=row.destination, message=row.message, node=item.who[:40],
            on_dead=row.on_dead, started_at=item.at, duration=0, outcome="delivered", at=item.at, text="picked up",
            answer=f"{item.size} bytes read by SFTP".encode(),
        )  # fmt: skip
        return self.delivery.settle(tx, [settled])[0]


def expire(tx: Connection, items: list[tuple[str, Instant, Instant]]) -> list[list[str]]:
    """(partner, before, now): unfinished files that are older end, with an alarm each; the names of parts that nobody needs any more."""
    ended = []
    for partner, before, at in items:
        rows = tx.execute(_EXPIRED, {"partner": partner, "before": before}).all()
        many(tx, _EXPIRE, [{"id": row.id} for row in rows])
        many(tx, _DROP_PAYLOAD, [{"id": row.payload} for row in rows if row.payload])
        raise_alarms(tx, [_unfinished(row, at) for row in rows])
        ended.append([row.id for row in rows])
    return ended


def _unfinished(row: Any, at: Instant) -> dict[str, Any]:
    why = "the connection broke, and it was not sent again" if row.state == "partial" else "it never got its last name, or its marker"
    what = f"{row.folder}/{row.name} ({row.size} bytes) was never whole: {why}"
    return {"id": f"sftp.unfinished:{row.partner}", "kind": "sftp.unfinished", "partner": row.partner, "message": None, "text": what, "at": at}


# Keys.


def put_keys(tx: Connection, items: list[SshKeyRow]) -> list[None]:
    many(tx, _PUT_KEY, [asdict(item) for item in items])
    return [None] * len(items)


def retire_keys(tx: Connection, items: list[str]) -> list[None]:
    many(tx, _RETIRE_KEY, [{"id": item} for item in items])
    return [None] * len(items)


def keys(tx: Connection) -> list[SshKeyRow]:
    return [SshKeyRow(**(row._asdict() | {"private": bytes(row.private)})) for row in tx.execute(_KEYS)]


# What there is.


def unfinished(tx: Connection, ids: list[str]) -> set[str]:
    """Which of these files are not whole yet."""
    return {row.id for row in in_lists(tx, _STILL_UNFINISHED, ids)}


def in_folder(tx: Connection, partner: str, folder: str, since: Instant) -> list[FileRow]:
    """What stands in a folder: unfinished files, and those that came after `since`; one a name, since a commit replaces the one before."""
    return [_file(row) for row in tx.execute(_IN_FOLDER, {"partner": partner, "folder": folder, "since": since})]


def by_name(tx: Connection, partner: str, folder: str, name: str, since: Instant) -> FileRow | None:
    found = rows_of(tx, _BY_NAME, {"partner": partner, "folder": folder, "name": name, "since": since})
    return _file(found[0]) if found else None


def held(tx: Connection, partner: str) -> int:
    """Bytes of unfinished files."""
    return int(tx.execute(_HELD, {"partner": partner}).one().bytes)


def listed(tx: Connection, partner: str, since: Instant) -> int:
    return int(tx.execute(_COUNT, {"partner": partner, "since": since}).scalar_one())


def latest(tx: Connection, partner: str | None, state: str | None, limit: int) -> list[FileRow]:
    return [_file(row) for row in tx.execute(_LATEST, {"partner": partner, "state": state, "limit": limit})]


def refused(tx: Connection, partner: str, since: Instant, limit: int) -> list[FileRow]:
    return [_file(row) for row in tx.execute(_REFUSED, {"partner": partner, "since": since, "limit": limit})]


def troubled(tx: Connection, partner: str, since: Instant, limit: int) -> list[Any]:
    """Messages by SFTP of which something was rejected or held: (id, file_name, arrival, state)."""
    return list(tx.execute(_TROUBLED, {"partner": partner, "since": since, "limit": limit}))


def payload_of(tx: Connection, payload: str) -> Any:
    """(size, sha256, data)."""
    return tx.execute(_PAYLOAD, {"id": payload}).first()


def waiting_out(tx: Connection, destination: str) -> list[Any]:
    """Our documents that wait for a pick-up, in their order."""
    return list(tx.execute(_WAITING, {"destination": destination, "limit": MOST_LISTED}))


def fetched_out(tx: Connection, destination: str, since: Instant) -> list[Any]:
    """Those that were picked up since then, the latest first."""
    return list(tx.execute(_FETCHED, {"destination": destination, "since": since, "limit": MOST_LISTED}))


def _values(row: FileRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in FILE}


def _file(row: Any) -> FileRow:
    return FileRow(**(row._asdict() | {"duplicate": bool(row.duplicate)}))
