"""What an event says of how its subject stands: the step it reached, when it is expected, and how much stock there is.

Pure, from an event's data alone, so that it can be asked again of an event that was kept. Knows nothing of other events; the store joins what several say.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

Data = Mapping[str, Any]
Word = dict[str, Any]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
FIRST = (datetime(1, 1, 1, tzinfo=UTC) - EPOCH) // MICROSECOND
"""No instant is before it, whatever offset was written beside the first day of the calendar."""
SHIFT = 10**17
"""Keeps ranks above nothing for every year that a date can have."""
MOST_REFERENCES = 40

MILESTONES = ("acknowledged", "pickup", "transit", "exception", "delivery")
"""Of two statuses at the same instant the later word counts. `info` moves nothing."""
ANNOUNCED, DONE, CANCELLED = 1, 2, 8
"""Whatever was done outranks what was announced, whenever it is told; a cancellation outranks both."""

ANNOUNCEMENTS = {
    "shipment.notified": ("notified", ("shipped_at", "written_at"), ("delivery_expected_at",)),
    "load.tendered": ("tendered", (), ()),
    "fulfilment.requested": ("requested", (), ("deliver_at", "ship_at")),
}
"""Family -> (the step, the moments that date it, the moments it is expected at)."""
ANNOUNCEMENT_STEPS = frozenset(step for step, _, _ in ANNOUNCEMENTS.values())
DEEDS = {"fulfilment.shipped": ("shipped", ("shipped_at", "shipped_on")), "transfer.shipped": ("shipped", ("shipped_on",))}
ITEM_NUMBERINGS = ("vendor_item", "sku", "buyer_item")
"""The numberings that tell items apart, the best first: those that both stock lists and adjustments use."""
PLACES = ("warehouse", "ship_from", "supplier", "depositor")


def standing_of(type_: str, subject: str, time: str, data: Data, references: Iterable[tuple[str, str]] = ()) -> Word | None:
    """{"state", "expected", "actual", "references"} of a shipment's or an order's event, each but the last perhaps None; None for other subjects.

    `state` and `expected` are {"rank", "what", "milestone", "at", "local", "zone", "certainty", "cancelled"}: of two the one with the higher rank
    stands. `actual` is [microseconds, clock]: when it happened, and by whose clock: "" where the zone is known, else the zone that was assumed.
    """
    if not subject.startswith(("shipment/", "order/")):
        return None
    family = type_.removeprefix("org.crossdock.").rpartition(".v")[0]
    told = _instant(time)
    word: Word = {"state": None, "expected": None, "actual": None, "references": sorted({tuple(one) for one in references})[:MOST_REFERENCES]}
    if family == "shipment.status":
        _status(word, data, told)
    elif family == "load.answered":
        if not data.get("cancelled"):
            word["state"] = _step(ANNOUNCED, data.get("answer") or "answered", data.get("answered_on"), told, order=1)
    elif family in DEEDS:
        what, moments = DEEDS[family]
        if not data.get("cancelled"):
            word["state"] = _step(DONE, what, _first(data, moments), told)
    elif family in ANNOUNCEMENTS:
        what, moments, expected = ANNOUNCEMENTS[family]
        if data.get("cancelled"):
            word["state"] = _step(CANCELLED, "cancelled", None, told) | {"cancelled": True}
        else:
            word["state"] = _step(ANNOUNCED, what, _first(data, moments), told)
            word["expected"] = _expected(what, _first(data, expected), told)
    return word


def _status(word: Word, data: Data, told: int) -> None:
    """A status that happened may move the view; one that is planned or estimated says what is expected."""
    if data.get("cancelled"):
        return
    what, milestone = data["event"], data["milestone"]
    if data["classifier"] != "actual":
        word["expected"] = _expected(what, data.get("expected_at"), told)
        return
    moment = data.get("occurred_at")
    if moment and "instant" in moment:
        word["actual"] = [_instant(moment["instant"]), moment["zone"] if moment.get("certainty") == "profile" else ""]
    if milestone != "info":
        state = _step(DONE, what, moment, told, order=MILESTONES.index(milestone))
        word["state"] = state | {"milestone": milestone, "cancelled": what == "shipment.cancelled"}


def _step(stage: int, what: str, moment: Data | None, told: int, *, order: int = 0) -> Word:
    at = told if moment is None else _at(moment)
    return {"rank": f"{stage}{at + SHIFT:018d}{order}", "what": what, "milestone": what, "cancelled": False, **_when(moment, at)}


def _expected(what: str, moment: Data | None, told: int) -> Word | None:
    """What was told last stands; what is said of the delivery stands before what is said of steps on the way."""
    if moment is None:
        return None
    delivery = "delivery" in what or what in ANNOUNCEMENT_STEPS
    return {"rank": f"{int(delivery)}{told + SHIFT:018d}", "what": what, **_when(moment, _at(moment))}


def _first(data: Data, names: Iterable[str]) -> Data | None:
    return next((data[name] for name in names if data.get(name)), None)


def _when(moment: Data | None, at: int) -> Word:
    if moment is None:
        return {"at": at, "local": None, "zone": None, "certainty": None}
    return {"at": at, "local": moment["local"], "zone": moment.get("zone"), "certainty": moment.get("certainty")}


def _at(moment: Data) -> int:
    """Microseconds since 1970; a moment without an instant counts as if its clock were UTC's, a day from its start, as the event's `time` does."""
    return _instant(moment.get("instant") or moment["local"])


def _instant(text: str) -> int:
    when = datetime.fromisoformat(text)
    return max(((when if when.tzinfo else when.replace(tzinfo=UTC)) - EPOCH) // MICROSECOND, FIRST)


def stock_of(type_: str, data: Data) -> list[Word]:
    """What a stock list counts or an adjustment changes: {"place", "numbering", "item", "unit", "at", "counted", "quantities"}, one for each item, place and unit.

    `quantities` are decimals as text by condition; an adjustment changes what is on hand. A cancelled document says nothing.
    """
    if data.get("cancelled"):
        return []
    snapshot = "org.crossdock.inventory.snapshot.v1"
    if type_ not in (snapshot, "org.crossdock.inventory.adjusted.v1"):
        return []
    counted = type_ == snapshot
    at = _at(data["as_of"] if counted else data["adjusted_on"])
    found: dict[tuple[str, ...], dict[str, list[str]]] = {}
    for line in data.get("lines") or ():
        numbering, item = _item(line.get("item") or {})
        if not item:
            continue
        place = _place(line.get("parties") or ()) or _place(data.get("parties") or ())
        told = line.get("stock") or () if counted else [{"kind": "on_hand", "quantity": line["change"]}]
        for one in told:
            quantity = one.get("quantity")
            if quantity:
                key = (place[:80], numbering[:24], item[:80], (quantity.get("unit") or "")[:24])
                found.setdefault(key, {}).setdefault(one["kind"], []).append(quantity["value"])
    names = ("place", "numbering", "item", "unit")
    return [dict(zip(names, key, strict=True)) | {"at": at, "counted": counted, "quantities": kinds} for key, kinds in sorted(found.items())]


def _item(item: Data) -> tuple[str, str]:
    ids = {one["type"]: one["value"] for one in reversed(item.get("ids") or [])}
    numbering = next((name for name in ITEM_NUMBERINGS if name in ids), None) or next(iter(reversed(ids)), "")
    return numbering, ids.get(numbering, "")


def _place(parties: Iterable[Data]) -> str:
    """The number of the place where the stock lies, else its name; "" where nobody says."""
    by_role = {party["role"]: party for party in parties}
    party = next((by_role[role] for role in PLACES if role in by_role), None)
    if party is None:
        return ""
    ids = party.get("ids") or []
    return str(ids[0]["value"] if ids else party.get("name") or "")
