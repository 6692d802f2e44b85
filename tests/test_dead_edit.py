"""What is dead is edited: checked as if it came today, kept beside the original with who and why, and sent in its place."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import Refused
from tests.kill.documents import status
from tests.running import Running, running
from tests.test_files import STATUS, agreed, sent
from tests.test_pipeline import NOTICE, notice_with, quiet, the_set
from tests.test_replays import replayed, rows


async def says(gateway: Running, wanted: str) -> bytes:
    return base64.b64decode((await gateway.operate("dead.edit", id=wanted))["data"])


async def edited(gateway: Running, wanted: str, data: bytes, **given: Any) -> dict[str, Any]:
    text = base64.b64encode(data).decode()
    value: dict[str, Any] = await gateway.operate("dead.edit", **{"id": wanted, "data": text, "reason": "ticket 9", "who": "ann"} | given)
    return value


UNMAPPED = ["ST*214*0001", "B10*PRO5**NWFX", "LX*1", "AT8*G*L*10"]


async def edit_a_document(gateway: Running) -> None:
    """A 214 without a status, between two good ones: the set alone is edited; its siblings and its 997 stay as they are."""
    one, two = (status(number).body.decode() for number in (71, 72))
    sets = [text[text.index("ST*214") : text.index("GE*1")] for text in (one, two)]
    lame = "".join(f"{line}~" for line in [*UNMAPPED, "SE*5*0001"]).replace("*0001~", "*0002~")
    body = one[: one.index("ST*214")] + sets[0] + lame + sets[1].replace("*0001~", "*0003~") + "GE*3*71~IEA*1*000000071~"
    value = await gateway.sent("northway", body.encode())
    wanted = f"{value['id']}.1.1.2"
    assert await says(gateway, wanted) == lame.encode()
    with pytest.raises(Refused) as refused:
        await edited(gateway, wanted, lame.replace("B10*PRO5**", "B10*PRO5*SHP5*").encode())
    assert "214 0002 would be held" in str(refused.value)
    mended = lame.replace("B10*PRO5**", "B10*PRO5*SHP5*").replace("AT8*G", "AT7*X6*NS***20261116*0930*CT~AT8*G")
    with pytest.raises(Refused, match="SE01"):
        await edited(gateway, wanted, mended.encode())
    with pytest.raises(Refused, match="needs a reason"):
        await edited(gateway, wanted, mended.encode(), reason="")
    kept = await edited(gateway, wanted, mended.replace("SE*5", "SE*6").encode() + b"\n")
    await gateway.settle(lambda: gateway.effects("shipment/SHP5"), "the edited document did not reach the ERP")
    show = await gateway.operate("show", id=kept["id"])
    (edit,) = show["edits"]
    assert {name: edit[name] for name in ("id", "edited_from", "who", "reason")} == {
        "id": f"{kept['message']}.1.1.1", "edited_from": wanted, "who": "ann", "reason": "ticket 9",
    }  # fmt: skip
    before = await gateway.operate("show", id=value["id"])
    states = [(one["state"], (one["reason"] or "").partition(":")[0]) for one in before["documents"]]
    assert states == [("translated", ""), ("skipped", "skipped"), ("translated", "")]
    assert before["message"]["size"] == len(body), "the original is as it came"
    told = rows(gateway, "SELECT message FROM deliveries WHERE kind = 'receipt'")
    assert kept["message"] not in [row.message for row in told], "the partner did not send that, and hears nothing of it"
    explained = await gateway.operate("explain", id=show["events"][0]["id"])
    assert [one["edited_from"] for one in explained["edited"]] == [wanted]
    with pytest.raises(Refused, match="waits for nobody any more"):
        await edited(gateway, wanted, mended.replace("SE*5", "SE*6").encode())
    live = await replayed(gateway, partner="northway", into="live", reason="once more")
    assert "changed" not in live["counts"]
    assert len(gateway.effects("shipment/SHP5")) == 1


async def edit_an_event(gateway: Running) -> None:
    """A notice that the ERP refuses: its event is edited, as the next revision; what waited behind it goes on; a replay does not undo it."""
    gateway.erp.behaviour.refuse_types = ["org.crossdock.shipment.notified.v1"]
    await gateway.sent("northway", NOTICE)
    await gateway.settle(lambda: rows(gateway, "SELECT id FROM deliveries WHERE state = 'dead'"))
    (delivery,) = [row.id for row in rows(gateway, "SELECT id FROM deliveries WHERE state = 'dead'")]
    event = delivery.partition("@")[0]
    gateway.erp.behaviour.refuse_types = []
    value = json.loads(await says(gateway, delivery))
    for wrong, told in (
        (b"{", "it is no JSON"),
        (json.dumps(value | {"colour": "red"}).encode(), "colour: "),
        (json.dumps(value | {"evidence": value["evidence"] | {"byte_start": 7}}).encode(), "evidence: says where"),
    ):
        with pytest.raises(Refused, match=told):
            await edited(gateway, delivery, wrong)
    with pytest.raises(Refused, match="it says what it said before"):
        await edited(gateway, delivery, json.dumps(value).encode())
    kept = await edited(gateway, delivery, json.dumps(value | {"notes": [{"text": "counted by hand"}]}).encode())
    assert kept["id"] == event.replace("-r1", "-r2")
    await gateway.settle(lambda: gateway.effects("shipment/ASN-88120"), "the edited event did not reach the ERP")
    (effect,) = gateway.effects("shipment/ASN-88120")
    assert (effect.data["notes"][0]["text"], effect.attributes["supersedes"]) == ("counted by hand", event)
    show = await gateway.operate("show", id=event)
    assert [(one["id"], one["edited_from"]) for one in show["edits"]] == [(kept["id"], event)]
    assert [one["state"] for one in show["deliveries"] if one["id"] == delivery] == ["skipped"]
    explained = await gateway.operate("explain", id=kept["id"])
    assert [one["id"] for one in explained["edited"]] == [kept["id"]]
    live = await replayed(gateway, set="856", since="1h", into="live", reason="once more")
    assert "changed" not in live["counts"], "what a person edited stands"
    compared = await replayed(gateway, set="856", since="1h")
    assert compared["counts"]["same"] == 1, "and a dry run compares with what the document said itself"


async def edit_a_conflict(gateway: Running) -> None:
    conflict = await gateway.sent("northway", notice_with(310, ("SN1*2*55*", "SN1*2*50*")))
    assert the_set(conflict)["state"] == "held"
    wanted = f"{conflict['id']}.1.1.1"
    set_ = await says(gateway, wanted)
    with pytest.raises(Refused, match="with another meaning"):
        await edited(gateway, wanted, set_)
    assert len(rows(gateway, f"SELECT id FROM messages WHERE id > '{conflict['id']}' AND direction = 'in'")) == 0, "nothing of it is kept"
    await edited(gateway, wanted, set_.replace(b"BSN*00*", b"BSN*05*"))
    await gateway.settle(lambda: len(gateway.effects("shipment/ASN-88120")) == 2)


async def edit_a_file(gateway: Running) -> None:
    """A row of a CSV file with a wrong date; and a message that could not be read at all."""
    await agreed(gateway)
    heading, good, *_ = STATUS.splitlines(keepends=True)
    dated = good.replace(b"2026-11-16", b"2026-13-45").replace(b"SH-1001", b"SH-7")
    bad = good.replace(b"SH-1001", b"SH-9").replace(b",AF,", b",,")
    value = await sent(gateway, heading + good + dated + bad)
    assert value["state"] == "translated", "a day that the calendar does not have is a fault of its row, and no fault of ours"
    (wanted,) = [one.id for one in rows(gateway, f"SELECT id FROM documents WHERE message = '{value['id']}' AND state IN ('rejected', 'held')")]
    row = await says(gateway, wanted)
    await edited(gateway, wanted, row.replace(b",,", b",AF,", 1))
    await gateway.settle(lambda: gateway.effects("shipment/SH-9"))
    unread = await gateway.sent("northway", b"not an interchange")
    kept = await edited(gateway, unread["id"], status(80).body)
    assert kept["kind"] == "message"
    await gateway.settle(lambda: gateway.effects("shipment/SHP80"))
    assert (await gateway.decided("northway", unread["id"]))["state"] == "skipped"


@pytest.mark.parametrize("database_url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.big)], indirect=True)
def test_what_is_dead_is_edited_and_keeps_where_it_came_from(tmp_path: Path, database_url: str):
    async def act() -> None:
        async with running(tmp_path, database_url) as gateway:
            await edit_a_document(gateway)
            await edit_an_event(gateway)
            await edit_a_conflict(gateway)
            await edit_a_file(gateway)
            await quiet(gateway)
            assert {effect.count for effect in gateway.erp.effects.values()} == {1}
            assert not (await gateway.operate("dead"))["deliveries"]

    asyncio.run(act())


def test_what_is_not_edited_says_why(tmp_path: Path):
    async def act() -> None:
        async with running(tmp_path) as gateway:
            good = await gateway.sent("northway", status(1).body)
            await gateway.settle(lambda: gateway.effects("shipment/SHP1"))
            (event,) = [row.id for row in rows(gateway, "SELECT id FROM events")]
            for wanted, data, told in (
                ("nobody", b"", "nothing is called nobody"),
                (f"{good['id']}.1.1.1", status(1).body[status(1).body.index(b"ST*") : status(1).body.index(b"GE*")], "waits for nobody any more"),
                (good["id"], status(2).body, "waits for nobody any more"),
                (event, b"{}", "the edited text cannot be taken"),
            ):
                with pytest.raises(Refused, match=told):
                    await edited(gateway, wanted, data)
            (answer,) = rows(gateway, "SELECT id FROM deliveries WHERE kind = 'receipt'")
            with pytest.raises(Refused, match="have the ERP release the mended event again"):
                await edited(gateway, answer.id, b"ISA")

    asyncio.run(act())
