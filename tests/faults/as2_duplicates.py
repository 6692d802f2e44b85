"""P8. The same AS2 message a hundred times, ten at once, at several nodes: one effect, and the same receipt byte for byte. Other content under its id is refused, and told."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from gateway.simulators.as2 import Outcome, PretendAs2Partner
from tests.as2_keys import key
from tests.as2_running import profile, text_of
from tests.faults.partners import interchange, status_set
from tests.faults.promise import CannotBeTried, Proof, Trial
from tests.faults.sabotage import sabotaged
from tests.running import Running, running
from translators.as2.cms.keys import certificate
from translators.as2.write import Document, ReceiptWanted, Security

TOGETHER = 10
PATIENCE = 200
"""Tries of one copy that hears 503: its id is being worked on elsewhere."""


class ListeningPartner(PretendAs2Partner):
    """Keeps the very bytes of the receipts that are posted to it."""

    posted: list[bytes]

    async def receive(self, request: web.Request) -> web.StreamResponse:
        self.posted.append(await request.read())
        return await super().receive(request)


async def prove(trial: Trial, proof: Proof) -> None:
    with sabotaged(trial.sabotage):
        async with _nodes(trial, proof) as (gateways, partner, url):
            # The pieces that are not sent many times come first: a stranger's receipts are bounded to so many a minute.
            duplicates = Duplicates(trial, proof, gateways, partner, url)
            await duplicates.many_times()
            if trial.sabotage is None:
                await duplicates.before_it_is_opened()
            await duplicates.with_other_content()
            await duplicates.after_a_refusal()


@contextlib.asynccontextmanager
async def _nodes(trial: Trial, proof: Proof) -> AsyncIterator[tuple[list[Running], ListeningPartner, str]]:
    """Nodes on one PostgreSQL; where there is none, one node."""
    try:
        database, count = trial.database(), trial.size("nodes")
    except CannotBeTried:
        database, count = None, 1
    proof.count("nodes", count)
    async with contextlib.AsyncExitStack() as stack:
        gateways: list[Running] = []
        for number in range(count):
            gateways.append(
                await stack.enter_async_context(running(trial.folder / f"node{number}", database, key_secret="the secret of all nodes of the trial"))
            )
        first = gateways[0]
        made = await first.operate("keys.generate", name="ours")
        der = base64.b64decode("".join((await first.operate("keys.show", id=made["id"]))["pem"].splitlines()[1:-1]))
        partner = ListeningPartner("ACME3PL", key("signer"), certificate(der))
        partner.posted = []
        runner = web.AppRunner(partner.app(), access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host = f"127.0.0.1:{runner.addresses[0][1]}"
        await first.operate(
            "partners.apply",
            text=profile("acme", "ACME3PL", receive=f"{{receipt_hosts: ['{host}']}}", agreements="[{receive: '214', default_zone: America/Chicago}]"),
        )
        await first.operate("keys.add", partner="acme", data=text_of(key("signer").certificate.der), **{"from": "2020-01-01"})
        for gateway in gateways:
            await gateway.node.reload_profiles()
        yield gateways, partner, f"http://{host}/as2"


class Duplicates:
    def __init__(self, trial: Trial, proof: Proof, gateways: list[Running], partner: ListeningPartner, url: str) -> None:
        self.copies, self.messages, self.proof = trial.size("copies"), trial.size("messages"), proof
        self.gateways, self.partner, self.url = gateways, partner, url
        self.control = self.busy = 0

    def write(self, shipment: str, message_id: str | None = None, *, receipt: ReceiptWanted | None = None) -> tuple[Any, Any, str, ReceiptWanted]:
        self.control += 1
        body = interchange("NWFX", self.control, [status_set(shipment, 1)]).replace(b"*ZZ*NWFX ", b"*02*NWFX ")
        wanted = receipt or ReceiptWanted()
        return (*self.partner.write([Document(body, "application/edi-x12")], Security(), receipt=wanted, message_id=message_id), wanted)

    async def post(self, written: tuple[Any, Any, str, ReceiptWanted], number: int) -> Outcome:
        """One copy, at one node after another; 503 is come back later."""
        headers, body, named, wanted = written
        gateway = self.gateways[number % len(self.gateways)]
        for _ in range(PATIENCE):
            outcome = await self.partner.post(gateway.session, f"{gateway.url}/as2", headers, body, named, wanted)
            if outcome.status != 503:
                return outcome
            self.busy += 1
            await asyncio.sleep(0.05)
        return outcome

    async def copies_of(self, written: tuple[Any, Any, str, ReceiptWanted], count: int) -> list[Outcome]:
        """So many, ten at once."""
        outcomes: list[Outcome] = []
        for begun in range(0, count, TOGETHER):
            outcomes += await asyncio.gather(*(self.post(written, number) for number in range(begun, min(count, begun + TOGETHER))))
        return outcomes

    def effects(self, shipment: str) -> int:
        return sum(effect.count for gateway in self.gateways for effect in gateway.effects(f"shipment/{shipment}"))

    async def settled(self, shipment: str) -> None:
        with contextlib.suppress(AssertionError):
            await self.gateways[0].settle(lambda: self.effects(shipment) > 0)

    async def once(self, what: str, shipments: list[str]) -> None:
        for shipment in shipments:
            await self.settled(shipment)
        await asyncio.sleep(0.5)
        self.proof.none(f"{what}: not one effect", (f"{one} {self.effects(one)}" for one in shipments if self.effects(one) != 1))

    async def many_times(self) -> None:
        """Ten at once while the first is at work, then ten at once when it is long decided."""
        shipments, unlike = [], []
        for number in range(self.messages):
            shipments.append(f"MANY{number}")
            outcomes = await self.copies_of(self.write(shipments[-1]), self.copies)
            self.proof.count("copies", len(outcomes))
            self.proof.count("their receipts", sum(bool(one.body) for one in outcomes))
            unlike += [f"{number}: {len({one.body for one in outcomes})} receipts"] * (len({one.body for one in outcomes}) - 1)
            bad = [str(one.status) for one in outcomes if one.judgment is None or one.judgment.state != "delivered"]
            self.proof.none("copies whose receipt proves nothing", bad)
        self.proof.none("receipts that differ from the first", unlike)
        await self.once("many times", shipments)
        self.proof.count("copies that came again because their id was at work", self.busy)

    async def before_it_is_opened(self) -> None:
        """Asynchronous: the copies come while the first is only kept; each receipt that is posted is the same."""
        for gateway in self.gateways:
            await gateway.node.as2.stop()
        written = self.write("LATER", receipt=ReceiptWanted(url=self.url))
        early = await self.copies_of(written, 2 * TOGETHER)
        self.proof.none("asynchronous: answers that are no 204", (str(one.status) for one in early if one.status != 204))
        for gateway in self.gateways:
            gateway.node.as2.start()
        await self.gateways[0].settle(lambda: bool(self.partner.posted))
        late = await self.copies_of(written, 2 * TOGETHER)
        self.proof.none("asynchronous: answers that are no 204 afterwards", (str(one.status) for one in late if one.status != 204))
        with contextlib.suppress(AssertionError):
            await self.gateways[0].settle(lambda: len(self.partner.posted) >= 1 + len(late))
        self.proof.count("receipts posted", len(self.partner.posted))
        self.proof.none("posted receipts that differ from the first", set(self.partner.posted[1:]) - set(self.partner.posted[:1]))
        await self.once("asynchronous", ["LATER"])

    async def with_other_content(self) -> None:
        """Under one id two contents, at once and again: one of them is taken, once, and the other one is refused whenever it comes."""
        both = 0
        for number in range(self.messages):
            named = f"<twice-{number}@acme>"
            one, other = self.write(f"ONE{number}", named), self.write(f"OTHER{number}", named)
            outcomes = await asyncio.gather(*(self.post((one, other)[copy // 2 % 2], copy // 2 + copy % 2) for copy in range(2 * TOGETHER)))
            taken = [copy // 2 % 2 for copy, outcome in enumerate(outcomes) if outcome.judgment is not None and outcome.judgment.state == "delivered"]
            both += len(set(taken)) - 1
            self.proof.count("copies with two contents", len(outcomes))
            await self.settled(f"{('ONE', 'OTHER')[taken[0]]}{number}" if taken else "NONE")
        await asyncio.sleep(0.5)
        effects = {number: (self.effects(f"ONE{number}"), self.effects(f"OTHER{number}")) for number in range(self.messages)}
        self.proof.none("contents of one id that both were called taken", range(abs(both)))
        self.proof.none("not one effect of two contents", (f"{number}: {found}" for number, found in effects.items() if sorted(found) != [0, 1]))
        alarms = [one for one in await self.gateways[0].operate("alarms") if one["kind"] == "as2.refused"]
        self.proof.holds(bool(alarms), "nobody was told of other content under a known id")

    async def after_a_refusal(self) -> None:
        """Its key is not known: refused. Once it is, the same bytes under the same id are taken, once, however often they come."""
        self.partner.key = key("next")
        written = self.write("MENDED")
        refused = await self.copies_of(written, TOGETHER)
        self.proof.none(
            "taken though nobody knows its key", (one.status for one in refused if one.judgment is None or one.judgment.state != "failed")
        )
        await self.gateways[0].operate("keys.add", partner="acme", data=text_of(key("next").certificate.der), name="next", **{"from": "2020-01-01"})
        for gateway in self.gateways:
            await gateway.node.reload_profiles()
        outcomes = await self.copies_of(written, 2 * TOGETHER)
        self.proof.none("refused though it was mended", (one.status for one in outcomes if one.judgment is None or one.judgment.state != "delivered"))
        self.proof.none("receipts after the mend that differ", range(len({one.body for one in outcomes}) - 1))
        await self.once("after a refusal", ["MENDED"])
