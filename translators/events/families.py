"""The table of event families, and their published schemas. To add a family is one file and one line here."""

from typing import Any

from translators.events import exchange, freight, fulfilment, inventory, load, shipment_notified, shipment_status, warehouse
from translators.events.family import Family, OwnFamily

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        shipment_notified.FAMILY,
        shipment_status.FAMILY,
        fulfilment.REQUESTED,
        fulfilment.SHIPPED,
        warehouse.SHIPPED,
        warehouse.CONFIRMED,
        inventory.SNAPSHOT,
        inventory.ADJUSTED,
        load.TENDERED,
        load.ANSWERED,
        freight.FAMILY,
    )
}

OWN: dict[str, OwnFamily] = {family.name: family for family in (exchange.FAMILY,)}
"""Those that the gateway makes itself."""

SCHEMA_BASE = "https://crossdock.example/schemas/"
"""Names schemas apart; nothing is fetched from it."""


def json_schema(family: Family | OwnFamily) -> dict[str, Any]:
    """The JSON Schema (2020-12) of the data of one family's events."""
    schema = family.model.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"{SCHEMA_BASE}{family.type}.json", **schema}
