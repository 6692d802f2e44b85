"""What a claim of lanes may take, as values: rates, quotas, the terms of a breaker; and what a person does with a destination.

Knows no rows.
"""

from dataclasses import dataclass, field
from typing import Literal

from gateway.clock import SECOND, Instant


@dataclass(frozen=True, slots=True)
class Rate:
    """A token bucket: `per_second` tokens flow in, `burst` at most are kept."""

    per_second: float
    burst: float


@dataclass(frozen=True, slots=True)
class Quota:
    """What one target, or one partner at the targets, may take. None is no bound."""

    rate: Rate | None = None
    concurrency: int | None = None
    """Deliveries in flight, over all nodes: at this destination, of all partners or of one."""
    daily: int | None = None
    """Deliveries begun in a day of UTC; retries are not counted again."""
    weight: int = 1
    """Deliveries in each of the partner's turns."""


UNBOUND = Quota()


@dataclass(frozen=True, slots=True)
class Quotas:
    """Those of all partners."""

    partners: dict[str, Quota] = field(default_factory=dict)

    def of(self, partner: str) -> Quota:
        return self.partners.get(partner, UNBOUND)


def quotas(partners: dict[str, Quota]) -> Quotas:
    return Quotas(partners)


@dataclass(frozen=True, slots=True)
class BreakerTerms:
    """When a destination counts as failing, and how long it then rests before each probe."""

    failures: int = 10
    """More failures than successes by this many open it."""
    pause: Instant = 30 * SECOND
    """At most two probes a minute by default."""


USUAL = BreakerTerms()


@dataclass(frozen=True, slots=True)
class LaneClaim:
    destination: str
    node: str
    now: Instant
    until: Instant
    limit: int
    mark_sending: bool = False
    """Leave a mark before sending, so that after a crash the next holder knows that an attempt may have had its effect unseen."""
    quota: Quota = UNBOUND
    """The destination's own."""
    partners: Quotas = Quotas()
    breaker: BreakerTerms = USUAL


Steer = Literal["pause", "resume", "open", "close", "probe"]


@dataclass(frozen=True, slots=True)
class Steering:
    """What a person does with a destination, and why."""

    destination: str
    act: Steer
    who: str
    because: str
    at: Instant
    breaker: BreakerTerms = USUAL
