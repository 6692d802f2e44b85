"""The parts of events that say what goods there are: items, packages, measures, hazards, totals.

Knows no format and no family.
"""

from translators.events.parts import Decimal, Identifier, Part, Quantity, Text, Weight


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
    unit_weight: Weight | None = None
    """Weight of one."""
    volume: Quantity | None = None
    """Volume together."""
    ids: list[Identifier] | None = None
    """Product numbers of what is in them."""


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
    """Kind, code as written: a measurement's (X12 element 737), or a quantity's where `kind_element` says so."""
    kind_element: Text | None = None
    """673 where `kind` is a code of that data element (quantity kinds)."""
    dimension: Text | None = None
    """What was measured, code as written (X12 element 738)."""
    quantity: Quantity | None = None
    """The value."""
    low: Decimal | None = None
    """Lower end of a range."""
    high: Decimal | None = None
    """Upper end of a range."""
    unit: Text | None = None
    """Unit of the range in our words, where there is no quantity that has it."""
    unit_code: Text | None = None
    """The partner's own code of that unit."""
    text: Text | None = None
    """What is said in words in place of a number."""


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
