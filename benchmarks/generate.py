"""Writes valid ship notices, statuses, orders and advices of any size: the same bytes for the same arguments, in flat memory.

    python -m benchmarks.generate 856 --sets 1000 --out notices.edi

Knows nothing of Crossdock's own reader or writer, so that it can be held against them. All parties and goods are invented.
"""

import argparse
import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

FUNCTIONAL = {"856": "SH", "214": "QM", "940": "OW", "945": "SW"}
PLACES = [("RENO", "NV", "89506", "PT"), ("OMAHA", "NE", "68138", "CT"), ("DAYTON", "OH", "45414", "ET"), ("PUEBLO", "CO", "81001", "MT")]
CARRIERS = [("QVLT", "QUAIL VALLEY TRUCKING"), ("BRNX", "BRINE EXPRESS"), ("TLMK", "TALLMARK LINES")]
SHIPPERS = ["ORCHARD LANE FOODS", "GRANITE PAPER", "COPPER KETTLE TEA", "NORTH FORK TOOLS"]
STORES = ["WILLOW MARKETS", "STATION HARDWARE", "PELICAN OUTLETS"]
GOODS = ["APPLE CHIPS 8CT", "COPY PAPER 5RM", "GREEN TEA 40BG", "CLAW HAMMER", "OAT BISCUIT 6CT"]
START = datetime(2026, 3, 2, 6, 0)
STATUSES = ["X3", "AF", "P1", "X6", "X1", "D1"]
GROUP_SETS = 1000


class Shipment:
    """The facts of one shipment, which every set tells in its own way."""

    def __init__(self, number: int, source: random.Random) -> None:
        self.number, self.source = number, source
        self.when = START + timedelta(minutes=7 * number)
        self.scac, self.carrier = source.choice(CARRIERS)
        self.origin, self.destination = source.sample(PLACES, 2)
        self.shipper, self.store = source.choice(SHIPPERS), source.choice(STORES)
        self.lines = [(n, source.randint(1, 96), source.randrange(len(GOODS))) for n in range(1, source.randint(2, 7))]

    @property
    def date(self) -> str:
        return f"{self.when:%Y%m%d}"

    @property
    def time(self) -> str:
        return f"{self.when:%H%M}"

    def party(self, role: str, name: str, place: tuple[str, str, str, str]) -> list[str]:
        city, state, postal, _ = place
        return [f"N1*{role}*{name}*92*{self.number % 9000 + 1000}", f"N4*{city}*{state}*{postal}*US"]

    def weight(self) -> str:
        return f"{sum(quantity for _, quantity, _ in self.lines) * 1.5:.1f}"


def ship_notice(one: Shipment) -> Iterator[str]:
    yield f"BSN*00*SH{one.number:09}*{one.date}*{one.time}*0001"
    yield f"DTM*011*{one.date}*{one.time}*{one.origin[3]}"
    yield "HL*1**S*1"
    yield f"TD1*CTN25*{len(one.lines)}****G*{one.weight()}*LB"
    yield f"TD5*B*2*{one.scac}*M*{one.carrier}"
    yield f"TD3*TL*{one.scac}*{one.number % 90000 + 10000}"
    yield f"REF*BM*BL{one.number:09}"
    yield f"REF*CN*{one.number:010}"
    yield from one.party("SF", one.shipper, one.origin)
    yield from one.party("ST", one.store, one.destination)
    yield "HL*2*1*O*1"
    yield f"PRF*PO{one.number:08}***{one.date}"
    for n, quantity, good in one.lines:
        yield f"HL*{2 * n + 1}*2*P*1"
        yield f"MAN*GM*00{one.number:012}{n:06}"
        yield f"HL*{2 * n + 2}*{2 * n + 1}*I*0"
        yield f"LIN*{n}*UP*{one.number % 10**6:06}{n:06}*VN*SKU-{good:04}"
        yield f"SN1**{quantity}*EA"
        yield f"PID*F****{GOODS[good]}"
    yield f"CTT*{2 + 2 * len(one.lines)}"


def status(one: Shipment) -> Iterator[str]:
    yield f"B10*{one.number:010}*SH{one.number:09}*{one.scac}"
    yield f"L11*BL{one.number:09}*BM"
    yield f"L11*PO{one.number:08}*PO"
    yield from one.party("SH", one.shipper, one.origin)
    yield from one.party("CN", one.store, one.destination)
    yield "LX*1"
    for n, code in enumerate(STATUSES[: one.source.randint(1, 3)]):
        city, state, _, zone = one.origin if n < 2 else one.destination
        yield f"AT7*{code}*NS***{one.date}*{one.time}*{zone}"
        yield f"MS1*{city}*{state}*US"
        yield f"MS2*{one.scac}*{one.number % 90000 + 10000}*TL"
    yield f"AT8*G*L*{one.weight()}*{len(one.lines)}"


def order(one: Shipment) -> Iterator[str]:
    yield f"W05*N*OR{one.number:08}*PO{one.number:08}"
    yield from one.party("ST", one.store, one.destination)
    yield f"N9*CO*C{one.number:08}"
    yield f"G62*10*{one.date}"
    yield f"W66*PP*M***{one.carrier}*****{one.scac}"
    for n, quantity, good in one.lines:
        yield f"LX*{n}"
        yield f"W01*{quantity}*CA**VN*SKU-{good:04}"
        yield f"G69*{GOODS[good]}"
        yield "W20*6***9.5*G*L"
    yield f"W76*{sum(quantity for _, quantity, _ in one.lines)}*{one.weight()}*LB"


def advice(one: Shipment) -> Iterator[str]:
    yield f"W06*F*OR{one.number:08}*{one.date}*SH{one.number:09}**PO{one.number:08}"
    yield from one.party("WH", one.shipper, one.origin)
    yield from one.party("ST", one.store, one.destination)
    yield f"N9*BM*BL{one.number:09}"
    yield f"G62*11*{one.date}"
    yield f"W27*M*{one.scac}*{one.carrier}*PP"
    for n, quantity, good in one.lines:
        yield f"LX*{n}"
        yield f"MAN*GM*00{one.number:012}{n:06}"
        yield f"W12*CC*{quantity}*{quantity}*0*CA**VN*SKU-{good:04}"
        yield f"G69*{GOODS[good]}"
    yield f"W03*{sum(quantity for _, quantity, _ in one.lines)}*{one.weight()}*LB"


SETS: dict[str, Callable[[Shipment], Iterator[str]]] = {"856": ship_notice, "214": status, "940": order, "945": advice}


def write(
    out: BinaryIO,
    set_id: str,
    sets: int,
    *,
    size: int | None = None,
    seed: int = 1,
    control: int = 1,
    tail: str = "",
    sender: tuple[str, str] = ("ZZ", "BENCHSENDER"),
) -> None:
    """One interchange of `sets` sets, a thousand to a group, to `out`; with `size` it ends with the set that reaches so many bytes.

    Sets are written and forgotten one at a time. `sender` is ISA05 and ISA06.
    """
    source = random.Random(seed)
    written = groups = done = 0

    def put(*segments: str) -> None:
        nonlocal written
        written += out.write("".join(f"{segment}~{tail}" for segment in segments).encode("ascii"))

    def more() -> bool:
        return done < sets and (size is None or written < size)

    isa = ["ISA", "00", " " * 10, "00", " " * 10, sender[0], sender[1].ljust(15), "ZZ", "CROSSDOCK".ljust(15)]
    put("*".join([*isa, "260302", "0600", "U", "00401", f"{control:09}", "0", "P", ":"]))
    while more():
        groups += 1
        put(f"GS*{FUNCTIONAL[set_id]}*{sender[1]}*CROSSDOCK*20260302*0600*{groups}*X*004010")
        inside = 0
        while inside < GROUP_SETS and more():
            inside, done = inside + 1, done + 1
            body = list(SETS[set_id](Shipment(done, source)))
            put(f"ST*{set_id}*{inside:04}", *body, f"SE*{len(body) + 2}*{inside:04}")
        put(f"GE*{inside}*{groups}")
    put(f"IEA*{groups}*{control:09}")


def write_interchange(path: Path, size: int, *, set_id: str = "214", sender: tuple[str, str] = ("02", "NWFX")) -> None:
    """A file of one interchange of at least `size` bytes from the carrier that ships with the project."""
    with path.open("wb") as out:
        write(out, set_id, 10**9, size=size, sender=sender)


def main() -> None:
    parser = argparse.ArgumentParser(description="Writes a valid X12 interchange of any size.")
    parser.add_argument("set", choices=sorted(SETS))
    parser.add_argument("--sets", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--newline", action="store_true", help="a line feed after each terminator")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    with given.out.open("wb") as out:
        write(out, given.set, given.sets, seed=given.seed, tail="\n" if given.newline else "")


if __name__ == "__main__":
    main()
