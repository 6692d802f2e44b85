"""shipment.status: one thing that happened, is planned or is estimated on the way of a shipment (X12 214, IFTSTA …)."""

from typing import Literal, Self

from pydantic import model_validator

from translators.events.family import EventData, Family
from translators.events.goods import Hazard, Lading, Mark
from translators.events.parts import Decimal, Equipment, Leg, Moment, Part, Place, Quantity, Text, Weight


class RawStatus(Part):
    """The carrier's own code, with the element it stood in: the same two letters mean different things in different elements."""

    code: Text
    """Such as "X6"."""
    element: Text
    """The data element: 1650 shipment status, 1652 appointment status."""


class LadingException(Part):
    """Freight that is damaged, short, over …"""

    kind: Text | None = None
    """damaged, short, over, refused … in our words."""
    kind_code: Text | None = None
    """The partner's own code."""
    packaging: Text | None = None
    """Packaging in our words."""
    packaging_code: Text | None = None
    """The partner's own code."""
    quantity: Decimal | None = None
    """How many packages."""


class FreightWeight(Part):
    """A weight with its piece counts."""

    weight: Weight | None = None
    """The weight."""
    pieces: Decimal | None = None
    """How many packages."""
    more_pieces: Decimal | None = None
    """A second count, such as pallets."""
    volume: Quantity | None = None
    """The volume."""


class OrderDetail(Part):
    """One order of the shipment, as the carrier knows it."""

    reference: Text | None = None
    """Reference of the order."""
    purchase_order: Text | None = None
    """The buyer's order number."""
    more_reference: Text | None = None
    """A second reference."""
    quantity: Quantity | None = None
    """How much."""
    weight: Weight | None = None
    """Weight."""
    volume: Quantity | None = None
    """Volume."""


class ShipmentStatus(EventData):
    """One status of one shipment."""

    shipment_id: Text
    """The shipper's number of the shipment, or the carrier's where only that is told: the business key, with the carrier."""
    carrier_reference: Text | None = None
    """The carrier's own number (PRO, waybill)."""
    carrier: Leg
    """Who reports."""
    group: Text | None = None
    """Line or group number of the report (LX01)."""
    event: Text
    """What happened, in our words: pickup.arrived, transit.en_route, delivery.unloaded, appointment.set …; status_unmapped if unknown."""
    milestone: Literal["acknowledged", "pickup", "transit", "delivery", "exception", "info"]
    """The coarse part of the way."""
    classifier: Literal["planned", "estimated", "actual"]
    """Whether it happened, or is expected to."""
    status: RawStatus
    """The carrier's own code."""
    reason: Text | None = None
    """Why, in our words; absent for normal."""
    reason_group: Text | None = None
    """Whose matter the reason is: carrier, consignee, shipper, weather, documents, accident, address, time, rail, other, none."""
    reason_code: Text | None = None
    """The carrier's own reason code."""
    unece: Text | None = None
    """The nearest code of UN/ECE Recommendation 24."""
    biz_step: Text | None = None
    """The nearest business step of GS1's Core Business Vocabulary."""
    occurred_at: Moment | None = None
    """When it happened (classifier actual)."""
    expected_at: Moment | None = None
    """When it is planned or estimated to happen."""
    signed_by: Text | None = None
    """Who signed for the delivery: with it the status is the proof of delivery."""
    written_at: Moment | None = None
    """When the report was made."""
    place: Place | None = None
    """Where."""
    stop: Text | None = None
    """Number of the stop on the way."""
    equipment: list[Equipment] | None = None
    """Trailers and containers, with their seals."""
    weights: list[FreightWeight] | None = None
    """Weights and piece counts."""
    exceptions: list[LadingException] | None = None
    """Damaged, short, over …"""
    lading: list[Lading] | None = None
    """Packages."""
    marks: list[Mark] | None = None
    """Marks and numbers of packages."""
    hazards: list[Hazard] | None = None
    """Handling requirements."""
    carriers: list[Leg] | None = None
    """Other carriers on the way."""
    orders: list[OrderDetail] | None = None
    """Orders in the shipment."""

    @model_validator(mode="after")
    def _time_fits_classifier(self) -> Self:
        if self.classifier == "actual" and self.expected_at is not None:
            raise ValueError("an actual status has no expected_at")
        if self.classifier != "actual" and self.occurred_at is not None:
            raise ValueError("what is planned or estimated has not occurred")
        return self


FAMILY = Family(
    name="shipment.status",
    version=1,
    model=ShipmentStatus,
    references={
        "shipment_id": "shipment",
        "carrier_reference": "pro",
        "equipment.number": "equipment",
        "orders.purchase_order": "purchase_order",
        "orders.reference": "order",
    },
    correlation=("purchase_order", "customer_order", "bill_of_lading", "shipment"),
    pass_on_dead=True,
)
