"""What people ask of alarms, as plain functions from JSON to JSON."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from gateway.alarms.catalog import kind_of, show_command
from gateway.clock import as_text, now
from gateway.errors import Refused
from gateway.records.alarms import AlarmClosed
from gateway.store import alarms as rows
from gateway.store.store import Store

Arguments = dict[str, Any]
WAIT = timedelta(seconds=30).total_seconds()
TEST = "alarm.test"


def alarms(store: Store, given: Arguments) -> Any:
    """The latest alarms that are open, or with `all` every one; `partner`, `kind` and `limit` narrow them."""
    limit = min(int(given.get("limit") or 50), 200)
    found = store.read(
        lambda tx: rows.latest(tx, partner=given.get("partner"), kind=given.get("kind"), everything=bool(given.get("all")), limit=limit)
    )
    return [_shown(row) for row in found.result(WAIT)]


def _shown(row: Any) -> dict[str, Any]:
    kind = kind_of(row.kind)
    return {
        "id": row.id, "kind": row.kind, "urgency": kind.urgency, "partner": row.partner, "message": row.message, "text": row.text, "means": kind.means,
        "show": show_command(row.kind, row.partner, row.message), "count": row.times, "first_at": as_text(row.first_at), "last_at": as_text(row.last_at),
        "told_at": as_text(row.told_at) if row.told_at else None, "closed_at": as_text(row.closed_at) if row.closed_at else None, "closed_by": row.closed_by,
        "closed_because": row.closed_because,
    }  # fmt: skip


def close(store: Store, given: Arguments) -> Any:
    """Ends an alarm; the same trouble again opens it anew."""
    wanted, because = str(given["id"]), str(given.get("reason") or "")
    if not because:
        raise Refused(400, "bad-request", "closing an alarm needs a reason (--because); it stays with it")
    found = store.read(lambda tx: rows.named(tx, wanted)).result(WAIT)
    if not found:
        raise Refused(404, "not-found", f"no alarm is called {wanted}; `crossdock alarms` lists them")
    if len(found) > 1 and wanted not in found:
        raise Refused(409, "bad-request", f"several alarms begin with {wanted}; give more of its id")
    identity = wanted if wanted in found else found[0]
    done = store.close_alarm(AlarmClosed(identity, now(), str(given.get("who") or "operator"), because)).result(WAIT)
    return {"id": identity, "closed": done}


def try_out(store: Store, given: Arguments) -> Any:
    """Raises an alarm that means nothing, so that one sees whether alarms arrive."""
    who = str(given.get("who") or "operator")
    store.raise_alarm(TEST, "-", f"{who} tries whether alarms arrive", now()).result(WAIT)
    return {"kind": TEST}


OPERATIONS: dict[str, Callable[[Store, Arguments], Any]] = {"alarms": alarms, "alarms.close": close, "alarms.test": try_out}
