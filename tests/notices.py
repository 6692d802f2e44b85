"""Ship notices and shipping advices as events, for whoever tries what an ERP makes of them."""

import json
from typing import Any

from gateway.clock import now
from gateway.records.deliveries import ToDeliver

TYPE = "org.crossdock.shipment.notified.v1"
SHIPPED = "org.crossdock.fulfilment.shipped.v1"


def notice(number: str, *lines: tuple[str, str, str], unit: str = "EA", **more: Any) -> dict[str, Any]:
    """Lines are (order, the partner's item, quantity); one carton each."""
    orders = list(dict.fromkeys(order for order, _, _ in lines))
    told = [
        {
            "id": f"l{at}", "order": f"o{orders.index(order)}", "number": str(at + 1), "item": {"ids": [{"type": "vendor_item", "value": item}]},
            "shipped": {"value": quantity, "unit": "each", "unit_code": unit},
        }
        for at, (order, item, quantity) in enumerate(lines)
    ]  # fmt: skip
    return {
        "notice_id": number, "purpose": "original", "orders": [{"id": f"o{at}", "purchase_order": order} for at, order in enumerate(orders)],
        "lines": told, "evidence": {"format": "x12", "partner": "northway"},
    } | more  # fmt: skip


def advice(order: str, number: str, *lines: tuple[str, str], unit: str = "EA", **more: Any) -> dict[str, Any]:
    """What a warehouse has shipped of an order; lines are (its item, quantity)."""
    told = [
        {
            "id": f"l{at}", "number": str(at + 1), "item": {"ids": [{"type": "vendor_item", "value": item}]},
            "shipped": {"value": quantity, "unit": "each", "unit_code": unit},
        }
        for at, (item, quantity) in enumerate(lines)
    ]  # fmt: skip
    return {
        "order_id": order,
        "shipment_id": number,
        "purpose": "original",
        "lines": told,
        "evidence": {"format": "x12", "partner": "northway"},
    } | more


def delivery(number: str, *, revision: int = 1, attempts: int = 0, in_doubt: bool = False, type_: str = TYPE, partner: str = "northway") -> ToDeliver:
    attributes = {
        "id": f"{number}-r{revision}", "type": type_, "source": f"/partners/{partner}", "subject": f"shipment/{number}", "stream": "production",
        "time": "2026-11-16T09:30:00Z", "sequence": f"{revision:010d}",
    }  # fmt: skip
    given = json.dumps(attributes)
    return ToDeliver("d", "l", 1, partner, "target:erp", "event", "m", None, number, "x", given, attempts, in_doubt, "pass", now(), None, None, "", 0)


def data_of(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
