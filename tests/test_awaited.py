"""Answers of partners settle what we sent, in the commit that reads them; the ERP is told, and what is overdue is found."""

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import text

from gateway.clock import HOUR, as_datetime, now
from gateway.errors import DestinationFault, Refused, TemporaryFailure
from gateway.settings import MailServer as MailServerTerms
from gateway.simulators.partner import acknowledged
from gateway.store.sql import insert
from gateway.store.writes import AWAITED
from gateway.transports.mail import ReminderByMail
from partners.book import Book, Revision
from partners.profile import read_profile
from tests.kill.documents import envelope, order_data
from tests.running import Running, running
from tests.smtp import MailServer


async def sent(gateway: Running, message: str, control: int, *, sets: int = 1, kinds: tuple[str, ...] = ("997",), age: int = HOUR) -> int:
    """Rows as the way out leaves them: one message of ours with `sets` 940s to lake3pl, sent `age` ago."""
    at = now() - age
    outgoing = {
        "id": message, "partner": "lake3pl", "direction": "out", "channel": "http", "state": "composed", "payload": f"message:{message}", "size": 1,
        "sha256": "", "media_type": "application/edi-x12", "profile_revision": 1, "arrival": at, "decided_at": at, "control": f"{control:09}",
    }  # fmt: skip
    documents = [
        {
            "id": f"{message}.1.1.{n}", "message": message, "interchange": 1, "grp": 1, "ordinal": n, "partner": "lake3pl", "stream": "production",
            "set_id": "940", "control": f"{n:04}", "state": "translated", "verdict": "A", "codes": "", "release": "004010", "byte_start": 0,
            "byte_end": 1, "profile_revision": 1, "at": at,
        }
        for n in range(1, sets + 1)
    ]  # fmt: skip
    rows = [
        dict.fromkeys(AWAITED)
        | {
            "id": f"{kind}:{message}.1.1.{n}" if kind != "TA1" else f"TA1:{message}.1", "partner": "lake3pl", "stream": "production", "kind": kind,
            "message": message, "document": f"{message}.1.1.{n}" if kind != "TA1" else None, "interchange_control": f"{control:09}", "functional": "OW",
            "group_control": control, "set_id": "940" if kind != "TA1" else "", "set_control": f"{n:04}" if kind != "TA1" else "",
            "destination": "target:erp", "correlation": f"order/H-{n}", "state": "waiting", "opened_at": at, "due_at": at + 24 * HOUR,
        }
        for kind in kinds
        for n in range(1, (sets if kind != "TA1" else 1) + 1)
    ]  # fmt: skip

    def verb(tx: Any, items: list[None]) -> list[None]:
        tx.execute(insert("messages", *outgoing), [outgoing])
        tx.execute(insert("documents", *documents[0]), documents)
        reference = {"type": "order", "document": documents[0]["id"], "partner": "lake3pl", "at": at, "value": f"H{control}", "set_id": "940"}
        tx.execute(insert("document_references", *reference), [reference])
        if rows:
            tx.execute(insert("awaited", *AWAITED), rows)
        return [None]

    await asyncio.to_thread(lambda: gateway.node.store.writer.submit(verb, None).result())
    return at


def answer(number: int, *segments: str, form: str = "997", functional: str = "FA") -> bytes:
    return envelope("lake3pl", functional, number, [f"ST*{form}*0001", *segments])


async def state_of(gateway: Running, *keys: str) -> list[str]:
    rows = {one["id"]: one["state"] for one in await gateway.operate("awaited")}
    return [rows[key] for key in keys]


def run(act, tmp_path: Path, database: str | None = None) -> None:
    async def whole() -> None:
        async with running(tmp_path, database) as gateway:
            await act(gateway)

    asyncio.run(whole())


def settled(gateway: Running) -> list[dict[str, Any]]:
    return [effect.data for effect in gateway.effects() if effect.type == "org.crossdock.exchange.settled.v1"]


def test_a_997_settles_by_set_and_the_erp_is_told(tmp_path: Path, database_url: str):
    async def act(gateway: Running) -> None:
        await sent(gateway, "M1", 17, sets=2)
        notes = ["AK1*OW*0017", "AK2*940*0002", "AK3*N1*4**8", "AK4*4*67*2*BAD", "AK5*R*5", "AK9*P*2*2*1"]
        value = await gateway.sent("lake3pl", answer(5, *notes))
        assert (value["state"], value["acknowledgments"]) == ("translated", []), "a 997 is never answered by a 997"
        assert await state_of(gateway, "997:M1.1.1.1", "997:M1.1.1.2") == ["accepted", "rejected"]
        await gateway.settle(lambda: len(settled(gateway)) == 2)
        good, bad = sorted(settled(gateway), key=lambda one: one["acknowledged"]["control"])
        assert (good["verdict"], good["acknowledged"]["document"], "faults" in good) == ("accepted", "M1.1.1.1", False)
        assert bad["faults"] == [
            {"level": "element", "code": "2", "text": "N104: another element calls for it and it is missing ('BAD')", "segment": "N1", "position": 4,
             "element": 4, "data_element": 67, "value": "BAD"},
        ]  # fmt: skip
        assert bad["evidence"] == {"form": "997", "message": value["id"], "document": f"{value['id']}.1.1.1", "partner": "lake3pl"}
        effect = next(one for one in gateway.effects() if one.data is bad)
        assert (effect.subject, effect.attributes["correlationid"], effect.count) == ("document/M1.1.1.2", "order/H-2", 1)
        assert [one["kind"] for one in await gateway.operate("alarms")] == ["acknowledgment.rejected"]
        again = await gateway.sent("lake3pl", answer(6, *notes))
        assert "said before" in again["interchanges"][0]["groups"][0]["sets"][0]["reason"]
        other = await gateway.sent("lake3pl", answer(7, "AK1*OW*17", "AK9*A*2*2*2"))
        assert "1 disputed again" in other["interchanges"][0]["groups"][0]["sets"][0]["reason"]
        assert await state_of(gateway, "997:M1.1.1.1", "997:M1.1.1.2") == ["accepted", "rejected"], "the first word stands"
        assert [one["id"] for one in await gateway.operate("awaited", state="disputed")] == ["997:M1.1.1.2"]
        shown = await gateway.operate("show", id="M1")
        assert [one["state"] for one in shown["awaited"]] == ["accepted", "rejected"]
        assert sum(step["step"] == "answered" for step in shown["life"]) == 3

    run(act, tmp_path, database_url)


def test_a_ta1_settles_by_number_and_time(tmp_path: Path, database_url: str):
    async def act(gateway: Running) -> None:
        at = as_datetime(await sent(gateway, "M1", 17, kinds=("TA1", "997")))
        head = answer(5).split(b"~")[0].decode()

        def ta1(number: int, told: str) -> bytes:
            return f"{head}~TA1*000000017*{told}~IEA*0*000000005~".replace("000000005", f"{number:09}").encode()

        await gateway.sent("lake3pl", ta1(5, f"{at:%y%m%d}*0000*A*000" if f"{at:%H%M}" != "0000" else f"{at:%y%m%d}*0001*A*000"))
        assert await state_of(gateway, "TA1:M1.1") == ["waiting"], "another moment is another interchange"
        assert [one["kind"] for one in await gateway.operate("alarms")] == ["acknowledgment.unknown"]
        value = await gateway.sent("lake3pl", ta1(6, f"{at:%y%m%d}*{at:%H%M}*A*000"))
        assert value["state"] == "translated"
        assert await state_of(gateway, "TA1:M1.1", "997:M1.1.1.1") == ["accepted", "waiting"]
        await gateway.sent("lake3pl", ta1(7, f"{at:%y%m%d}*{at:%H%M}*R*023"))
        assert await state_of(gateway, "TA1:M1.1", "997:M1.1.1.1") == ["accepted", "rejected"]
        await gateway.settle(lambda: {one["verdict"] for one in settled(gateway)} == {"accepted", "rejected"})

    run(act, tmp_path, database_url)


def test_an_824_settles_what_it_names_also_where_nobody_awaits_it(tmp_path: Path, database_url: str):
    async def act(gateway: Running) -> None:
        await sent(gateway, "M1", 17)
        await sent(gateway, "M2", 18)
        body = ["BGN*11*1*20261116", "OTI*TR*OQ*H-1*****17*0001*940", "TED*QTY*more than there is"]
        value = await gateway.sent("lake3pl", answer(5, *body, form="824", functional="AG"))
        assert value["acknowledgments"] == [], "nor is an 824, unless it is agreed"
        await gateway.sent("lake3pl", answer(6, "BGN*11*2*20261116", "OTI*TA*OQ*H-18", form="824", functional="AG"))
        assert await state_of(gateway, "824:M1.1.1.1", "824:M2.1.1.1", "997:M1.1.1.1") == ["rejected", "accepted", "waiting"]
        await gateway.settle(lambda: len(settled(gateway)) == 2)
        told = next(one for one in settled(gateway) if one["verdict"] == "rejected")
        assert [fault["text"] for fault in told["faults"]] == ["more than there is"]

    run(act, tmp_path, database_url)


def test_an_824_is_answered_where_that_is_agreed(tmp_path: Path):
    async def act(gateway: Running) -> None:
        await gateway.apply("lake3pl", ('  - receive: "945"', '  - receive: "824"\n  - receive: "945"'))
        await sent(gateway, "M1", 17)
        body = ["BGN*11*1*20261116", "OTI*TA*OQ*H-1*****17*0001*940"]
        value = await gateway.sent("lake3pl", answer(5, *body, form="824", functional="AG"))
        assert "~AK2*824*0001~AK5*A~" in value["acknowledgments"][0]["content"]
        assert await state_of(gateway, "824:M1.1.1.1") == ["accepted"]

    run(act, tmp_path)


def test_numbers_that_came_again_wait_for_a_person(tmp_path: Path, database_url: str):
    async def act(gateway: Running) -> None:
        await sent(gateway, "M1", 17, age=30 * 24 * HOUR)
        await sent(gateway, "M2", 17)
        value = await gateway.sent("lake3pl", answer(5, "AK1*OW*17", "AK9*A*1*1*1"))
        assert value["interchanges"][0]["groups"][0]["sets"][0]["state"] == "held"
        assert await state_of(gateway, "997:M1.1.1.1", "997:M2.1.1.1") == ["waiting", "waiting"]
        with pytest.raises(Refused, match="needs a reason"):
            await gateway.operate("replay", id=value["id"], override="latest")
        await gateway.operate("replay", id=value["id"], override="latest", reason="the old one was never read, says Lake")
        value = await gateway.decided("lake3pl", value["id"])
        assert value["interchanges"][0]["groups"][0]["sets"][0]["state"] == "translated"
        assert await state_of(gateway, "997:M1.1.1.1", "997:M2.1.1.1") == ["waiting", "accepted"]

    run(act, tmp_path, database_url)


def test_a_broken_997_settles_nothing_until_a_person_says_so(tmp_path: Path):
    async def act(gateway: Running) -> None:
        await sent(gateway, "M1", 17)
        value = await gateway.sent("lake3pl", answer(5, "AK1*OW*17", "AK9*A*1*1*1").replace(b"SE*4", b"SE*9"))
        assert value["interchanges"][0]["groups"][0]["sets"][0]["state"] == "rejected"
        assert value["acknowledgments"] == []
        assert await state_of(gateway, "997:M1.1.1.1") == ["waiting"]
        await gateway.operate("replay", id=value["id"], override="rejected", reason="it is whole, only its count is wrong")
        await gateway.decided("lake3pl", value["id"])
        assert await state_of(gateway, "997:M1.1.1.1") == ["accepted"]

    run(act, tmp_path)


def test_what_is_overdue_is_found_and_a_late_answer_settles_it(tmp_path: Path, database_url: str):
    async def act(gateway: Running) -> None:
        await sent(gateway, "M1", 17, sets=3, age=25 * HOUR)
        await sent(gateway, "M2", 18)
        await asyncio.to_thread(lambda: gateway.node.store.mark_overdue(now()).result())
        assert len(await gateway.operate("awaited", state="overdue")) == 3
        (alarm,) = await gateway.operate("alarms")
        assert (alarm["kind"], alarm["message"], alarm["count"]) == ("acknowledgment.overdue", "M1", 1)
        await asyncio.to_thread(lambda: gateway.node.store.mark_overdue(now()).result())
        assert [one["count"] for one in await gateway.operate("alarms")] == [1], "once"
        await gateway.sent("lake3pl", answer(5, "AK1*OW*17", "AK9*A*3*3*3"))
        late = await gateway.operate("awaited", state="late")
        assert [(one["state"], bool(one["overdue_at"]), bool(one["late_at"])) for one in late] == [("accepted", True, True)] * 3
        await gateway.settle(lambda: len(settled(gateway)) == 3)
        assert all(one["late"] is True for one in settled(gateway))
        with pytest.raises(Refused, match="no state is called"):
            await gateway.operate("awaited", state="lost")

    run(act, tmp_path, database_url)


def test_steps_are_taken_one_after_another_until_the_answer_comes(tmp_path: Path, database_url: str):
    """An alarm, a reminder to the partner, the document again under its own number; a late answer ends it, and its alarm."""

    async def act(gateway: Running) -> None:
        told: list[dict] = []

        async def hook(request: web.Request) -> web.Response:
            told.append(await request.json())
            return web.Response(status=204)

        site = web.Application()
        site.router.add_post("/hook", hook)
        runner = web.AppRunner(site)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        channels = f"channels:\n  http: {{webhook: {{url: 'http://127.0.0.1:{runner.addresses[0][1]}/hook'}}}}\nagreements:"
        owed = '- send: "940"\n    owed: {functional_acknowledgment: 24h, when_overdue: [remind, alarm, resend], then_every: 12h}'
        await gateway.apply("lake3pl", ("agreements:", channels), ('- send: "940"', owed))
        status, released = await gateway.release({"partner": "lake3pl", "type": "fulfilment.requested", "data": order_data(1)})
        assert status == 202, released
        box = gateway.partner("lake3pl")
        await box.pick_up(gateway.session)
        begun = now()

        async def sweep(hours: int) -> None:
            await asyncio.to_thread(lambda: gateway.node.store.mark_overdue(begun + hours * HOUR).result())
            gateway.node.deliver.wake()

        async def alarms() -> list[str]:
            return [one["kind"] for one in await gateway.operate("alarms") if one["kind"] == "acknowledgment.overdue"]

        await sweep(23)
        assert not told
        await sweep(25)
        await gateway.settle(lambda: [one for one in told if one["type"] == "acknowledgment.overdue"], "the partner was not reminded")
        reminder = next(one["data"] for one in told if one["type"] == "acknowledgment.overdue")
        assert (reminder["kind"], reminder["message"], reminder["set"]) == ("997", released["id"], "940")
        assert not await alarms(), "the next step comes twelve hours later"
        await sweep(36)
        assert not await alarms()
        await sweep(38)
        assert await alarms() == ["acknowledgment.overdue"]
        assert not await box.pick_up(gateway.session)
        box.picked_up.clear()
        await sweep(51)
        assert await box.pick_up(gateway.session) == 1, "the document again"
        (again,) = box.picked_up.values()
        assert f"*{released['control_numbers']['interchange']}*".encode() in again
        assert "goes again" in str(await gateway.operate("show", id=released["id"]))
        await sweep(99)
        assert not [one for one in told if one["type"] == "acknowledgment.overdue"][1:], "each step once"
        await gateway.sent("lake3pl", acknowledged(again, 77))
        assert await state_of(gateway, f"997:{released['document']}") == ["accepted"]
        assert not await alarms(), "over"
        await runner.cleanup()

    run(act, tmp_path, database_url)


def test_answers_to_our_own_acknowledgments_are_no_riddle(tmp_path: Path):
    """A partner that answers our 997 by a 997, as some do: kept, told, and no alarm unless it is refused."""

    async def act(gateway: Running) -> None:
        await gateway.sent(
            "lake3pl", envelope("lake3pl", "SW", 9, ["ST*945*0001", "W06*F*ORD9*20261116*WSH9", "LX*1", "W12*CC*1*1**EA*614141007349"])
        )
        fine = await gateway.sent("lake3pl", answer(5, "AK1*FA*1", "AK9*A*1*1*1"))
        assert "our own acknowledgment" in fine["interchanges"][0]["groups"][0]["sets"][0]["reason"]
        assert not [one for one in await gateway.operate("alarms") if one["kind"].startswith("acknowledgment")]
        await gateway.sent("lake3pl", answer(6, "AK1*FA*1", "AK9*R*1*1*0"))
        assert [one["kind"] for one in await gateway.operate("alarms") if one["kind"].startswith("acknowledgment")] == ["acknowledgment.rejected"]
        await gateway.sent("lake3pl", answer(7, "AK1*OW*4711", "AK9*A*1*1*1"))
        assert "acknowledgment.unknown" in [one["kind"] for one in await gateway.operate("alarms")]

    run(act, tmp_path)


def test_a_partner_without_a_webhook_is_reminded_by_mail_and_then_its_answer_is_refused(tmp_path: Path, database_url: str):
    """Refused: a late answer settles nothing by itself. It is held, and a person's override takes it."""

    async def go() -> None:
        async with MailServer() as mails:
            server = {"host": "127.0.0.1", "port": mails.port, "security": "none", "sender": "edi@example.com"}
            async with running(tmp_path, database_url, partner_mail=server) as gateway:
                channels = "channels: {mail: {to: [dock@lake3pl.example]}}\nagreements:"
                owed = '- send: "940"\n    owed: {functional_acknowledgment: 24h, when_overdue: [remind, refuse], then_every: 12h}'
                await gateway.apply("lake3pl", ("agreements:", channels), ('- send: "940"', owed))
                _, released = await gateway.release({"partner": "lake3pl", "type": "fulfilment.requested", "data": order_data(1)})
                box, begun = gateway.partner("lake3pl"), now()
                await box.pick_up(gateway.session)
                (document,) = box.picked_up.values()

                async def sweep(hours: int) -> None:
                    await asyncio.to_thread(lambda: gateway.node.store.mark_overdue(begun + hours * HOUR).result())
                    gateway.node.deliver.wake()

                await sweep(25)
                await gateway.settle(lambda: mails.mails, "nobody was reminded")
                (reminder,) = mails.mails
                assert reminder["To"] == "dock@lake3pl.example"
                assert reminder["Subject"] == f"Reminder: 997 for our 940 with control number {released['control_numbers']['interchange']} is overdue"
                assert "CROSSDOCK" in reminder.get_content()
                await sweep(38)
                answered = await gateway.sent("lake3pl", acknowledged(document, 77))
                (held,) = answered["interchanges"][0]["groups"][0]["sets"]
                assert held["state"] == "held"
                assert "is refused now" in held["reason"]
                assert await state_of(gateway, f"997:{released['document']}") == ["waiting"]
                await gateway.operate("replay", id=answered["id"], override="late", reason="they had a fire")
                await gateway.settle(lambda: settled(gateway), "the ERP was not told")
                assert await state_of(gateway, f"997:{released['document']}") == ["accepted"]

    asyncio.run(go())


@pytest.mark.parametrize(
    ("server", "words"),
    [(None, "partner_mail"), ({"host": "127.0.0.1", "port": 9, "sender": "e@e.example", "security": "none"}, "cannot be reached")],
)
def test_a_reminder_that_cannot_go_says_why(server: dict | None, words: str):
    profile = read_profile(
        "partner: p\nname: P\nidentities: {isa: [{qualifier: ZZ, id: P}]}\nchannels: {mail: {to: [a@b.example]}}\nagreements: [{receive: '214'}]\n"
    )
    book = Book([Revision(profile, 1, "")])
    told = {
        "data": {
            "kind": "997",
            "set": "940",
            "interchange_control": "000000001",
            "sent_at": "2026-11-16T09:30:00Z",
            "due_at": "2026-11-17T09:30:00Z",
            "message": "M",
        }
    }
    mail = ReminderByMail("p", MailServerTerms(**server) if server else None, book=lambda: book)
    delivery = SimpleNamespace(id="mail:M.1", created_at=now())
    with pytest.raises((DestinationFault, TemporaryFailure), match=words):
        asyncio.run(mail.deliver(delivery, json.dumps(told).encode()))  # type: ignore[arg-type]


def test_the_sweep_is_one_statement_on_an_index(tmp_path: Path):
    async def act(gateway: Running) -> None:
        plan = "EXPLAIN QUERY PLAN SELECT id FROM awaited WHERE state = 'waiting' AND overdue_at IS NULL AND due_at <= 5 ORDER BY due_at LIMIT 9"
        rows = await asyncio.to_thread(lambda: gateway.node.store.read(lambda tx: [row.detail for row in tx.execute(text(plan))]).result())
        assert "USING INDEX awaited_waiting" in rows[0]

    run(act, tmp_path)
