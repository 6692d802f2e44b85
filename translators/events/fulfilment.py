"""fulfilment.requested and fulfilment.shipped: a warehouse is told to ship, and says what it shipped (X12 940 and 945)."""

from typing import Self

from pydantic import model_validator

from translators.events.family import EventData, Family
from translators.events.goods import Item, Lading, Mark, Measurement, Packaging, Totals
from translators.events.parts import (
    Decimal,
    Equipment,
    FreightTerms,
    Identifier,
    Leg,
    Moment,
    Note,
    Part,
    Party,
    Quantity,
    Reference,
    Text,
    Times,
    Weight,
)


class Charge(Part):
    """An amount of money."""

    kind: Text | None = None
    """What for, code as written."""
    amount: Decimal
    """How much, in the partner's currency."""
    payment: Text | None = None
    """Payment method code as written."""
    sign: Text | None = None
    """Debit or credit flag as written."""


class FulfilmentLine(Part):
    """What a requested and a shipped line have in common."""

    id: Text
    """Its id in this event."""
    number: Text | None = None
    """Line or group number as the sender counts (LX01)."""
    item: Item | None = None
    """What it is."""
    ordered: Quantity | None = None
    """How much was ordered."""
    lots: list[Text] | None = None
    """Lot numbers: the warehouse's own first, then those told as references."""
    serials: list[Text] | None = None
    """Serial numbers."""
    expires: Moment | None = None
    """Best before or expiry date."""
    packaging: list[Packaging] | None = None
    """How the goods are packed."""
    quantities: list[Measurement] | None = None
    """Other quantities of the line."""
    marks: list[Mark] | None = None
    """Marks and numbers."""
    references: list[Reference] | None = None
    """Numbers of the line: purchase order line, invoice …"""
    parties: list[Party] | None = None
    """Parties of the line."""
    times: list[Times] | None = None
    """Dates of the line."""
    notes: list[Note] | None = None
    """Free text of the line."""
    amounts: list[Charge] | None = None
    """Amounts of the line."""


class RequestedLine(FulfilmentLine):
    """One line to be shipped. Without goods and quantity the order cannot be fulfilled."""

    essential = True

    item: Item
    """What it is."""
    ordered: Quantity
    """How much was ordered."""

    warehouse_lot: Text | None = None
    """Lot in the warehouse's own numbering."""
    product_type: Text | None = None
    """Product type code as written."""
    rate_class: Text | None = None
    """Rate class qualifier as written."""
    freight_class: Text | None = None
    """Freight class as written."""
    commodity: Identifier | None = None
    """Commodity number."""
    pallet_pattern: Text | None = None
    """Blocks and tiers of a pallet, as written (six digits)."""


class ShippedLine(FulfilmentLine):
    """One line as it was shipped."""

    pack: Text | None = None
    """Id of the pack it lies in."""
    shipped: Quantity | None = None
    """How much was shipped."""
    difference: Quantity | None = None
    """Ordered less shipped, as the warehouse states it."""
    status: Text | None = None
    """complete, partial, back_ordered, out_of_stock, substituted … in our words."""
    status_code: Text | None = None
    """The partner's own code."""
    weights: list[Weight] | None = None
    """Weights of the line."""
    substitution: Text | None = None
    """Substitution code as written."""
    change_reason: Text | None = None
    """Why the line was changed, code as written."""


class ShippedPack(Part):
    """One pallet or carton."""

    id: Text
    """Its id in this event."""
    line: Text | None = None
    """Id of the line whose goods it holds, where packs are told below lines."""
    sscc: Text | None = None
    """Serial shipping container code, 18 digits."""
    marks: list[Mark] | None = None
    """Other marks and numbers."""
    quantity: Decimal | None = None
    """How much of the line it holds."""
    packaging: list[Packaging] | None = None
    """How it is packed."""
    references: list[Reference] | None = None
    """Numbers of the pack."""


class Fulfilment(EventData):
    """What a request and its advice have in common."""

    order_id: Text
    """The depositor's order number (W0502, W0602)."""
    purchase_order: Text | None = None
    """The buyer's order number."""
    master_link: Text | None = None
    """Number that links several orders."""
    link_sequence: Text | None = None
    """Which of how many linked orders, as written (SSSTTT)."""
    transaction_type: Text | None = None
    """Transaction type code as written."""
    action: Text | None = None
    """Action code as written."""
    carriers: list[Leg] | None = None
    """Who carries it."""
    freight_terms: list[FreightTerms] | None = None
    """Who pays the freight."""
    equipment: list[Equipment] | None = None
    """Equipment, seals, temperature."""
    handling: list[Text] | None = None
    """Special handling codes as written."""
    lading: list[Lading] | None = None
    """Packages and weights."""
    pallet_exchange: Text | None = None
    """Pallet exchange in our words."""
    pallet_exchange_code: Text | None = None
    """The partner's own code."""
    loading: Text | None = None
    """palletised, floor, mixed, slip_sheet in our words."""
    loading_code: Text | None = None
    """The partner's own code."""
    totals: Totals | None = None
    """What the sender counted."""


class FulfilmentRequested(Fulfilment):
    """An order to ship from a warehouse."""

    order_type: Text | None = None
    """Order type code as written."""
    ship_at: Moment | None = None
    """Requested ship date."""
    deliver_at: Moment | None = None
    """Requested delivery date."""
    cash_on_delivery: Charge | None = None
    """Amount to be collected on delivery."""
    lines: list[RequestedLine] | None = None
    """What to ship."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.cancelled or self.lines):
            raise ValueError("has no lines; an order that cancels nothing must say what to ship")
        return self


class FulfilmentShipped(Fulfilment):
    """What a warehouse shipped for an order."""

    shipment_id: Text | None = None
    """The warehouse's number of the shipment (W0604)."""
    agent_shipment_id: Text | None = None
    """The agent's number of the shipment (W0605)."""
    reporting: Text | None = None
    """full_detail, exceptions_only, no_exceptions … in our words."""
    reporting_code: Text | None = None
    """The partner's own code."""
    shipped_on: Moment | None = None
    """Ship date of the advice (W0603)."""
    shipped_at: Moment | None = None
    """Ship date and time told apart (G62)."""
    delay_reason: Text | None = None
    """Delay reason code as written."""
    consolidation: Text | None = None
    """consolidated, not_consolidated … in our words."""
    consolidation_code: Text | None = None
    """The partner's own code."""
    consolidated_weight: Weight | None = None
    """Weight of the consolidated load."""
    stop_offs: Decimal | None = None
    """Stop-offs of the consolidated load."""
    consolidation_location: Identifier | None = None
    """Where the load is consolidated."""
    pallets: Decimal | None = None
    """Pallets shipped."""
    charges: list[Charge] | None = None
    """Charges of the whole."""
    packs: list[ShippedPack] | None = None
    """Pallets and cartons."""
    lines: list[ShippedLine] | None = None
    """What was shipped."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.cancelled or self.lines):
            raise ValueError("has no lines; an advice that cancels nothing must say what was shipped")
        return self


_REFERENCES = {"order_id": "order", "purchase_order": "purchase_order", "master_link": "master_link", "equipment.number": "equipment"}
_CORRELATION = ("purchase_order", "customer_order", "order", "bill_of_lading", "shipment")

REQUESTED = Family(
    name="fulfilment.requested",
    version=1,
    model=FulfilmentRequested,
    references=_REFERENCES,
    correlation=_CORRELATION,
    pass_on_dead=False,
)
SHIPPED = Family(
    name="fulfilment.shipped",
    version=1,
    model=FulfilmentShipped,
    references={**_REFERENCES, "shipment_id": "shipment", "agent_shipment_id": "shipment"},
    correlation=_CORRELATION,
    pass_on_dead=False,
)
