"""The demo's cast: the pretend ERP and partners, and what they do and see. Each act is checked at its other end.

Knows nothing of the story that they play.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
from rich.markup import escape

from gateway.app import Node
from gateway.commands.demo_day import StepFailed
from gateway.commands.screen import console
from gateway.commands.story import tell_event
from gateway.operations import OPERATIONS
from gateway.simulators.as2 import Outcome, PretendAs2Partner
from gateway.simulators.erp import Effect, PretendErp
from gateway.simulators.partner import PretendPartner
from gateway.simulators.sftp import PretendSftpPartner

DOCUMENTS = Path(__file__).parent.parent / "simulators" / "documents"
PARTNERS = {"northway": "Northway Freight, a carrier", "lake3pl": "Lake 3PL, a warehouse", "harbor": "Harbor Retail, a customer"}
PATIENCE = 12.0


class Cast:
    node: Node
    session: aiohttp.ClientSession
    way_out: str
    """Where the ERP releases documents to."""

    def __init__(self, carrier: PretendAs2Partner, *, dead_erp: bool) -> None:
        self.erp = PretendErp()
        self.erp.behaviour.dead = dead_erp
        self.tokens = {partner: secrets.token_urlsafe(24) for partner in PARTNERS}
        self.erp_token = secrets.token_urlsafe(24)
        self.partners: dict[str, PretendPartner] = {}
        self.carrier = carrier
        self.warehouse = PretendSftpPartner("lake3pl")
        self.acknowledged = 0
        """997s that the carrier got by AS2, those that were looked at."""
        self.documents = 0
        """Files that partners sent, and documents that we did, acknowledgments aside."""

    async def send(self, partner: str, name: str, *, quiet: bool = False) -> str:
        """The message's id from the 202."""
        body = (DOCUMENTS / name).read_bytes()
        begun = time.perf_counter()
        self.documents += 1
        status, answer = await self.partners[partner].send(self.session, name, body)
        if status != 202:
            raise StepFailed(f"{name} was answered {status}: {answer}")
        if not quiet:
            took = (time.perf_counter() - begun) * 1000
            console.print(f"    receipt: 202 in {took:.0f} ms, kept as [bold]{answer['id']}[/bold] ({len(body)} bytes)")
        return str(answer["id"])

    async def answer(self, partner: str, message: str, verdict: str) -> None:
        """The partner picks its 997 up from its outbox, and it says what it should."""
        box = self.partners[partner]

        async def there() -> bool:
            await box.pick_up(self.session)
            return any(key.startswith(f"997:{message}.") for key in box.picked_up)

        await self.wait_until(there, f"a 997 in the outbox of {partner}")
        _tell_997(next(body for key, body in box.picked_up.items() if key.startswith(f"997:{message}.")), verdict, "997")

    async def drop(self, name: str) -> str:
        """The message's id here, once the warehouse's client has its yes."""
        body = (DOCUMENTS / name).read_bytes()
        begun = time.perf_counter()
        self.documents += 1
        await asyncio.to_thread(self.warehouse.drop, name, body)
        took = (time.perf_counter() - begun) * 1000
        rows = await asyncio.to_thread(OPERATIONS["sftp.files"], self.node.store, {"partner": "lake3pl"})
        message = next(row["message"] for row in rows if row["name"] == name)
        console.print(f"    put as {name}.tmp and renamed in {took:.0f} ms, kept as [bold]{message}[/bold] ({len(body)} bytes)")
        return str(message)

    async def fetched(self, mark: bytes, words: str) -> bytes:
        """What the warehouse fetches from its folder, and has this in it."""

        async def there() -> bool:
            await asyncio.to_thread(self.warehouse.pick_up)
            return any(mark in body for body in self.warehouse.fetched.values())

        await self.wait_until(there, words)
        return next(body for body in self.warehouse.fetched.values() if mark in body)

    async def answer_by_sftp(self, group: bytes, verdict: str) -> None:
        """The warehouse fetches the 997 of this group, and it says what it should."""
        body = await self.fetched(b"~AK1*SW*" + group, f"a 997 for group {group.decode()} in the warehouse's folder")
        _tell_997(body, verdict, "997, fetched by SFTP")

    async def send_by_as2(self, name: str, *, message_id: str | None = None, quiet: bool = False) -> tuple[str, Outcome]:
        """(the message's id here, what came of it), once the carrier's own software has judged our receipt."""
        begun = time.perf_counter()
        body = (DOCUMENTS / name).read_bytes()
        url = f"{self.node.addresses['partners']}/as2"
        self.documents += 1
        outcome = await self.carrier.send(self.session, url, body, file_name=name, message_id=message_id)
        if outcome.judgment is None or outcome.judgment.state != "delivered":
            raise StepFailed(f"{name} was answered {outcome.status}: {outcome.judgment.text if outcome.judgment else 'no receipt'}")
        rows = await asyncio.to_thread(OPERATIONS["as2.messages"], self.node.store, {"direction": "in"})
        row = next(one for one in rows if one["message_id"] == outcome.message_id)
        if not quiet:
            took = (time.perf_counter() - begun) * 1000
            console.print(f"    signed receipt (MDN) in {took:.0f} ms: [green]processed[/green], MIC {row['mic'][:12]}… is the carrier's own")
            console.print(f"    kept as [bold]{row['id']}[/bold] ({len(body)} bytes, {row['report']['cipher']}, {row['report']['digest']})")
        return str(row["id"]), outcome

    async def answer_by_as2(self, verdict: str) -> None:
        """Our 997 comes to the carrier by AS2, and says what it should."""

        def found() -> list[bytes]:
            return [body for taken in self.carrier.taken for body in taken.documents if b"~ST*997*" in body]

        await self.wait_for(lambda: len(found()) > self.acknowledged, "a 997 at the carrier, by AS2")
        self.acknowledged += 1
        _tell_997(found()[self.acknowledged - 1], verdict, "997, by AS2")

    async def release(self, event: dict[str, Any], *, key: str) -> dict[str, Any]:
        """The 202's answer to an event that the ERP releases."""
        self.documents += 1
        headers = {"Authorization": f"Bearer {self.erp_token}", "Idempotency-Key": key}
        async with self.session.post(self.way_out, json=event, headers=headers) as response:
            answer: dict[str, Any] = await response.json(content_type=None)
            if response.status != 202:
                raise StepFailed(f"the release was answered {response.status}: {answer.get('detail')}")
            return answer

    async def document(self, document: str) -> dict[str, Any]:
        """How it stands with a document that went out."""
        async with self.session.get(f"{self.way_out}/{document}", headers={"Authorization": f"Bearer {self.erp_token}"}) as response:
            value: dict[str, Any] = await response.json(content_type=None)
            return value

    def effects(self, kind: str) -> list[Effect]:
        return [effect for effect in self.erp.effects.values() if effect.type == f"org.crossdock.{kind}.v1"]

    async def effect(self, kind: str, subject: str) -> Effect:
        """The ERP's own record of an event."""

        def found() -> bool:
            return any(effect.subject == subject for effect in self.effects(kind))

        await self.wait_for(found, f"{kind} for {subject} in the ERP's ledger")
        effect = next(effect for effect in self.effects(kind) if effect.subject == subject)
        self.once(effect)
        return effect

    def once(self, effect: Effect) -> None:
        if effect.count != 1:
            raise StepFailed(f"the ERP did {effect.subject} {effect.count} times")

    def tell(self, effect: Effect, lines: int = 14) -> None:
        told = list(tell_event(effect.type, effect.subject, effect.attributes["time"], effect.data))
        for line in told[: lines + 1]:
            console.print(f"    {line}", markup=False)
        console.print(f"    the ERP confirms: [green]{effect.confirmation}[/green]")

    async def is_in_state(self, message: str, state: str) -> bool:
        status = await self.partners["northway"].status(self.session, message)
        return any(each["state"] == state for one in status["interchanges"] for group in one["groups"] for each in group["sets"])

    async def wait_for(self, what: Callable[[], bool], words: str) -> None:
        async def look() -> bool:
            return what()

        await self.wait_until(look, words)

    async def wait_until(self, what: Callable[[], Awaitable[bool]], words: str) -> None:
        until = time.monotonic() + PATIENCE
        while not await what():
            if time.monotonic() > until:
                raise StepFailed(f"{words}: not within {PATIENCE:.0f} s")
            await asyncio.sleep(0.05)


def _tell_997(body: bytes, verdict: str, how: str) -> None:
    """Raises StepFailed where the 997 does not say `verdict`."""
    segments = [segment for segment in body.decode("latin-1").split("~") if segment.startswith("AK")]
    told = next(segment for segment in segments if segment.startswith("AK9*"))
    if not told.startswith(f"AK9*{verdict}*"):
        raise StepFailed(f"the 997 says {told}, not {verdict}")
    words = {"A": "[green]accepted[/green]", "R": "[red]rejected[/red]"}[verdict]
    console.print(f"    {how}: {words}  [dim]{escape('~'.join(segments))}[/dim]")
