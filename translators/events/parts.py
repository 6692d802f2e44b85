"""The parts that canonical events are made of: moments, quantities, references, parties, items.

JSON only: decimals are text, so that no number is rounded on its way; a word of ours stands beside the raw code it was read from.
Knows no format.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

Text = Annotated[str, Field(min_length=1)]
Decimal = Annotated[str, Field(pattern=r"^-?(0|[1-9]\d*)(\.\d*[1-9])?$")]
"""A decimal number as text, canonical: no plus, no exponent, no leading or trailing zeros."""


class Part(BaseModel):
    """What all parts share: no field but the documented ones, nothing coerced."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)

    essential: ClassVar[bool] = False
    """True: without a required field the whole event is unusable. False: an incomplete part is left out, and listed as not carried over."""


class Moment(Part):
    """A date, or a date and time, as the partner wrote it, and the instant it names as far as that is known."""

    local: Text
    """As written, in ISO form without offset: "2026-11-16T14:05", or "2026-11-16" where no time was given."""
    instant: Text | None = None
    """RFC 3339 with offset; absent where no time was given or no zone is known."""
    zone: Text | None = None
    """The zone used: an IANA name ("America/Chicago") or a fixed offset ("-05:00")."""
    zone_code: Text | None = None
    """The partner's own zone code (X12 element 623), such as "CT" or "LT"."""
    certainty: Literal["stated", "place", "profile", "none"] | None = None
    """Where the zone comes from: stated with the time, the zone of the place, the partner's profile; none: unknown, so no instant."""
    doubtful: bool | None = None
    """True if the clock was changed at that moment, so that the local time occurs twice or not at all; the earlier reading is given."""


class Quantity(Part):
    """How much of what unit."""

    value: Decimal
    """The number."""
    unit: Text | None = None
    """The unit in our words, such as "each", "case", "pallet", "pound"; "other" for a code without a word."""
    unit_code: Text | None = None
    """The partner's own unit code, such as "EA"."""


class Weight(Quantity):
    """A weight."""

    kind: Text | None = None
    """gross, net, tare, billed …"""
    kind_code: Text | None = None
    """The partner's own code (X12 element 187)."""


class Identifier(Part):
    """One number out of a numbering of somebody."""

    type: Text
    """The numbering in our words, such as "gtin12", "buyer_item", "gln", "duns", "scac"."""
    value: Text
    """The number as written, without padding."""
    code: Text | None = None
    """The partner's own qualifier, such as "UP" or "92"."""


class Reference(Identifier):
    """A number of another document or thing: bill_of_lading, pro, purchase_order, appointment …"""

    description: Text | None = None
    """What the partner wrote beside it."""
    date: Moment | None = None
    """The date that belongs to it."""
    qualifiers: list[Identifier] | None = None
    """Further numbers that narrow it (X12 composite C040)."""


class Times(Part):
    """A moment with its meaning, where the event has no field of its own for it."""

    type: Text | None = None
    """What happens then, in our words, such as "delivery_requested", "not_before", "expiry"."""
    code: Text | None = None
    """The partner's own qualifier."""
    time_type: Text | None = None
    """What the time of day means, if it is told apart from the date (X12 G6203), such as "delivery_appointment"."""
    time_code: Text | None = None
    """The partner's own qualifier of the time."""
    moment: Moment | None = None
    """When; absent if it could not be read."""
    period: Text | None = None
    """A period or other form as written (X12 DTM06)."""
    period_format: Text | None = None
    """The form of the period (X12 DTM05), such as "RD8"."""


class Contact(Part):
    """A person or desk."""

    function: Text | None = None
    """What for, in our words: information, delivery, receiving …"""
    function_code: Text | None = None
    """The partner's own code."""
    name: Text | None = None
    """Who."""
    channels: list[Identifier] | None = None
    """Telephone, mail and so on: `type` says which, `value` is the number or address."""
    reference: Text | None = None
    """What to quote."""


class Address(Part):
    """A postal address."""

    lines: list[Text] | None = None
    """Street lines, in order."""
    city: Text | None = None
    """City."""
    region: Text | None = None
    """State or province, usually two letters."""
    postal_code: Text | None = None
    """Postal code as written."""
    country: Text | None = None
    """Country code as written (two or three letters)."""
    subdivision: Text | None = None
    """Country subdivision code, where it is given apart from the state."""
    location_type: Text | None = None
    """What `location` is a number of."""
    location: Text | None = None
    """A location number (dock, door, store, port …)."""


class Party(Part):
    """A company or place and its part in the matter."""

    role: Text
    """ship_to, ship_from, bill_to, buyer, warehouse, carrier …; "other" for a code without a word."""
    role_code: Text | None = None
    """The partner's own code, such as "ST"."""
    name: Text | None = None
    """Name."""
    more_names: list[Text] | None = None
    """Second name lines."""
    ids: list[Identifier] | None = None
    """GLN, DUNS, SCAC, numbers given by buyer or seller …"""
    address: Address | None = None
    """Where it is."""
    contacts: list[Contact] | None = None
    """Whom to call."""
    references: list[Reference] | None = None
    """Numbers of this party."""
    times: list[Times] | None = None
    """Dates of this party."""


class Place(Part):
    """Where something happened or the freight is."""

    city: Text | None = None
    """City."""
    region: Text | None = None
    """State or province."""
    country: Text | None = None
    """Country code."""
    postal_code: Text | None = None
    """Postal code."""
    longitude: Decimal | None = None
    """Degrees, east positive."""
    latitude: Decimal | None = None
    """Degrees, north positive."""


class Temperature(Part):
    """A temperature range to be kept."""

    low: Quantity | None = None
    """Lowest, or the only one."""
    high: Quantity | None = None
    """Highest."""
    text: Text | None = None
    """What the partner wrote beside it."""


class Equipment(Part):
    """A trailer, container or car."""

    initial: Text | None = None
    """Owner's prefix, such as a SCAC or container prefix."""
    number: Text | None = None
    """Number."""
    check_digit: Text | None = None
    """Check digit, where given apart."""
    kind: Text | None = None
    """trailer, reefer_trailer, container … in our words."""
    kind_code: Text | None = None
    """The partner's own code."""
    size_type: Text | None = None
    """ISO size and type code."""
    ownership: Text | None = None
    """Ownership code as written."""
    seals: list[Text] | None = None
    """Seal numbers."""
    seal_status: Text | None = None
    """Seal status code as written."""
    weight: Weight | None = None
    """Weight of the equipment."""
    temperature: Temperature | None = None
    """Temperature to be kept."""
    vent: Text | None = None
    """Vent setting as written."""
    humidity: Text | None = None
    """Per cent, as written."""


class Leg(Part):
    """One carrier's part of the way."""

    scac: Text | None = None
    """Standard carrier alpha code."""
    ids: list[Identifier] | None = None
    """Other numbers of the carrier."""
    sequence: Text | None = None
    """Which part of the way, in our words: origin_and_delivery, origin, next_1 …"""
    sequence_code: Text | None = None
    """The partner's own code."""
    mode: Text | None = None
    """truck, less_than_truckload, air, rail, parcel …"""
    mode_code: Text | None = None
    """The partner's own code."""
    text: Text | None = None
    """Routing or carrier name as written."""
    service: list[Text] | None = None
    """Service level codes as written."""
    status: Text | None = None
    """Status of the shipment or order, in our words."""
    status_code: Text | None = None
    """The partner's own code."""
    transit_time: Quantity | None = None
    """How long it takes."""
    transit_direction: Text | None = None
    """Transit direction code as written."""
    place: Place | None = None
    """Where the carrier takes over."""
    location_type: Text | None = None
    """What `location` is a number of."""
    location: Text | None = None
    """A location number."""
    country: Text | None = None
    """Country code."""
    change_reason: Text | None = None
    """Why the carrier was changed, code as written."""


class Note(Part):
    """Free text for a person."""

    kind: Text | None = None
    """For whom or about what, in our words."""
    kind_code: Text | None = None
    """The partner's own code."""
    text: Text
    """The text."""


class FreightTerms(Part):
    """Who pays the freight."""

    payment: Text | None = None
    """prepaid, collect, third_party …"""
    payment_code: Text | None = None
    """The partner's own code."""
    location_type: Text | None = None
    """What kind of place the terms name, code as written."""
    description: Text | None = None
    """Place or terms as written."""
    trade_terms: Text | None = None
    """Trade terms code as written, such as an Incoterm."""


class IndustryCode(Part):
    """A code of an agency's own list."""

    agency: Text | None = None
    """Agency, code as written."""
    source: Text | None = None
    """Part of the agency's lists."""
    list: Text | None = None
    """Which list, code as written."""
    code: Text
    """The code."""
