"""Deliveries that are claimed, what came of them, and what people do about them. Knows nothing of what is delivered."""

from dataclasses import dataclass
from typing import Literal

from gateway.clock import Instant
from gateway.scheduling import USUAL, BreakerTerms


@dataclass(frozen=True, slots=True)
class ToDeliver:
    id: str
    lane: str
    fence: int
    partner: str
    destination: str
    kind: str
    message: str
    document: str | None
    event: str | None
    payload: str
    attributes: str
    attempts: int
    unknown_outcome: bool
    on_dead: str
    created_at: Instant
    data: bytes | None
    location: str | None
    sha256: str
    tried_from: Instant
    """When its schedule began: with the delivery, or with a person's retry."""
    accepted: str | None = None
    """Its destination has it, and is asked by this what became of it."""
    trace: str | None = None
    """The attempt's own traceparent, for headers alone: what the body holds is the same at every attempt."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a claim got."""

    deliveries: list[ToDeliver]
    again: Instant | None = None
    """When to ask again, where that is known: a token is there then, or a rest is over."""
    state: str = "closed"
    """The breaker's."""
    until: Instant = 0
    """When the leases end that the claim took."""


AttemptOutcome = Literal["delivered", "temporary", "unknown", "permanent", "destination", "accepted", "pending"]
"""`pending`: what was accepted is still not decided; no attempt, and not told."""


@dataclass(frozen=True, slots=True)
class Settled:
    """COMMIT 3: one attempt and what came of it."""

    delivery: str
    lane: str
    fence: int
    partner: str
    destination: str
    message: str
    node: str
    on_dead: str
    started_at: Instant
    duration: Instant
    outcome: AttemptOutcome
    at: Instant
    status: int | None = None
    text: str = ""
    answer: bytes = b""
    next_due: Instant = 0
    is_fault: bool = False
    """Whether the destination failed: what its breaker counts."""
    asked: Instant = 0
    """The rest that it asked for, or that its own fault gives it."""
    in_doubt: bool = False
    """An earlier attempt may have had its effect unseen."""
    breaker: BreakerTerms = USUAL
    owed_since: Instant = 0
    """When the delivery came to be; told in metrics alone."""
    confirmed: str | None = None
    """The id under which the destination has it."""
    words: str | None = None
    """What of a refusal may be told to a partner; None: what usually may."""
    accepted: str | None = None
    """By what the destination is asked later."""


@dataclass(frozen=True, slots=True)
class Renewal:
    lane: str
    fence: int
    until: Instant


@dataclass(frozen=True, slots=True)
class Action:
    """What a person does about a delivery: retry a dead letter, skip it with a reason, or send a delivered one again under the same id."""

    kind: Literal["retry", "skip", "redeliver"]
    delivery: str
    who: str
    reason: str
    at: Instant
