"""freight.billed: what a carrier charges for a shipment (X12 210, IFTFCC …)."""

from typing import Self

from pydantic import model_validator

from translators.events.family import EventData, Family
from translators.events.goods import Hazard, Lading
from translators.events.load import LoadOrder, Stop
from translators.events.parts import Decimal, Equipment, Leg, Moment, Note, Part, Party, Quantity, Reference, Text, Weight


class FreightCharge(Part):
    """One charge, in the currency of the bill where it names none of its own."""

    code: Text | None = None
    """What for, the carrier's own code, such as "FUE" or "400" (X12 element 150)."""
    text: Text | None = None
    """What for, in the carrier's words."""
    amount: Decimal | None = None
    """How much."""
    rate: Decimal | None = None
    """What one costs."""
    rate_code: Text | None = None
    """What the rate is of, code as written (X12 element 122)."""
    quantity: Decimal | None = None
    """How many were billed."""
    quantity_code: Text | None = None
    """Of what, code as written (X12 element 221)."""
    percent: Decimal | None = None
    """Where it is a share of something."""
    advances: Decimal | None = None
    """What the carrier has paid for others."""
    prepaid: Decimal | None = None
    """What was paid before."""
    payment: Text | None = None
    """Who pays it, code as written."""
    currency: Text | None = None
    """ISO 4217 code, where it is not that of the bill."""
    declared_value: Decimal | None = None
    """The value that was declared for the goods."""
    declared_per: Text | None = None
    """What that value is of, code as written."""


class Billed(Part):
    """A quantity that was rated."""

    quantity: Decimal | None = None
    """How many were billed."""
    quantity_code: Text | None = None
    """Of what, code as written."""
    weight: Weight | None = None
    """Weight."""
    volume: Quantity | None = None
    """Volume."""
    pieces: Decimal | None = None
    """Packages."""
    packaging: Text | None = None
    """Packaging code as written."""


class Tariff(Part):
    """By which tariff it was rated, as written."""

    agency: Text | None = None
    """Whose."""
    number: Text | None = None
    """Number."""
    section: Text | None = None
    """Section."""
    item: Text | None = None
    """Item."""
    freight_class: Text | None = None
    """Freight class."""
    supplement: Text | None = None
    """Supplement."""
    basis: Text | None = None
    """Rate basis number."""


class BilledLine(Part):
    """One line of a bill."""

    essential = True

    id: Text
    """Its id in this event."""
    number: Text | None = None
    """Line number as the carrier counts."""
    goods: list[Lading] | None = None
    """What was carried."""
    quantities: list[Billed] | None = None
    """What was rated."""
    charges: list[FreightCharge] | None = None
    """What it costs."""
    tariffs: list[Tariff] | None = None
    """By which tariffs."""
    references: list[Reference] | None = None
    """Numbers of the line."""
    orders: list[LoadOrder] | None = None
    """Orders in it."""
    parties: list[Party] | None = None
    """Parties of the line."""
    notes: list[Note] | None = None
    """Free text."""
    delivered_at: Moment | None = None
    """When it was delivered."""
    signed_by: Text | None = None
    """Who signed for it."""


class FreightTotals(Part):
    """What the carrier added up."""

    weight: Weight | None = None
    """Weight."""
    volume: Quantity | None = None
    """Volume."""
    pieces: Decimal | None = None
    """Packages."""
    rate: Decimal | None = None
    """Rate of the whole."""
    rate_code: Text | None = None
    """What the rate is of, code as written."""
    charge: Decimal | None = None
    """All charges."""
    advances: Decimal | None = None
    """What the carrier has paid for others."""
    prepaid: Decimal | None = None
    """What was paid before."""
    charge_code: Text | None = None
    """Special charge code as written."""
    declared_value: Decimal | None = None
    """The value that was declared."""
    declared_per: Text | None = None
    """What that value is of, code as written."""


class FreightBilled(EventData):
    """A carrier's bill for one shipment."""

    invoice_id: Text
    """The carrier's number of the bill: the business key, with the carrier."""
    shipment_id: Text | None = None
    """The shipper's number of the shipment."""
    carrier: Leg
    """Who bills."""
    billed_on: Moment
    """Date of the bill."""
    amount: Decimal
    """What is due."""
    currency: Text | None = None
    """ISO 4217 code; absent: as agreed."""
    exchange_rate: Decimal | None = None
    """Where it was converted."""
    correction: Text | None = None
    """Correction indicator as written: a bill that stands for an earlier one."""
    qualifier: Text | None = None
    """Shipment qualifier as written."""
    payment: Text | None = None
    """prepaid, collect, third_party … in our words."""
    payment_code: Text | None = None
    """The partner's own code."""
    service: Text | None = None
    """Tariff service code as written."""
    trade_terms: Text | None = None
    """Terms of transport, code as written."""
    weight_unit: Text | None = None
    """Weight unit code as written."""
    dated: Moment | None = None
    """A second date of the bill, as the carrier uses it."""
    due_on: Moment | None = None
    """When it is to be paid."""
    net_days: Decimal | None = None
    """Days until then."""
    discount_percent: Decimal | None = None
    """Discount for paying early."""
    discount_days: Decimal | None = None
    """Days in which it is given."""
    terms_text: Text | None = None
    """Terms of payment in words."""
    terms_type: Text | None = None
    """Terms type code as written."""
    carriers: list[Leg] | None = None
    """Carriers of parts of the way."""
    equipment: list[Equipment] | None = None
    """Trailers and their seals."""
    hazards: list[Hazard] | None = None
    """Special handling."""
    orders: list[LoadOrder] | None = None
    """Orders in the shipment."""
    stops: list[Stop] | None = None
    """Stops, in order."""
    lines: list[BilledLine] | None = None
    """What was carried, and what it costs."""
    totals: FreightTotals | None = None
    """What the carrier added up."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.cancelled or self.lines or self.totals):
            raise ValueError("has neither lines nor totals; a bill must say what it is for")
        return self


FAMILY = Family(
    name="freight.billed",
    version=1,
    model=FreightBilled,
    references={
        "invoice_id": "invoice",
        "shipment_id": "shipment",
        "equipment.number": "equipment",
        "orders.purchase_order": "purchase_order",
        "stops.orders.purchase_order": "purchase_order",
        "lines.orders.purchase_order": "purchase_order",
    },
    correlation=("shipment", "bill_of_lading", "purchase_order", "invoice"),
    pass_on_dead=False,
)
