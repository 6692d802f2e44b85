"""Tells one translated transaction set to a person: what, who, where, which goods, and what was not carried over.

Knows the shape of event data; reads no file and knows no command.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from translators.document import Finding
from translators.events.draft import EventDraft
from translators.mapping import Mapped
from translators.x12.reader import SetReading

Data = Mapping[str, Any]
MOST_LINES = 12
"""Goods and packs shown one by one; the others are counted."""
MAIN_ROLES = ("ship_from", "ship_to", "consignee", "shipper", "warehouse", "buyer", "depositor", "bill_to")


def tell(reading: SetReading, mapped: Mapped | None, reason: str | None) -> Iterator[str]:
    """The lines for one set, a blank one at the end."""
    note = f" ({reading.note})" if reading.note else ""
    heading = f"{reading.set_id} {reading.control}, {reading.segments} segments, bytes {reading.byte_start} to {reading.byte_end}{note}"
    if reading.warnings:
        heading += f"\n  let pass: {', '.join(reading.warnings)}"
    yield from tell_mapped(heading, reading.findings, mapped, reason)


def tell_mapped(heading: str, findings: Sequence[Finding], mapped: Mapped | None, reason: str | None) -> Iterator[str]:
    """The lines for one document of any format."""
    yield heading
    if mapped is None:
        yield f"  no event: {reason}"
        yield ""
        return
    for draft in mapped.events:
        yield from _event(draft)
    faults = [*findings, *mapped.findings]
    if faults:
        yield f"  found wrong ({len(faults)}):"
        yield from (f"    {finding.segment} at {finding.position}: {finding.text}" for finding in faults[:MOST_LINES])
    if mapped.unmapped:
        yield "  not carried over:"
        for entry in mapped.unmapped[:MOST_LINES]:
            more = f", and {entry.values - 1} more" if entry.values > 1 else ""
            yield f"    {entry.path}: {entry.example}{more}"
        if len(mapped.unmapped) > MOST_LINES:
            yield f"    and {len(mapped.unmapped) - MOST_LINES} other places"
    yield ""


def _event(draft: EventDraft) -> Iterator[str]:
    note = "" if draft.purpose == "original" else f"  ({draft.purpose})"
    first, *rest = tell_event(draft.type, draft.subject, draft.time, draft.data)
    yield f"  {first}{note}"
    yield from (f"  {line}" for line in rest)


def tell_event(kind: str, subject: str, when: str, data: Data) -> Iterator[str]:
    """The lines of one event, wherever its data come from: what, when, who, which goods, what is doubtful."""
    yield f"{kind.removeprefix('org.crossdock.')}  {subject}  {when}"
    yield from (f"  {line}" for line in _what(data))
    yield from (f"  {label}: {text}" for label, text in _facts(data) if text)
    yield from (f"  {line}" for line in _goods(data))
    if data.get("quality"):
        yield f"  to be doubted: {', '.join(_doubts(data['quality']))}"


def _what(data: Data) -> Iterator[str]:
    """The first line of an event: what it says happened."""
    if "event" in data:
        when = data.get("occurred_at") or data.get("expected_at")
        place = ", ".join(str(data["place"][name]) for name in ("city", "region", "country") if name in data.get("place", {}))
        reason = f" because of {data['reason']}" if "reason" in data else ""
        at = f" {moment(when)}" if when else ""
        yield f"{data['event']} ({data['classifier']}, carrier's code {data['status']['code']}){reason}{at}{f' in {place}' if place else ''}"
    for field, words in (
        ("shipped_at", "shipped"),
        ("shipped_on", "shipped"),
        ("delivery_expected_at", "to arrive"),
        ("ship_at", "to be shipped"),
        ("deliver_at", "to be delivered"),
    ):
        if field in data:
            yield f"{words} {moment(data[field])}"


def _facts(data: Data) -> Iterator[tuple[str, str]]:
    parties = data.get("parties", [])
    for role in MAIN_ROLES:
        yield role.replace("_", " "), "; ".join(_party(party) for party in parties if party["role"] == role)
    carriers = [*([data["carrier"]] if "carrier" in data else []), *data.get("carriers", [])]
    yield "carrier", ", ".join(filter(None, (" ".join(str(leg[name]) for name in ("scac", "text", "mode") if name in leg) for leg in carriers)))
    if "invoice_id" in data:
        yield "bill", f"{data['invoice_id']}: {data['amount']} {data.get('currency', '')}".rstrip()
    yield "signed by", str(data.get("signed_by", ""))
    yield "equipment", ", ".join(_equipment(one) for one in data.get("equipment", []))
    yield "purchase order", str(data.get("purchase_order", ""))
    yield "references", ", ".join(f"{one['type']} {one['value']}" for one in data.get("references", []))
    yield "times", ", ".join(f"{one.get('type', 'other')} {moment(one['moment'])}" for one in data.get("times", []) if "moment" in one)
    yield "weight", ", ".join(quantity(one["weight"]) for one in (*data.get("weights", []), *data.get("lading", [])) if "weight" in one)
    yield "note", " / ".join(note["text"] for note in data.get("notes", []))


def _goods(data: Data) -> Iterator[str]:
    for order in data.get("orders", [])[:MOST_LINES]:
        if "purchase_order" in order:
            yield f"order {order['purchase_order']}"
    for stop in data.get("stops", [])[:MOST_LINES]:
        names = ", ".join(party.get("name", "") for party in stop.get("parties", []))
        when = ", ".join(moment(one["moment"]) for one in stop.get("times", []) if "moment" in one)
        yield f"stop {stop['number']}: {stop.get('kind', '')} {names} {when}".rstrip()
    packs = data.get("packs", [])
    for pack in packs[:MOST_LINES]:
        marks = [pack["sscc"]] if "sscc" in pack else [mark["value"] for mark in pack.get("marks", [])]
        inside = f" in pack {pack['parent']}" if "parent" in pack else ""
        yield f"pack {pack['id']}{inside}: {pack.get('kind', '')} {' '.join(marks)}".rstrip(" :")
    lines = data.get("lines", [])
    for line in lines[:MOST_LINES]:
        yield f"line {line.get('number', line['id'])}: {_line(line)}"
    for words, items in (("packs", packs), ("lines", lines)):
        if len(items) > MOST_LINES:
            yield f"and {len(items) - MOST_LINES} more {words}"


def _line(line: Data) -> str:
    item = line.get("item", {})
    ids = " ".join(f"{one['type']} {one['value']}" for one in item.get("ids", [])[:3])
    amounts = [f"{name} {quantity(line[name])}" for name in ("ordered", "shipped", "received", "difference", "change") if name in line]
    amounts += [f"{one.get('text', one.get('code', 'charge'))} {one['amount']}" for one in line.get("charges", [])[:3] if "amount" in one]
    amounts += [f"{stock['kind']} {quantity(stock['quantity'])}" for stock in line.get("stock", [])[:3] if "quantity" in stock]
    amounts += [
        f"{one.get('condition', 'not as it should be')} {quantity(one['quantity'])}" for one in line.get("conditions", []) if "quantity" in one
    ]
    lots = [f"lot {lot}" for lot in line.get("lots", [])]
    pack = [f"in pack {line['pack']}"] if "pack" in line else []
    status = [str(line["status"])] if "status" in line else []
    return ", ".join(filter(None, [ids, *item.get("descriptions", []), *amounts, *status, *lots, *pack]))


def _party(party: Data) -> str:
    address = party.get("address", {})
    place = " ".join(str(address[name]) for name in ("city", "region", "postal_code") if name in address)
    numbers = ", ".join(f"{one['type']} {one['value']}" for one in party.get("ids", []))
    return ", ".join(filter(None, (str(party.get("name", "")), place, numbers)))


def _equipment(one: Data) -> str:
    seals = f" sealed {', '.join(one['seals'])}" if "seals" in one else ""
    return " ".join(str(one[name]) for name in ("kind", "initial", "number") if name in one) + seals


def quantity(value: Data) -> str:
    """ "24 each", "310 pound gross"."""
    return " ".join(str(value[name]) for name in ("value", "unit", "kind") if name in value)


def moment(value: Data) -> str:
    """ "2026-11-16T14:05 America/Chicago", or how little is known of its zone."""
    zone = value.get("zone") or ("in an unknown zone" if "T" in value["local"] else "")
    return f"{value['local']} {zone}".rstrip()


def _doubts(quality: Data) -> Iterator[str]:
    if quality.get("assumed_zone"):
        yield "the time zone was assumed"
    if "time_precision" in quality:
        yield "only the day is known" if quality["time_precision"] == "day" else "it tells no time, so it is when it was received"
    if quality.get("late"):
        yield "it came late: something that happened after it was told before"
    for one in quality.get("unknown_codes", []):
        yield f"no word for {one['code']} in {one['table']}"
    for one in quality.get("unreadable", []):
        yield f"{one['path']} {one['text']}"
    for text in quality.get("invalid_sscc", []):
        yield f"{text} is no sound SSCC"
