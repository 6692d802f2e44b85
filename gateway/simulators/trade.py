"""The life of an order as its partners tell it: a customer's 940 or 850, the warehouse's 945, the carrier's 856, 214s to the door, and its bill, the 210.

Pure and seeded: role, seed and number of orders give the same files, and roles with one seed speak of the same orders, wherever each of them runs. With the
faults of the trade by option.
"""

import random
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Literal

Role = Literal["customer", "3pl", "carrier"]
OrderSet = Literal["940", "850"]
Fault = Literal["late", "short", "unknown-item", "doubled", "out-of-order", "wrong-parents", "stale-certificate", "no-997"]
ROLES: dict[Role, str] = {
    "customer": "orders (940, or 850)",
    "3pl": "ships what is ordered (945)",
    "carrier": "carries it: 856, 214s to the proof of delivery (D1, with who signed), 210",
}
FAULTS: dict[Fault, str] = {
    "late": "a file comes after those of all orders",
    "short": "less is shipped than was ordered",
    "unknown-item": "a customer orders an item that there is not, NF-9999",
    "doubled": "a file comes twice: the same bytes, or the same content in another envelope",
    "out-of-order": "a later status comes before an earlier one",
    "wrong-parents": "an HL of the 856 names a parent that is not there",
    "stale-certificate": "by AS2: a message is signed with a certificate that has run out, or encrypted to ours of before; then it comes again, as it should",
    "no-997": "what we send is not answered",
}
ORDER_SETS: dict[OrderSet, str] = {"940": "a warehouse order", "850": "a purchase order"}
IDENTITIES: dict[Role, tuple[str, str]] = {"customer": ("01", "079430172"), "3pl": ("ZZ", "LAKE3PL"), "carrier": ("02", "NWFX")}
"""(ISA qualifier, id) of the partners whose profiles ship."""
ITEMS = (
    ("614141007349", "NF-2200", "OAT BARS 6CT", 15, "18.4"),
    ("614141007356", "NF-2300", "TRAIL MIX 1LB", 8, "31.05"),
    ("614141007363", "NF-2410", "GRANOLA 12OZ", 11, "26.75"),
)
"""(UPC, item number, name, pounds a case, price of a case)."""
UNKNOWN_ITEM = "NF-9999"
PLACES = (("SALEM", "OR"), ("OLYMPIA", "WA"), ("BOISE", "ID"), ("FRESNO", "CA"))
STORES = (("HARBOR STORE 12", "0012", "TACOMA", "WA", "98421"), ("HARBOR STORE 31", "0031", "EUGENE", "OR", "97401"))
SEEDS, ORDERS = 900, 9_999
"""Seeds beyond it share control numbers with others; orders of one seed."""


@dataclass(frozen=True, slots=True)
class Line:
    item: int
    ordered: int
    shipped: int


@dataclass(frozen=True, slots=True)
class Order:
    """What all of them know of it."""

    number: int
    order_id: str
    purchase_order: str
    shipment: str
    bill_of_lading: str
    pro: str
    store: int
    day: date
    lines: tuple[Line, ...]
    waypoint: int


@dataclass(frozen=True, slots=True)
class Sending:
    """One file that a partner sends."""

    name: str
    body: bytes
    order: str
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class Sender:
    qualifier: str
    id: str


def orders_of(seed: int, count: int, day: date, *, short: float = 0.0) -> list[Order]:
    """`short`: how many of the orders are not shipped whole."""
    return [_order(seed, number, day, short) for number in range(1, count + 1)]


def _order(seed: int, number: int, day: date, short: float) -> Order:
    chance = random.Random(f"order {seed} {number}")
    ordered = [(item, chance.randrange(6, 90)) for item in sorted(chance.sample(range(len(ITEMS)), chance.randint(1, len(ITEMS))))]
    is_short = chance.random() < short
    lines = tuple(
        Line(item, much, max(1, much - chance.randrange(1, 6)) if is_short and at == 0 else much) for at, (item, much) in enumerate(ordered)
    )
    name = f"{seed % SEEDS:03}{number:04}"
    return Order(
        number,
        f"SIM{name}",
        f"PO{name}",
        f"ASN{name}",
        f"BOL{name}",
        f"PRO{name}",
        chance.randrange(len(STORES)),
        day,
        lines,
        chance.randrange(len(PLACES)),
    )


def sendings(
    role: Role,
    *,
    seed: int,
    orders: int,
    day: date,
    faults: Iterable[Fault] = (),
    often: float = 0.3,
    sender: Sender | None = None,
    bill: bool = False,
    order_set: OrderSet = "940",
) -> list[Sending]:
    """What a partner of this role sends, in its order.

    `often`: of its files, how many have each of the faults; `bill`: a carrier's 210s, too; `order_set`: by what a customer orders.
    """
    wanted = set(faults)
    who = sender or Sender(*IDENTITIES[role])
    known = orders_of(seed, orders, day, short=often if "short" in wanted else 0.0)
    in_turn: list[Sending] = []
    for order in known:
        files = [_file(seed, order, place, who, made) for place, made in enumerate(_documents(role, order, bill=bill, order_set=order_set), start=1)]
        in_turn += _with_faults(files, wanted, often, random.Random(f"faults {role} {seed} {order.number}"))
    late = [one for one in in_turn if "late" in one.faults]
    return [one for one in in_turn if "late" not in one.faults] + late


Made = tuple[str, str, list[str]]
"""(set, functional group, segments from the one after ST to the one before SE)."""


def _documents(role: Role, order: Order, *, bill: bool, order_set: OrderSet) -> list[Made]:
    if role == "customer":
        return [("850", "PO", _purchase_order(order))] if order_set == "850" else [("940", "OW", _warehouse_order(order))]
    if role == "3pl":
        return [("945", "SW", _shipping_advice(order))]
    made: list[Made] = [("856", "SH", _notice(order))]
    made += [("214", "QM", _status(order, *step)) for step in _journey(order)]
    return made + ([("210", "IM", _bill(order))] if bill else [])


def _with_faults(files: list[Sending], wanted: set[Fault], often: float, chance: random.Random) -> list[Sending]:
    done: list[Sending] = []
    for one in files:
        met = one
        if "wrong-parents" in wanted and b"*SH*" in one.body and chance.random() < often:
            met = replace(met, body=met.body.replace(b"~HL*2*1*O*1~", b"~HL*2*9*O*1~"), faults=(*met.faults, "wrong-parents"))
        if "unknown-item" in wanted and one.body[106:].startswith((b"GS*OW*", b"GS*PO*")) and chance.random() < often:
            met = replace(
                met, body=re.sub(rb"\*VN\*[^*~]+", b"*VN*" + UNKNOWN_ITEM.encode(), met.body, count=1), faults=(*met.faults, "unknown-item")
            )
        if "short" in wanted and b"*PR*" in one.body:
            met = replace(met, faults=(*met.faults, "short"))
        if "stale-certificate" in wanted and chance.random() < often:
            met = replace(met, faults=(*met.faults, "stale-certificate"))
        if "late" in wanted and chance.random() < often:
            met = replace(met, faults=(*met.faults, "late"))
        done.append(met)
        if "doubled" in wanted and chance.random() < often:
            done.append(replace(_again(met, new_envelope=chance.random() < 0.5), faults=(*met.faults, "doubled")))
    if "out-of-order" in wanted and len(done) > 2 and chance.random() < often:
        at = chance.randrange(1, len(done) - 1)
        done[at], done[at + 1] = replace(done[at + 1], faults=(*done[at + 1].faults, "out-of-order")), done[at]
    return done


def _again(one: Sending, *, new_envelope: bool) -> Sending:
    """The same bytes, or the same content under numbers that are 50 further on."""
    if not new_envelope:
        return one
    control = int(one.body[90:99])
    body = one.body.replace(b"%09d" % control, b"%09d" % (control + 50)).replace(b"*%d*X*" % control, b"*%d*X*" % (control + 50))
    return replace(one, name=f"again-{one.name}", body=body.replace(b"GE*1*%d~" % control, b"GE*1*%d~" % (control + 50)))


def shipped(order: bytes, *, control: int, day: date, who: Sender) -> Sending:
    """The 945 that ships a 940 of ours as it was ordered. `order` is an interchange with one set, as our own writer makes it."""
    separator, end = order[3:4], order[105:106]
    segments = [one.strip().decode("latin-1").split(separator.decode("latin-1")) for one in order.split(end)]
    (head,) = [one for one in segments if one[0] == "W05"]
    lines = [one for one in segments if one[0] == "W01"]
    made = [
        f"W06*F*{head[2]}*{day:%Y%m%d}*WS-{head[2]}",
        *("*".join(one) for one in segments if one[0] in ("N1", "N3", "N4")),
        f"G62*11*{day:%Y%m%d}",
        "W27*M*NWFX",
    ]
    for place, line in enumerate(lines, start=1):
        made += [f"LX*{place}", "*".join(["W12", "CC", line[1], line[1], "0", line[2], *line[3:6]]).rstrip("*")]
    made.append(f"W03*{sum(float(line[1]) for line in lines):g}")
    return Sending(f"945-{head[2]}.edi", _interchange(control, day, who, ("945", "SW", made)), head[2])


def _file(seed: int, order: Order, place: int, who: Sender, made: Made) -> Sending:
    control = seed % SEEDS * 1_000_000 + order.number * 100 + place
    return Sending(f"{made[0]}-{order.order_id}-{place}.edi", _interchange(control, order.day, who, made), order.order_id)


def _interchange(control: int, day: date, who: Sender, made: Made) -> bytes:
    set_id, functional, segments = made
    at = datetime.combine(day, time(9, 30))
    lines = [
        f"ISA*00*{'':10}*00*{'':10}*{who.qualifier}*{who.id:15}*ZZ*{'CROSSDOCK':15}*{at:%y%m%d}*{at:%H%M}*U*00401*{control:09}*0*P*:",
        f"GS*{functional}*{who.id}*CROSSDOCK*{at:%Y%m%d}*{at:%H%M}*{control}*X*004010",
        f"ST*{set_id}*0001",
        *segments,
        f"SE*{len(segments) + 2}*0001",
        f"GE*1*{control}",
        f"IEA*1*{control:09}",
    ]
    return "".join(f"{line}~" for line in lines).encode("ascii")


# ---- the documents


def _ship_to(order: Order) -> list[str]:
    name, number, city, state, code = STORES[order.store]
    return [f"N1*ST*{name}*92*{number}", "N3*9 DOCK STREET", f"N4*{city}*{state}*{code}*US"]


def _pounds(order: Order, much: Callable[[Line], int]) -> int:
    return sum(ITEMS[line.item][3] * much(line) for line in order.lines)


def _sscc(order: Order, line: Line) -> str:
    """An SSCC-18 with its check digit (GS1 General Specifications 7.9)."""
    digits = f"006141410{order.number:05}{line.item:03}"
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(digits))
    return f"{digits}{-total % 10}"


def _warehouse_order(order: Order) -> list[str]:
    segments = [f"W05*N*{order.order_id}*{order.purchase_order}", "N1*SF*LAKE 3PL RENO*92*RNO1", *_ship_to(order)]
    segments += [f"G62*10*{order.day + timedelta(1):%Y%m%d}", f"G62*02*{order.day + timedelta(3):%Y%m%d}", "W66*PP*M"]
    for place, line in enumerate(order.lines, start=1):
        upc, number, name, _, _ = ITEMS[line.item]
        segments += [f"LX*{place}", f"W01*{line.ordered}*CA*{upc}*VN*{number}", f"G69*{name}"]
    return [*segments, f"W76*{sum(line.ordered for line in order.lines)}*{_pounds(order, lambda line: line.ordered)}*LB"]


def _purchase_order(order: Order) -> list[str]:
    """Its REF*CO is the number under which the 940 and the 945 know the order."""
    segments = [
        f"BEG*00*SA*{order.purchase_order}**{order.day:%Y%m%d}", f"REF*CO*{order.order_id}", "PER*BD*DANA COLE*TE*6145550188", "FOB*PP",
        f"DTM*010*{order.day + timedelta(1):%Y%m%d}", f"DTM*002*{order.day + timedelta(3):%Y%m%d}", *_ship_to(order),
    ]  # fmt: skip
    for place, line in enumerate(order.lines, start=1):
        upc, number, name, _, price = ITEMS[line.item]
        segments += [f"PO1*{place}*{line.ordered}*CA*{price}*PE*UP*{upc}*VN*{number}", f"PID*F****{name}"]
    return [*segments, f"CTT*{len(order.lines)}*{sum(line.ordered for line in order.lines)}"]


def _shipping_advice(order: Order) -> list[str]:
    segments = [f"W06*F*{order.order_id}*{order.day + timedelta(1):%Y%m%d}*WS-{order.order_id}", "N1*SF*LAKE 3PL RENO*92*RNO1", *_ship_to(order)]
    segments += [f"N9*BM*{order.bill_of_lading}", f"N9*CO*{order.purchase_order}", f"G62*11*{order.day + timedelta(1):%Y%m%d}*8*1540"]
    segments += ["W27*M*NWFX*NORTHWAY FREIGHT*PP"]
    for place, line in enumerate(order.lines, start=1):
        upc, number, name, pounds, _ = ITEMS[line.item]
        code, missing = ("CC", 0) if line.shipped == line.ordered else ("PR", line.ordered - line.shipped)
        segments += [
            f"LX*{place}",
            f"W12*{code}*{line.ordered}*{line.shipped}*{missing}*CA*{upc}*VN*{number}**{pounds * line.shipped}*G*L",
            f"G69*{name}",
            f"N9*LV*{'00' + _sscc(order, line)}*{line.shipped}",
        ]
    return [*segments, f"W03*{sum(line.shipped for line in order.lines)}*{_pounds(order, lambda line: line.shipped)}*LB"]


def _notice(order: Order) -> list[str]:
    boxes, pounds = sum(line.shipped for line in order.lines), _pounds(order, lambda line: line.shipped)
    leaves = order.day + timedelta(1)
    segments = [
        f"BSN*00*{order.shipment}*{leaves:%Y%m%d}*1610*0001", f"DTM*011*{leaves:%Y%m%d}*1540*PT", f"DTM*017*{order.day + timedelta(3):%Y%m%d}*0900*PT", "HL*1**S*1",
        f"TD1*CTN25*{boxes}****G*{pounds}*LB", "TD5*B*2*NWFX*M*NORTHWAY FREIGHT", f"REF*BM*{order.bill_of_lading}", f"REF*CN*{order.pro}",
        "N1*SF*LAKE 3PL RENO*92*RNO1", "N3*400 INDUSTRIAL WAY", "N4*RENO*NV*89502*US", *_ship_to(order), "HL*2*1*O*1",
        f"PRF*{order.purchase_order}***{order.day:%Y%m%d}",
    ]  # fmt: skip
    level = 2
    for place, line in enumerate(order.lines, start=1):
        upc, number, name, _, _ = ITEMS[line.item]
        segments += [
            f"HL*{level + 1}*2*P*1", f"MAN*GM*00{_sscc(order, line)}", f"HL*{level + 2}*{level + 1}*I*0", f"LIN*{place}*UP*{upc}*VN*{number}",
            f"SN1*{place}*{line.shipped}*CA**{line.ordered}*CA", f"PID*F****{name}",
        ]  # fmt: skip
        level += 2
    return [*segments, f"CTT*{level}"]


Step = tuple[str, datetime, str, str]
"""(AT701, when, city, state)."""


def _journey(order: Order) -> list[Step]:
    city, state = PLACES[order.waypoint]
    _, _, there, of, _ = STORES[order.store]

    def at(days: int, hour: int, minute: int) -> datetime:
        return datetime.combine(order.day + timedelta(days), time(hour, minute))

    return [("AF", at(1, 16, 55), "RENO", "NV"), ("X6", at(2, 22, 10), city, state), ("X1", at(3, 8, 40), there, of), ("D1", at(3, 9, 25), there, of)]


def _status(order: Order, code: str, when: datetime, city: str, state: str) -> list[str]:
    return [
        f"B10*{order.pro}*{order.shipment}*NWFX", f"L11*{order.bill_of_lading}*BM", f"L11*{order.purchase_order}*PO", "LX*1",
        f"AT7*{code}*NS***{when:%Y%m%d}*{when:%H%M}*PT", f"MS1*{city}*{state}*US", "MS2*NWFX*538841*TL",
        *(["K1*POD*J. DOE"] if code == "D1" else []),
        f"AT8*G*L*{_pounds(order, lambda line: line.shipped)}*{sum(line.shipped for line in order.lines)}",
    ]  # fmt: skip


def _bill(order: Order) -> list[str]:
    pounds = _pounds(order, lambda line: line.shipped)
    charge = 15_000 + 12 * pounds
    delivered = order.day + timedelta(3)
    boxes = sum(line.shipped for line in order.lines)
    return [
        f"B3**INV{order.order_id}*{order.shipment}*PP*L*{delivered:%Y%m%d}*{charge}**{delivered:%Y%m%d}*035*NWFX*{order.day + timedelta(1):%Y%m%d}",
        "C3*USD", f"N9*BM*{order.bill_of_lading}", f"N9*CN*{order.pro}", "N1*SH*LAKE 3PL RENO*92*RNO1", "N3*400 INDUSTRIAL WAY", "N4*RENO*NV*89502*US",
        *[line.replace("N1*ST", "N1*CN") for line in _ship_to(order)], "LX*1", f"N9*PO*{order.purchase_order}", f"POD*{delivered:%Y%m%d}*0925*J. DOE",
        "L5*1*CARTONS OF FOOD*72520*N*CTN25", f"L0*1***{pounds}*G***{boxes}*CTN**L", f"L1*1*{charge / pounds:.2f}*CW*{charge}****400****Linehaul",
        f"L3*{pounds}*G***{charge}******{boxes}*L",
    ]  # fmt: skip
