"""Alarms as they stand, and letters about them. Knows nothing of how they are worded."""

from dataclasses import dataclass

from gateway.clock import Instant
from gateway.store.payloads import Payload


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """One trouble, as it stands."""

    id: str
    kind: str
    partner: str
    message: str | None
    text: str
    count: int
    first_at: Instant
    last_at: Instant
    closed_at: Instant | None
    closed_because: str | None


@dataclass(frozen=True, slots=True)
class AlarmClosed:
    id: str
    at: Instant
    who: str
    because: str


@dataclass(frozen=True, slots=True)
class Letter:
    """One letter about alarms to one channel."""

    id: str
    """Of its delivery."""
    identity: str
    channel: str
    payload: Payload


@dataclass(frozen=True, slots=True)
class Told:
    """Alarms, as they were when the letters about them were written. Not all of them need be in a letter: nobody may want to hear of one."""

    rows: list[AlarmRow]
    letters: list[Letter]
    at: Instant


@dataclass(frozen=True, slots=True)
class Waited:
    """Outboxes in which documents wait for too long: (partner, how many, since when)."""

    late: list[tuple[str, int, Instant]]
    at: Instant


@dataclass(frozen=True, slots=True)
class DiskLook:
    """What a node's disk has left, in words, and whether that is little."""

    node: str
    what: str
    low: bool
    at: Instant
