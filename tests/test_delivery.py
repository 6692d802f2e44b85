"""The way to the ERP when the ERP is not well: each answer has its meaning, and no effect happens twice."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.kill.documents import order, status
from tests.running import document, running

NOTICE = document("856-notice.edi")

MOODS = [
    ("503", {"fail": 2, "status": 503}),
    ("429 with Retry-After", {"fail": 1, "status": 429, "retry_after": 1}),
    ("409, a first request still at work", {"fail": 1, "status": 409}),
    ("cut after its commit", {"cut_after_commit": 2}),
    ("500 after its commit", {"fail_after_commit": 2}),
    ("stalled past our patience", {"stall": 1, "stall_seconds": 3.0}),
    ("401: its fault, parked", {"fail": 1, "status": 401}),
    ("302: its fault, parked", {"fail": 1, "status": 302}),
]


@pytest.mark.parametrize("mood", [mood for _, mood in MOODS], ids=[name for name, _ in MOODS])
def test_every_temporary_trouble_ends_in_exactly_one_effect(tmp_path: Path, mood: dict):
    async def act() -> None:
        async with running(tmp_path) as gateway:
            vars(gateway.erp.behaviour).update(mood)
            value = await gateway.sent("northway", NOTICE)

            async def delivered() -> bool:
                whole = await gateway.operate("show", id=value["id"])
                return any(one["kind"] == "event" and one["state"] == "delivered" for one in whole["deliveries"])

            for _ in range(200):
                if await delivered():
                    break
                await asyncio.sleep(0.1)
            (effect,) = gateway.effects("shipment/ASN-88120")
            assert effect.count == 1
            whole = await gateway.operate("show", id=value["id"])
            (delivery,) = [one for one in whole["deliveries"] if one["kind"] == "event"]
            assert delivery["state"] == "delivered"
            assert len(delivery["attempts"]) >= 2
            assert delivery["confirmation"] == '{"confirmation": "ERP-000001"}'

    asyncio.run(act())


def test_a_refusal_is_a_dead_letter_with_its_answer_and_blocks_only_its_lane(tmp_path: Path, database_url: str):
    async def act() -> None:
        async with running(tmp_path, database_url) as gateway:
            gateway.erp.behaviour.refuse_types = ["org.crossdock.fulfilment.requested.v1"]
            await gateway.sent("harbor", order(1).body)
            await gateway.sent("northway", status(2).body)
            await gateway.settle(lambda: gateway.effects("shipment/SHP2"), "another lane was held up")
            dead = await gateway.operate("dead")
            (letter,) = dead["deliveries"]
            assert letter["status"] == 422
            assert '"field": "type"' in letter["answer"]
            assert [lane["subject"] for lane in dead["blocked_lanes"]] == ["order/DEP1"]
            change = order(1).body.replace(b"W05*N*", b"W05*R*").replace(b"W01*24*", b"W01*30*").replace(b"000000001", b"000000009")
            gateway.erp.behaviour.refuse_types = []
            await gateway.sent("harbor", change)
            await gateway.settle(lambda: gateway.effects("order/DEP1"), "a superseding revision did not free the lane")
            (effect,) = gateway.effects("order/DEP1")
            assert effect.event.endswith("-r2")
            assert (await gateway.operate("dead"))["deliveries"] == []

    asyncio.run(act())


def test_a_dead_letter_is_retried_or_skipped_by_a_person(tmp_path: Path):
    async def act() -> None:
        async with running(tmp_path) as gateway:
            gateway.erp.behaviour.refuse_types = ["org.crossdock.fulfilment.requested.v1"]
            for number in (1, 2):
                await gateway.sent("harbor", order(number).body)

            async def letters() -> list[dict]:
                return (await gateway.operate("dead"))["deliveries"]

            for _ in range(100):
                if len(await letters()) == 2:
                    break
                await asyncio.sleep(0.05)
            one, other = await letters()
            gateway.erp.behaviour.refuse_types = []
            skipped = await gateway.operate("act", kind="skip", id=one["id"], reason="cancelled by phone")
            assert skipped["state"] == "skipped"
            await gateway.operate("replay", id=other["id"])
            await gateway.settle(lambda: len(gateway.effects()) == 1)
            assert await letters() == []
            whole = await gateway.operate("show", id=one["id"])
            assert any("cancelled by phone" in step["text"] for step in whole["life"])

    asyncio.run(act())


def test_statuses_of_one_shipment_leave_in_order(tmp_path: Path):
    async def act() -> None:
        async with running(tmp_path) as gateway:
            gateway.erp.behaviour.fail = 3
            for number, minute in enumerate((10, 20, 30, 40), start=1):
                text = status(9).body.decode().replace("*0930*CT", f"*09{minute}*CT").replace("000000009", f"{number:09}")
                await gateway.sent("northway", text.encode())
            await gateway.settle(lambda: len(gateway.effects("shipment/SHP9")) == 4)
            times = [gateway.erp.effects[event].attributes["time"] for event in gateway.erp.order]
            assert times == sorted(times)

    asyncio.run(act())


def test_an_erp_without_keys_is_looked_up_before_a_repeat(tmp_path: Path):
    """The ERP ignores keys, cuts after its commit: a blind repeat would empty the first shipment."""

    async def act() -> None:
        async with running(tmp_path, target={"repeats": "look_up"}) as gateway:
            gateway.erp.behaviour.ignore_keys = True
            gateway.erp.behaviour.cut_after_commit = 1
            value = await gateway.sent("northway", NOTICE)

            async def delivered() -> bool:
                whole = await gateway.operate("show", id=value["id"])
                return any(one["kind"] == "event" and one["state"] == "delivered" for one in whole["deliveries"])

            for _ in range(100):
                if await delivered():
                    break
                await asyncio.sleep(0.1)
            assert await delivered()
            (effect,) = gateway.effects()
            assert effect.count == 1
            assert gateway.erp.damage == []
            assert gateway.erp.shipments[effect.confirmation]["lines"]

    asyncio.run(act())


def test_the_pretend_erp_tells_when_a_repeat_did_damage(tmp_path: Path):
    """The same trouble with a target that wrongly claims to honour keys: the ledger shows what the guard prevents."""

    async def act() -> None:
        async with running(tmp_path, target={"repeats": "native_key"}) as gateway:
            gateway.erp.behaviour.ignore_keys = True
            gateway.erp.behaviour.cut_after_commit = 1
            await gateway.sent("northway", NOTICE)
            await gateway.settle(lambda: any(effect.count == 2 for effect in gateway.effects()))
            assert gateway.erp.damage

    asyncio.run(act())


def test_an_unsafe_target_asks_a_person_after_an_unknown_outcome(tmp_path: Path):
    async def act() -> None:
        async with running(tmp_path, target={"repeats": "unsafe"}) as gateway:
            gateway.erp.behaviour.cut_after_commit = 1
            await gateway.sent("northway", NOTICE)
            for _ in range(100):
                if letters := (await gateway.operate("dead"))["deliveries"]:
                    break
                await asyncio.sleep(0.1)
            assert "by hand" in letters[0]["reason"]
            assert gateway.erp.requests == 1
            await gateway.operate("replay", id=letters[0]["id"], reason="looked: it is not there")
            await gateway.settle(lambda: gateway.erp.requests == 2, "a person's word did not send it again")

    asyncio.run(act())


def test_what_a_partners_rate_holds_up_arrives(tmp_path: Path):
    """That no window exceeds the rate is tests/test_scheduler.py's."""

    async def act() -> None:
        async with running(tmp_path) as gateway:
            await gateway.apply("northway", ("throttle: {rate: 500, burst: 500}", "throttle: {rate: 4, burst: 2}"))
            for number in range(1, 11):
                await gateway.partner("northway").send(gateway.session, "s", status(number).body)
            await gateway.settle(lambda: len(gateway.effects()) == 10)

    asyncio.run(act())


def test_an_erp_that_is_away_has_its_breaker_opened_and_what_cannot_wait_goes_to_the_fallback(tmp_path: Path):
    """Two orders may have reached the ERP unseen and wait for it; the others go to the folder. None goes to both."""
    folder = tmp_path / "emergency"
    more = {"targets": {"emergency": {"kind": "folder", "path": str(folder)}}, "breaker": {"failures": 2}}

    async def act() -> None:
        async with running(tmp_path, target={"concurrency": 1}, **more) as gateway:
            await gateway.apply("harbor", ('receive: "940"', 'receive: "940"\n    fallback: emergency\n    fallback_after: 1s'))
            gateway.erp.behaviour.dead = True
            for number in range(1, 7):
                await gateway.sent("harbor", order(number).body)
            await gateway.settle(lambda: folder.exists() and len(list(folder.glob("*.json"))) == 4, "the fallback did not take what could not wait")
            (one,) = [one for one in await gateway.operate("targets") if one["destination"] == "target:erp"]
            assert one["state"] in ("open", "half-open")
            gateway.erp.behaviour.dead = False
            await gateway.operate("targets.steer", act="probe", name="erp", because="they say it is mended")
            await gateway.settle(lambda: len(gateway.effects()) == 2, "what may have been taken unseen waited for the ERP")
            fallen = {json.loads(file.read_text())["id"] for file in folder.iterdir()}
            assert len(fallen) == 4
            assert not fallen & set(gateway.erp.effects)
            kinds = {one["kind"] for one in await gateway.operate("alarms", all=True)}
            assert {"destination.parked", "delivery.fallback"} <= kinds
            async with gateway.session.get(f"{gateway.node.addresses['admin']}/metrics") as response:
                page = await response.text()
            assert 'crossdock_destination_state{destination="target:erp",state="' in page

    asyncio.run(act())
