"""What people ask of receipts: the matrix of a partner's messages, the bytes behind each cell, and whether every receipt that we owe is there, once."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.clock import DAY, SECOND, Instant, as_datetime, now
from gateway.errors import Refused
from gateway.store import matrix, profiles
from gateway.store.store import Store
from partners.profile import Profile, read_profile

Arguments = dict[str, Any]
WAIT = timedelta(seconds=120).total_seconds()
MOST_BYTES = 64 * 2**20


def receipts(store: Store, given: Arguments) -> Any:
    """The matrix: `partner`, `id` (a message), `since` and `until` narrow it; `sent` shows what we sent."""
    direction = "out" if given.get("sent") else "in"
    narrowed: dict[str, Any] = {
        "partner": given.get("partner"),
        "message": given.get("id"),
        "since": instant_of(given.get("since")),
        "until": instant_of(given.get("until")),
    }
    limit = min(int(given.get("limit") or 20), 200)
    rows = store.read(lambda tx: matrix.matrix(tx, direction=direction, limit=limit, **narrowed)).result(WAIT)
    return {"columns": list(matrix.IN if direction == "in" else matrix.OUT), "rows": rows}


def stored_bytes(store: Store, given: Arguments) -> Any:
    """The bytes behind an id, base64: {"id", "media_type", "file_name", "size", "base64"}."""
    wanted = str(given["id"])
    found = store.read(lambda tx: matrix.bytes_named(tx, wanted, store.files.bytes_of)).result(WAIT)
    if found is None:
        raise Refused(
            404,
            "not-found",
            f"no bytes are called {wanted}; ids of messages, documents, events and deliveries are, and as2:ID, mdn:ID, answer:DELIVERY",
        )
    data, media_type, file_name = found
    if len(data) > MOST_BYTES:
        raise Refused(
            413,
            "too-large",
            f"{len(data):,} bytes; up to {MOST_BYTES:,} are shown. They lie under their SHA-256 in the folder payloads of the data directory",
        )
    return {"id": wanted, "media_type": media_type, "file_name": file_name, "size": len(data), "base64": base64.b64encode(data).decode("ascii")}


def check(store: Store, given: Arguments) -> Any:
    """Whether every receipt that we owe since `since` (a day ago) is there, once."""
    at = now()
    since = instant_of(given.get("since"))
    since = at - DAY if since is None else since
    known: dict[tuple[str, int], Profile | None] = {}

    def query(tx: Any) -> dict[str, Any]:
        def owes(partner: str, revision: int, sets: set[str]) -> bool:
            if (partner, revision) not in known:
                text = profiles.text_of(tx, partner, revision)
                known[partner, revision] = read_profile(text, partner) if text is not None else None
            profile = known[partner, revision]
            agreements = [profile.agreement(one) for one in sets] if profile else []
            return not agreements or any(one is None or one.duties.functional_acknowledgment == "all" for one in agreements)

        return matrix.check(tx, since=since, now=at, owes=owes)

    return store.read(query).result(WAIT)


def instant_of(value: Any) -> Instant | None:
    """A day (2026-11-30), a time (2026-11-30T08:00, UTC unless it says otherwise) or a span back from now (24h, 7d). Raises Refused."""
    if value in (None, ""):
        return None
    text = str(value)
    if text[-1] in UNITS and text[:-1].isdigit() and len(text) < 8:
        return now() - int(text[:-1]) * UNITS[text[-1]] * SECOND
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise Refused(400, "bad-request", f"{text!r} is no time; write 2026-11-30, 2026-11-30T08:00 or a span back from now such as 24h") from None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return round((when - as_datetime(0)).total_seconds() * SECOND)


UNITS = {"m": 60, "h": 3600, "d": 86_400}

OPERATIONS: dict[str, Callable[[Store, Arguments], Any]] = {"receipts": receipts, "receipts.check": check, "bytes": stored_bytes}
