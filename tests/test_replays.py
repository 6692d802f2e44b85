"""Replays of many documents: what they compare, what they send, and that each document counts once."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import Refused
from tests.kill.documents import status
from tests.running import ROOT, Running, running
from tests.test_files import STATUS, agreed, sent
from tests.test_pipeline import NOTICE, quiet, the_set
from tests.test_translate_workers import several

CHICAGO, DENVER = "    default_zone: America/Chicago\n", "    default_zone: America/Denver\n"


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages so small that every job takes several, and one message more than one."""
    monkeypatch.setattr("gateway.store.replay_pages.PAGE_DOCUMENTS", 3)
    monkeypatch.setattr("gateway.store.replay_pages.PAGE_MESSAGES", 2)


async def ended(gateway: Running, job: dict[str, Any], state: str = "done") -> dict[str, Any]:
    """The job once it is no longer at work."""
    for _ in range(400):
        value: dict[str, Any] = await gateway.operate("replays.show", id=job["id"])
        if value["state"] != "running":
            assert value["state"] == state, value["told"]
            return value
        await asyncio.sleep(0.05)
    raise AssertionError("the replay did not end")


async def replayed(gateway: Running, **given: Any) -> dict[str, Any]:
    return await ended(gateway, await gateway.operate("replays.start", **given))


def unzoned(number: int) -> bytes:
    """A 214 whose time has no zone of its own, so that the profile's matters."""
    return status(number).body.replace(b"*0930*CT~MS1*JOLIET*IL*US~", b"*0930~").replace(b"SE*8*", b"SE*7*")


def northway(*changes: tuple[str, str]) -> str:
    """The shipped profile, changed."""
    text = (ROOT / "partners" / "profiles" / "northway.yaml").read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


async def draft(gateway: Running, *changes: tuple[str, str]) -> int:
    value = await gateway.operate("partners.apply", text=northway(*changes), **{"as": "draft"})
    assert value["state"] == "draft"
    return int(value["revision"])


def all_delivered(gateway: Running, count: int) -> bool:
    return rows(gateway, "SELECT count(*) FROM deliveries WHERE kind = 'event' AND state = 'delivered'")[0][0] == count


async def archive(gateway: Running) -> None:
    """Five messages: three 214s, a notice, and seven 214s in one; eleven events at the ERP."""
    for number in (31, 32, 33):
        await gateway.sent("northway", unzoned(number))
    await gateway.sent("northway", NOTICE)
    await gateway.sent("northway", several(7))
    await gateway.settle(lambda: all_delivered(gateway, 11), "the events did not reach the ERP")


def rows(gateway: Running, statement: str) -> list[Any]:
    return gateway.node.store.read(lambda tx: tx.exec_driver_sql(statement).all()).result(20)


def state_of(value: dict[str, Any]) -> str:
    """Of the only document of a message."""
    return str(the_set(value)["state"])


TOUCHED = "SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM deliveries), (SELECT count(*) FROM identities), (SELECT count(*) FROM life)"


async def drafted_and_compared(gateway: Running) -> None:
    number = await draft(gateway, (CHICAGO, DENVER), ('  - receive: "856"\n' + DENVER, ""))
    job = await replayed(gateway, partner="northway", revision=str(number))
    # The three times without a zone move; the notice has no agreement any more; the seven others say their zone.
    assert job["counts"] == {"messages": 5, "documents": 11, "same": 7, "changed": 3, "removed": 1}
    field = job["diff"]["fields"]["shipment.status occurred_at.instant"]
    assert (field["changed"], len(field["samples"])) == (3, 3)
    assert field["samples"][0]["before"] != field["samples"][0]["after"]
    assert job["diff"]["events"]["removed shipment.notified"]["count"] == 1
    assert list(job["diff"]["documents"]) == ["translated > rejected"]


SELECTED = [
    ({"set": "856"}, 1),
    ({"value": "SHP32"}, 1),
    ({"value": "ASN-88120"}, 1),
    ({"set": "214", "value": "ASN-88120"}, 0),
    ({"since": "1h"}, 11),
    ({"until": "1h"}, 0),
    ({"partner": "lake3pl", "since": "1d"}, 0),
]


async def selected(gateway: Running) -> None:
    for given, documents in SELECTED:
        job = await replayed(gateway, **{"partner": "northway"} | given)
        assert job["counts"].get("documents", 0) == documents, given
    job = await replayed(gateway, value="SHP33")
    assert (job["partner"], job["counts"]["documents"], job["total"]) == (None, 1, 1), "of all partners"
    (message,) = rows(gateway, "SELECT message FROM documents WHERE ordinal = 7")[0]
    for wanted, documents in ((message, 7), (f"{message}.1.1.5", 1)):
        job = await replayed(gateway, id=wanted, into="nowhere")
        assert (job["counts"]["messages"], job["counts"]["documents"]) == (1, documents)


async def held_and_compared(gateway: Running) -> None:
    """A message whose sender is unknown shows what it would be under a draft that knows it."""
    assert (await gateway.sent("lake3pl", NOTICE))["state"] == "held"
    text = (ROOT / "partners" / "profiles" / "lake3pl.yaml").read_text(encoding="utf-8")
    for old, new in (
        ("- {qualifier: ZZ, id: LAKE3PL}", '- {qualifier: "02", id: NWFX}'),
        ('receive: "945"', 'receive: "856"'),
        ("overlays: [demo-3pl]", "overlays: []"),
    ):
        assert old in text
        text = text.replace(old, new)
    number = (await gateway.operate("partners.apply", text=text, **{"as": "draft"}))["revision"]
    job = await replayed(gateway, partner="lake3pl", revision=number)
    assert job["diff"]["documents"]["message held > translated"]["count"] == 1
    assert job["counts"] == {"messages": 1, "documents": 1, "added": 1}


def test_a_dry_run_tells_what_differs_and_touches_nothing(tmp_path: Path, database_url: str):
    async def act() -> None:
        async with running(tmp_path, database_url) as gateway:
            await archive(gateway)
            before = rows(gateway, TOUCHED)
            for revision in ("original", "live"):
                job = await replayed(gateway, partner="northway", revision=revision)
                assert job["counts"] == {"messages": 5, "documents": 11, "same": 11}
                assert (job["total"], job["diff"]["fields"]) == (5, {})
            await drafted_and_compared(gateway)
            await selected(gateway)
            assert rows(gateway, TOUCHED) == before
            await held_and_compared(gateway)

    asyncio.run(act())


def test_into_live_a_revision_is_made_only_where_the_meaning_changed_and_redeliver_keeps_the_ids(tmp_path: Path, database_url: str):
    async def act() -> None:
        async with running(tmp_path, database_url) as gateway:
            await archive(gateway)
            bad = several(1).replace(b"~LX*1", b"~ZZZ*1~LX*1").replace(b"000000001", b"000000901")
            rejected = await gateway.sent("northway", bad)
            again = await gateway.sent("northway", unzoned(31).replace(b"000000031", b"000000902"))
            given_up = await gateway.sent("northway", bad.replace(b"000000901", b"000000903"))
            await gateway.operate("act", kind="skip", id=f"{given_up['id']}.1.1.1", reason="sent again")
            assert [state_of(one) for one in (rejected, again)] == ["rejected", "duplicate"]
            await gateway.apply("northway", (CHICAGO, DENVER))
            job = await replayed(gateway, partner="northway", into="live", reason="the zone was wrong")
            counts = job["counts"]
            assert (counts["documents"], counts["queued"], counts["changed"]) == (14, 12, 3)
            assert counts["left"] == 2, "neither what was rejected nor what a person gave up is brought back"
            assert job["diff"]["fields"]["shipment.status occurred_at.instant"]["changed"] == 3
            await gateway.settle(lambda: all_delivered(gateway, 14), "the new revisions did not reach the ERP")
            assert sorted(effect.count for effect in gateway.erp.effects.values()) == [1] * 14
            assert state_of(await gateway.decided("northway", rejected["id"])) == "rejected"
            once_more = await replayed(gateway, partner="northway", into="live", reason="once more")
            assert "changed" not in once_more["counts"]
            requests, effects = gateway.erp.requests, set(gateway.erp.effects)
            sent = await replayed(gateway, partner="northway", set="214", redeliver=True, reason="the ERP was restored")
            assert sent["counts"] == {"messages": 8, "documents": 13, "queued": 13}
            await gateway.settle(lambda: gateway.erp.requests >= requests + 13)
            assert set(gateway.erp.effects) == effects
            await quiet(gateway)
            compared = await replayed(gateway, partner="northway")
            # The notice says when it was written, which the zone moves, too: that is no meaning of it.
            assert compared["counts"] == {"messages": 8, "documents": 14, "same": 10, "restated": 1, "duplicates": 1, "left": 1}

    asyncio.run(act())


IDENTITIES = "SELECT id, revision, meaning_hash, event FROM identities ORDER BY id"


def test_into_test_only_the_test_stream_and_the_test_target_are_touched(tmp_path: Path, database_url: str):
    async def act() -> None:
        async with running(tmp_path, database_url, targets={"trials": {"url": "http://127.0.0.1:9/events"}}) as gateway:
            await archive(gateway)
            requests = gateway.erp.requests
            production = rows(gateway, IDENTITIES)
            for target, told in ((None, "names a test_target"), ("erp", "erp is a target of production events")):
                with pytest.raises(Refused, match=told):
                    await gateway.operate("replays.start", partner="northway", into="test", target=target, reason="try")
            lacking = await gateway.operate("replays.start", partner="northway", into="test", target="nowhere", reason="try")
            assert "the settings have no target nowhere; they have erp, trials" in (await ended(gateway, lacking, "failed"))["told"]
            assert "replay.failed" in [one["kind"] for one in await gateway.operate("alarms")]
            job = await replayed(gateway, partner="northway", into="test", target="trials", reason="try")
            assert job["counts"] == {"messages": 5, "documents": 11, "told": 11}
            destinations = rows(gateway, "SELECT destination, count(*) FROM deliveries WHERE kind = 'event' GROUP BY destination")
            assert dict(destinations) == {"target:erp": 11, "target:trials": 11}
            assert dict(rows(gateway, "SELECT stream, count(*) FROM events GROUP BY stream")) == {"production": 11, "test": 11}
            now = rows(gateway, IDENTITIES)
            assert set(production) < set(now)
            assert len(now) == 2 * len(production)
            again = await replayed(gateway, partner="northway", into="test", target="trials", reason="try")
            assert again["counts"] == {"messages": 5, "documents": 11, "told_before": 11}
            compared = await replayed(gateway, partner="northway")
            assert compared["counts"]["same"] == 11, "trials are not what was told of a document"
            assert gateway.erp.requests == requests

    asyncio.run(act())


REFUSED = [
    ({}, "say which documents"),
    ({"partner": "nobody"}, "no partner is called nobody"),
    ({"partner": "northway", "since": "yesterday"}, "'yesterday' is no time; write 30d or 12h"),
    ({"partner": "northway", "since": "1d", "until": "2d"}, "--since is not before --until"),
    ({"partner": "northway", "revision": "9"}, "northway has no revision 9; it has 1"),
    ({"since": "1d", "revision": "1"}, "means one partner's"),
    ({"partner": "northway", "revision": "newest"}, "is no revision"),
    ({"partner": "northway", "into": "space"}, "is nowhere to replay to"),
    ({"partner": "northway", "into": "live"}, "needs a reason"),
    ({"partner": "northway", "redeliver": True, "into": "nowhere"}, "--redeliver sends events again"),
    ({"partner": "northway", "override": "latest"}, "no override of a replay of many"),
    ({"partner": "northway", "target": "erp"}, "--target is the target of a replay into test"),
    ({"id": "01NOTHING", "into": "nowhere"}, "no message and no document is called 01NOTHING"),
]


def test_a_replay_is_paused_resumed_and_cancelled_and_counts_nothing_twice(tmp_path: Path):
    async def act() -> None:
        async with running(tmp_path) as gateway:
            await archive(gateway)
            held = asyncio.Event()
            calls = gateway.node.pool.call_behind

            async def waits(*given: Any) -> Any:
                await held.wait()
                return await calls(*given)

            gateway.node.pool.call_behind = waits  # type: ignore[method-assign]
            job = await gateway.operate("replays.start", partner="northway")
            await gateway.settle(lambda: rows(gateway, "SELECT fence FROM replay_jobs")[0][0] == 1)
            assert (await gateway.operate("replays.change", id=job["id"], state="pause"))["state"] == "paused"
            held.set()
            await gateway.settle(lambda: not gateway.node.replay._under_way)
            assert (await ended(gateway, job, "paused"))["counts"] == {}, "the chunk under way is not committed any more"
            with pytest.raises(Refused, match="it is paused, and pause does not fit that"):
                await gateway.operate("replays.change", id=job["id"], state="pause")
            await gateway.operate("replays.change", id=job["id"], state="resume")
            assert (await ended(gateway, job))["counts"] == {"messages": 5, "documents": 11, "same": 11}
            with pytest.raises(Refused, match="it is done"):
                await gateway.operate("replays.change", id=job["id"], state="cancel")
            held.clear()
            other = await gateway.operate("replays.start", partner="northway")
            await gateway.operate("replays.change", id=other["id"], state="cancel")
            held.set()
            assert (await ended(gateway, other, "cancelled"))["id"] == other["id"]
            assert [one["id"] for one in await gateway.operate("replays")] == [other["id"], job["id"]]
            await refusals(gateway)

    asyncio.run(act())


async def refusals(gateway: Running) -> None:
    """What cannot be meant is refused with the mend."""
    for given, told in REFUSED:
        with pytest.raises(Refused) as refused:
            await gateway.operate("replays.start", **given)
        assert told in str(refused.value), given
    number = await draft(gateway, (CHICAGO, DENVER))
    with pytest.raises(Refused, match="is a draft"):
        await gateway.operate("replays.start", partner="northway", revision=number, into="live", reason="try")
    with pytest.raises(Refused, match="no replay is called"):
        await gateway.operate("replays.show", id="01NOTHING")


def test_large_messages_come_in_stretches_and_a_document_that_ends_workers_costs_itself_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A message of more than 64 KiB lies in a file of its own; a CSV file has neither envelope nor offsets."""

    async def act() -> None:
        async with running(tmp_path) as gateway:
            monkeypatch.setattr("gateway.store.replay_pages.PAGE_DOCUMENTS", 90)
            await gateway.sent("northway", several(400) + b"\n" * 20_000)
            job = await replayed(gateway, partner="northway")
            assert job["counts"] == {"messages": 1, "documents": 400, "same": 400}
            await agreed(gateway)
            heading, line, *_ = STATUS.splitlines(keepends=True)
            many = b"".join(line.replace(b"SH-1001", b"SH-%d" % number) for number in range(1000, 1800))
            assert len(heading + many) > 64 * 1024
            await sent(gateway, heading + many)
            job = await replayed(gateway, partner="pallas")
            assert job["counts"] == {"messages": 1, "documents": 800, "same": 800}
            await poisoned(gateway)

    asyncio.run(act())


async def poisoned(gateway: Running) -> None:
    poison = rows(gateway, "SELECT id, byte_start FROM documents WHERE set_id = '214' AND ordinal = 4")[0]
    calls = gateway.node.pool.call

    async def lost(worker: Any, jobs: Any, *more: Any) -> Any:
        if poison.byte_start in [place["o"] for job in jobs for place in job["resume"]["replay"]]:
            worker.process.kill()
        return await calls(worker, jobs, *more)

    gateway.node.pool.call = lost  # type: ignore[method-assign]
    job = await replayed(gateway, partner="northway")
    assert job["counts"] == {"messages": 1, "documents": 400, "same": 399, "unread": 1}
    (sample,) = job["diff"]["documents"]["not read"]["samples"]
    assert (sample["document"], gateway.node.pool.lost) == (poison.id, 2)
