"""Dead letters: each has its cause, the answer's body and a runbook; one, a search's or all are retried or skipped, each once."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import Refused
from gateway.store.dead_letters import CAUSES, LANE_BLOCKED, NAMES, RUNBOOKS
from tests.kill.documents import envelope, notice, status
from tests.running import ROOT, Running, document, running
from tests.test_pipeline import NOTICE, notice_with
from tests.test_replays import ended, rows

SOURCES = "".join(
    path.read_text(encoding="utf-8")
    for house in ("gateway", "partners", "translators")
    for path in (ROOT / house).rglob("*.py")
    if path.name != "dead_letters.py"
)
CODE = re.compile(r"^```sh\n(.+)\n(.+)\n", re.M)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_cause_has_its_runbook(name: str):
    """Its first command shows how things are, its second mends them."""
    text = (ROOT / RUNBOOKS / f"{name}.md").read_text(encoding="utf-8")
    block = CODE.search(text)
    assert block
    shows, mends = block[1], block[2]
    assert shows.startswith(f"crossdock dead --cause {name}")
    assert mends.startswith("crossdock ")
    assert f"`{name}`" in text.splitlines()[0]


@pytest.mark.parametrize("pattern", sorted({reason for cause in CAUSES for reason in cause.reasons}))
def test_a_cause_reads_reasons_as_they_are_written(pattern: str):
    """What the pattern says in plain letters stands in a source that gives such reasons; whoever rewords it meets this test."""
    for piece in filter(None, pattern.split("%")):
        assert any(piece.strip() in SOURCES.replace("{format.upper()}", format) for format in ("CSV", "XML")), piece


async def buried(gateway: Running) -> None:
    """Two dead deliveries with one behind each of them or none, a conflict, one that cannot be mapped, a rejected one, and a foreign sender."""
    gateway.erp.behaviour.refuse_types = ["org.crossdock.shipment.notified.v1"]
    for number in (1, 2):
        await gateway.sent("northway", notice(number).body)
    await gateway.settle(lambda: len(dead_ones(gateway)) == 2)
    await gateway.sent("northway", status(5).body)
    await gateway.sent("northway", NOTICE)
    await gateway.settle(lambda: len(dead_ones(gateway)) == 3)
    await gateway.sent("northway", notice_with(310, ("SN1*2*55*", "SN1*2*50*")))
    await gateway.sent("northway", envelope("northway", "QM", 6, ["ST*214*0001", "B10*PRO5**NWFX", "LX*1", "AT8*G*L*10"]))
    await gateway.sent("lake3pl", document("945-bad.edi"))
    await gateway.sent("harbor", NOTICE)
    await gateway.sent("northway", b"not an interchange")


def dead_ones(gateway: Running) -> list[Any]:
    return rows(gateway, "SELECT id FROM deliveries WHERE state = 'dead' ORDER BY id")


FOUND = {
    "deliveries": ["delivery-refused"] * 3,
    "documents": ["document-conflict", "document-not-mapped", "document-rejected"],
    "interchanges": ["interchange-foreign-sender"],
    "messages": ["message-of-held-interchanges", "message-unreadable"],
    "blocked_lanes": [LANE_BLOCKED] * 3,
}
SEARCHED = [
    ({"partner": "lake3pl"}, 1),
    ({"target": "erp"}, 6),
    ({"target": "as2:acme"}, 0),
    ({"type": "856"}, 4),
    ({"type": "shipment.notified"}, 3),
    ({"cause": "document-conflict"}, 1),
    ({"cause": "lane-blocked"}, 3),
    ({"text": "WITH ANOTHER meaning"}, 1),
    ({"text": "100%"}, 0),
    ({"since": "1h", "partner": "northway"}, 3 + 2 + 1 + 3),
    ({"until": "1h", "type": "856"}, 0),
]


def test_each_has_its_cause_the_answer_and_its_runbook_and_a_search_means_what_it_says(tmp_path: Path, database_url: str):
    async def act() -> None:
        async with running(tmp_path, database_url) as gateway:
            await buried(gateway)
            found = await gateway.operate("dead")
            assert {kind: sorted(one["cause"] for one in each) for kind, each in found.items()} == FOUND
            for one in found["deliveries"]:
                assert one["status"] == 422
                assert one["answer"]
                assert one["since"] > "2026"
            assert all((ROOT / one["runbook"]).exists() for each in found.values() for one in each)
            for given, count in SEARCHED:
                found = await gateway.operate("dead", **given)
                assert sum(len(each) for each in found.values()) == count, given
            with pytest.raises(Refused, match="no cause is called nonsense; there are: delivery-damaged, delivery-failed"):
                await gateway.operate("dead", cause="nonsense")
            await worked_off(gateway)

    asyncio.run(act())


async def worked_off(gateway: Running) -> None:
    """Dry, by ids, by a search, all: the counts are those of the rows."""
    dry = await gateway.operate("dead.act", act="retry", partner="northway", dry_run=True)
    assert (dry["job"], {one["cause"]: one["count"] for one in dry["counts"]}) == (
        None,
        {"delivery-refused": 3, "document-conflict": 1, "document-not-mapped": 1, "message-unreadable": 1},
    )
    for given, told in (
        ({}, "say which"),
        ({"all": True, "partner": "northway"}, "say which"),
        ({"all": True, "act": "forget"}, "no act on dead letters"),
    ):
        with pytest.raises(Refused, match=told):
            await gateway.operate("dead.act", **{"act": "retry"} | given)
    with pytest.raises(Refused, match="skipping needs a reason"):
        await gateway.operate("dead.act", act="skip", all=True)
    first, *_ = [one.id for one in dead_ones(gateway)]
    still = await gateway.operate("dead.act", act="retry", ids=[first, "nobody"], reason="a look")
    assert still["done"] == [{"id": first, "state": "due"}, {"id": "nobody", "state": "nothing that waits is called so"}]
    await gateway.settle(lambda: len(dead_ones(gateway)) == 3, "it was refused once more")
    held = [one.id for one in rows(gateway, "SELECT id FROM documents WHERE state = 'held' ORDER BY id")]
    together = await gateway.operate("dead.act", act="retry", ids=held, reason="a look")
    assert [one["state"] for one in together["done"]] == ["received"] * 2
    await gateway.settle(lambda: not rows(gateway, "SELECT id FROM messages WHERE state = 'received'"))
    gateway.erp.behaviour.refuse_types = []
    asked = await gateway.operate("dead.act", act="retry", cause="delivery-refused", reason="the ERP is mended")
    job = await ended(gateway, {"id": asked["job"]})
    assert job["counts"] == {"retried": 3}
    await gateway.settle(lambda: not dead_ones(gateway) and len(gateway.effects("shipment/ASN-88120")) == 1)
    assert {effect.count for effect in gateway.erp.effects.values()} == {1}
    asked = await gateway.operate("dead.act", act="retry", all=True, reason="once more")
    # The conflict, the unmapped one and the unreadable message come to the same again; the foreign sender is read anew; the rejected one is left.
    job = await ended(gateway, {"id": asked["job"]})
    assert (job["counts"]["retried"], job["counts"]["left"]) == (4, 1)
    await gateway.settle(lambda: not rows(gateway, "SELECT id FROM messages WHERE state = 'received'"))
    asked = await gateway.operate("dead.act", act="skip", all=True, reason="ticket 31")
    job = await ended(gateway, {"id": asked["job"]})
    assert job["counts"]["skipped"] == 5
    assert not any((await gateway.operate("dead")).values())
    assert sum("ticket 31" in row.text for row in rows(gateway, "SELECT text FROM life WHERE step = 'skip'")) == 5
    again = await gateway.operate("dead.act", act="skip", all=True, reason="ticket 31")
    assert (await ended(gateway, {"id": again["job"]}))["counts"] == {}
