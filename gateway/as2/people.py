"""What people ask of keys, certificates and AS2 messages, as plain functions from JSON to JSON (see gateway.operations)."""

import base64
import binascii
import json
import re
from datetime import UTC, datetime, time
from typing import Any

from gateway.as2.records import As2Row, CertificateChange, CertificateRow, as_fields
from gateway.as2.ring import OURS
from gateway.clock import Instant, as_datetime, as_text, now, span
from gateway.errors import Refused
from gateway.keys import LEAST_RSA, check_strength, generate, pem_of, read_certificates, read_private, strength
from gateway.store import as2 as rows
from gateway.store import certificates, profiles
from gateway.store.store import Store
from translators.as2.cms.keys import Certificate, KeyRefused, certificate

Arguments = dict[str, Any]
WAIT = 30.0
NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
USES = ("sign", "encrypt", "both", "tls")


def keys_generate(store: Store, given: Arguments) -> Any:
    """A key pair of ours with a self-signed certificate; the private half is sealed at once."""
    name = _name(given)
    try:
        made = generate(
            str(given.get("common_name") or name), at=as_datetime(now()), days=int(given.get("days") or 1095), kind=str(given.get("kind") or "rsa-2048"),
            organization=given.get("organization"),
        )  # fmt: skip
    except KeyRefused as fault:
        raise Refused(422, "bad-request", str(fault)) from None
    return _put_ours(store, given, name, made.private, certificate(made.certificate))


def keys_import(store: Store, given: Arguments) -> Any:
    """A key pair of ours from a file: PKCS#12, or PEM with both."""
    try:
        made = read_private(data_of(given), given.get("password"))
        found = certificate(made.certificate)
        check_strength(found, LEAST_RSA)
    except KeyRefused as fault:
        raise Refused(422, "bad-request", str(fault)) from None
    return _put_ours(store, given, _name(given), made.private, found)


def _put_ours(store: Store, given: Arguments, name: str, private: bytes, found: Certificate) -> Any:
    assert store.vault is not None
    taken = [row for row in _all(store) if row.owner == OURS and row.name == name and row.fingerprint != found.fingerprint]
    if taken:
        raise Refused(409, "bad-request", f"a key of ours is called {name} already; take another name, such as {name}-2")
    row = _row(OURS, name, _use(given, "both"), found, given, store.vault.seal(private, found.fingerprint))
    store.put_certificate(row).result(WAIT)
    return _shown(row)


def keys_add(store: Store, given: Arguments) -> Any:
    """A partner's certificate. Its root or intermediate, if they ride along, are left out: what is registered is what is trusted."""
    partner = str(given["partner"])
    if partner not in {row.partner for row in store.read(profiles.live).result(WAIT)}:
        raise Refused(404, "not-found", f"no partner is called {partner}")
    try:
        found = read_certificates(data_of(given))[0]
        check_strength(found, 1024 if given.get("weak") else LEAST_RSA)
    except KeyRefused as fault:
        raise Refused(422, "bad-request", f"{fault}") from None
    row = _row(partner, str(given.get("name") or found.fingerprint[:12]), _use(given, "both"), found, given, None)
    store.put_certificate(row).result(WAIT)
    return _shown(row)


def keys_list(store: Store, given: Arguments) -> Any:
    """Keys and certificates, ours and the partners', with their times and when they were last used."""
    wanted = given.get("partner")
    found = [row for row in _all(store) if wanted in (None, row.owner) and (given.get("all") or row.state == "active")]
    days = given.get("expiring")
    if days is not None:
        found = [row for row in found if row.not_after <= now() + int(days) * 86_400_000_000]
    return [_shown(row) for row in found]


def keys_show(store: Store, given: Arguments) -> Any:
    """A certificate as PEM, to hand on; never a private key."""
    row = _one(store, str(given["id"]))
    return _shown(row) | {"pem": pem_of(row.der), "subject": row.subject, "issuer": row.issuer, "serial": row.serial}


def keys_retire(store: Store, given: Arguments) -> Any:
    """Takes a key or certificate out of use; it stays, because old messages were proven by it."""
    row = _one(store, str(given["id"]))
    store.change_certificate(CertificateChange(row.id, str(given.get("who") or "operator"), now(), {"state": "retired"})).result(WAIT)
    return _shown(_one(store, row.id))


def keys_schedule(store: Store, given: Arguments) -> Any:
    """From when, and until when, one is used."""
    row = _one(store, str(given["id"]))
    changes = {f"{name}_at": _instant(given[name]) for name in ("from", "until") if given.get(name)}
    if not changes:
        raise Refused(400, "bad-request", "say from when (--from) or until when (--until) it is used")
    store.change_certificate(CertificateChange(row.id, str(given.get("who") or "operator"), now(), changes)).result(WAIT)
    return _shown(_one(store, row.id))


def as2_messages(store: Store, given: Arguments) -> Any:
    """The latest AS2 messages, both ways, with their receipts; `partner`, `direction` and `state` narrow them."""
    limit = min(int(given.get("limit") or 20), 200)
    narrowed = {name: given.get(name) for name in ("partner", "direction", "state")}
    return [shown_message(row) for row in store.read(lambda tx: rows.listed(tx, limit=limit, **narrowed)).result(WAIT)]


def shown_message(row: As2Row) -> dict[str, Any]:
    return {
        "id": row.id, "partner": row.partner, "direction": row.direction, "state": row.state, "reason": row.reason, "message_id": row.message_id,
        "from": row.as2_from, "to": row.as2_to, "at": as_text(row.at), "size": row.size, "message": row.message or row.id, "mic": row.mic,
        "mic_algorithm": row.mic_algorithm, "disposition": row.disposition, "receipt": row.receipt, "resends": row.resends,
        "receipt_at": as_text(row.receipt_at) if row.receipt_at else None, "source": row.source, "report": json.loads(row.report or "{}"),
        "headers": [list(one) for one in as_fields(row.headers)], "receipt_headers": [list(one) for one in as_fields(row.receipt_headers)],
    }  # fmt: skip


# Small things.


def _all(store: Store) -> list[CertificateRow]:
    return store.read(certificates.everything).result(WAIT)


def _one(store: Store, wanted: str) -> CertificateRow:
    """By id, by the name of a key of ours, or by the beginning of its fingerprint."""
    found = [
        row
        for row in _all(store)
        if wanted == row.id or (row.owner == OURS and row.name == wanted) or (len(wanted) >= 6 and row.fingerprint.startswith(wanted.lower()))
    ]
    if not found:
        raise Refused(404, "not-found", f"no key or certificate is called {wanted}; `crossdock keys list --all` shows them")
    if len(found) > 1:
        raise Refused(409, "bad-request", f"{wanted} may be {', '.join(row.id for row in found)}; name one of them")
    return found[0]


def _row(owner: str, name: str, use: str, found: Certificate, given: Arguments, private: bytes | None) -> CertificateRow:
    at = now()
    begins = _instant(given["from"]) if given.get("from") else at
    return CertificateRow(
        id=f"{owner}:{found.fingerprint}:{use}", owner=owner, name=name, use=use, fingerprint=found.fingerprint, subject=found.subject,
        issuer=found.issuer_name, serial=f"{found.serial:x}", strength=strength(found), der=found.der, private=private,
        not_before=_of(found.not_before), not_after=_of(found.not_after), from_at=begins,
        until_at=_instant(given["until"]) if given.get("until") else None, state="active", changed_at=at, who=str(given.get("who") or "operator")[:80],
    )  # fmt: skip


def _shown(row: CertificateRow) -> dict[str, Any]:
    at = now()
    state = row.state
    if state == "active":
        state = "expired" if row.not_after < at else "waiting" if row.from_at > at else "ended" if row.until_at and row.until_at < at else "active"
    return {
        "id": row.id, "owner": "us" if row.owner == OURS else row.owner, "name": row.name, "use": row.use, "subject": row.subject,
        "strength": row.strength, "fingerprint": row.fingerprint, "valid_from": as_text(row.not_before), "valid_to": as_text(row.not_after),
        "used_from": as_text(row.from_at), "used_until": as_text(row.until_at) if row.until_at else None, "state": state,
        "days_left": (row.not_after - at) // 86_400_000_000, "last_used": as_text(row.used_at) if row.used_at else None,
        "private": row.private is not None,
    }  # fmt: skip


def _of(when: datetime) -> Instant:
    return span(when - datetime(1970, 1, 1, tzinfo=UTC))


def _instant(text: object) -> Instant:
    try:
        when = datetime.fromisoformat(str(text))
    except ValueError:
        raise Refused(400, "bad-request", f"{str(text)[:40]!r} is no date or time such as 2027-01-31 or 2027-01-31T08:00:00Z") from None
    if len(str(text)) == 10:
        when = datetime.combine(when.date(), time())
    return _of(when if when.tzinfo else when.replace(tzinfo=UTC))


def _name(given: Arguments) -> str:
    name = str(given["name"])
    if not NAME.fullmatch(name):
        raise Refused(400, "bad-request", "a key's name is 1 to 63 small letters, digits, points, hyphens or underscores, such as main-2026")
    return name


def _use(given: Arguments, default: str) -> str:
    use = str(given.get("use") or default)
    if use not in USES:
        raise Refused(400, "bad-request", f"no use is called {use}; there are: {', '.join(USES)}")
    return use


def data_of(given: Arguments) -> bytes:
    try:
        return base64.b64decode(str(given["data"]), validate=True)
    except (binascii.Error, ValueError):
        raise Refused(400, "bad-request", "the file's bytes must come as base64") from None


OPERATIONS = {
    "keys.generate": keys_generate,
    "keys.import": keys_import,
    "keys.add": keys_add,
    "keys.list": keys_list,
    "keys.show": keys_show,
    "keys.retire": keys_retire,
    "keys.schedule": keys_schedule,
    "as2.messages": as2_messages,
}
CHANGING = frozenset({"keys.generate", "keys.import", "keys.add", "keys.retire", "keys.schedule"})
