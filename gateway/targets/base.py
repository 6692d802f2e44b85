"""What every target (an ERP) and every transport (a partner) is to the deliver stage: one call, and its failures as types."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from gateway.records.deliveries import ToDeliver


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The destination has it: its status and what it said."""

    status: int
    answer: bytes
    looked_up: bool = False
    """True if we did not send: it had it already."""
    confirmed: str | None = None
    """The id under which it has it, where its answer tells."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The destination has it, and says later what becomes of it: the delivery comes back to it with this ticket."""

    status: int
    answer: bytes
    ticket: str
    again: timedelta
    """When to ask."""
    is_new: bool
    """False if it was asked, and has nothing new to say."""


class Destination(Protocol):
    name: str
    marks_sending: bool
    """Whether a repeat after a crash needs to know that an attempt was under way."""

    @property
    def concurrency(self) -> int:
        """Attempts at once."""
        ...

    async def deliver(self, delivery: ToDeliver, data: bytes) -> Confirmation | Accepted:
        """Raises TemporaryFailure, UnknownOutcome, PermanentFailure or DestinationFault (gateway.errors)."""
        ...

    async def close(self) -> None: ...
