"""P19. One bit of a stored payload turns over: that is noticed before anything is handed on, by whichever way it would have gone; it is laid aside, and somebody is told."""

import asyncio
import base64
import random
import time
from collections.abc import Callable, Iterable
from typing import Any

from aiohttp import web
from sqlalchemy import Connection, text

from gateway.errors import Refused
from gateway.simulators.as2 import PretendAs2Partner
from gateway.store.payloads import PayloadFiles
from gateway.store.store import landed
from tests.as2_keys import key
from tests.as2_running import profile, text_of
from tests.faults.partners import agree, interchange, status, status_set
from tests.faults.promise import Proof, Trial
from tests.faults.sabotage import sabotaged
from tests.running import Running, running
from translators.as2.cms.keys import certificate
from translators.as2.write import ReceiptWanted

LARGE = b"\n" * 70_000
"""Blanks behind an interchange: its payload is a file."""


async def prove(trial: Trial, proof: Proof) -> None:
    with sabotaged(trial.sabotage):
        async with running(trial.folder, breaker={"failures": 1000}) as gateway:
            rot = Rot(trial, proof, gateway)
            await agree(gateway, "carrier")
            await _before_translation(rot)
            await _before_delivery(rot)
            await _in_the_outbox(rot)
            await _under_a_replay(rot)
            if trial.sabotage is None:
                await _of_as2(rot)
        proof.count("bits turned over", rot.turned)


class Rot:
    """Turns bits over in one gateway's store, and looks at what became of it."""

    def __init__(self, trial: Trial, proof: Proof, gateway: Running) -> None:
        self.proof, self.gateway = proof, gateway
        self.flips = trial.size("flips")
        self.chance = random.Random(trial.seed)
        self.turned = self.control = 0

    def turn(self, payload: str) -> None:
        """One bit, anywhere in a payload."""
        files: PayloadFiles = self.gateway.node.store.files

        def verb(tx: Connection, items: list[Any]) -> list[None]:
            row = tx.execute(text("SELECT data, sha256 FROM payloads WHERE id = :id"), {"id": payload}).one()
            file = files.local(row.sha256)
            damaged = bytearray(row.data if row.data is not None else file.read_bytes())
            damaged[self.chance.randrange(len(damaged))] ^= 1 << self.chance.randrange(8)
            if row.data is None:
                file.write_bytes(damaged)
            else:
                tx.execute(text("UPDATE payloads SET data = :data WHERE id = :id"), {"id": payload, "data": bytes(damaged)})
            return [None] * len(items)

        self.turned += 1
        self.gateway.node.store.writer.submit(verb, None).result(20)

    async def rows(self, query: str, **given: Any) -> list[Any]:
        return list(await landed(self.gateway.node.store.read(lambda tx: tx.execute(text(query), given).all())))

    async def send(self, shipment: str, *, large: bool = False) -> str:
        self.control += 1
        body = status("carrier", shipment, 1, self.control) + (LARGE if large else b"")
        answer, value = await self.gateway.partner("carrier").send(self.gateway.session, "s", body, tries=20)
        assert answer == 202
        return str(value["id"])

    async def until(self, query: str, done: Callable[[list[Any]], bool], **given: Any) -> list[Any]:
        """The rows of a query once they are as they should be; as they are if they do not come to it."""
        end = time.monotonic() + 8 + self.flips / 4
        while not done(rows := await self.rows(query, **given)) and time.monotonic() < end:
            await asyncio.sleep(0.05)
        return rows

    async def told(self, where: str, messages: Iterable[str]) -> None:
        """An alarm speaks of each of these."""
        alarms = await self.rows("SELECT message, text FROM alarms")
        named = {row.message for row in alarms} | {word.strip(":,") for row in alarms for word in row.text.split()}
        self.proof.none(f"{where}: damaged and nobody told", set(messages) - named)

    async def refused(self, where: str, ids: Iterable[str], operation: str, **given: Any) -> None:
        """Nobody is shown what is damaged as if it were whole."""
        shown = []
        for one in ids:
            try:
                await self.gateway.operate(operation, id=one, **given)
                shown.append(one)
            except Exception as error:  # whoever falls over damaged bytes has looked at them
                if not (isinstance(error, Refused) and error.kind == "damaged"):
                    shown.append(one)
        self.proof.none(f"{where}: taken as whole by {operation}", shown)

    def forwarded(self, subjects: Iterable[str]) -> set[str]:
        return {effect.subject.removeprefix("shipment/") for effect in self.gateway.effects()} & set(subjects)


async def _before_translation(rot: Rot) -> None:
    """Messages that wait for a worker, some of them files."""
    stage = rot.gateway.node.translate
    await stage.stop()
    names = {f"READ{number}": await rot.send(f"READ{number}", large=number % 3 == 2) for number in range(2 * rot.flips)}
    damaged = dict(list(names.items())[: rot.flips])
    for message in damaged.values():
        rot.turn(f"message:{message}")
    stage.start()
    await rot.gateway.settle(lambda: len(rot.gateway.effects()) >= rot.flips)
    rows = await rot.until("SELECT id, state, reason FROM messages WHERE direction = 'in'", lambda rows: all(row.state != "received" for row in rows))
    held = {row.id for row in rows if row.state == "held" and "damaged" in (row.reason or "")}
    rot.proof.none("before translation: not held", set(damaged.values()) - held)
    rot.proof.none("before translation: handed on", rot.forwarded(damaged))
    rot.proof.none("before translation: whole and not delivered", set(names) - set(damaged) - rot.forwarded(names))
    await rot.told("before translation", damaged.values())
    await rot.refused("before translation", damaged.values(), "bytes")


async def _before_delivery(rot: Rot) -> None:
    """Events that wait for an ERP that rests."""
    await rot.gateway.operate("targets.steer", name="erp", act="pause", because="the trial")
    names = {f"SENT{number}": await rot.send(f"SENT{number}") for number in range(2 * rot.flips)}
    query = "SELECT d.id, d.state, d.reason, d.payload, d.event, d.message, e.subject FROM deliveries d JOIN events e ON e.id = d.event WHERE e.subject LIKE 'shipment/SENT%'"
    rows = await rot.until(query, lambda rows: len(rows) == len(names))
    damaged = {row.subject.removeprefix("shipment/"): row for row in rows[: rot.flips]}
    for row in damaged.values():
        rot.turn(row.payload)
    await rot.refused("before delivery", [row.event for row in damaged.values()], "bytes")
    await rot.gateway.operate("targets.steer", name="erp", act="resume", because="the trial")
    rows = await rot.until(query, lambda rows: all(row.state != "due" for row in rows))
    dead = {row.subject.removeprefix("shipment/") for row in rows if row.state == "dead" and "damaged" in (row.reason or "")}
    rot.proof.none("before delivery: no dead letter", set(damaged) - dead)
    rot.proof.none("before delivery: handed on", rot.forwarded(damaged))
    rot.proof.none("before delivery: whole and not delivered", set(names) - set(damaged) - rot.forwarded(names))
    await rot.told("before delivery", [row.message for row in damaged.values()])
    found = await rot.gateway.operate("dead", cause="delivery-damaged")
    rot.proof.holds(len(found["deliveries"]) >= min(rot.flips, 20), "crossdock dead does not know them by their cause")


async def _in_the_outbox(rot: Rot) -> None:
    """Acknowledgments that the partner has not fetched yet."""
    query = "SELECT d.id, d.state, d.payload, d.message, p.data FROM deliveries d JOIN payloads p ON p.id = d.payload WHERE d.destination = 'outbox:carrier' ORDER BY d.id"
    rows = await rot.rows(query)
    damaged = {row.id: row for row in rows[: rot.flips]}
    right = {row.id: bytes(row.data) for row in rows}
    for row in damaged.values():
        rot.turn(row.payload)
    box, session, handed = rot.gateway.partner("carrier"), rot.gateway.session, []
    for one in damaged.values():
        async with session.get(f"{box.url}/v1/outbox/{one.id}", headers=box.headers()) as response:
            if response.status == 200 or (await response.json(content_type=None))["type"] != "/problems/damaged":
                handed.append(one.id)
        told = await box.status(session, one.message)
        handed += [own["id"] for own in told["acknowledgments"] if own["id"] in damaged and own["content"] is not None]
    while True:
        async with session.get(f"{box.url}/v1/outbox", params={"limit": "50"}, headers=box.headers()) as response:
            offered = (await response.json(content_type=None))["documents"]
        handed += [one["id"] for one in offered if one["content"] is not None and one["content"].encode() != right[one["id"]]]
        if not offered:
            break
        for one in offered:
            async with session.post(f"{box.url}{one['ack_url']}", json={"lease": one["lease"]}, headers=box.headers()) as response:
                await response.read()
    rows = await rot.rows(query)
    rot.proof.none("in the outbox: handed on", handed)
    rot.proof.none("in the outbox: no dead letter", set(damaged) - {row.id for row in rows if row.state == "dead"})
    rot.proof.none("in the outbox: whole and not fetched", {row.id for row in rows if row.state != "delivered"} - set(damaged))
    await rot.told("in the outbox", [row.message for row in damaged.values()])


async def _under_a_replay(rot: Rot) -> None:
    """Messages that were translated long ago, and are wanted again: one by one, many at once, explained, shown."""
    names = {f"AGAIN{number}": await rot.send(f"AGAIN{number}", large=number % 3 == 2) for number in range(rot.flips)}
    await rot.gateway.settle(lambda: len(rot.forwarded(names)) == len(names))
    effects = len(rot.gateway.effects())
    events = {row.message: row.id for row in await rot.rows("SELECT id, message FROM events WHERE subject LIKE 'shipment/AGAIN%'")}
    for message in names.values():
        rot.turn(f"message:{message}")
    await rot.refused("replayed", names.values(), "bytes")
    await rot.refused("replayed", events.values(), "explain")
    asked = await rot.gateway.operate("replays.start", partner="carrier", into="nowhere", since="1h", who="trial", reason="trial")
    rows = await rot.until(
        "SELECT state, counts, diff FROM replay_jobs WHERE id = :id", lambda rows: rows[0].state not in ("running",), id=asked["id"]
    )
    rot.proof.none("replayed into nowhere: not said", [] if "damaged" in rows[0].diff + rows[0].counts else list(names))
    for message in names.values():
        await rot.gateway.operate("replay", id=f"{message}.1.1.1")
    query = "SELECT id, state, reason FROM messages WHERE direction = 'in'"
    rows = await rot.until(query, lambda rows: all(row.state != "received" for row in rows))
    held = {row.id for row in rows if row.state == "held" and "damaged" in (row.reason or "")}
    rot.proof.none("replayed: not held", set(names.values()) - held)
    rot.proof.none("replayed: effects", range(len(rot.gateway.effects()) - effects))
    await rot.told("replayed", names.values())


# ---- AS2


async def _of_as2(rot: Rot) -> None:
    gateway = rot.gateway
    made = await gateway.operate("keys.generate", name="ours")
    der = base64.b64decode("".join((await gateway.operate("keys.show", id=made["id"]))["pem"].splitlines()[1:-1]))
    partner = PretendAs2Partner("ACME3PL", key("signer"), certificate(der))
    runner = web.AppRunner(partner.app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/as2"
    try:
        await gateway.operate("partners.apply", text=profile("acme", "ACME3PL", url=url, agreements="[{receive: '214', target: erp}]"))
        await gateway.operate("keys.add", partner="acme", data=text_of(key("signer").certificate.der), **{"from": "2020-01-01"})
        await _frozen(rot, partner)
        await _kept(rot, partner, url)
    finally:
        await runner.cleanup()


async def _frozen(rot: Rot, partner: PretendAs2Partner) -> None:
    """Documents of ours in their final bytes, which the partner did not take at first."""
    partner.misdeeds = ["error"] * 20 * rot.flips
    sent = [
        await rot.gateway.operate(
            "as2.send", partner="acme", data=text_of(b"%d" % number + (LARGE if number % 3 == 2 else b"")), file_name=f"{number}.bin"
        )
        for number in range(rot.flips)
    ]
    end = time.monotonic() + 20 + rot.flips / 4
    while len({one.request.message_id for one in partner.taken}) < rot.flips and time.monotonic() < end:
        await asyncio.sleep(0.05)
    await rot.gateway.operate("targets.steer", name="as2:acme", act="pause", because="the trial")
    await asyncio.sleep(0.5)
    query = "SELECT x.payload, d.id, d.state, d.reason, d.message, p.sha256 FROM as2_messages x JOIN deliveries d ON d.id = x.delivery JOIN payloads p ON p.id = x.payload"
    for row in await rot.rows(query):
        rot.turn(row.payload)
    partner.taken, partner.misdeeds = [], []
    await rot.gateway.operate("targets.steer", name="as2:acme", act="resume", because="the trial")
    rows = await rot.until(query, lambda rows: all(row.state != "due" for row in rows))
    rot.proof.none("frozen AS2: handed on", (one.request.message_id for one in partner.taken))
    rot.proof.none("frozen AS2: no dead letter", (row.id for row in rows if row.state != "dead" or "damaged" not in row.reason))
    await rot.told("frozen AS2", [one["message"] for one in sent])


async def _kept(rot: Rot, partner: PretendAs2Partner, url: str) -> None:
    """Asynchronous messages that wait to be opened; and the stored receipts of those that were."""
    gateway, door = rot.gateway, f"{rot.gateway.url}/as2"
    wanted = ReceiptWanted(url=url)
    await gateway.node.as2.stop()
    outcomes = []
    for number in range(rot.flips):
        rot.control += 1
        body = interchange("NWFX", rot.control, [status_set(f"KEPT{number}", 1)]).replace(b"*ZZ*NWFX ", b"*02*NWFX ")
        outcomes.append((body, await partner.send(gateway.session, door, body, receipt=wanted)))
    for row in await rot.rows("SELECT payload FROM as2_messages WHERE state = 'kept'"):
        rot.turn(row.payload)
    gateway.node.as2.start()
    query = "SELECT id, state FROM as2_messages WHERE direction = 'in'"
    rows = await rot.until(query, lambda rows: all(row.state != "kept" for row in rows))
    names = [f"KEPT{number}" for number in range(rot.flips)]
    rot.proof.none("kept AS2: not laid aside", (row.id for row in rows if row.state != "damaged"))
    rot.proof.none("kept AS2: handed on", rot.forwarded(names))
    rot.proof.none("kept AS2: receipts that say no for our own fault", (str(report) for report, _ in partner.receipts))
    await rot.told("kept AS2", [row.id for row in rows])
    for body, outcome in outcomes:
        again = await partner.send(gateway.session, door, body, receipt=ReceiptWanted(), message_id=outcome.message_id)
        rot.proof.holds(again.judgment is not None and again.judgment.state == "delivered", "what was damaged is not taken when it is sent again")
    await gateway.settle(lambda: len(rot.forwarded(names)) == rot.flips)
    for row in await rot.rows("SELECT receipt_payload FROM as2_messages WHERE direction = 'in' AND state = 'processed'"):
        rot.turn(row.receipt_payload)
    answers = [await partner.send(gateway.session, door, body, receipt=ReceiptWanted(), message_id=outcome.message_id) for body, outcome in outcomes]
    rot.proof.none("stored receipts: handed on", (one.message_id for one in answers if one.status != 503))
    done = [row.id for row in await rot.rows("SELECT id FROM as2_messages WHERE direction = 'in' AND state = 'processed'")]
    await rot.told("stored receipts", done)
