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


class Lading(Part):
    """How many packages of what kind, and what they weigh together."""

    packaging: Text | None = None
    """Packaging in our words."""
    packaging_code: Text | None = None
    """The partner's own code, such as "CTN25"."""
    quantity: Decimal | None = None
    """How many."""
    commodity: Identifier | None = None
    """Commodity number."""
    description: Text | None = None
    """What it is."""
    weight: Weight | None = None
    """Weight together."""
    volume: Quantity | None = None
    """Volume together."""


class Dimensions(Part):
    """Length, width and height of one."""

    length: Quantity | None = None
    """Length."""
    width: Quantity | None = None
    """Width."""
    height: Quantity | None = None
    """Height."""


class Measurement(Part):
    """Anything measured that has no field of its own."""

    kind: Text | None = None
    """Kind, code as written (X12 element 737)."""
    dimension: Text | None = None
    """What was measured, code as written (X12 element 738)."""
    quantity: Quantity | None = None
    """The value."""
    low: Decimal | None = None
    """Lower end of a range."""
    high: Decimal | None = None
    """Upper end of a range."""


class Packaging(Part):
    """How a thing is packed."""

    kind: Text | None = None
    """Packaging in our words."""
    code: Text | None = None
    """The partner's own packaging code."""
    inner_units: Decimal | None = None
    """Inner packs or units in one pack."""
    inner_packs: Decimal | None = None
    """Eaches in one inner pack."""
    size: Quantity | None = None
    """Size of one inner unit."""
    weight: Weight | None = None
    """Weight of one pack."""
    unit_weight: Decimal | None = None
    """Weight of one unit."""
    volume: Quantity | None = None
    """Volume of one pack."""
    dimensions: Dimensions | None = None
    """Dimensions of one pack."""
    pallet: Text | None = None
    """Pallet type code as written."""
    tiers: Decimal | None = None
    """Layers on a pallet."""
    blocks: Decimal | None = None
    """Packs in a layer."""
    exchange: Text | None = None
    """Pallet exchange in our words."""
    exchange_code: Text | None = None
    """The partner's own code."""
    colour: Text | None = None
    """Colour as written."""
    texts: list[Text] | None = None
    """Packing and marking texts."""


class Mark(Identifier):
    """A mark or number on a package; `to` closes a range."""

    to: Text | None = None
    """Last number of the range that begins with `value`."""


class Item(Part):
    """What the goods are."""

    ids: list[Identifier] | None = None
    """Product numbers: gtin12, gtin13, gtin14, sku, buyer_item, vendor_item …"""
    descriptions: list[Text] | None = None
    """Descriptions as written."""


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


class Hazard(Part):
    """Special handling or dangerous goods."""

    handling: Text | None = None
    """Special handling code as written."""
    hazard_type: Text | None = None
    """Numbering of the class, code as written."""
    hazard_class: Text | None = None
    """Hazard class."""
    service: Text | None = None
    """Special service code as written."""
    description: Text | None = None
    """What the partner wrote."""


class Totals(Part):
    """What the sender counted."""

    lines: Decimal | None = None
    """Number of lines or levels, as the sender counts."""
    hash: Decimal | None = None
    """The sender's check sum of quantities."""
    quantity: Quantity | None = None
    """Units together."""
    packages: Quantity | None = None
    """Packages together."""
    weight: Weight | None = None
    """Weight together."""
    volume: Quantity | None = None
    """Volume together."""
    sizing_factor: Decimal | None = None
    """Order sizing factor as written."""


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


class Evidence(Part):
    """Where in the received bytes this was read, and by which rules."""

    format: Text
    """x12."""
    set: Text
    """Transaction set id, such as "856"."""
    release: Text
    """The grammar it was read with, such as "004010"."""
    version: Text | None = None
    """The version the sender named (GS08)."""
    interchange: Text | None = None
    """Interchange control number (ISA13)."""
    group: Text | None = None
    """Group control number (GS06)."""
    control: Text | None = None
    """Set control number (ST02)."""
    sender: Text | None = None
    """Sender's id as the envelope has it."""
    receiver: Text | None = None
    """Receiver's id as the envelope has it."""
    usage: Text | None = None
    """P production, T test."""
    byte_start: int
    """Where the set begins in the message, bytes from 0."""
    byte_end: int
    """Where it ends, exclusive."""
    segments: list[int]
    """First and last segment (ST is 1) of the part of the set that this event was made of; references above it count too."""
    mapping: Text
    """The mapping and its overlays, such as "x12/945 + demo-3pl"."""
    partner: Text | None = None
    """Who sent it."""
    message: Text | None = None
    """The gateway's id of the message."""
    document: Text | None = None
    """The gateway's id of the document."""
    profile: Text | None = None
    """Name and revision of the profile that treated it."""


class UnknownCode(Part):
    """A code that our tables have no word for."""

    table: Text
    """The table, such as "shipment_status"."""
    code: Text
    """The code as written."""


class Unreadable(Part):
    """A value that could not be read as what it should be; it stands in the document only."""

    path: Text
    """The element, such as "DTM/02"."""
    text: Text
    """What is wrong with it."""


class Quality(BaseModel):
    """What is doubtful about the event. Open: the gateway and later versions add notes."""

    model_config = ConfigDict(extra="allow", use_attribute_docstrings=True)

    assumed_zone: bool | None = None
    """True if `time` rests on a zone that nobody stated."""
    time_precision: Literal["day", "received"] | None = None
    """day: `time` is the start of a day; received: the document has no usable time, so it is when we received it."""
    unknown_codes: list[UnknownCode] | None = None
    """Codes without a word of ours."""
    unreadable: list[Unreadable] | None = None
    """Values left out because they could not be read."""
    invalid_sscc: list[Text] | None = None
    """SSCCs whose length or check digit is wrong."""
    late: bool | None = None
    """True if a later event of the same subject was told before."""
    findings: int | None = None
    """How many faults the check of the document found."""
