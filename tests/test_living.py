"""Simulated partners against a real gateway, by each of their channels: what they send comes to its events, and what they get they answer."""

import asyncio
import random
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.__main__ import app
from gateway.commands.peers import SIMULATED_FAULTS
from gateway.simulators.living import ByAs2, ByHttp, BySftp, Living, run_out
from gateway.simulators.sftp import PretendSftpPartner
from gateway.simulators.trade import FAULTS, IDENTITIES, UNKNOWN_ITEM, Fault, Role, Sender, sendings, shipped
from tests.as2_running import text_of, two
from tests.kill.documents import order_data
from tests.running import running
from tests.sftp_running import profile
from tests.test_trade import events
from translators.as2.cms.keys import certificate

DAY = date(2026, 11, 16)


def one(way, role: str, said: list[str], **more) -> Living:
    return Living(way, Sender(*IDENTITIES[role]), DAY, said.append, chance=random.Random(1), **more)


def test_an_order_is_lived_through_by_http(tmp_path: Path):
    """The ERP releases an order; the warehouse answers it, ships it, and speaks of two of its own; the carrier tells of those two."""

    async def act() -> None:
        said: list[str] = []
        async with running(tmp_path) as gateway:
            warehouse = one(ByHttp(gateway.session, gateway.partner("lake3pl")), "3pl", said, ships=True)
            carrier = one(ByHttp(gateway.session, gateway.partner("northway")), "carrier", said)
            _, released = await gateway.release({"partner": "lake3pl", "type": "fulfilment.requested", "data": order_data(1)})
            await warehouse.tell(sendings("3pl", seed=4, orders=2, day=DAY))
            await carrier.tell(sendings("carrier", seed=4, orders=2, day=DAY, faults=["late", "doubled"]))
            await warehouse.listen(3)
            await gateway.settle(lambda: gateway.effects("order/REL1"), "the order that we sent was not shipped")
            (awaited,) = [row for row in await gateway.operate("awaited") if row["document"] == released["document"]]
            await gateway.settle(
                lambda: len([e for e in gateway.effects() if "shipment.status" in e.type]) == 8, "not every status came, or one came twice"
            )
            assert awaited["state"] == "accepted"
            assert all(effect.count == 1 for effect in gateway.effects())
            assert any(line.startswith("945-REL1.edi: 202") for line in said)

    asyncio.run(act())


def test_who_never_answers_stays_silent(tmp_path: Path):
    async def act() -> None:
        async with running(tmp_path) as gateway:
            warehouse = one(ByHttp(gateway.session, gateway.partner("lake3pl")), "3pl", [], ships=True, silent=1.0)
            await gateway.release({"partner": "lake3pl", "type": "fulfilment.requested", "data": order_data(1)})
            await warehouse.listen(1)
            assert len(warehouse.got) == 1
            assert warehouse.sent == 0

    asyncio.run(act())


def test_by_sftp(tmp_path: Path):
    async def act() -> None:
        async with running(tmp_path) as gateway:
            partner = PretendSftpPartner("acme")
            await gateway.operate(
                "partners.apply",
                text=profile("acme", key=partner.key, agreements="[{receive: '945', overlays: [demo-3pl], default_zone: America/New_York}]"),
            )
            (host_key, *_) = [row["fingerprint"] for row in await gateway.operate("sftp.hostkeys")]
            await asyncio.to_thread(partner.connect, gateway.node.addresses["sftp"], [host_key])
            warehouse = one(BySftp(partner), "3pl", [])
            listening = asyncio.create_task(warehouse.listen(60))
            await warehouse.tell(sendings("3pl", seed=4, orders=20, day=DAY))
            await gateway.settle(lambda: sum(b"ST*997*" in document for document in warehouse.got) == 20 or listening.done(), "not every 997 came")
            assert not listening.done(), "it hears while it speaks, over one connection"
            await gateway.settle(lambda: len(gateway.effects()) == 20)
            listening.cancel()
            await asyncio.to_thread(partner.close)

    asyncio.run(act())


def test_by_as2(tmp_path: Path):
    async def act() -> None:
        said: list[str] = []
        async with two(tmp_path, agreements="[{receive: '214'}, {receive: '856'}]") as (gateway, partner):
            carrier = one(ByAs2(gateway.session, partner, f"{gateway.url}/as2"), "carrier", said)
            await carrier.tell(sendings("carrier", seed=4, orders=1, day=DAY))
            assert all("200, its receipt says delivered" in line for line in said)
            await gateway.settle(lambda: len(gateway.effects()) == 5)
            await carrier.listen(2)
            assert sum(b"ST*997*" in document for document in carrier.got) == 5

    asyncio.run(act())


def test_by_as2_with_certificates_of_before(tmp_path: Path):
    """Replaced and run out, theirs and ours: each is refused, told to the partner, an alarm with the true reason here; and what comes again is taken."""

    async def act() -> None:
        said: list[str] = []
        async with two(tmp_path, agreements="[{receive: '214'}, {receive: '856'}]") as (gateway, partner):
            lapsed, retired = run_out("ACME3PL"), partner.gateway
            await gateway.operate("keys.add", partner="acme", data=text_of(lapsed.certificate.der), **{"from": "2020-01-01"})
            made = await gateway.operate("keys.generate", name="ours-2")
            await gateway.operate("keys.retire", id="ours")
            partner.gateway = certificate((await gateway.operate("keys.show", id=made["id"]))["pem"].encode())
            way = ByAs2(gateway.session, partner, f"{gateway.url}/as2", stale=lapsed, retired=retired)
            carrier = one(way, "carrier", said)
            await carrier.tell(sendings("carrier", seed=4, orders=1, day=DAY, faults=["stale-certificate"], often=0.5))
            unknown = one(ByAs2(gateway.session, partner, f"{gateway.url}/as2"), "carrier", said)
            await unknown.tell(sendings("carrier", seed=6, orders=1, day=DAY, faults=["stale-certificate"], often=1.0)[:1])
            stale = [line for line in said if "of before" in line]
            assert len(way.refused) >= 2
            assert len(stale) == len(way.refused) + 1
            assert all("200, its receipt says failed: the partner refused it: error: decryption-failed" in line for line in stale)
            assert all("again, as it should: 200, its receipt says delivered" in line for line in stale)
            await gateway.settle(lambda: len(gateway.effects()) == 6, "not every file came through")
            reasons = {row["reason"] for row in await gateway.operate("as2.messages", partner="acme", direction="in", state="refused", limit=50)}
            for words in ("only", "not registered", "recipients"):
                assert any(words in reason for reason in reasons), (words, reasons)
            assert "as2.refused" in {row["kind"] for row in await gateway.operate("alarms")}

    asyncio.run(act())


FILES: dict[Role, tuple[Fault, ...]] = {
    "customer": ("doubled", "late", "unknown-item"),
    "3pl": ("short", "doubled", "late"),
    "carrier": ("short", "late", "doubled", "out-of-order", "wrong-parents"),
}


@pytest.mark.parametrize("orders", [4, pytest.param(80, marks=pytest.mark.big)])
def test_whatever_they_do_wrong_the_erp_hears_of_each_thing_once(tmp_path: Path, database_url: str, orders: int):
    """Three partners at once, each with several orders side by side and every fault of its trade; the ERP cuts lines and lacks an item."""

    async def act() -> None:
        said: list[str] = []
        async with running(tmp_path, database_url) as gateway:
            gateway.erp.behaviour.refuse_items = [UNKNOWN_ITEM]
            gateway.erp.behaviour.cut_after_commit = 2
            files = {
                role: sendings(role, seed=11, orders=orders, day=DAY, faults=faults, often=0.2, order_set="850") for role, faults in FILES.items()
            }
            names = {"customer": "harbor", "3pl": "lake3pl", "carrier": "northway"}
            await asyncio.gather(
                *(one(ByHttp(gateway.session, gateway.partner(names[role])), role, said, at_once=4).tell(files[role]) for role in files)
            )
            assert len(said) == sum(len(each) for each in files.values())
            assert all(": 202 " in line for line in said)
            good = {one.name for each in files.values() for one in each if not {"doubled", "wrong-parents", "unknown-item"} & set(one.faults)}
            await gateway.settle(lambda: len(gateway.effects()) >= len(good), "not everything came to the ERP")
            await asyncio.sleep(0.5)
            assert len(gateway.effects()) == len(good)
            assert all(effect.count == 1 for effect in gateway.effects())
            assert len((await gateway.operate("dead", limit=1000))["deliveries"]) == sum(
                "850" in line and "unknown-item" in line and "doubled" not in line for line in said
            )

    asyncio.run(act())


def test_what_is_shipped_is_what_was_ordered(tmp_path: Path):
    (sending,) = sendings("customer", seed=9, orders=1, day=DAY)
    advice = shipped(sending.body, control=1, day=DAY, who=Sender(*IDENTITIES["3pl"]))
    code, (told,) = events(advice.body, tmp_path, "lake3pl")
    ordered = events(sending.body, tmp_path, "harbor")[1][0]
    assert code == 0
    assert told["data"]["order_id"] == ordered["data"]["order_id"]
    assert [line["shipped"] for line in told["data"]["lines"]] == [line["ordered"] for line in ordered["data"]["lines"]]


def test_the_command_names_the_same_faults():
    assert set(SIMULATED_FAULTS) == set(FAULTS)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--fault", "earthquake"], 2, "no fault is called earthquake"),
        (["--isa", "LAKE3PL"], 2, "is no identity"),
        (["--fault", "stale-certificate"], 2, "stale-certificate is a fault of AS2"),
        (["--with", "850"], 2, "by what a customer orders"),
        (["--url", "sftp://127.0.0.1:9", "--host-key", "SHA256:" + "A" * 43, "--orders", "1"], 1, "127.0.0.1:9"),
        (["--as2", "NAME", "--url", "http://127.0.0.1:9/as2", "--orders", "1"], 1, "--key"),
    ],
)
def test_what_is_wrong_with_a_command_is_told(arguments: list[str], code: int, words: str):
    done = CliRunner().invoke(app, ["simulate", "3pl", *arguments])
    assert (done.exit_code, words in done.output) == (code, True), done.output
