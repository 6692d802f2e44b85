"""Which deliveries go first where several wait for one destination: four classes, by what the event says.

Knows neither destinations nor rows.
"""

from typing import Literal

Priority = Literal["release", "normal", "status", "reconciliation"]
PRIORITIES: dict[Priority, int] = {"release": 0, "normal": 1, "status": 2, "reconciliation": 3}
"""By class: the lower number goes first."""
RECEIPTS = PRIORITIES["status"]
"""Acknowledgments and receipts that we write."""
BY_FAMILY: dict[str, Priority] = {
    "fulfilment.requested": "release",
    "load.tendered": "release",
    "shipment.status": "status",
    "exchange.settled": "status",
    "inventory.snapshot": "reconciliation",
}
"""Families of events; all others are normal."""


def priority_of(event_type: str, agreed: Priority | None = None) -> int:
    """The class of an event type such as org.crossdock.shipment.status.v1, or of its family's name alone; what is agreed goes before."""
    family = event_type.removeprefix("org.crossdock.").rpartition(".v")[0] or event_type
    return PRIORITIES[agreed or BY_FAMILY.get(family, "normal")]
