"""The breaker of each destination, as a row: whether anything is sent there, and what changes that.

    closed     all is well; more failures than successes by ten (a setting), or one fault of its own, open it
    open       nothing is sent; when its rest is over, one probe
    half-open  the probe is under way: if it is answered, ramping, else open again
    ramping    one more in flight for each answer, half of them after a failure; closed once that is all of its concurrency
    paused     a person holds it; nothing is sent until a person lets it go on

While it rests nothing is tried, so nothing dies of it, and the time counts against no delivery (`outages`). A failure is a temporary or unknown outcome,
or the destination's own fault. An answer about one document, also one that refuses it, shows that the destination works.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import Connection, text

from gateway.clock import Instant, Ticks, as_text
from gateway.records.alarms import AlarmClosed
from gateway.records.deliveries import Settled
from gateway.scheduling import LaneClaim, Steering
from gateway.store.alarms import close_alarms, raise_alarms
from gateway.store.serial import Rows, waits_for
from gateway.store.sql import in_lists, insert, many, one_of, rows_of

CLOSED, OPEN, PROBING, RAMPING, PAUSED = "closed", "open", "half-open", "ramping", "paused"
RESTING = frozenset({OPEN, PROBING, PAUSED})
TARGET = "target"
FIRST_ALLOWANCE = 2
MOST_OUTAGES = 10_000

_COLUMNS = "id, partner, state, since, parked_until, probing_until, failures, allowance, reason, who"
_HEALTH = one_of(f"SELECT {_COLUMNS} FROM destinations WHERE id IN :keys")  # noqa: S608 - names are ours
_HEALTH_LOCKED = one_of(_HEALTH.text + " FOR UPDATE")
_HEALTH_IF_FREE = one_of(_HEALTH.text + " FOR UPDATE SKIP LOCKED")
_ONE = text(f"SELECT {_COLUMNS} FROM destinations WHERE id = :id")  # noqa: S608 - names are ours
_ASKED = text(
    f"SELECT EXISTS (SELECT 1 FROM lanes WHERE destination = :id AND next_due IS NOT NULL), d.{_COLUMNS.replace(', ', ', d.')}"  # noqa: S608 - ours
    " FROM (SELECT 1 AS one) o LEFT JOIN destinations d ON d.id = :id"
)
MAKE = text("INSERT INTO destinations (id, partner) VALUES (:id, :partner) ON CONFLICT (id) DO NOTHING")
_PUT = text(
    "UPDATE destinations SET partner = :partner, state = :state, since = :since, parked_until = :parked_until, probing_until = :probing_until,"
    " failures = :failures, allowance = :allowance, reason = :reason, who = :who WHERE id = :id"
)
_BEGIN_OUTAGE = insert("outages", "destination", "opened_at", "partner", "reason", or_nothing=True)
_END_OUTAGE = text("UPDATE outages SET closed_at = :at WHERE destination = :destination AND closed_at IS NULL")
_OUTAGES = text(
    "SELECT opened_at, closed_at FROM outages WHERE destination = :destination AND (closed_at IS NULL OR closed_at > :since)"
    " ORDER BY opened_at DESC LIMIT :limit"
)
_PUT_LIFE = insert("destination_life", "destination", "at", "partner", "step", "who", "text", or_nothing=True)


@dataclass(frozen=True, slots=True)
class Health:
    id: str
    partner: str
    state: str = CLOSED
    since: Instant = 0
    parked_until: Instant = 0
    probing_until: Instant = 0
    failures: int = 0
    allowance: int = 0
    reason: str | None = None
    who: str | None = None

    @property
    def is_well(self) -> bool:
        return self.state == CLOSED and self.failures == 0


@dataclass(frozen=True, slots=True)
class Admitted:
    """What a claim may take."""

    limit: int | None = None
    """At most so many lanes: one, for a probe."""
    allowance: int | None = None
    """At most so many in flight."""


def partner_of(destination: str) -> str:
    """Whose destination it is; - for a target, which is ours."""
    kind, _, name = destination.partition(":")
    return "-" if kind == TARGET else name


def asked(tx: Connection, destination: str) -> tuple[bool, Health]:
    """Whether anything waits for the destination at all, due or not; and how it stands."""
    row: Any = rows_of(tx, _ASKED, {"id": destination})[0]
    return bool(row[0]), _health(row[1:]) if row.id is not None else Health(destination, partner_of(destination))


def _health(row: Any) -> Health:
    return Health(*row)


def health_of(tx: Connection, destination: str) -> Health:
    rows = rows_of(tx, _ONE, {"id": destination})
    return _health(rows[0]) if rows else Health(destination, partner_of(destination))


# ---- what a claim asks


def probe_is_due(health: Health, now: Instant) -> bool:
    return health.state in (OPEN, PROBING) and now >= max(health.parked_until, health.probing_until)


def probe_at(health: Health) -> Instant | None:
    """When the next probe may go; None where a person decides."""
    return None if health.state == PAUSED else max(health.parked_until, health.probing_until)


def admit(tx: Connection, claim: LaneClaim, health: Health, ticks: Ticks, *, is_sqlite: bool) -> Admitted | None:
    """What the breaker lets go; None while the row is being changed, or has just been."""
    if health.state == CLOSED:
        return Admitted()
    rows = in_lists(tx, _HEALTH if is_sqlite else _HEALTH_IF_FREE, [health.id])
    if not rows or _health(rows[0]) != health:
        return None
    if health.state in RESTING:
        return Admitted(limit=1)
    full = claim.quota.concurrency or claim.limit
    if health.allowance >= full:
        well = replace(health, state=CLOSED, since=claim.now, allowance=0, reason=None, who=claim.node)
        put(tx, [well])
        many(tx, _PUT_LIFE, [_life(well, CLOSED, ticks())])
        return Admitted()
    return Admitted(allowance=health.allowance)


def begun(tx: Connection, health: Health, claim: LaneClaim) -> None:
    """A probe has its lane."""
    if health.state in RESTING:
        put(tx, [replace(health, state=PROBING, since=claim.now, probing_until=claim.until, parked_until=claim.now + claim.breaker.pause)])


# ---- what an attempt tells


def is_answer(item: Settled) -> bool:
    """Whether it shows that the destination works: delivered, taken in, or refused by its own word."""
    return item.outcome in ("delivered", "accepted", "pending") or (item.outcome == "permanent" and item.status is not None and not item.is_fault)


def heard(health: Health, item: Settled) -> Health:
    """The breaker after one attempt's outcome."""
    if health.state == PAUSED or (health.state != CLOSED and item.started_at < health.since):
        return health  # a person holds it; or the attempt began before this state did, and says nothing of it
    if is_answer(item):
        return _answered(health, item)
    if item.is_fault:
        return _failed(health, item)
    return replace(health, probing_until=0) if health.state == PROBING else health


def _answered(health: Health, item: Settled) -> Health:
    if health.state == CLOSED:
        return replace(health, failures=max(0, health.failures - 1))
    if health.state == RAMPING:
        return replace(health, allowance=health.allowance + 1)
    return replace(
        health, state=RAMPING, since=item.at, allowance=FIRST_ALLOWANCE, failures=0, probing_until=0, parked_until=0, who=item.node, reason="a probe was answered"
    )  # fmt: skip


def _failed(health: Health, item: Settled) -> Health:
    """Its own fault opens it at once; other failures when there are enough of them. What it asked for (Retry-After) is given, within bounds."""
    terms = item.breaker
    rest = item.asked if item.outcome == "destination" else max(terms.pause, item.asked)
    opened = replace(
        health, state=OPEN, since=item.at, parked_until=item.at + rest, probing_until=0, failures=0, allowance=0, reason=item.text, who=item.node
    )  # fmt: skip
    if item.outcome == "destination":
        return opened
    if health.state == CLOSED:
        return opened if health.failures + 1 >= terms.failures else replace(health, failures=health.failures + 1)
    if health.state == RAMPING and health.allowance > 1:
        return replace(health, allowance=health.allowance // 2)
    return opened


def steer(tx: Connection, items: list[Settled], ticks: Ticks, *, is_sqlite: bool) -> dict[str, Health]:
    """Takes these outcomes to their breakers; how each destination stands now. While all is well nothing is written, so the row is not hot."""
    by: dict[str, list[Settled]] = defaultdict(list)
    for item in items:
        by[item.destination].append(item)
    present = {row.id: _health(row) for row in in_lists(tx, _HEALTH, by)}
    moved = sorted(key for key, told in by.items() if any(item.is_fault for item in told) or not present.get(key, Health(key, "")).is_well)
    if not moved:
        return present
    many(tx, MAKE, [{"id": key, "partner": partner_of(key)} for key in moved if key not in present])
    locked = {row.id: _health(row) for row in in_lists(tx, _HEALTH if is_sqlite else _HEALTH_LOCKED, moved)}
    after = {}
    for key in moved:
        health = locked[key]
        for item in by[key]:
            health = heard(health, item)
        after[key] = health
    changed = [(locked[key], after[key]) for key in moved if locked[key] != after[key]]
    put(tx, [new for _, new in changed])
    _keep_outages(tx, changed)
    many(
        tx,
        _PUT_LIFE,
        [_life(new, new.state, ticks()) for old, new in changed if old.state != new.state and (old.state, new.state) != (PROBING, OPEN)],
    )
    raise_alarms(tx, [_parked(new) for old, new in changed if new.state == OPEN and old.state != OPEN])
    works = [new for old, new in changed if old.state in RESTING and new.state not in RESTING]
    close_alarms(tx, [AlarmClosed(parked_key(one.id), one.since, "crossdock", "it works again") for one in works])
    return present | after


def put(tx: Connection, rows: Iterable[Health]) -> None:
    many(tx, _PUT, [asdict(row) for row in sorted(rows, key=lambda row: row.id)])


def _keep_outages(tx: Connection, changed: list[tuple[Health, Health]]) -> None:
    """One row from when a destination rests until it works again, whoever decided it."""
    begins = [new for old, new in changed if new.state in RESTING and old.state not in RESTING]
    ends = [new for old, new in changed if old.state in RESTING and new.state not in RESTING]
    many(tx, _BEGIN_OUTAGE, [{"destination": one.id, "opened_at": one.since, "partner": one.partner, "reason": one.reason or ""} for one in begins])
    many(tx, _END_OUTAGE, [{"destination": one.id, "at": one.since} for one in ends])


def _life(health: Health, step: str, at: Instant) -> dict[str, Any]:
    return {
        "destination": health.id, "at": at, "partner": health.partner, "step": step, "who": (health.who or "crossdock")[:80],
        "text": health.reason or "",
    }  # fmt: skip


def parked_key(destination: str) -> str:
    """The alarm's id."""
    return f"destination.parked:{destination}"[:120]


def _parked(health: Health) -> dict[str, Any]:
    what = f"{health.id} rests until {as_text(health.parked_until)}, then one attempt is made: {health.reason}"
    return {
        "id": parked_key(health.id), "kind": "destination.parked", "partner": health.partner, "message": None, "text": what,
        "at": health.since,
    }  # fmt: skip


# ---- what people do


FITS = {"pause": {CLOSED, OPEN, PROBING, RAMPING}, "resume": {PAUSED}, "open": {CLOSED, RAMPING, PAUSED}, "close": {OPEN, PROBING, RAMPING, PAUSED},
        "probe": {OPEN, PROBING}}  # fmt: skip
"""Act -> the states that it fits."""


@dataclass(frozen=True, slots=True)
class BreakerVerbs:
    ticks: Ticks
    is_sqlite: bool

    @waits_for(lambda tx, items: Rows(destinations=[item.destination for item in items]))
    def steer_destinations(self, tx: Connection, items: list[Steering]) -> list[tuple[bool, str]]:
        """Whether the act fitted, and the state that the destination is in now."""
        steered = {place: self._steer(tx, item) for place, item in sorted(enumerate(items), key=lambda one: one[1].destination)}
        return [steered[place] for place in range(len(items))]

    def _steer(self, tx: Connection, item: Steering) -> tuple[bool, str]:
        many(tx, MAKE, [{"id": item.destination, "partner": partner_of(item.destination)}])
        (row,) = in_lists(tx, _HEALTH if self.is_sqlite else _HEALTH_LOCKED, [item.destination])
        old = _health(row)
        if old.state not in FITS[item.act]:
            return False, old.state
        new = replace(steered(old, item), who=item.who[:80], reason=item.because)
        put(tx, [new])
        _keep_outages(tx, [(old, new)])
        many(tx, _PUT_LIFE, [_life(new, item.act, self.ticks())])
        return True, new.state


def steered(health: Health, item: Steering) -> Health:
    """The breaker after a person's act."""
    at = item.at
    calm = replace(health, since=at, failures=0, allowance=0, probing_until=0, parked_until=0)
    match item.act:
        case "pause":
            return replace(calm, state=PAUSED)
        case "resume":
            return replace(calm, state=RAMPING, allowance=FIRST_ALLOWANCE)
        case "open":
            return replace(calm, state=OPEN, parked_until=at + item.breaker.pause)
        case "close":
            return replace(calm, state=CLOSED)
        case "probe":
            return replace(health, state=OPEN, parked_until=at, probing_until=0)


# ---- reading


def rested(tx: Connection, destination: str, since: Instant, now: Instant) -> Instant:
    """For how long since then the destination was open or paused: time that counts against no delivery."""
    rows = rows_of(tx, _OUTAGES, {"destination": destination, "since": since, "limit": MOST_OUTAGES})
    return sum(max(0, min(row.closed_at or now, now) - max(row.opened_at, since)) for row in rows)


def open_since(tx: Connection, destination: str, now: Instant) -> Instant | None:
    """When the present outage began; None where there is none."""
    rows = rows_of(tx, _OUTAGES, {"destination": destination, "since": now, "limit": 1})
    return int(rows[0].opened_at) if rows and rows[0].closed_at is None else None
