"""`crossdock demo`: a gateway, a pretend ERP and three pretend partners on this machine, and what happens between them as a story.

What it claims it checks, in the ERP's ledger and in the partners' outboxes, never in our own rows. Exit 0 only if every step truly happened.
"""

import asyncio
import base64
import hashlib
import os
import secrets
import shutil
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from rich.console import Console
from rich.markup import escape

from gateway import journal
from gateway.app import Node
from gateway.commands.demo_day import Day, StepFailed
from gateway.commands.demo_stage import carrier_keys, fresh_folder, until_stopped
from gateway.commands.story import tell_event
from gateway.data_directory import lock
from gateway.exits import FAILED, GOOD
from gateway.operations import OPERATIONS
from gateway.settings import Settings, read_settings
from gateway.simulators.as2 import Outcome, PretendAs2Partner
from gateway.simulators.erp import Effect, PretendErp
from gateway.simulators.living import ByAs2, ByHttp, BySftp, run_out
from gateway.simulators.partner import PretendPartner, acknowledged
from gateway.simulators.sftp import PretendSftpPartner
from gateway.store.store import Store
from gateway.store_opening import open_store
from translators.as2.cms.keys import certificate

DOCUMENTS = Path(__file__).parent.parent / "simulators" / "documents"
PROFILES = Path(__file__).parent.parent.parent / "partners" / "profiles"
PARTNERS = {"northway": "Northway Freight, a carrier", "lake3pl": "Lake 3PL, a warehouse", "harbor": "Harbor Retail, a customer"}
AS2_NAME = "NORTHWAY"
ANSWER_WITHIN = "2s"
"""What the warehouse has for its 997, so that nobody waits a day to see one overdue."""
PATIENCE = 12.0
console = Console(highlight=False, soft_wrap=True)


class Demo:
    def __init__(self, folder: Path, *, dead_erp: bool) -> None:
        self.folder = folder
        self.erp = PretendErp()
        self.erp.behaviour.dead = dead_erp
        self.tokens = {partner: secrets.token_urlsafe(24) for partner in PARTNERS}
        self.erp_token = secrets.token_urlsafe(24)
        self.partners: dict[str, PretendPartner] = {}
        self.evidence = "ID"
        self.acknowledged = 0
        """997s that the carrier got by AS2, those that were looked at."""
        self.documents = 0
        """Files that partners sent, and documents that we did, acknowledgments aside."""
        self._step = 0

    # ---- the stage

    async def run(self, *, stay: bool) -> int:
        runner = web.AppRunner(self.erp.app(), access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.erp_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        key, stranger = carrier_keys()
        self.before, self.expiring = run_out("Northway Freight"), run_out("Northway Freight", days_ago=-20)
        self.carrier = PretendAs2Partner(AS2_NAME, key, stranger.certificate)
        self.warehouse = PretendSftpPartner("lake3pl")
        carrier_runner = web.AppRunner(self.carrier.app(), access_log=None)
        await carrier_runner.setup()
        await web.TCPSite(carrier_runner, "127.0.0.1", 0).start()
        self.carrier_url = f"http://127.0.0.1:{carrier_runner.addresses[0][1]}/as2"
        settings = read_settings(None, self._settings())
        self._apply_profiles(settings)
        node = Node(settings)
        await node.start()
        try:
            return await self._tell_all(node, stay=stay)
        finally:
            await asyncio.to_thread(self.warehouse.close)
            await node.stop()
            await carrier_runner.cleanup()
            await runner.cleanup()

    def _settings(self) -> dict[str, Any]:
        return {
            "data_dir": str(self.folder),
            "partner_listener": {"port": 0},
            "admin_listener": {"port": 0},
            "erp_listener": {"port": 0, "token": self.erp_token},
            "sftp_listener": {"port": 0},
            "targets": {"erp": {"url": f"{self.erp_url}/events", "answer": {"confirmed": "/confirmation", "error": "/error"}}},
            "retries": {"first": "1s", "park": "2s"},
            "limits": {"disk_free": "16 MiB"},
        }

    def _apply_profiles(self, settings: Settings) -> None:
        held = lock(settings.data_dir)
        store = open_store(settings)
        for partner in PARTNERS:
            text = (PROFILES / f"{partner}.yaml").read_text(encoding="utf-8")
            digest = hashlib.sha256(self.tokens[partner].encode()).hexdigest()
            text = text.replace("tokens: []", f"tokens: [{{sha256: {digest}, note: this demo}}]")
            if partner == "northway":
                text = text.replace("agreements:", f'channels:\n  as2: {{id: {AS2_NAME}, url: "{self.carrier_url}"}}\nagreements:', 1)
            if partner == "lake3pl":
                text = text.replace("agreements:", f"channels:\n  sftp: {{keys: [{{key: '{self.warehouse.key.public}'}}]}}\nagreements:", 1)
                text = text.replace('send: "940"', f'send: "940"\n    owed: {{functional_acknowledgment: {ANSWER_WITHIN}}}', 1)
            OPERATIONS["partners.apply"](store, {"text": text, "who": "demo"})
        self._exchange_certificates(store)
        store.close()
        os.close(held)

    def _exchange_certificates(self, store: Store) -> None:
        """As two companies do it: each gets the other's certificate, and keeps its key."""
        ours = OPERATIONS["keys.generate"](store, {"name": "demo", "common_name": "Crossdock demo", "who": "demo"})
        pem = OPERATIONS["keys.show"](store, {"id": ours["id"]})["pem"]
        self.carrier.gateway = certificate(pem.encode())
        theirs = base64.b64encode(self.carrier.key.certificate.der).decode("ascii")
        OPERATIONS["keys.add"](store, {"partner": "northway", "data": theirs, "who": "demo"})
        for one in (self.before, self.expiring):
            data = base64.b64encode(one.certificate.der).decode("ascii")
            OPERATIONS["keys.add"](store, {"partner": "northway", "data": data, "who": "demo", "from": "2020-01-01"})

    async def _tell_all(self, node: Node, *, stay: bool) -> int:
        self.node = node
        url = node.addresses["partners"]
        self.partners = {name: PretendPartner(name, self.tokens[name], url) for name in PARTNERS}
        console.print("[bold]Crossdock[/bold] is up on this machine, with a pretend ERP and three pretend partners:")
        self.way_out = f"{node.addresses['erp']}/v1/documents"
        host_keys = await asyncio.to_thread(OPERATIONS["sftp.hostkeys"], node.store, {})
        await asyncio.to_thread(self.warehouse.connect, node.addresses["sftp"], [one["fingerprint"] for one in host_keys])
        console.print(
            f"  the carrier speaks AS2 to {url}/as2, the warehouse is a client of {node.addresses['sftp']}, the customer posts to {url}/v1/inbox"
        )
        console.print(f"  the ERP listens on {self.erp_url}/events and releases orders to {self.way_out}\n")
        failed = None
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
            self.session = session
            try:
                for step in (self.order, self.released, self.shipped, self.notice, self.status, self.bad_file, self.doubled, self.day_of_trade):
                    await step()
            except (StepFailed, ConnectionError, TimeoutError, aiohttp.ClientError) as error:
                failed = str(error) or type(error).__name__
        if failed:
            console.print(f"\n[bold red]This step did not happen:[/bold red] {escape(failed)}")
        else:
            self._sum_up()
        self._look_closer(node)
        if stay and not failed:
            console.print("\nIt stays up until Ctrl-C.")
            await until_stopped()
        return FAILED if failed else GOOD

    def _sum_up(self) -> None:
        effects = list(self.erp.effects.values())
        answers = sum(len(partner.picked_up) for partner in self.partners.values()) + len(self.carrier.taken) + len(self.warehouse.fetched)
        console.print(
            f"\n[bold green]Every step happened.[/bold green] {self.documents} documents, by HTTP, SFTP and AS2; the ERP's ledger holds {len(effects)} events,"
            f" each exactly once; partners got {answers} answers and orders."
        )

    def _look_closer(self, node: Node) -> None:
        command = "crossdock" if shutil.which("crossdock") else ".venv/bin/crossdock"
        data = f"--data-dir {self.folder}"
        console.print("\n[bold]Look closer[/bold], from this folder:")
        for line in (
            f"{command} messages {data}",
            f"{command} find 4500881 {data}",
            f"{command} find PO4520001 {data}",
            f"{command} order SIM4520001 {data}",
            f"{command} awaited --state overdue {data}",
            f"{command} alarms {data}",
            f"{command} as2 messages --state refused {data}",
            f"{command} sftp files {data}",
            f"{command} as2 evidence {self.evidence} --to evidence {data}",
            f"{command} keys list {data}",
            f"{command} dead {data}",
            f"{command} check {DOCUMENTS.relative_to(Path.cwd()) if DOCUMENTS.is_relative_to(Path.cwd()) else DOCUMENTS}/945-bad.edi",
            f"{command} translate {DOCUMENTS.relative_to(Path.cwd()) if DOCUMENTS.is_relative_to(Path.cwd()) else DOCUMENTS}/856-notice.edi --json",
        ):
            console.print(f"  {line}", markup=False)
        console.print(f"  metrics and health: {node.addresses['admin']}/metrics, {node.addresses['admin']}/readyz")

    # ---- the story

    async def order(self) -> None:
        self._title("Harbor Retail orders: a 940 from the customer")
        message = await self._send("harbor", "940-order.edi")
        await self._answer("harbor", message, "A")
        self._tell(await self._effect("fulfilment.requested", "order/H-77120"))

    async def released(self) -> None:
        self._title("The ERP releases it to the warehouse: a 940 to Lake 3PL, by SFTP")
        ordered = await self._effect("fulfilment.requested", "order/H-77120")
        told = {name: value for name, value in ordered.data.items() if name not in ("evidence", "quality")}
        event = {"partner": "lake3pl", "type": ordered.type, "data": told}
        answer = await self._release(event, key="demo-release-1")
        self.release = answer
        numbers = answer["control_numbers"]
        console.print(f"    kept as [bold]{answer['document']}[/bold], interchange {numbers['interchange']}; a 997 is awaited within {ANSWER_WITHIN}")
        body = await self._fetched(b"~ST*940*", "the 940 in the warehouse's folder")
        for line in body.decode("latin-1").split("~")[2:8]:
            console.print(f"    {line}", markup=False, style="dim")
        await asyncio.to_thread(self.warehouse.drop, "997-331.edi", acknowledged(body, 331))
        settled = await self._effect("exchange.settled", f"document/{answer['document']}")
        if settled.data["verdict"] != "accepted":
            raise StepFailed(f"the ERP was told that its order is {settled.data['verdict']}")
        console.print(
            f"    the warehouse fetches it by SFTP and drops its 997: the ERP is told that its order is [green]{settled.data['verdict']}[/green]"
        )

        another = event | {"data": told | {"order_id": "H-77121", "purchase_order": "4500882"}}
        self.unanswered = await self._release(another, key="demo-release-2")
        console.print("    a second order, H-77121, goes to it as well; that one it will not answer")

    async def shipped(self) -> None:
        self._title("The warehouse ships it, five cases short: a 945 from Lake 3PL, dropped by SFTP")
        before = self.erp.requests
        self.erp.behaviour.cut_after_commit = 0 if self.erp.behaviour.dead else 1
        await self._drop("945-shipped.edi")
        await self._answer_by_sftp(b"301", "A")
        effect = await self._effect("fulfilment.shipped", "order/H-77120")
        self._tell(effect)
        order = await self._document(self.release["id"])
        if effect.attributes["correlationid"] != order["correlation"]:
            raise StepFailed(f"the advice speaks of {effect.attributes['correlationid']}, the order of {order['correlation']}")
        console.print(f"    tied to the order that went out: both are {order['correlation']}")
        await self._wait_for(lambda: self.erp.requests >= before + 2, "the ERP cut the line, and the second attempt came")
        self._once(effect)
        console.print(
            "    [cyan]prevented:[/cyan] the ERP cut the line after it had booked this; the second attempt carried the same key, so it was booked once"
        )

    async def notice(self) -> None:
        self._title("It is on the truck: an 856 from Northway Freight, by AS2, signed and encrypted")
        self.evidence, _ = await self._send_by_as2("856-notice.edi")
        await self._answer_by_as2("A")
        self._tell(await self._effect("shipment.notified", "shipment/ASN-88120"))

    async def status(self) -> None:
        self._title("Where it is: a 214 with a departure, a position and an appointment, by AS2 again")
        await self._send_by_as2("214-status.edi")
        await self._answer_by_as2("A")
        await self._wait_for(lambda: len(self._effects("shipment.status")) == 3, "three status events at the ERP")
        for effect in self._effects("shipment.status"):
            self._tell(effect, lines=2)

    async def bad_file(self) -> None:
        self._title("A bad file: another 945, with three faults")
        before = len(self.erp.effects)
        await self._drop("945-bad.edi")
        await self._answer_by_sftp(b"302", "R")
        told = await asyncio.to_thread(self.warehouse.told, "945-bad.edi") or ""
        faults = [line.strip() for line in told.splitlines() if line.startswith("    ")]
        if len(faults) < 3:
            raise StepFailed("the bad file's faults were not told to its sender")
        console.print("    and in its folder /error, for its people:")
        for fault in faults:
            console.print(f"    [red]✗[/red] {escape(fault)}")
        await asyncio.sleep(0.5)
        if len(self.erp.effects) != before:
            raise StepFailed("something of a rejected document reached the ERP")
        console.print("    [cyan]prevented:[/cyan] nothing of it reached the ERP; it waits in `crossdock dead`")

    async def doubled(self) -> None:
        self._title("The same notice once more, in a new envelope")
        effect = await self._effect("shipment.notified", "shipment/ASN-88120")
        known, asked = set(self.erp.effects), self.erp.asked[effect.event]
        message, first = await self._send_by_as2("856-notice-again.edi")
        await self._answer_by_as2("A")
        await self._wait_for_async(lambda: self._is(message, "duplicate"), "the notice was seen to be a duplicate")
        if set(self.erp.effects) != known or self.erp.asked[effect.event] != asked:
            raise StepFailed("the ERP was bothered with a duplicate")
        self._once(effect)
        console.print("    [cyan]prevented:[/cyan] the form was accepted, nothing was sent; an ERP that books it twice empties the first shipment")
        again, second = await self._send_by_as2("856-notice-again.edi", message_id=first.message_id, quiet=True)
        if again != message or second.body != first.body:
            raise StepFailed("the same AS2 message again got another receipt")
        console.print("    and the same AS2 message again got the first receipt back, byte for byte")

    async def day_of_trade(self) -> None:
        self._title(
            "A day of trade: the simulated customer, warehouse and carrier live through four orders at once, and make the faults of the trade"
        )
        url = f"{self.node.addresses['partners']}/as2"
        carrier = ByAs2(self.session, self.carrier, url, stale=self.before)
        self.day = day = Day(self.node.store, self.erp, ByHttp(self.session, self.partners["harbor"]), BySftp(self.warehouse), carrier)
        begun = time.perf_counter()
        await day.trade()
        await self._wait_for_async(day.settled, f"{day.due.total()} events at the ERP, and a 997 for each file")
        took = time.perf_counter() - begun
        if wrong := day.wrong():
            raise StepFailed(wrong)
        self.documents += day.sent
        for line in day.told():
            console.print(f"    {line}", markup=False)
        console.print(
            f"    {day.sent} files in {took:.1f} s, a 997 for each; the ERP has its {day.due.total()} events, [green]each exactly once[/green]"
        )
        await self._wait_for_async(self._overdue, "the warehouse's answer was seen to be overdue")
        await self._wait_for_async(day.warned, "it was seen that a certificate will run out")
        console.print("    the faults that they made, and what came of each:")
        for did, came in await day.faults(unanswered=self.unanswered["document"]):
            console.print(f"    [red]✗[/red] {escape(did)}\n      {escape(came)}")

    async def _overdue(self) -> bool:
        return any(one["overdue_at"] for one in (await self._document(self.unanswered["id"]))["acknowledgments"])

    # ---- doing and checking

    def _title(self, text: str) -> None:
        self._step += 1
        console.print(f"[bold]{self._step}  {text}[/bold]")

    async def _send(self, partner: str, name: str, *, quiet: bool = False) -> str:
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

    async def _answer(self, partner: str, message: str, verdict: str) -> None:
        """The partner picks its 997 up from its outbox, and it says what it should."""
        box = self.partners[partner]

        async def there() -> bool:
            await box.pick_up(self.session)
            return any(key.startswith(f"997:{message}.") for key in box.picked_up)

        await self._wait_for_async(there, f"a 997 in the outbox of {partner}")
        _tell_997(next(body for key, body in box.picked_up.items() if key.startswith(f"997:{message}.")), verdict, "997")

    async def _drop(self, name: str) -> str:
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

    async def _fetched(self, mark: bytes, words: str) -> bytes:
        """What the warehouse fetches from its folder, and has this in it."""

        async def there() -> bool:
            await asyncio.to_thread(self.warehouse.pick_up)
            return any(mark in body for body in self.warehouse.fetched.values())

        await self._wait_for_async(there, words)
        return next(body for body in self.warehouse.fetched.values() if mark in body)

    async def _answer_by_sftp(self, group: bytes, verdict: str) -> None:
        """The warehouse fetches the 997 of this group, and it says what it should."""
        body = await self._fetched(b"~AK1*SW*" + group, f"a 997 for group {group.decode()} in the warehouse's folder")
        _tell_997(body, verdict, "997, fetched by SFTP")

    async def _send_by_as2(self, name: str, *, message_id: str | None = None, quiet: bool = False) -> tuple[str, Outcome]:
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

    async def _answer_by_as2(self, verdict: str) -> None:
        """Our 997 comes to the carrier by AS2, and says what it should."""

        def found() -> list[bytes]:
            return [body for taken in self.carrier.taken for body in taken.documents if b"~ST*997*" in body]

        await self._wait_for(lambda: len(found()) > self.acknowledged, "a 997 at the carrier, by AS2")
        self.acknowledged += 1
        _tell_997(found()[self.acknowledged - 1], verdict, "997, by AS2")

    async def _release(self, event: dict[str, Any], *, key: str) -> dict[str, Any]:
        """The 202's answer to an event that the ERP releases."""
        self.documents += 1
        headers = {"Authorization": f"Bearer {self.erp_token}", "Idempotency-Key": key}
        async with self.session.post(self.way_out, json=event, headers=headers) as response:
            answer: dict[str, Any] = await response.json(content_type=None)
            if response.status != 202:
                raise StepFailed(f"the release was answered {response.status}: {answer.get('detail')}")
            return answer

    async def _document(self, document: str) -> dict[str, Any]:
        """How it stands with a document that went out."""
        async with self.session.get(f"{self.way_out}/{document}", headers={"Authorization": f"Bearer {self.erp_token}"}) as response:
            value: dict[str, Any] = await response.json(content_type=None)
            return value

    def _effects(self, kind: str) -> list[Effect]:
        return [effect for effect in self.erp.effects.values() if effect.type == f"org.crossdock.{kind}.v1"]

    async def _effect(self, kind: str, subject: str) -> Effect:
        """The ERP's own record of an event."""

        def found() -> bool:
            return any(effect.subject == subject for effect in self._effects(kind))

        await self._wait_for(found, f"{kind} for {subject} in the ERP's ledger")
        effect = next(effect for effect in self._effects(kind) if effect.subject == subject)
        self._once(effect)
        return effect

    def _once(self, effect: Effect) -> None:
        if effect.count != 1:
            raise StepFailed(f"the ERP did {effect.subject} {effect.count} times")

    def _tell(self, effect: Effect, lines: int = 14) -> None:
        told = list(tell_event(effect.type, effect.subject, effect.attributes["time"], effect.data))
        for line in told[: lines + 1]:
            console.print(f"    {line}", markup=False)
        console.print(f"    the ERP confirms: [green]{effect.confirmation}[/green]")

    async def _is(self, message: str, state: str) -> bool:
        status = await self.partners["northway"].status(self.session, message)
        return any(each["state"] == state for one in status["interchanges"] for group in one["groups"] for each in group["sets"])

    async def _wait_for(self, what: Callable[[], bool], words: str) -> None:
        async def look() -> bool:
            return what()

        await self._wait_for_async(look, words)

    async def _wait_for_async(self, what: Callable[[], Awaitable[bool]], words: str) -> None:
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


def demo() -> int:
    """The exit code. `CROSSDOCK_DEMO_EXIT=1` ends after the story, also in a terminal; `CROSSDOCK_DEMO_DEAD_ERP=1` shows that the checks can fail."""
    journal.silence()
    stay = sys.stdout.isatty() and os.environ.get("CROSSDOCK_DEMO_EXIT") != "1"
    folder = fresh_folder(Path(os.environ.get("CROSSDOCK_DEMO_DIR", "var/demo")))
    try:
        return asyncio.run(Demo(folder, dead_erp=os.environ.get("CROSSDOCK_DEMO_DEAD_ERP") == "1").run(stay=stay))
    except KeyboardInterrupt:
        return GOOD
