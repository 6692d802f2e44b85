"""inventory.snapshot and inventory.adjusted: how much is there, and what was changed (X12 846 and 947, INVRPT …).

A snapshot reconciles; it is never added to. An adjustment is a difference.
"""

from typing import Literal, Self

from pydantic import model_validator

from translators.events.family import EventData, Family
from translators.events.fulfilment import Charge
from translators.events.goods import Item, Measurement, Packaging, Totals
from translators.events.parts import Moment, Part, Party, Quantity, Reference, Text, Times, Weight


class Stock(Part):
    """How much of an item is in which state."""

    kind: Text
    """on_hand, available, committed, damaged, in_transit, on_order … in our words; "other" for a code without a word."""
    kind_code: Text | None = None
    """The partner's own code (X12 element 673)."""
    quantity: Quantity | None = None
    """How much."""
    text: Text | None = None
    """What is said in words in place of a number."""
    times: list[Times] | None = None
    """Since when, until when."""


class StockLine(Part):
    """One item of a snapshot."""

    essential = True

    id: Text
    """Its id in this event."""
    number: Text | None = None
    """Line number as the sender counts."""
    item: Item
    """What it is."""
    stock: list[Stock] | None = None
    """How much, by state."""
    lots: list[Text] | None = None
    """Lot numbers."""
    packaging: list[Packaging] | None = None
    """How it is packed."""
    measurements: list[Measurement] | None = None
    """Other measures."""
    references: list[Reference] | None = None
    """Numbers of the line."""
    parties: list[Party] | None = None
    """Where it lies, or whose it is."""
    times: list[Times] | None = None
    """Dates of the line."""


class InventorySnapshot(EventData):
    """Stock at one moment."""

    snapshot_id: Text
    """The sender's number of the report: the business key."""
    report_type: Text | None = None
    """Type of report, code as written."""
    as_of: Moment
    """The moment it speaks of."""
    action: Text | None = None
    """Action code as written."""
    complete: Literal[True] | None = None
    """True if what is not listed is not there."""
    lines: list[StockLine] | None = None
    """Items."""
    totals: Totals | None = None
    """What the sender counted."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.cancelled or self.lines):
            raise ValueError("has no lines; a snapshot must say what is there")
        return self


class AdjustedLine(Part):
    """One item whose stock was changed."""

    essential = True

    id: Text
    """Its id in this event."""
    item: Item | None = None
    """What it is."""
    change: Quantity
    """By how much: less than nothing for what is gone."""
    reason: Text | None = None
    """count, damage, shrinkage, status_change … in our words."""
    reason_code: Text | None = None
    """The partner's own code (X12 element 181)."""
    movement_code: Text | None = None
    """Type of movement, code as written."""
    warehouse_lot: Text | None = None
    """Lot in the warehouse's own numbering."""
    lots: list[Text] | None = None
    """Lot numbers."""
    weights: list[Weight] | None = None
    """Weights."""
    references: list[Reference] | None = None
    """Numbers of the line."""
    parties: list[Party] | None = None
    """Parties of the line."""
    times: list[Times] | None = None
    """Dates of the line."""
    amounts: list[Charge] | None = None
    """Amounts of the line."""


class InventoryAdjusted(EventData):
    """Stock that was changed."""

    adjustment_id: Text
    """The warehouse's number of the adjustment: the business key."""
    other_id: Text | None = None
    """The depositor's number of it."""
    adjusted_on: Moment
    """When."""
    transaction_type: Text | None = None
    """Transaction type code as written."""
    action: Text | None = None
    """Action code as written."""
    lines: list[AdjustedLine] | None = None
    """What was changed."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.cancelled or self.lines):
            raise ValueError("has no lines; an adjustment must say what was changed")
        return self


SNAPSHOT = Family(
    name="inventory.snapshot",
    version=1,
    model=InventorySnapshot,
    references={"snapshot_id": "inventory"},
    correlation=("inventory",),
    pass_on_dead=True,
)
ADJUSTED = Family(
    name="inventory.adjusted",
    version=1,
    model=InventoryAdjusted,
    references={"adjustment_id": "adjustment", "other_id": "adjustment"},
    correlation=("order", "adjustment"),
    pass_on_dead=False,
)
