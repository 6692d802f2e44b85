"""load.tendered and load.answered: a load is offered to a carrier, and the carrier answers (X12 204 and 990)."""

from typing import Self

from pydantic import model_validator

from translators.events.family import EventData, Family
from translators.events.goods import Hazard, Lading
from translators.events.parts import Decimal, Equipment, Leg, Moment, Note, Part, Party, Quantity, Reference, Text, Times, Weight


class LoadOrder(Part):
    """An order that is picked up or dropped at a stop."""

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
    lading: list[Lading] | None = None
    """Its packages."""


class Stop(Part):
    """One stop of a load."""

    number: Text
    """Which stop: 1 is the first."""
    kind: Text | None = None
    """pickup, partial_pickup, delivery, partial_delivery … in our words."""
    kind_code: Text | None = None
    """The partner's own code (X12 element 163)."""
    description: Text | None = None
    """What is said of it."""
    location: Text | None = None
    """Standard point location code."""
    weight: Weight | None = None
    """Weight taken or left there."""
    quantity: Quantity | None = None
    """Units taken or left there."""
    volume: Quantity | None = None
    """Volume taken or left there."""
    done_by: Text | None = None
    """Who works there, code as written."""
    parties: list[Party] | None = None
    """Whose place it is."""
    times: list[Times] | None = None
    """When."""
    references: list[Reference] | None = None
    """Numbers of the stop."""
    notes: list[Note] | None = None
    """Free text."""
    handling: list[Hazard] | None = None
    """Special handling."""
    orders: list[LoadOrder] | None = None
    """Orders there."""
    goods: list[Lading] | None = None
    """Goods there, where they are told without an order."""


class Load(EventData):
    """What tender and answer have in common."""

    shipment_id: Text | None = None
    """The shipper's number of the load."""
    carrier: Leg | None = None
    """Who carries it, or shall."""
    equipment: list[Equipment] | None = None
    """Trailers and their seals."""
    stops: list[Stop] | None = None
    """Stops, in order."""
    hazards: list[Hazard] | None = None
    """Special handling of the whole."""


class LoadTendered(Load):
    """A load offered to a carrier."""

    shipment_id: Text
    """The shipper's number of the load: the business key."""
    service: Text | None = None
    """Tariff service code as written."""
    payment: Text | None = None
    """prepaid, collect, third_party … in our words."""
    payment_code: Text | None = None
    """The partner's own code."""
    qualifier: Text | None = None
    """Shipment qualifier as written."""
    weight_unit: Text | None = None
    """Weight unit code as written."""
    equipment_count: Decimal | None = None
    """How many trailers."""
    application: Text | None = None
    """Application type code as written."""
    respond_by: Moment | None = None
    """Until when the carrier may answer."""
    carriers: list[Leg] | None = None
    """Carriers of parts of the way."""
    weight: Weight | None = None
    """Weight of the whole."""
    volume: Quantity | None = None
    """Volume of the whole."""
    pieces: Decimal | None = None
    """Packages of the whole."""
    charge: Decimal | None = None
    """What is offered for it."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.cancelled or self.stops):
            raise ValueError("has no stops; a tender that cancels nothing must say from where to where")
        return self


class LoadAnswered(Load):
    """A carrier's answer to a tender."""

    shipment_id: Text
    """The shipper's number of the load: the business key."""
    answered_on: Moment | None = None
    """When."""
    answer: Text | None = None
    """accepted, declined, cancelled … in our words; absent where the code is left out."""
    answer_code: Text | None = None
    """The carrier's own code (X12 element 558)."""
    decline_reason: Text | None = None
    """Why it was declined, code as written."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.cancelled or self.answer_code):
            raise ValueError("has no answer_code; an answer must say yes or no")
        return self


_CORRELATION = ("shipment", "bill_of_lading", "purchase_order")
_REFERENCES = {
    "shipment_id": "shipment",
    "equipment.number": "equipment",
    "stops.orders.purchase_order": "purchase_order",
    "stops.orders.reference": "order",
}

TENDERED = Family(name="load.tendered", version=1, model=LoadTendered, references=_REFERENCES, correlation=_CORRELATION, pass_on_dead=False)
ANSWERED = Family(name="load.answered", version=1, model=LoadAnswered, references=_REFERENCES, correlation=_CORRELATION, pass_on_dead=False)
