"""`crossdock demo`: a gateway, a pretend ERP and three pretend partners on this machine, and what happens between them as a story.

What it claims it checks, in the ERP's ledger and in the partners' outboxes, never in our own rows. Exit 0 only if every step truly happened.
"""

import asyncio
import base64
import hashlib
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from rich.markup import escape

from gateway import journal
from gateway.app import Node
from gateway.commands.demo_cast import DOCUMENTS, PARTNERS, Cast
from gateway.commands.demo_day import Day, StepFailed
from gateway.commands.demo_stage import carrier_keys, fresh_folder, until_stopped
from gateway.commands.screen import console
from gateway.data_directory import lock
from gateway.exits import FAILED, GOOD
from gateway.operations import OPERATIONS
from gateway.settings import Settings, read_settings
from gateway.simulators.as2 import PretendAs2Partner
from gateway.simulators.living import ByAs2, ByHttp, BySftp, run_out
from gateway.simulators.partner import PretendPartner, acknowledged
from gateway.store.store import Store
from gateway.store_opening import open_store
from translators.as2.cms.keys import certificate

PROFILES = Path(__file__).parent.parent.parent / "partners" / "profiles"
AS2_NAME = "NORTHWAY"
ANSWER_WITHIN = "2s"
"""What the warehouse has for its 997, so that nobody waits a day to see one overdue."""


class Demo:
    cast: Cast

    def __init__(self, folder: Path, *, dead_erp: bool) -> None:
        self.folder, self._dead_erp = folder, dead_erp
        self.evidence = "ID"
        self._step = 0

    # ---- the stage

    async def run(self, *, stay: bool) -> int:
        key, stranger = carrier_keys()
        self.before, self.expiring = run_out("Northway Freight"), run_out("Northway Freight", days_ago=-20)
        self.cast = Cast(PretendAs2Partner(AS2_NAME, key, stranger.certificate), dead_erp=self._dead_erp)
        runner = web.AppRunner(self.cast.erp.app(), access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.erp_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        carrier_runner = web.AppRunner(self.cast.carrier.app(), access_log=None)
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
            await asyncio.to_thread(self.cast.warehouse.close)
            await node.stop()
            await carrier_runner.cleanup()
            await runner.cleanup()

    def _settings(self) -> dict[str, Any]:
        return {
            "data_dir": str(self.folder),
            "partner_listener": {"port": 0},
            "admin_listener": {"port": 0},
            "erp_listener": {"port": 0, "token": self.cast.erp_token},
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
            digest = hashlib.sha256(self.cast.tokens[partner].encode()).hexdigest()
            text = text.replace("tokens: []", f"tokens: [{{sha256: {digest}, note: this demo}}]")
            if partner == "northway":
                text = text.replace("agreements:", f'channels:\n  as2: {{id: {AS2_NAME}, url: "{self.carrier_url}"}}\nagreements:', 1)
            if partner == "lake3pl":
                text = text.replace("agreements:", f"channels:\n  sftp: {{keys: [{{key: '{self.cast.warehouse.key.public}'}}]}}\nagreements:", 1)
                text = text.replace('send: "940"', f'send: "940"\n    owed: {{functional_acknowledgment: {ANSWER_WITHIN}}}', 1)
            OPERATIONS["partners.apply"](store, {"text": text, "who": "demo"})
        self._exchange_certificates(store)
        store.close()
        os.close(held)

    def _exchange_certificates(self, store: Store) -> None:
        """As two companies do it: each gets the other's certificate, and keeps its key."""
        ours = OPERATIONS["keys.generate"](store, {"name": "demo", "common_name": "Crossdock demo", "who": "demo"})
        pem = OPERATIONS["keys.show"](store, {"id": ours["id"]})["pem"]
        self.cast.carrier.gateway = certificate(pem.encode())
        theirs = base64.b64encode(self.cast.carrier.key.certificate.der).decode("ascii")
        OPERATIONS["keys.add"](store, {"partner": "northway", "data": theirs, "who": "demo"})
        for one in (self.before, self.expiring):
            data = base64.b64encode(one.certificate.der).decode("ascii")
            OPERATIONS["keys.add"](store, {"partner": "northway", "data": data, "who": "demo", "from": "2020-01-01"})

    async def _tell_all(self, node: Node, *, stay: bool) -> int:
        self.cast.node = node
        url = node.addresses["partners"]
        self.cast.partners = {name: PretendPartner(name, self.cast.tokens[name], url) for name in PARTNERS}
        console.print("[bold]Crossdock[/bold] is up on this machine, with a pretend ERP and three pretend partners:")
        self.cast.way_out = f"{node.addresses['erp']}/v1/documents"
        host_keys = await asyncio.to_thread(OPERATIONS["sftp.hostkeys"], node.store, {})
        await asyncio.to_thread(self.cast.warehouse.connect, node.addresses["sftp"], [one["fingerprint"] for one in host_keys])
        console.print(
            f"  the carrier speaks AS2 to {url}/as2, the warehouse is a client of {node.addresses['sftp']}, the customer posts to {url}/v1/inbox"
        )
        console.print(f"  the ERP listens on {self.erp_url}/events and releases orders to {self.cast.way_out}\n")
        failed = None
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
            self.cast.session = session
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
        effects = list(self.cast.erp.effects.values())
        answers = (
            sum(len(partner.picked_up) for partner in self.cast.partners.values()) + len(self.cast.carrier.taken) + len(self.cast.warehouse.fetched)
        )
        console.print(
            f"\n[bold green]Every step happened.[/bold green] {self.cast.documents} documents, by HTTP, SFTP and AS2; the ERP's ledger holds {len(effects)} events,"
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
        message = await self.cast.send("harbor", "940-order.edi")
        await self.cast.answer("harbor", message, "A")
        self.cast.tell(await self.cast.effect("fulfilment.requested", "order/H-77120"))

    async def released(self) -> None:
        self._title("The ERP releases it to the warehouse: a 940 to Lake 3PL, by SFTP")
        ordered = await self.cast.effect("fulfilment.requested", "order/H-77120")
        told = {name: value for name, value in ordered.data.items() if name not in ("evidence", "quality")}
        event = {"partner": "lake3pl", "type": ordered.type, "data": told}
        answer = await self.cast.release(event, key="demo-release-1")
        self.release = answer
        numbers = answer["control_numbers"]
        console.print(f"    kept as [bold]{answer['document']}[/bold], interchange {numbers['interchange']}; a 997 is awaited within {ANSWER_WITHIN}")
        body = await self.cast.fetched(b"~ST*940*", "the 940 in the warehouse's folder")
        for line in body.decode("latin-1").split("~")[2:8]:
            console.print(f"    {line}", markup=False, style="dim")
        await asyncio.to_thread(self.cast.warehouse.drop, "997-331.edi", acknowledged(body, 331))
        settled = await self.cast.effect("exchange.settled", f"document/{answer['document']}")
        if settled.data["verdict"] != "accepted":
            raise StepFailed(f"the ERP was told that its order is {settled.data['verdict']}")
        console.print(
            f"    the warehouse fetches it by SFTP and drops its 997: the ERP is told that its order is [green]{settled.data['verdict']}[/green]"
        )

        another = event | {"data": told | {"order_id": "H-77121", "purchase_order": "4500882"}}
        self.unanswered = await self.cast.release(another, key="demo-release-2")
        console.print("    a second order, H-77121, goes to it as well; that one it will not answer")

    async def shipped(self) -> None:
        self._title("The warehouse ships it, five cases short: a 945 from Lake 3PL, dropped by SFTP")
        before = self.cast.erp.requests
        self.cast.erp.behaviour.cut_after_commit = 0 if self.cast.erp.behaviour.dead else 1
        await self.cast.drop("945-shipped.edi")
        await self.cast.answer_by_sftp(b"301", "A")
        effect = await self.cast.effect("fulfilment.shipped", "order/H-77120")
        self.cast.tell(effect)
        order = await self.cast.document(self.release["id"])
        if effect.attributes["correlationid"] != order["correlation"]:
            raise StepFailed(f"the advice speaks of {effect.attributes['correlationid']}, the order of {order['correlation']}")
        console.print(f"    tied to the order that went out: both are {order['correlation']}")
        await self.cast.wait_for(lambda: self.cast.erp.requests >= before + 2, "the ERP cut the line, and the second attempt came")
        self.cast.once(effect)
        console.print(
            "    [cyan]prevented:[/cyan] the ERP cut the line after it had booked this; the second attempt carried the same key, so it was booked once"
        )

    async def notice(self) -> None:
        self._title("It is on the truck: an 856 from Northway Freight, by AS2, signed and encrypted")
        self.evidence, _ = await self.cast.send_by_as2("856-notice.edi")
        await self.cast.answer_by_as2("A")
        self.cast.tell(await self.cast.effect("shipment.notified", "shipment/ASN-88120"))

    async def status(self) -> None:
        self._title("Where it is: a 214 with a departure, a position and an appointment, by AS2 again")
        await self.cast.send_by_as2("214-status.edi")
        await self.cast.answer_by_as2("A")
        await self.cast.wait_for(lambda: len(self.cast.effects("shipment.status")) == 3, "three status events at the ERP")
        for effect in self.cast.effects("shipment.status"):
            self.cast.tell(effect, lines=2)

    async def bad_file(self) -> None:
        self._title("A bad file: another 945, with three faults")
        before = len(self.cast.erp.effects)
        await self.cast.drop("945-bad.edi")
        await self.cast.answer_by_sftp(b"302", "R")
        told = await asyncio.to_thread(self.cast.warehouse.told, "945-bad.edi") or ""
        faults = [line.strip() for line in told.splitlines() if line.startswith("    ")]
        if len(faults) < 3:
            raise StepFailed("the bad file's faults were not told to its sender")
        console.print("    and in its folder /error, for its people:")
        for fault in faults:
            console.print(f"    [red]✗[/red] {escape(fault)}")
        await asyncio.sleep(0.5)
        if len(self.cast.erp.effects) != before:
            raise StepFailed("something of a rejected document reached the ERP")
        console.print("    [cyan]prevented:[/cyan] nothing of it reached the ERP; it waits in `crossdock dead`")

    async def doubled(self) -> None:
        self._title("The same notice once more, in a new envelope")
        effect = await self.cast.effect("shipment.notified", "shipment/ASN-88120")
        known, asked = set(self.cast.erp.effects), self.cast.erp.asked[effect.event]
        message, first = await self.cast.send_by_as2("856-notice-again.edi")
        await self.cast.answer_by_as2("A")
        await self.cast.wait_until(lambda: self.cast.is_in_state(message, "duplicate"), "the notice was seen to be a duplicate")
        if set(self.cast.erp.effects) != known or self.cast.erp.asked[effect.event] != asked:
            raise StepFailed("the ERP was bothered with a duplicate")
        self.cast.once(effect)
        console.print("    [cyan]prevented:[/cyan] the form was accepted, nothing was sent; an ERP that books it twice empties the first shipment")
        again, second = await self.cast.send_by_as2("856-notice-again.edi", message_id=first.message_id, quiet=True)
        if again != message or second.body != first.body:
            raise StepFailed("the same AS2 message again got another receipt")
        console.print("    and the same AS2 message again got the first receipt back, byte for byte")

    async def day_of_trade(self) -> None:
        self._title(
            "A day of trade: the simulated customer, warehouse and carrier live through four orders at once, and make the faults of the trade"
        )
        url = f"{self.cast.node.addresses['partners']}/as2"
        carrier = ByAs2(self.cast.session, self.cast.carrier, url, stale=self.before)
        self.day = day = Day(
            self.cast.node.store, self.cast.erp, ByHttp(self.cast.session, self.cast.partners["harbor"]), BySftp(self.cast.warehouse), carrier
        )
        begun = time.perf_counter()
        await day.trade()
        await self.cast.wait_until(day.settled, f"{day.due.total()} events at the ERP, and a 997 for each file")
        took = time.perf_counter() - begun
        if wrong := day.wrong():
            raise StepFailed(wrong)
        self.cast.documents += day.sent
        for line in day.told():
            console.print(f"    {line}", markup=False)
        console.print(
            f"    {day.sent} files in {took:.1f} s, a 997 for each; the ERP has its {day.due.total()} events, [green]each exactly once[/green]"
        )
        await self.cast.wait_until(self._overdue, "the warehouse's answer was seen to be overdue")
        await self.cast.wait_until(day.warned, "it was seen that a certificate will run out")
        console.print("    the faults that they made, and what came of each:")
        for did, came in await day.faults(unanswered=self.unanswered["document"]):
            console.print(f"    [red]✗[/red] {escape(did)}\n      {escape(came)}")

    async def _overdue(self) -> bool:
        return any(one["overdue_at"] for one in (await self.cast.document(self.unanswered["id"]))["acknowledgments"])

    def _title(self, text: str) -> None:
        self._step += 1
        console.print(f"[bold]{self._step}  {text}[/bold]")


def demo() -> int:
    """The exit code. `CROSSDOCK_DEMO_EXIT=1` ends after the story, also in a terminal; `CROSSDOCK_DEMO_DEAD_ERP=1` shows that the checks can fail."""
    journal.silence()
    stay = sys.stdout.isatty() and os.environ.get("CROSSDOCK_DEMO_EXIT") != "1"
    folder = fresh_folder(Path(os.environ.get("CROSSDOCK_DEMO_DIR", "var/demo")))
    try:
        return asyncio.run(Demo(folder, dead_erp=os.environ.get("CROSSDOCK_DEMO_DEAD_ERP") == "1").run(stay=stay))
    except KeyboardInterrupt:
        return GOOD
