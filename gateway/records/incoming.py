"""A message that a door has taken, and what COMMIT 1 made of it. Knows nothing of what is in it."""

from dataclasses import dataclass
from typing import Literal

from gateway.clock import Instant
from gateway.store.payloads import Payload


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message that a door has taken whole; its payload is durable or goes into this commit."""

    id: str
    partner: str
    channel: str
    payload: Payload
    media_type: str
    file_name: str | None
    profile_revision: int
    key: str | None
    """Idempotency-Key, or what the channel has for one; None: identical bytes within `window` are the same message."""
    window: Instant
    at: Instant
    who: str
    traceparent: str | None = None
    """What is kept with it, for the steps that come."""
    above: str | None = None
    """The traceparent that its sender gave."""


Outcome = Literal["new", "duplicate", "conflict"]


@dataclass(frozen=True, slots=True)
class Kept:
    """What COMMIT 1 made of it. `id` and `at` are the first message's where this one is a duplicate."""

    id: str
    at: Instant
    outcome: Outcome
