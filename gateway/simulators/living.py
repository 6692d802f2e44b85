"""A partner that lives: sends what its role has to say by the channel that it has, answers what it gets, and tells what happens, line by line."""

import asyncio
import contextlib
import os
import random
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Protocol

import aiohttp
from aiohttp import web

from gateway.keys import generate
from gateway.simulators.as2 import Outcome, PretendAs2Partner
from gateway.simulators.partner import PretendPartner, acknowledged
from gateway.simulators.sftp import PretendSftpPartner
from gateway.simulators.trade import Fault, Sender, Sending, shipped
from translators.as2.cms.keys import Certificate, OurKey, our_key
from translators.as2.write import Security

OWN_NUMBERS = 900_000_000
"""Control numbers of what it sends because it got something begin here."""
LOOK = 0.3
"""Seconds between looks into the mailbox."""
TRIES = 30


class Way(Protocol):
    """How it reaches the gateway and is reached."""

    async def send(self, name: str, body: bytes, faults: tuple[Fault, ...] = ()) -> str:
        """What it was answered, in a few words. `faults`: those of the file; a channel looks at its own. Raises ConnectionError where it never was."""
        ...

    async def pick_up(self) -> list[bytes]:
        """What is new for it."""
        ...


class ByHttp:
    def __init__(self, session: aiohttp.ClientSession, partner: PretendPartner) -> None:
        self._session, self._partner = session, partner
        self._had: set[str] = set()

    async def send(self, name: str, body: bytes, faults: tuple[Fault, ...] = ()) -> str:
        status, answer = await self._partner.send(self._session, name, body, tries=TRIES, pause=1)
        return f"{status} {answer.get('id', answer.get('detail', ''))}" + (" (known)" if answer.get("duplicate") else "")

    async def pick_up(self) -> list[bytes]:
        await self._partner.pick_up(self._session)
        new = [key for key in self._partner.picked_up if key not in self._had]
        self._had.update(new)
        return [self._partner.picked_up[key] for key in new]


class BySftp:
    """All are connected; with several as many files go side by side, each over a connection of its own."""

    def __init__(self, partner: PretendSftpPartner, *more: PretendSftpPartner) -> None:
        self._free: asyncio.LifoQueue[PretendSftpPartner] = asyncio.LifoQueue()
        for one in (partner, *more):
            one.fetched = partner.fetched
            self._free.put_nowait(one)

    async def send(self, name: str, body: bytes, faults: tuple[Fault, ...] = ()) -> str:
        async with self._line() as line:
            await asyncio.to_thread(line.drop, name, body)
        return "OK"

    async def pick_up(self) -> list[bytes]:
        async with self._line() as line:
            return await asyncio.to_thread(line.pick_up)

    @contextlib.asynccontextmanager
    async def _line(self) -> AsyncIterator[PretendSftpPartner]:
        """A connection that nobody else uses meanwhile: one does one thing at a time."""
        line = await self._free.get()
        try:
            yield line
        finally:
            self._free.put_nowait(line)


class ByAs2:
    """`stale` is a key under which it signed before, `retired` a certificate of the gateway's to which it encrypted before: for messages with the fault
    `stale-certificate`, in turn where it has both. Without either it makes a key whose certificate has run out."""

    def __init__(
        self, session: aiohttp.ClientSession, partner: PretendAs2Partner, url: str, *, stale: OurKey | None = None, retired: Certificate | None = None
    ) -> None:
        self._session, self._partner, self._url = session, partner, url
        self._read = 0
        self._stale, self._retired, self._stales = stale, retired, 0
        self.refused: list[tuple[str, str]] = []
        """(file, what the receipt said) of what it sent under a certificate of before."""

    async def send(self, name: str, body: bytes, faults: tuple[Fault, ...] = ()) -> str:
        if "stale-certificate" not in faults:
            return _told(await self._sent(name, body))
        signer, recipient, what = self._of_before()
        first = _told(await self._sent(name, body, signer=signer, recipient=recipient))
        self.refused.append((name, first))
        return f"{what}: {first}; again, as it should: {_told(await self._sent(name, body))}"

    async def _sent(self, name: str, body: bytes, *, signer: OurKey | None = None, recipient: Certificate | None = None) -> Outcome:
        return await self._partner.send(self._session, self._url, body, file_name=name, security=Security(), signer=signer, recipient=recipient)

    def _of_before(self) -> tuple[OurKey | None, Certificate | None, str]:
        """(signer, recipient, in words)."""
        self._stales += 1
        if self._retired is not None and (self._stale is None or self._stales % 2 == 0):
            return None, self._retired, "encrypted to the gateway's certificate of before"
        self._stale = self._stale or run_out(self._partner.name)
        return self._stale, None, "signed with a certificate of before"

    async def pick_up(self) -> list[bytes]:
        new = self._partner.taken[self._read :]
        self._read += len(new)
        return [document for one in new for document in one.documents]


@dataclass
class Living:
    """One partner. `pace` are the seconds between its files; `silent`: how many of our documents it never answers, of one."""

    way: Way
    who: Sender
    day: date
    say: Callable[[str], None]
    ships: bool = False
    """Whether it ships the 940s that it gets."""
    pace: float = 0.0
    silent: float = 0.0
    at_once: int = 1
    """Of how many orders it sends side by side."""
    chance: random.Random = field(default_factory=random.Random)
    sent: int = 0
    got: list[bytes] = field(default_factory=list)
    _own: int = field(default_factory=lambda: first_number())

    async def tell(self, files: list[Sending]) -> None:
        """Sends them in their order; with `at_once` several orders side by side, each of them in its order, and the late files after all others."""
        for part in (False, True):
            orders: dict[str, list[Sending]] = {}
            for one in files:
                if ("late" in one.faults) == part:
                    orders.setdefault(one.order if self.at_once > 1 else "", []).append(one)
            waiting = iter(orders.values())  # shared: whoever is free takes the next
            telling = [asyncio.create_task(self._tell_orders(waiting)) for _ in range(min(self.at_once, len(orders)))]
            try:
                await asyncio.gather(*telling)
            finally:
                for task in telling:  # where one file is not taken the rest is not sent
                    task.cancel()

    async def _tell_orders(self, waiting: Iterator[list[Sending]]) -> None:
        for files in waiting:
            for one in files:
                with_fault = f"  ({', '.join(one.faults)})" if one.faults else ""
                self.say(f"{one.name}: {await self.way.send(one.name, one.body, one.faults)}{with_fault}")
                self.sent += 1
                await asyncio.sleep(self.pace)

    async def listen(self, seconds: float) -> None:
        """Picks up what comes for so long, and answers it."""
        until = asyncio.get_running_loop().time() + seconds
        while True:
            for document in await self.way.pick_up():
                self.got.append(document)
                await self._answer(document)
            if asyncio.get_running_loop().time() >= until:
                return
            await asyncio.sleep(LOOK)

    async def _answer(self, document: bytes) -> None:
        set_id = _set_of(document)
        self.say(f"got a {set_id} of {len(document)} bytes")
        if set_id in ("997", "999", "TA1", "") or self.chance.random() < self.silent:
            return
        await self.tell([Sending(f"997-{self._own}.edi", acknowledged(document, self._number()), "")])
        if self.ships and set_id == "940":
            await self.tell([shipped(document, control=self._number(), day=self.day, who=self.who)])

    def _number(self) -> int:
        self._own += 1
        return self._own


def _told(outcome: Outcome) -> str:
    if outcome.judgment is None:
        return f"{outcome.status}, without a receipt"
    why = f": {outcome.judgment.text}" if outcome.judgment.state == "failed" else ""
    return f"{outcome.status}, its receipt says {outcome.judgment.state}{why}"


def run_out(name: str, *, days_ago: int = 30) -> OurKey:
    """A key whose certificate ran out so many days ago, after a year; below zero it will."""
    made = generate(name, at=datetime.now(UTC) - timedelta(days=365 + days_ago), days=365)
    return our_key(made.private, made.certificate)


def _set_of(document: bytes) -> str:
    """ST01 of its first set; TA1 where it has none; empty where it is no X12."""
    if not document.startswith(b"ISA"):
        return ""
    separator, end = document[3:4], document[105:106]
    for segment in document.split(end):
        tag, _, rest = segment.strip().partition(separator)
        if tag in (b"ST", b"TA1"):
            return rest.split(separator)[0].decode("latin-1") if tag == b"ST" else "TA1"
    return ""


async def served(partner: PretendAs2Partner, host: str, port: int) -> tuple[web.AppRunner, str]:
    """The AS2 partner as a server, for what we send it: (runner, its address)."""
    runner = web.AppRunner(partner.app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    address, chosen = runner.addresses[0][:2]
    return runner, f"http://{address}:{chosen}/as2"


def first_number() -> int:
    """Where the control numbers of answers begin: another place each time, for they may not come twice from one partner."""
    return OWN_NUMBERS + int.from_bytes(os.urandom(3)) * 5 % 90_000_000
