"""P13. Every interchange gets exactly one answer, whatever is wrong with it: a TA1 where it asks for one or its envelope is wrong, a 997 for each group of one that stands."""

import asyncio
import random
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text

from gateway.store.store import landed
from tests.faults.partners import agree, status_set
from tests.faults.promise import Proof, Trial
from tests.faults.sabotage import sabotaged
from tests.running import Running, running

PARTNER = "carrier"
FILES_AT_ONCE = 8


@dataclass
class Interchange:
    """One interchange of ours as it should be, and what is owed for it as it is sent."""

    control: int
    asks: bool
    groups: dict[int, list[str]]
    """Group control number -> its sets."""
    functional: str = "QM"
    sender: str = PARTNER.upper()
    usage: str = "P"
    verdict: str = "A"
    """Of the TA1, if there is one: A or R. H: nothing is owed, for a person must look first."""
    trailer: str = ""
    group_trailer: Callable[[int, int], str] = field(default=lambda group, count: f"GE*{count}*{group}")

    def body(self) -> bytes:
        lines = [
            f"ISA*00*{'':10}*00*{'':10}*ZZ*{self.sender:15}*ZZ*{'CROSSDOCK':15}*261116*0930*U*00401*{self.control:09}*{int(self.asks)}*{self.usage}*:"
        ]
        for group, sets in self.groups.items():
            lines += [f"GS*{self.functional}*{self.sender}*CROSSDOCK*20261116*0930*{group}*X*004010", *sets, self.group_trailer(group, len(sets))]
        return ("~".join([*lines, self.trailer or f"IEA*{len(self.groups)}*{self.control:09}"]) + "~").encode()

    def owed(self) -> Counter[tuple[str, int]]:
        """("TA1", control) and ("997", group control), each as often as the partner must get it."""
        owed: Counter[tuple[str, int]] = Counter()
        if self.verdict == "R" or (self.verdict == "A" and self.asks):
            owed["TA1", self.control] = 1
        if self.verdict == "A" and self.functional != "FA":
            owed.update(("997", group) for group in self.groups)
        return owed


class Maker:
    """Makes interchanges by chance, each with control numbers of its own."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.control = self.group = self.shipment = 0

    def good(self) -> Interchange:
        self.control += 1
        groups = {}
        for _ in range(self.chance.choice((1, 1, 2, 3))):
            self.group += 1
            groups[self.group] = [self._set(number) for number in range(1, self.chance.randint(1, 4) + 1)]
        return Interchange(self.control, self.chance.random() < 0.4, groups)

    def _set(self, number: int) -> str:
        self.shipment += 1
        return status_set(f"ONE{self.shipment}", self.shipment % 1000, number=number)

    def faulty(self) -> tuple[str, Interchange]:
        """(what is wrong, the interchange)."""
        name = self.chance.choice(list(FAULTS))
        one = self.good()
        FAULTS[name](self, one)
        return name, one


# ---- what is wrong, and what is owed all the same


def _in_a_set(old: str, new: str) -> Callable[[Maker, Interchange], None]:
    def spoil(maker: Maker, one: Interchange) -> None:
        sets = one.groups[maker.chance.choice(list(one.groups))]
        at = maker.chance.randrange(len(sets))
        changed = re.sub(old, new, sets[at], count=1)
        assert changed != sets[at], old
        sets[at] = changed

    return spoil


def _rejected(trailer: Callable[[Interchange], str]) -> Callable[[Maker, Interchange], None]:
    def spoil(maker: Maker, one: Interchange) -> None:
        one.trailer, one.verdict = trailer(one), "R"

    return spoil


def _answers(maker: Maker, one: Interchange) -> None:
    """Answers to nothing of ours are read, and never answered."""
    one.functional = "FA"
    one.groups = {group: ["~".join(("ST*997*0001", "AK1*OW*77777", "AK9*A*1*1*1", "SE*4*0001"))] for group in one.groups}


def _set(**values: Any) -> Callable[[Maker, Interchange], None]:
    return lambda maker, one: vars(one).update(values)


FAULTS: dict[str, Callable[[Maker, Interchange], None]] = {
    "nothing": lambda maker, one: None,
    "an element too long": _in_a_set("MS1[*]JOLIET", "MS1*" + "J" * 60),
    "a code that does not exist": _in_a_set("AT7[*]X6", "AT7*QQ9"),
    "a day that does not exist": _in_a_set("202611[0-9]{2}", "20261199"),
    "a mandatory segment missing": _in_a_set("~B10[^~]*", ""),
    "a foreign segment": _in_a_set("~LX[*]1", "~ZZZ*1~LX*1"),
    "SE01 wrong": _in_a_set("SE[*][0-9]+", "SE*99"),
    "SE02 wrong": _in_a_set("(SE[*][0-9]+)[*][0-9]+", r"\1*7777"),
    "SE missing": _in_a_set("~SE.*", ""),
    "no agreement for its set": _in_a_set("ST[*]214", "ST*990"),
    "no such set": _in_a_set("ST[*]214", "ST*999999"),
    "GE01 wrong": _set(group_trailer=lambda group, count: f"GE*{count + 5}*{group}"),
    "GE02 wrong": _set(group_trailer=lambda group, count: f"GE*{count}*{group + 900_000}"),
    "IEA01 wrong": _rejected(lambda one: f"IEA*{len(one.groups) + 3}*{one.control:09}"),
    "IEA02 wrong": _rejected(lambda one: f"IEA*{len(one.groups)}*{one.control + 800_000:09}"),
    "IEA missing": _rejected(lambda one: "ZZZ*1"),
    "another's sender": _set(sender="SOMEBODYELSE", verdict="H"),
    "a test without a test target": _set(usage="T"),
    "answers": _answers,
}


async def prove(trial: Trial, proof: Proof) -> None:
    with sabotaged(trial.sabotage):
        async with running(trial.folder) as gateway:
            await agree(gateway, PARTNER)
            chance = random.Random(trial.seed)
            maker = Maker(chance)
            await _known(trial, proof, gateway, maker)
            await _by_chance(trial, proof, gateway, maker)
            found = await gateway.operate("receipts.check")
            proof.count("groups that receipts check looked at", found["groups"])
            proof.none("wrong to receipts check", found["wrong"])


async def _known(trial: Trial, proof: Proof, gateway: Running, maker: Maker) -> None:
    """Faults that are known, one to three interchanges a file; some come again, alone or in other company, and some with other bytes under their number."""
    owed: Counter[tuple[str, int]] = Counter()
    named: dict[tuple[str, int], str] = {}
    kinds: Counter[str] = Counter()
    files: list[bytes] = []
    stood: list[Interchange] = []
    for _ in range(trial.size("files")):
        pieces = []
        for _ in range(maker.chance.choice((1, 1, 2, 3))):
            name, one = maker.faulty()
            kinds[name] += 1
            pieces.append(one)
            if name == "nothing":
                stood.append(one)
            owed += one.owed()
            named |= {("TA1", one.control): name} | {("997", group): name for group in one.groups}
        files.append(b"".join(one.body() for one in pieces))
    await _send(gateway, files, "known")
    got = await _mailbox(gateway)
    proof.count("interchanges with known faults", kinds.total())
    proof.count("kinds of faults", len(kinds))
    proof.count("answers owed", owed.total())
    proof.none("owed and missing", (f"{what} ({named[what]})" for what in owed - got))
    proof.none("more than owed", (f"{what} ({named.get(what)})" for what in got - owed))
    # Again: the same bytes get the same answers once more; other bytes under the same number a TA1 that says so.
    again: Counter[tuple[str, int]] = Counter()
    files, together = [], b""
    for number, one in enumerate(stood):
        if number % 3 == 0:
            files.append(one.body())
            again += one.owed()
        elif number % 3 == 1:
            together += one.body()
            again += one.owed()
        else:
            one.groups[next(iter(one.groups))].append(status_set(f"OTHER{number}", 1, number=9))
            files.append(one.body())
            again["TA1", one.control] += 1
    # And some so soon that both are decided at once.
    soon = [maker.good() for _ in range(5)]
    for one in soon:
        again += one.owed() + one.owed()
    await _send(gateway, [*files, together, *(one.body() for one in soon for _ in range(2))], "again")
    more = await _mailbox(gateway)
    proof.count("interchanges that came again", len(stood) + len(soon))
    proof.none("came again, owed and missing", again - more)
    proof.none("came again, more than owed", more - again)


async def _by_chance(trial: Trial, proof: Proof, gateway: Running, maker: Maker) -> None:
    """Bytes altered anywhere. What an interchange then is, the gateway says; what it gets must be what such a one gets."""
    files = [_altered(maker.chance, b"".join(maker.good().body() for _ in range(maker.chance.choice((1, 2))))) for _ in range(trial.size("altered"))]
    messages = await _send(gateway, files, "altered")
    await _mailbox(gateway)
    query = (
        "SELECT m.id AS message, m.state AS message_state, i.ordinal, i.state, g.ordinal AS grp, g.functional FROM messages m"
        " LEFT JOIN interchanges i ON i.message = m.id LEFT JOIN groups g ON g.message = i.message AND g.interchange = i.ordinal WHERE m.direction = 'in'"
    )
    rows = [row for row in await _rows(gateway, query) if row.message in messages]
    answers = Counter(row.id for row in await _rows(gateway, "SELECT id, message FROM deliveries WHERE kind = 'receipt'") if row.message in messages)
    states: Counter[str] = Counter()
    wrong, seen = [], set()
    for row in rows:
        if row.ordinal is None:
            states["unreadable, held"] += 1
            if row.message_state != "held":
                wrong.append(f"{row.message} is {row.message_state} and has no interchange")
            continue
        place = f"{row.message}.{row.ordinal}"
        if place not in seen:
            seen.add(place)
            states[row.state] += 1
            ta1 = answers[f"TA1:{place}"]
            if (row.state == "rejected" and ta1 != 1) or ta1 > 1:
                wrong.append(f"{place} is {row.state} and has {ta1} TA1s")
        if row.grp is not None:
            count = answers[f"997:{place}.{row.grp}"]
            owed = int(row.state == "translated" and row.functional not in ("FA", "AG"))
            if count != owed:
                wrong.append(f"{place}.{row.grp} of {row.functional} is {row.state} and has {count} 997s")
    proof.count("files altered by chance", len(files))
    for state, number in sorted(states.items()):
        proof.count(f"of their interchanges {state}", number)
    proof.none("altered and not answered as they should be", wrong)


def _altered(chance: random.Random, data: bytes) -> bytes:
    """A few bytes changed, lost or added; or segments lost, doubled or swapped; or the end cut off."""
    for _ in range(chance.randint(1, 3)):
        data = data or b"~"
        at = chance.randrange(len(data))
        match chance.randrange(7):
            case 0:
                data = data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]
            case 1:
                data = data[:at] + data[at + chance.randint(1, 12) :]
            case 2:
                data = data[:at] + chance.choice((b"*", b"~", b":", b"\r\n", b"ISA*", b"IEA*1*1~", b"\x00")) + data[at:]
            case 3:
                data = data[: max(1, at)]
            case kind:
                segments = data.split(b"~")
                one, other = chance.randrange(len(segments)), chance.randrange(len(segments))
                if kind == 4:
                    segments.pop(one)
                elif kind == 5:
                    segments.insert(one, segments[one])
                else:
                    segments[one], segments[other] = segments[other], segments[one]
                data = b"~".join(segments)
    return data or b"~"


async def _send(gateway: Running, files: list[bytes], what: str) -> set[str]:
    """Each in a message of its own, several under way; the messages' ids, all decided."""
    box, waiting = gateway.partner(PARTNER), list(enumerate(files))
    ids: set[str] = set()

    async def sender() -> None:
        while waiting:
            number, body = waiting.pop(0)
            answer, value = await box.send(gateway.session, f"{what}.edi", body, key=f"{what}-{number}", tries=20)
            assert answer == 202, value
            ids.add(value["id"])

    await asyncio.gather(*(sender() for _ in range(FILES_AT_ONCE)))
    end = time.monotonic() + 30 + len(files) / 10
    while [row for row in await _rows(gateway, "SELECT id FROM messages WHERE state = 'received'") if row.id in ids]:
        assert time.monotonic() < end, "messages were not decided"
        await asyncio.sleep(0.05)
    return ids


async def _mailbox(gateway: Running) -> Counter[tuple[str, int]]:
    """What the partner fetches, by what each answer says that it answers."""
    got: Counter[tuple[str, int]] = Counter()
    quiet = 0
    while quiet < 2:
        box = gateway.partner(PARTNER)
        new = await box.pick_up(gateway.session)
        for body in box.picked_up.values():
            for segment in body.decode("latin-1").split("~"):
                elements = segment.split("*")
                if elements[0] in ("TA1", "AK1"):
                    got["TA1" if elements[0] == "TA1" else "997", int(elements[1 if elements[0] == "TA1" else 2])] += 1
        quiet = 0 if new or await _rows(gateway, "SELECT id FROM owed WHERE state = 'due'") else quiet + 1
        await asyncio.sleep(0 if new else 0.2)
    return got


async def _rows(gateway: Running, query: str) -> list[Any]:
    return list(await landed(gateway.node.store.read(lambda tx: tx.execute(text(query)).all())))
