"""What a consumer is: a name, scopes, a filter, a rate, a version of the contract; and what is done with it, as values for the store."""

from dataclasses import dataclass
from typing import Any

from gateway.clock import Instant

SCOPES = {
    "shipments:read": "see how shipments stand",
    "orders:read": "see how orders stand",
    "inventory:read": "see stock",
    "documents:read": "see documents, received and sent",
    "documents:release": "release documents to partners",
    "events:read": "read the event stream, and keep its own cursor",
    "events:replay": "set its own cursor back",
}
"""Scope -> what it lets a consumer do."""
STREAMS = ("production", "test")
BUILT_IN = "erp"
"""The consumer whose token stands in the settings (`erp_listener.token`)."""
MOST_TOKENS = 2
"""A token and the one before it, so that one can be changed while both open."""
MOST_NAMES = 50
"""Partners, or types of events, of one filter: a page of a list asks for each partner by its own range of an index."""


@dataclass(frozen=True, slots=True)
class Consumer:
    """One who reads, as the doors need it."""

    name: str
    scopes: frozenset[str]
    partners: tuple[str, ...] | None
    """Whose rows it sees; None for all."""
    types: tuple[str, ...] | None
    """Which types of events it reads; None for all."""
    stream: str | None
    """production or test; None for both."""
    rate: int | None
    """Requests a minute; None for no bound."""
    contract: str
    audit_reads: bool = False

    def sees(self, partner: str) -> bool:
        return self.partners is None or partner in self.partners


@dataclass(frozen=True, slots=True)
class Behind:
    """Consumers who have stopped to take what they see of the stream: (name, the first position that it has not taken, when that was placed)."""

    late: list[tuple[str, int, Instant]]
    at: Instant


@dataclass(frozen=True, slots=True)
class Made:
    """A new one, with the hash of its first token; None for the one whose token stands in the settings."""

    consumer: Consumer
    token: str | None
    start: int
    """The position of the feed behind which it begins to read."""
    who: str
    at: Instant


@dataclass(frozen=True, slots=True)
class Change:
    """Terms of one that take the place of others: columns of its row."""

    name: str
    values: dict[str, Any]
    who: str
    because: str
    at: Instant


@dataclass(frozen=True, slots=True)
class Rotation:
    """A new token. The one before it opens until then; older ones end now."""

    name: str
    token: str
    until: Instant
    who: str
    at: Instant


@dataclass(frozen=True, slots=True)
class Retirement:
    name: str
    who: str
    because: str
    at: Instant


@dataclass(frozen=True, slots=True)
class Commit:
    """A consumer has done with the feed up to here, by a cursor of that epoch."""

    name: str
    position: int
    epoch: int
    who: str
    at: Instant
    call: str


@dataclass(frozen=True, slots=True)
class Rewind:
    """A consumer's cursor is set anew: behind this position."""

    name: str
    position: int
    who: str
    because: str
    at: Instant
    call: str


@dataclass(frozen=True, slots=True)
class Standing:
    """Up to where a consumer has read, and up to where there is something."""

    position: int
    epoch: int
    head: int
    committed_at: Instant | None = None


@dataclass(frozen=True, slots=True)
class Asking:
    """So many requests of a minute are wanted."""

    consumer: str
    rate: int
    minute: int
    wanted: int


@dataclass(frozen=True, slots=True)
class Given:
    """How many of them were given, and how many the minute has left for all nodes."""

    minute: int
    number: int
    left: int


@dataclass(frozen=True, slots=True)
class Noted:
    """Something for the audit log: of whom, under which call, what."""

    chain: str
    call: str
    at: Instant
    what: dict[str, Any]


def chain_of(name: str) -> str:
    """The audit log's chain of a consumer. No partner's name has a colon."""
    return f"consumer:{name}"


NOBODY = chain_of("-")
"""The chain of calls that nobody could be found behind."""
