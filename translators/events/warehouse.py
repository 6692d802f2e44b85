"""transfer.shipped and receipt.confirmed: stock is on its way to a warehouse, and the warehouse says what arrived (X12 943 and 944, RECADV …)."""

from typing import Self

from pydantic import model_validator

from translators.events.family import EventData, Family
from translators.events.fulfilment import FulfilmentLine, ShippedPack
from translators.events.goods import Lading, Mark, Packaging, Totals
from translators.events.parts import Decimal, Equipment, FreightTerms, Identifier, Leg, Moment, Part, Quantity, Text


class TransferLine(FulfilmentLine):
    """One line on its way to a warehouse."""

    shipped: Quantity | None = None
    """How much was shipped."""
    warehouse_lot: Text | None = None
    """Lot in the warehouse's own numbering."""
    freight_class: Text | None = None
    """Freight class as written."""
    rate_class: Text | None = None
    """Rate class qualifier as written."""
    commodity: Identifier | None = None
    """Commodity number."""
    pallet_pattern: Text | None = None
    """Blocks and tiers of a pallet, as written (six digits)."""
    hold: Text | None = None
    """Hold code as written: the goods may not be used yet."""


class Condition(Part):
    """How much of a received line is in which state."""

    quantity: Quantity | None = None
    """How much."""
    condition: Text | None = None
    """damaged, on_hold, short, over, good … in our words."""
    condition_code: Text | None = None
    """The partner's own code."""
    warehouse_lot: Text | None = None
    """Lot it belongs to."""
    reason_code: Text | None = None
    """Why, code as written."""


class ReceivedLine(FulfilmentLine):
    """One line as it arrived."""

    pack: Text | None = None
    """Id of the pack it came in."""
    received: Quantity | None = None
    """How much was received."""
    warehouse_lot: Text | None = None
    """Lot in the warehouse's own numbering."""
    substitution: Text | None = None
    """Substitution code as written."""
    conditions: list[Condition] | None = None
    """What is not as it should be, and how much of it."""


class Stocked(EventData):
    """What a transfer and its receipt have in common."""

    order_id: Text | None = None
    """The depositor's order number."""
    shipment_id: Text | None = None
    """The shipper's number of the shipment."""
    master_link: Text | None = None
    """Number that links several transfers."""
    link_sequence: Text | None = None
    """Which of how many linked ones, as written (SSSTTT)."""
    reporting: Text | None = None
    """full_detail, exceptions_only … in our words."""
    reporting_code: Text | None = None
    """The partner's own code."""
    carriers: list[Leg] | None = None
    """Who carries it."""
    equipment: list[Equipment] | None = None
    """Trailers, seals, temperature."""
    freight_terms: list[FreightTerms] | None = None
    """Who pays the freight."""
    handling: list[Text] | None = None
    """Special handling codes as written."""
    lading: list[Lading] | None = None
    """Packages and weights."""
    loading: Text | None = None
    """palletised, floor, mixed … in our words."""
    loading_code: Text | None = None
    """The partner's own code."""
    marks: list[Mark] | None = None
    """Marks of the whole."""
    packaging: list[Packaging] | None = None
    """How the whole is packed."""
    totals: Totals | None = None
    """What the sender counted."""


class TransferShipped(Stocked):
    """Stock on its way to a warehouse."""

    agent_shipment_id: Text | None = None
    """The agent's number of the shipment."""
    purchase_order: Text | None = None
    """The buyer's order number."""
    shipped_on: Moment | None = None
    """Ship date."""
    delay_reason: Text | None = None
    """Delay reason code as written."""
    transaction_type: Text | None = None
    """Transaction type code as written."""
    action: Text | None = None
    """Action code as written."""
    pallets: Decimal | None = None
    """Pallets shipped."""
    pallet_exchange: Text | None = None
    """Pallet exchange in our words."""
    pallet_exchange_code: Text | None = None
    """The partner's own code."""
    lines: list[TransferLine] | None = None
    """What is on its way."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.cancelled or self.lines):
            raise ValueError("has no lines; a transfer that cancels nothing must say what is on its way")
        return self


class ReceiptTotals(Totals):
    """What the warehouse counted."""

    received: Decimal | None = None
    """Units received."""
    shipped: Decimal | None = None
    """Units that were said to come."""
    damaged: Decimal | None = None
    """Units damaged or on hold."""
    packages_received: Decimal | None = None
    """Packages received."""
    packages_shipped: Decimal | None = None
    """Packages that were said to come."""


class ReceiptConfirmed(Stocked):
    """What arrived at a warehouse."""

    receipt_id: Text
    """The warehouse's number of the receipt: the business key."""
    received_on: Moment
    """When it was received."""
    received_time_code: Text | None = None
    """What the time of day means, code as written."""
    totals: ReceiptTotals | None = None
    """What the warehouse counted."""
    packs: list[ShippedPack] | None = None
    """Pallets and cartons."""
    lines: list[ReceivedLine] | None = None
    """What arrived."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.cancelled or self.lines):
            raise ValueError("has no lines; a receipt must say what arrived")
        return self


_REFERENCES = {"order_id": "order", "shipment_id": "shipment", "master_link": "master_link", "equipment.number": "equipment"}
_CORRELATION = ("purchase_order", "customer_order", "order", "shipment", "bill_of_lading")

SHIPPED = Family(
    name="transfer.shipped",
    version=1,
    model=TransferShipped,
    references={**_REFERENCES, "purchase_order": "purchase_order", "agent_shipment_id": "shipment"},
    correlation=_CORRELATION,
    pass_on_dead=False,
)
CONFIRMED = Family(
    name="receipt.confirmed",
    version=1,
    model=ReceiptConfirmed,
    references={**_REFERENCES, "receipt_id": "receipt"},
    correlation=_CORRELATION,
    pass_on_dead=False,
)
