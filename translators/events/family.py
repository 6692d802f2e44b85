"""What every family of events shares: the common fields of its data, and what the gateway must know of it.

Knows no single family.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from translators.events.parts import Contact, IndustryCode, Note, Part, Party, Reference, Text, Times
from translators.events.trust import Evidence, Quality


class EventData(Part):
    """Fields that the data of every event has."""

    purpose: Literal["original", "correct", "cancel"]
    """original: told for the first time (or again); correct: replaces what was told; cancel: takes it back."""
    purpose_code: Text | None = None
    """The partner's own code, such as BSN01 or W0501."""
    cancelled: Literal[True] | None = None
    """True on a cancellation, so that it means something else than what it cancels."""
    references: list[Reference] | None = None
    """Numbers of the whole: bill_of_lading, pro, purchase_order, customer_order …"""
    parties: list[Party] | None = None
    """Who takes part, each with its role."""
    times: list[Times] | None = None
    """Dates and times of the whole that have no field of their own."""
    contacts: list[Contact] | None = None
    """Persons and desks that belong to no party."""
    notes: list[Note] | None = None
    """Free text."""
    industry_codes: list[IndustryCode] | None = None
    """Codes of agencies' own lists."""
    evidence: Evidence
    """Where it was read."""
    quality: Quality | None = Field(None)
    """What is doubtful about it; absent if nothing is."""


@dataclass(frozen=True, slots=True)
class OwnFamily:
    """A kind of event that the gateway makes from its own rows: no mapping names it."""

    name: str
    version: int
    model: type[Part]

    @property
    def type(self) -> str:
        """The CloudEvents type."""
        return f"org.crossdock.{self.name}.v{self.version}"


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of event: its type, its schema and how it is treated."""

    name: str
    """As mappings say it: "shipment.status"."""
    version: int
    model: type[EventData]
    references: dict[str, str]
    """Fields that hold a number to be found by, besides all `references` and `sscc`: dotted path -> type of reference."""
    correlation: tuple[str, ...]
    """Types of reference that tie documents together, the best first."""
    pass_on_dead: bool
    settle: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    """For events that we write: the data with what follows from it spelled out, such as the order a carton belongs to."""

    @property
    def type(self) -> str:
        """The CloudEvents type."""
        return f"org.crossdock.{self.name}.v{self.version}"
