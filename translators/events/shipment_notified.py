"""shipment.notified: a shipment is on its way, this is what is in it (X12 856, DESADV, cXML ShipNotice …).

Orders, packs and lines are flat lists that name each other by id, so that every structure of a ship notice is one shape.
"""

from typing import Any, Self

from pydantic import model_validator

from translators.events.family import EventData, Family
from translators.events.goods import Dimensions, Hazard, Item, Lading, Mark, Measurement, Packaging, Totals
from translators.events.parts import Decimal, Equipment, FreightTerms, Identifier, Leg, Moment, Part, Party, Quantity, Reference, Text, Times, Weight


class Order(Part):
    """One purchase order in the shipment."""

    id: Text
    """Its id in this event."""
    pack: Text | None = None
    """Id of the pack it lies in, where orders are told below packs."""
    purchase_order: Text | None = None
    """The buyer's order number."""
    release: Text | None = None
    """Release of a blanket order."""
    change_order: Text | None = None
    """Change order number."""
    ordered_on: Moment | None = None
    """Date of the order."""
    contract: Text | None = None
    """Contract number."""
    order_type: Text | None = None
    """Type of order, code as written."""
    references: list[Reference] | None = None
    """Numbers of the order: invoice, department, vendor …"""
    parties: list[Party] | None = None
    """Parties of the order, such as the store it is for."""
    times: list[Times] | None = None
    """Dates of the order."""
    lading: list[Lading] | None = None
    """Packages of the order."""
    shipped: Quantity | None = None
    """Quantity told for the order as a whole."""


class Pack(Part):
    """One pallet, carton or inner pack."""

    id: Text
    """Its id in this event."""
    kind: Text | None = None
    """pallet, carton, inner_pack."""
    parent: Text | None = None
    """Id of the pack that holds it."""
    order: Text | None = None
    """Id of the order it belongs to, if it belongs to one only."""
    line: Text | None = None
    """Id of the line it is a part of, where packs are told below lines."""
    sscc: Text | None = None
    """Serial shipping container code, 18 digits."""
    marks: list[Mark] | None = None
    """Other marks and numbers, such as a parcel number."""
    packaging: list[Packaging] | None = None
    """How it is packed."""
    lading: list[Lading] | None = None
    """What it weighs and holds."""
    measurements: list[Measurement] | None = None
    """Other measures."""
    shipped: Quantity | None = None
    """Quantity told for the pack itself."""
    references: list[Reference] | None = None
    """Numbers of the pack."""
    parties: list[Party] | None = None
    """Parties of the pack, such as the store it is marked for."""
    times: list[Times] | None = None
    """Dates of the pack."""


class Component(Part):
    """One part of a kit or prepack line."""

    number: Text | None = None
    """Line number."""
    parent_number: Text | None = None
    """Number of the component it belongs to."""
    relation: Text | None = None
    """Relation code as written."""
    quantity: Quantity | None = None
    """How much."""
    ids: list[Identifier] | None = None
    """Product numbers."""


class Line(Part):
    """Goods of one kind in the shipment."""

    id: Text
    """Its id in this event."""
    order: Text | None = None
    """Id of the order it fulfils."""
    pack: Text | None = None
    """Id of the innermost pack it lies in."""
    parent: Text | None = None
    """Id of the line it is a component of."""
    number: Text | None = None
    """Line number as the buyer or seller counts."""
    shipped_number: Text | None = None
    """Line number as told with the quantity (SN101)."""
    purchase_order: Text | None = None
    """Order number, where it is told on the line."""
    item: Item | None = None
    """What it is."""
    shipped: Quantity | None = None
    """How much is in the shipment."""
    ordered: Quantity | None = None
    """How much was ordered."""
    shipped_to_date: Decimal | None = None
    """How much of the order was shipped so far."""
    status: Text | None = None
    """Status of the line in our words."""
    status_code: Text | None = None
    """The partner's own code."""
    returnable: Text | None = None
    """Returnable load code as written."""
    lots: list[Text] | None = None
    """Lot numbers."""
    serials: list[Text] | None = None
    """Serial numbers."""
    expires: Moment | None = None
    """Best before or expiry date."""
    packaging: list[Packaging] | None = None
    """How the goods are packed."""
    lading: list[Lading] | None = None
    """Packages of the line."""
    measurements: list[Measurement] | None = None
    """Other measures."""
    marks: list[Mark] | None = None
    """Marks and numbers."""
    components: list[Component] | None = None
    """Parts of a kit or prepack."""
    references: list[Reference] | None = None
    """Numbers of the line."""
    parties: list[Party] | None = None
    """Parties of the line, such as the manufacturer."""
    times: list[Times] | None = None
    """Dates of the line."""


class ShipmentNotified(EventData):
    """A shipment and what is in it."""

    notice_id: Text
    """The sender's number of the notice (BSN02): the business key."""
    written_at: Moment | None = None
    """When the notice was made."""
    structure: Text | None = None
    """How the sender nests the levels, code as written (BSN05)."""
    notice_type: Text | None = None
    """Type of notice, code as written (BSN06)."""
    reason: Text | None = None
    """Status reason, code as written (BSN07)."""
    shipped_at: Moment | None = None
    """When the goods left."""
    delivery_expected_at: Moment | None = None
    """When they should arrive."""
    carriers: list[Leg] | None = None
    """Who carries them, leg by leg."""
    equipment: list[Equipment] | None = None
    """Trailers and containers with their seals."""
    lading: list[Lading] | None = None
    """Packages and weights of the whole."""
    freight_terms: list[FreightTerms] | None = None
    """Who pays the freight."""
    hazards: list[Hazard] | None = None
    """Special handling."""
    packaging: list[Packaging] | None = None
    """How the whole is packed."""
    measurements: list[Measurement] | None = None
    """Other measures."""
    marks: list[Mark] | None = None
    """Marks of the whole."""
    dimensions: list[Dimensions] | None = None
    """Dimensions of the whole."""
    weight: Weight | None = None
    """Weight of the whole, where it is told apart from the lading."""
    orders: list[Order] | None = None
    """Purchase orders in the shipment."""
    packs: list[Pack] | None = None
    """Pallets, cartons, inner packs."""
    lines: list[Line] | None = None
    """Goods."""
    totals: Totals | None = None
    """What the sender counted."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.cancelled or self.lines or self.packs):
            raise ValueError("lists neither packs nor lines; a notice that cancels nothing must say what was shipped")
        return self


PACKS_BELOW_LINES, ORDERS_BELOW_PACKS = "0002", "0003"
"""Structures (BSN05) that nest otherwise than shipment, order, pack, item."""


def settle(data: dict[str, Any]) -> dict[str, Any]:
    """The notice with the relations that its lines imply: a pack all of whose lines are of one order lies in that order, and so on.

    A tree needs them; flat lists need not tell them. What is told stays; what the lines do not agree on stays untold.
    """
    lines, packs, structure = data.get("lines") or [], data.get("packs") or [], data.get("structure")
    if structure == ORDERS_BELOW_PACKS:
        return (
            data | {"orders": _told_by(lines, data.get("orders") or [], own="order", other="pack", above=("pack",))} if data.get("orders") else data
        )
    if not packs:
        return data
    if structure == PACKS_BELOW_LINES:
        return data | {
            "packs": _told_by(
                [{**line, "line": line.get("id")} for line in lines], packs, own="pack", other="line", above=("line", "parent", "order")
            )
        }
    parents = {pack.get("id"): pack.get("parent") for pack in packs}
    outermost = [{**line, "pack": _outermost(line.get("pack"), parents)} for line in lines]
    return data | {"packs": _told_by(outermost, packs, own="pack", other="order", above=("order", "parent", "line"))}


def _outermost(pack: Any, parents: dict[Any, Any]) -> Any:
    for _ in parents:  # a circle ends with the packs there are; the writer tells it
        if parents.get(pack) is None:
            break
        pack = parents[pack]
    return pack


def _told_by(lines: list[dict[str, Any]], items: list[dict[str, Any]], *, own: str, other: str, above: tuple[str, ...]) -> list[dict[str, Any]]:
    """The items, those without anything above them with the one `other` that all their lines name."""
    named: dict[Any, set[Any]] = {}
    for line in lines:
        named.setdefault(line.get(own), set()).add(line.get(other))
    settled = []
    for item in items:
        found = named.get(item.get("id"), set()) - {None}
        alone = len(found) == 1 and not any(key in item for key in above)
        settled.append({**item, other: next(iter(found))} if alone else item)
    return settled


FAMILY = Family(
    name="shipment.notified",
    version=1,
    model=ShipmentNotified,
    references={
        "notice_id": "shipment",
        "orders.purchase_order": "purchase_order",
        "lines.purchase_order": "purchase_order",
        "equipment.number": "equipment",
    },
    correlation=("purchase_order", "customer_order", "bill_of_lading", "shipment"),
    pass_on_dead=False,
    settle=settle,
)
