"""Certificates and sealed keys as rows. They are never deleted: what an old message was proven by must stay."""

from typing import Any

from sqlalchemy import Connection, text

from gateway.as2.records import CertificateChange, CertificateRow
from gateway.clock import DAY, Instant, as_datetime
from gateway.store.alarms import raise_alarms
from gateway.store.sql import in_lists, insert, many, one_of

_COLUMNS = (
    "id", "owner", "name", "use", "fingerprint", "subject", "issuer", "serial", "strength", "der", "private", "not_before", "not_after", "from_at",
    "until_at", "state", "changed_at", "who", "used_at",
)  # fmt: skip
_PUT = text(
    insert("certificates", *_COLUMNS).text + " ON CONFLICT (id) DO UPDATE SET name = excluded.name, from_at = excluded.from_at,"
    " until_at = excluded.until_at, state = excluded.state, private = COALESCE(excluded.private, certificates.private),"
    " changed_at = excluded.changed_at, who = excluded.who"
)
_ALL = text(f"SELECT {', '.join(_COLUMNS)} FROM certificates ORDER BY owner, not_after, id")  # noqa: S608 - names are ours
_VERSION = text("SELECT count(*), max(changed_at) FROM certificates")
_CHANGE = {
    "state": text("UPDATE certificates SET state = :value, changed_at = :at, who = :who WHERE id = :id"),
    "from_at": text("UPDATE certificates SET from_at = :value, changed_at = :at, who = :who WHERE id = :id"),
    "until_at": text("UPDATE certificates SET until_at = :value, changed_at = :at, who = :who WHERE id = :id"),
}
_USED = text("UPDATE certificates SET used_at = :at WHERE fingerprint = :fingerprint AND (used_at IS NULL OR used_at < :before)")
_TOLD = one_of("SELECT id FROM alarms WHERE id IN :keys")
_FOREIGN_KEY = text("SELECT count(*) FROM certificates WHERE id = :id")
USED_GRAIN: Instant = DAY // 24
"""`used_at` moves once an hour at most: a row must not change with every message."""
WARN_DAYS = (60, 30, 14, 7, 1, 0)


def put(tx: Connection, items: list[CertificateRow]) -> list[bool]:
    """True where it is new."""
    results = []
    for item in items:
        results.append(not tx.execute(_FOREIGN_KEY, {"id": item.id}).scalar_one())
        tx.execute(_PUT, {name: getattr(item, name) for name in _COLUMNS})
    return results


def change(tx: Connection, items: list[CertificateChange]) -> list[None]:
    for item in items:
        for name, value in sorted(item.changes.items()):
            tx.execute(_CHANGE[name], {"id": item.id, "value": value, "at": item.at, "who": item.who})
    return [None] * len(items)


def used(tx: Connection, fingerprints: set[str], at: Instant) -> None:
    many(tx, _USED, [{"fingerprint": one, "at": at, "before": at - USED_GRAIN} for one in sorted(fingerprints)])


def warn(tx: Connection, items: list[Instant]) -> list[int]:
    """Alarms for certificates that run out: one for each threshold that is passed, once."""
    counts = []
    for now in items:
        rows: list[tuple[str, str, str]] = []
        for row in everything(tx):
            if row.state != "active" or (row.until_at is not None and row.until_at <= now):
                continue
            left = (row.not_after - now) // DAY
            passed = [days for days in WARN_DAYS if left < days or (days == 0 and row.not_after <= now)]
            if not passed:
                continue
            whose = "our own certificate" if row.owner == "-" else f"the certificate of {row.owner}"
            when = "ran out" if row.not_after <= now else f"runs out in {left} days,"
            what = (
                f"{whose} {row.name} ({row.use}, {row.subject}) {when} on {as_datetime(row.not_after):%Y-%m-%d}; add the next one with crossdock keys"
            )
            rows.append((f"certificate.expiring:{row.fingerprint[:40]}:{min(passed)}", row.owner, what))
        known = {one.id for one in in_lists(tx, _TOLD, [row[0] for row in rows])}
        fresh = [one for one in rows if one[0] not in known]
        alarm = {"kind": "certificate.expiring", "message": None, "at": now}
        raise_alarms(tx, [alarm | {"id": key, "partner": owner, "text": what} for key, owner, what in fresh])
        counts.append(len(fresh))
    return counts


def everything(tx: Connection) -> list[CertificateRow]:
    return [CertificateRow(*row) for row in tx.execute(_ALL)]


def version(tx: Connection) -> tuple[Any, ...]:
    """Another one whenever a certificate was added or changed."""
    return tuple(tx.execute(_VERSION).one())
