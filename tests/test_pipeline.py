"""From upload to ERP on both databases: what is delivered, what is not, in which order, and how often."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.errors import Refused
from tests.kill.documents import PARTNERS, advice, envelope, notice, order, status
from tests.running import Running, document, running

NOTICE = document("856-notice.edi")


def notice_with(control: int, *changes: tuple[str, str]) -> bytes:
    """The demo's notice in another envelope, with some of its text changed."""
    text = NOTICE.decode().replace("000000201", f"{control:09}").replace("*201*", f"*{control}*").replace("GE*1*201", f"GE*1*{control}")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text.encode()


def the_set(value: dict) -> dict:
    return value["interchanges"][0]["groups"][0]["sets"][0]


async def quiet(gateway: Running) -> None:
    """Long enough for anything that should not happen to have happened."""
    await asyncio.sleep(0.6)


@pytest.mark.parametrize("number", range(4))
def test_each_set_reaches_the_erp_once_and_is_answered(tmp_path: Path, database_url: str, number: int):
    async def act() -> None:
        async with running(tmp_path, database_url) as gateway:
            sent = (status, notice, advice, order)[number](7)
            value = await gateway.sent(sent.partner, sent.body)
            assert value["state"] == "translated"
            await gateway.settle(lambda: gateway.effects(sent.subject), "no event at the ERP")
            (effect,) = gateway.effects(sent.subject)
            assert effect.count == 1
            assert effect.attributes["source"] == f"/partners/{sent.partner}"
            assert effect.data["evidence"]["message"] == value["id"]
            (answer,) = value["acknowledgments"]
            assert f"~AK9*A*1*1*1~SE*6*0001~GE*1*1~IEA*1*{1:09}~" in answer["content"]
            assert f"*{PARTNERS[sent.partner][1]:15}*" in answer["content"]

    asyncio.run(act())


def test_the_same_content_in_a_new_envelope_is_accepted_and_not_delivered(tmp_path: Path, database_url: str):
    async def act() -> None:
        async with running(tmp_path, database_url) as gateway:
            await gateway.sent("northway", NOTICE)
            again = await gateway.sent("northway", notice_with(77))
            assert (the_set(again)["verdict"], the_set(again)["state"]) == ("A", "duplicate")
            assert len(again["acknowledgments"]) == 1
            await quiet(gateway)
            assert gateway.erp.requests == 1

    asyncio.run(act())


def test_the_same_interchange_again_gets_the_stored_answer_again(tmp_path: Path):
    async def act() -> None:
        async with running(tmp_path) as gateway:
            first = await gateway.sent("northway", NOTICE, key="1")
            again = await gateway.sent("northway", NOTICE, key="2")
            assert again["id"] != first["id"]
            assert (again["state"], again["duplicate_of"]) == ("duplicate", first["id"])
            assert again["acknowledgments"][0]["content"] == first["acknowledgments"][0]["content"], "byte for byte, the same control number"
            await quiet(gateway)
            assert gateway.erp.requests == 1

    asyncio.run(act())


def test_a_control_number_with_other_content_is_rejected(tmp_path: Path):
    async def act() -> None:
        async with running(tmp_path) as gateway:
            await gateway.sent("northway", NOTICE)
            value = await gateway.sent("northway", notice_with(201, ("ASN-88120", "ASN-99999")))
            assert (value["interchanges"][0]["state"], value["interchanges"][0]["ta1"]) == ("rejected", "025")
            assert not [one for one in value["acknowledgments"] if one["set"] != "TA1"]
            found = await gateway.operate("alarms")
            assert [one["kind"] for one in found] == ["interchange.rejected"]
            await quiet(gateway)
            assert gateway.erp.requests == 1

    asyncio.run(act())


def test_what_was_rejected_never_counts_as_seen(tmp_path: Path):
    """A notice with a fault is rejected; mended and sent under the same shipment number it is the first of its kind."""

    async def act() -> None:
        async with running(tmp_path) as gateway:
            bad = await gateway.sent("northway", notice_with(300, ("SN1*1*48*CA**48*CA", "SN1*1*48*CA**48*CA~ZZZ*1"), ("SE*32", "SE*33")))
            assert the_set(bad)["state"] == "rejected"
            good = await gateway.sent("northway", notice_with(301))
            assert the_set(good)["state"] == "translated"
            await gateway.settle(lambda: gateway.effects("shipment/ASN-88120"))

    asyncio.run(act())


def test_another_meaning_is_held_unless_it_says_that_it_corrects(tmp_path: Path, database_url: str):
    async def act() -> None:
        async with running(tmp_path, database_url) as gateway:
            await gateway.sent("northway", NOTICE)
            conflict = await gateway.sent("northway", notice_with(310, ("SN1*2*55*", "SN1*2*50*")))
            assert (the_set(conflict)["verdict"], the_set(conflict)["state"]) == ("A", "held")
            correction = await gateway.sent("northway", notice_with(311, ("SN1*2*55*", "SN1*2*50*"), ("BSN*00*", "BSN*05*")))
            assert the_set(correction)["state"] == "translated"
            await gateway.settle(lambda: len(gateway.effects("shipment/ASN-88120")) == 2)
            first, second = gateway.effects("shipment/ASN-88120")
            assert first.event.removesuffix("-r1") == second.event.removesuffix("-r2")
            assert second.attributes["supersedes"] == first.event
            whole = await gateway.operate("show", id=conflict["id"])
            replayed = await gateway.operate("replay", id=whole["documents"][0]["id"], override="conflict", reason="the partner says so by phone")
            assert replayed["message"] == conflict["id"]
            value = await gateway.decided("northway", conflict["id"])
            assert the_set(value)["state"] in ("translated", "duplicate")

    asyncio.run(act())


def test_a_foreign_sender_is_held_without_an_answer_until_the_profile_knows_it(tmp_path: Path):
    async def act() -> None:
        async with running(tmp_path) as gateway:
            value = await gateway.sent("lake3pl", NOTICE)
            assert (value["state"], value["interchanges"][0]["state"]) == ("held", "held")
            assert "02:NWFX" in value["interchanges"][0]["reason"]
            assert value["acknowledgments"] == []
            await gateway.apply(
                "lake3pl",
                ("- {qualifier: ZZ, id: LAKE3PL}", '- {qualifier: "02", id: NWFX}'),
                ('receive: "945"', 'receive: "856"'),
                ("overlays: [demo-3pl]", "overlays: []"),
            )
            await gateway.operate("replay", id=value["id"])
            await gateway.settle(lambda: gateway.effects("shipment/ASN-88120"), "the replayed message did not reach the ERP")
            value = await gateway.decided("lake3pl", value["id"])
            assert value["state"] == "translated"
            assert len(value["acknowledgments"]) == 1

    asyncio.run(act())


def test_a_set_without_an_agreement_is_rejected_and_only_an_override_delivers_it(tmp_path: Path):
    async def act() -> None:
        async with running(tmp_path) as gateway:
            body = document("945-shipped.edi").replace(b"*ZZ*LAKE3PL        *ZZ*", b"*02*NWFX           *ZZ*")
            value = await gateway.sent("northway", body)
            assert (the_set(value)["verdict"], the_set(value)["state"], the_set(value)["codes"]) == ("R", "rejected", ["1"])
            assert "~AK5*R*1~" in value["acknowledgments"][0]["content"]
            listed = (await gateway.operate("dead"))["documents"]
            assert [one["state"] for one in listed] == ["rejected"]
            await quiet(gateway)
            assert gateway.erp.requests == 0
            await gateway.apply("northway", ('  - receive: "856"', '  - receive: "945"\n  - receive: "856"'))
            with pytest.raises(Refused, match="only the override 'rejected'"):
                await gateway.operate("replay", id=value["id"])
            with pytest.raises(Refused, match="needs a reason"):
                await gateway.operate("replay", id=value["id"], override="rejected")
            await gateway.operate("replay", id=value["id"], override="rejected", reason="agreed by phone, profile follows")
            await gateway.settle(lambda: gateway.effects("order/H-77120"))
            value = await gateway.decided("northway", value["id"])
            assert len(value["acknowledgments"]) == 1, "what was answered stays answered"

    asyncio.run(act())


def test_a_test_interchange_never_reaches_the_production_target(tmp_path: Path):
    async def act() -> None:
        async with running(tmp_path) as gateway:
            value = await gateway.sent("lake3pl", document("945-shipped.edi").replace(b"*0*P*:", b"*0*T*:"))
            assert (the_set(value)["verdict"], the_set(value)["state"]) == ("A", "skipped")
            assert b"*0*T*:" in value["acknowledgments"][0]["content"].encode()
            live = await gateway.sent("lake3pl", document("945-shipped.edi").replace(b"000000301", b"000000399"))
            assert the_set(live)["state"] == "translated", "the two streams do not know each other's identities"

    asyncio.run(act())


BROKEN = [
    ("garbage", b"\x00\x01 not an interchange at all", "held"),
    ("text", b"Sehr geehrte Damen und Herren", "held"),
    ("truncated in a segment", NOTICE[:400], "translated"),
    ("without its IEA", NOTICE[: NOTICE.index(b"IEA")], "translated"),
    ("a wrong IEA count", NOTICE.replace(b"IEA*1*", b"IEA*7*"), "translated"),
    ("a wrong SE count", NOTICE.replace(b"SE*32*", b"SE*12*"), "translated"),
    ("an acknowledgment", envelope("northway", "FA", 9, ["ST*997*0001", "AK1*SH*1", "AK9*A*1*1*1"]), "translated"),
]


@pytest.mark.parametrize(("body", "state"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_broken_input_is_kept_told_and_never_delivered(tmp_path: Path, body: bytes, state: str):
    async def act() -> None:
        async with running(tmp_path) as gateway:
            value = await gateway.sent("northway", body)
            assert value["state"] == state
            whole = await gateway.operate("show", id=value["id"])
            assert whole["message"]["size"] == len(body)
            told = [value["reason"], *(one["reason"] or one["findings"] for one in value["interchanges"])]
            told += [one["findings"] for each in value["interchanges"] for group in each["groups"] for one in [group, *group["sets"]]]
            assert any(told) or b"*997*" in body, "nobody is told what is wrong"
            await quiet(gateway)
            assert gateway.erp.requests == 0

    asyncio.run(act())


def test_one_bad_set_never_holds_its_siblings(tmp_path: Path):
    async def act() -> None:
        async with running(tmp_path) as gateway:
            good, bad = status(61).body.decode(), status(62).body.decode()
            first, second = (text[text.index("ST*214") : text.index("GE*1")] for text in (good, bad))
            second = second.replace("*0001~", "*0002~").replace("AT7*X6*NS", "AT7*X6*NS*AA*NA")
            body = good[: good.index("ST*214")] + first + second + "GE*2*61~IEA*1*000000061~"
            value = await gateway.sent("northway", body.encode())
            sets = value["interchanges"][0]["groups"][0]["sets"]
            assert [one["verdict"] for one in sets] == ["A", "E"], "an element fault is accepted with errors by a tolerant profile"
            await gateway.settle(lambda: gateway.effects("shipment/SHP61"))

    asyncio.run(act())


def test_a_mapping_that_fails_is_our_fault_and_a_mended_profile_replays_it(tmp_path: Path):
    async def act() -> None:
        async with running(tmp_path) as gateway:
            body = envelope("northway", "QM", 5, ["ST*214*0001", "B10*PRO5**NWFX", "LX*1", "AT8*G*L*10"])
            value = await gateway.sent("northway", body)
            assert (the_set(value)["verdict"], the_set(value)["state"]) == ("A", "held")
            assert "~AK9*A*1*1*1~" in value["acknowledgments"][0]["content"]
            assert (await gateway.operate("dead"))["documents"][0]["state"] == "held"

    asyncio.run(act())


def test_what_waits_for_a_person_can_be_skipped_with_a_reason(tmp_path: Path, database_url: str):
    async def act() -> None:
        async with running(tmp_path, database_url) as gateway:
            rejected = await gateway.sent("lake3pl", document("945-bad.edi"))
            foreign = await gateway.sent("harbor", NOTICE)
            (one,) = (await gateway.operate("dead"))["documents"]
            with pytest.raises(Refused, match="needs a reason"):
                await gateway.operate("act", kind="skip", id=one["id"])
            for wanted in (one["id"], foreign["id"]):
                assert (await gateway.operate("act", kind="skip", id=wanted, reason="sent again rightly"))["state"] == "skipped"
            assert not any((await gateway.operate("dead")).values())
            assert the_set(await gateway.decided("lake3pl", rejected["id"]))["state"] == "skipped"
            assert (await gateway.decided("harbor", foreign["id"]))["state"] == "skipped"

    asyncio.run(act())


def test_a_partner_sees_its_documents_fate_and_none_of_our_insides(tmp_path: Path):
    async def act() -> None:
        async with running(tmp_path) as gateway:
            value = await gateway.sent("northway", NOTICE)
            await gateway.settle(lambda: gateway.effects())
            await quiet(gateway)
            told = str(await gateway.decided("northway", value["id"]))
            assert "target:" not in told
            assert "127.0.0.1" not in told
            assert gateway.node.name not in told

    asyncio.run(act())


def test_a_profile_that_names_a_missing_target_raises_an_alarm(tmp_path: Path):
    async def act() -> None:
        async with running(tmp_path) as gateway:
            await gateway.apply("northway", ('    default_zone: America/Chicago\n  - receive: "856"', '    target: nowhere\n  - receive: "856"'))
            (alarm,) = await gateway.operate("alarms")
            assert alarm["kind"] == "profile.target"
            assert "nowhere" in alarm["text"]

    asyncio.run(act())


def test_work_of_the_clock_is_done_however_late(tmp_path: Path):
    """A machine too busy for the loop to turn in time: none of it is left out."""

    async def act() -> None:
        async with running(tmp_path) as gateway:
            done: set[str] = set()
            jobs = gateway.node._scheduler.get_jobs()
            assert len(jobs) >= 5
            for job in jobs:
                job.modify(func=done.add, args=[job.id], next_run_time=datetime.now(UTC) - timedelta(minutes=1))
            await gateway.settle(lambda: len(done) == len(jobs), "what was late was left out")

    asyncio.run(act())
