"""Quotas as rows: a token bucket, a day's count and a count of all for each destination, and likewise for each partner at the targets.

A claim takes from them in the transaction that leases the lanes. The destination's row is the gate: on PostgreSQL a claim that does not get it at once
comes again, so claims of one destination follow each other, whichever node they are of, and none ever waits for a lock.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import floor
from typing import Any

from sqlalchemy import Connection, text

from gateway.clock import DAY, SECOND, Instant, as_datetime
from gateway.scheduling import Quota, Quotas
from gateway.store.alarms import raise_alarms
from gateway.store.sql import in_lists, many, one_of

_BUCKETS = one_of("SELECT id, tokens, at, day, used, claimed FROM throttles WHERE id IN :keys")
_BUCKETS_LOCKED = one_of(_BUCKETS.text + " FOR UPDATE SKIP LOCKED")
_THERE = one_of("SELECT id FROM throttles WHERE id IN :keys")
_MAKE = text("INSERT INTO throttles (id, tokens, at) VALUES (:id, :tokens, :at) ON CONFLICT (id) DO NOTHING")
_PUT = text(
    "UPDATE throttles SET tokens = :tokens, at = :at, day = :day, used = :used, claimed = :claimed, per_second = :per_second, daily = :daily"
    " WHERE id = :id"
)
BOUNDLESS = 1 << 40
NEARLY = 1e-9
"""What adding up fractions may have lost of a whole token."""


PARTNER = "partner:"


def key_of(partner: str) -> str:
    return f"{PARTNER}{partner}"


@dataclass(slots=True)
class Bucket:
    """One row, refilled to the present."""

    quota: Quota
    tokens: float
    at: Instant
    day: int
    used: int
    claimed: int

    @property
    def room(self) -> int:
        """How many deliveries it lets go now."""
        by_rate = floor(self.tokens + NEARLY) if self.quota.rate else BOUNDLESS
        by_day = self.quota.daily - self.used if self.quota.daily is not None else BOUNDLESS
        return max(0, min(by_rate, by_day))

    @property
    def again(self) -> Instant:
        """When it lets the next one go."""
        if self.quota.daily is not None and self.used >= self.quota.daily:
            return (self.day + 1) * DAY
        assert self.quota.rate is not None, "only a rate or a day can be used up"
        return self.at + max(1, round((1 - self.tokens) / self.quota.rate.per_second * SECOND))


def _filled(row: Any, quota: Quota, now: Instant) -> Bucket:
    """The row as it is now. Its own time never goes back, whatever another node's clock says: no span is filled in twice."""
    at = max(row.at, now)
    tokens = row.tokens
    if quota.rate is not None:
        tokens = min(quota.rate.burst, tokens + (at - row.at) / SECOND * quota.rate.per_second)
    day = max(row.day, now // DAY)
    return Bucket(quota, tokens, at, day, row.used if day == row.day else 0, row.claimed)


class Buckets:
    """Those of one claim, held by it until its commit."""

    def __init__(self, tx: Connection, now: Instant, partners: Quotas, *, is_sqlite: bool) -> None:
        self._tx, self._now, self._partners = tx, now, partners
        self._statement = _BUCKETS if is_sqlite else _BUCKETS_LOCKED
        self._held: dict[str, Bucket] = {}
        self._asked: set[str] = set()

    def gate(self, destination: str, quota: Quota) -> Bucket | None:
        """The destination's bucket; None while another node's claim holds it."""
        self._hold({destination: quota})
        return self._held.get(destination)

    def hold(self, partners: Iterable[str]) -> None:
        """Those of partners that have a bound. What another node holds just now counts as empty for this claim."""
        wanted = {key_of(partner): self._partners.of(partner) for partner in partners}
        self._hold({key: quota for key, quota in wanted.items() if (quota.rate or quota.daily is not None) and key not in self._asked})

    def of(self, partner: str) -> Bucket | None:
        return self._held.get(key_of(partner))

    def room(self, partner: str) -> int:
        quota = self._partners.of(partner)
        if not quota.rate and quota.daily is None:
            return BOUNDLESS
        bucket = self.of(partner)
        return bucket.room if bucket else 0

    @property
    def again(self) -> Instant | None:
        """When the first of the partners that are held back now may go on; None where none is."""
        return min((bucket.again for key, bucket in self._held.items() if key.startswith(PARTNER) and bucket.room <= 0), default=None)

    def _hold(self, wanted: dict[str, Quota]) -> None:
        if not wanted:
            return
        self._asked |= set(wanted)
        rows = in_lists(self._tx, self._statement, wanted)
        missing = sorted(set(wanted) - {row.id for row in rows})
        # Who is not there, or another node's for this moment? To make one that is would wait for that node's commit, which may wait for ours.
        if missing and (missing := sorted(set(missing) - {row.id for row in in_lists(self._tx, _THERE, missing)})):
            made = [{"id": key, "tokens": rate.burst if (rate := wanted[key].rate) else 0.0, "at": self._now} for key in missing]
            many(self._tx, _MAKE, made)
            rows += in_lists(self._tx, self._statement, missing)
        for row in rows:
            self._held[row.id] = _filled(row, wanted[row.id], self._now)

    def take(self, destination: str, taken: Iterable[tuple[str, bool]]) -> None:
        """A token for each (partner, whether it is the delivery's first attempt), of the partner's bucket and of the destination's."""
        for partner, is_first in taken:
            for bucket in (self._held[destination], self.of(partner)):
                if bucket is not None:
                    bucket.tokens -= 1 if bucket.quota.rate else 0
                    bucket.used += is_first
                    bucket.claimed += 1

    def put(self, before: dict[str, int]) -> None:
        """Writes what was taken; a day's volume that is used up by it raises an alarm. `before`: what was used by then."""
        many(self._tx, _PUT, [_row(key, self._held[key]) for key in sorted(before)])
        spent = [
            (key, bucket) for key in sorted(before) if (bucket := self._held[key]).quota.daily and before[key] < bucket.quota.daily <= bucket.used
        ]
        raise_alarms(self._tx, [_spent(key, bucket) for key, bucket in spent])

    def used(self, destination: str, partners: Iterable[str]) -> dict[str, int]:
        """What each bucket that this claim is going to take from has used so far today."""
        return {key: self._held[key].used for key in (destination, *map(key_of, set(partners))) if key in self._held}


def _row(key: str, bucket: Bucket) -> dict[str, Any]:
    rate = bucket.quota.rate
    return {
        "id": key, "tokens": max(0.0, bucket.tokens), "at": bucket.at, "day": bucket.day, "used": bucket.used, "claimed": bucket.claimed,
        "per_second": rate.per_second if rate else None, "daily": bucket.quota.daily,
    }  # fmt: skip


def _spent(key: str, bucket: Bucket) -> dict[str, Any]:
    kind, _, name = key.partition(":")
    what = f"{key} has had its daily volume of {bucket.quota.daily} on {as_datetime(bucket.day * DAY):%Y-%m-%d}; what exceeds it waits for 00:00 UTC"
    partner = name if kind == "partner" else "-"
    return {"id": f"quota.daily:{key}"[:120], "kind": "quota.daily", "partner": partner, "message": None, "text": what, "at": bucket.at}
