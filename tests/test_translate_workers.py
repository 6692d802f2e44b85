"""Translation workers: what a lost one costs, and that a poison document hurts only itself."""

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest

from gateway.errors import Refused, StoreUnavailable
from gateway.translate.pool import Pool, _Process
from gateway.translate.telling import Job
from gateway.translate.work import MessageWork
from partners.guides import shipped_guides
from partners.mappings import shipped
from partners.profile import Profile, read_profile
from tests.faults import poison
from tests.faults.partners import agree, interchange, status_set
from tests.faults.poisoned_worker import control_of
from tests.kennel import KennelPool
from tests.kill.documents import order, status
from tests.running import ROOT, document, running

PROFILE = read_profile((ROOT / "partners" / "profiles" / "northway.yaml").read_text(encoding="utf-8"))


SUPPLIER = read_profile(
    """\
partner: orchard
name: Orchard Foods
identities: {isa: [{qualifier: ZZ, id: ORCHARDFOODS}]}
agreements: [{receive: "855"}]
"""
)


def several(count: int) -> bytes:
    """One group of `count` 214s."""
    bodies = []
    for number in range(1, count + 1):
        text = status(number).body.decode()
        bodies.append(text[text.index("ST*214") : text.index("GE*1")].replace("*0001~", f"*{number:04}~"))
    text = status(1).body.decode()
    return (text[: text.index("ST*214")] + "".join(bodies) + f"GE*{count}*1~IEA*1*000000001~").encode()


def work(
    data: bytes, *, resume: dict | None = None, earlier: list[dict] | None = None, hold: bool = False, profile: Profile = PROFILE
) -> MessageWork:
    job = Job("M", len(data), "2026-11-16T09:30:00Z", resume, earlier or [], hold)
    return MessageWork(job, profile, lambda offset, length: data[offset : offset + length], guides=shipped_guides(), mappings=shipped())


def whole(data: bytes, monkeypatch: pytest.MonkeyPatch, chunk: int) -> list[dict]:
    monkeypatch.setattr("gateway.translate.work.CHUNK_DOCUMENTS", chunk)
    one, chunks = work(data), []
    while True:
        chunks.append(one.chunk([]))
        if chunks[-1]["resume"] is None:
            return chunks


def test_chunks_of_any_size_give_the_same_rows_and_one_answer(monkeypatch: pytest.MonkeyPatch):
    data = several(7)
    (single,) = whole(data, monkeypatch, 100)
    for size in (1, 2, 3, 7):
        chunks = whole(data, monkeypatch, size)
        assert [row for chunk in chunks for row in chunk["documents"]] == single["documents"]
        assert [row for chunk in chunks for row in chunk["acknowledgments"]] == single["acknowledgments"]
        assert [bool(chunk["interchanges"]) for chunk in chunks] == [True] + [False] * (len(chunks) - 1)


def test_another_worker_goes_on_where_the_last_one_was_lost(monkeypatch: pytest.MonkeyPatch):
    data = several(5)
    (single,) = whole(data, monkeypatch, 100)
    monkeypatch.setattr("gateway.translate.work.CHUNK_DOCUMENTS", 2)
    first = work(data).chunk([])
    stored = [
        {
            "id": row["set_id"],
            "control": row["control"],
            "verdict": row["verdict"],
            "codes": row["codes"],
            "findings": row["findings"],
            "unread": False,
        }
        for row in first["documents"]
    ]
    monkeypatch.setattr("gateway.translate.work.CHUNK_DOCUMENTS", 100)
    rest = work(data, resume=json.loads(first["resume"]), earlier=stored).chunk([])
    assert first["documents"] + rest["documents"] == single["documents"]
    assert rest["acknowledgments"] == single["acknowledgments"]


def test_a_set_that_cost_three_workers_is_held_and_its_siblings_go_on(monkeypatch: pytest.MonkeyPatch):
    data = several(3)
    (single,) = whole(data, monkeypatch, 100)
    monkeypatch.setattr("gateway.translate.work.CHUNK_DOCUMENTS", 1)
    first = work(data).chunk([])
    monkeypatch.setattr("gateway.translate.work.CHUNK_DOCUMENTS", 100)
    rest = work(data, resume=json.loads(first["resume"]), hold=True).chunk([])
    held, good = rest["documents"]
    assert (held["state"], held["control"], held["byte_start"], held["byte_end"]) == (
        "held",
        "0002",
        *(single["documents"][1][k] for k in ("byte_start", "byte_end")),
    )
    assert good == single["documents"][2]
    assert rest["acknowledgments"] == [], "the group's 997 waits for a person"


def test_alone_a_chunk_holds_one_set_and_all_come_to_the_same():
    data = several(4)
    (single, one), chunks = (work(data).chunk([]), work(data)), []
    while not chunks or chunks[-1]["resume"] is not None:
        chunks.append(one.chunk([], alone=len(chunks) < 3))
    assert [len(chunk["documents"]) for chunk in chunks] == [1, 1, 1, 1]
    assert [row for chunk in chunks for row in chunk["documents"]] == single["documents"]
    assert [row for chunk in chunks for row in chunk["acknowledgments"]] == single["acknowledgments"]


def test_poison_among_siblings_costs_itself_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The first set of a second interchange ends whatever process reads it. Two in one message, and in the middle: tests/faults/poison.py."""
    monkeypatch.setattr(KennelPool, "_spawn", poison.spawn)

    async def act() -> None:
        async with running(tmp_path) as gateway:
            await agree(gateway, "poisoner")
            sets = [status_set(f"SET{number}", number, number=number) for number in (1, 2)]
            sets[0] = sets[0].replace("*0001", f"*{control_of('SIGABRT in C')}")
            value = await gateway.sent("poisoner", interchange("poisoner", 1, [status_set("ALONE", 1)]) + interchange("poisoner", 2, sets))
            assert [[one["state"] for one in each["groups"][0]["sets"]] for each in value["interchanges"]] == [["translated"], ["held", "translated"]]
            assert [one["answers"] for one in value["acknowledgments"]] == [f"{value['id']}.1.1"], "the other group's 997 waits for a person"
            await gateway.settle(lambda: len(gateway.effects()) == 2)

    asyncio.run(act())


def test_a_set_with_a_guide_and_no_mapping_is_answered_and_held():
    (row,) = (chunk := work((ROOT / "fixtures/edi/x12/855-changed.edi").read_bytes(), profile=SUPPLIER).chunk([]))["documents"]
    assert (row["state"], row["verdict"], row["events"]) == ("held", "A", [])
    assert row["reason"].startswith("no mapping ships for 855: it was checked and answered")
    (answer,) = chunk["acknowledgments"]
    assert "AK5*A" in str(answer)


def test_a_lost_worker_is_replaced_and_its_message_read_again(tmp_path: Path):
    async def act() -> None:
        async with running(tmp_path) as gateway:
            await gateway.sent("northway", status(1).body)
            for number in (2, 3, 4):
                for pid in gateway.node.pool.pids:
                    os.kill(pid, signal.SIGKILL)
                await gateway.sent("northway", status(number).body)
            await gateway.settle(lambda: len(gateway.effects()) == 4)
            assert gateway.node.pool.lost == 3
            assert all(effect.count == 1 for effect in gateway.effects())

    asyncio.run(act())


def test_a_message_that_always_ends_its_worker_is_held_with_an_alarm_and_others_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async def act() -> None:
        async with running(tmp_path) as gateway:
            real = gateway.node.pool._exchange

            async def exchange(worker, frame):
                if b"SHP666" in frame:
                    worker.process.kill()
                return await real(worker, frame)

            monkeypatch.setattr(gateway.node.pool, "_exchange", exchange)
            box = gateway.partner("northway")
            answers = [await box.send(gateway.session, "s", status(number).body) for number in (1, 666, 2)]
            values = [await gateway.decided("northway", answer["id"]) for _, answer in answers]
            assert [value["state"] for value in values] == ["translated", "held", "translated"]
            await gateway.settle(lambda: len(gateway.effects()) == 2)
            assert [one["kind"] for one in await gateway.operate("alarms")] == ["message.held"]
            monkeypatch.undo()
            await gateway.operate("replay", id=values[1]["id"])
            await gateway.settle(lambda: gateway.effects("shipment/SHP666"), "mended, it is replayed")

    asyncio.run(act())


def test_a_replayed_set_that_nobody_could_read_releases_its_groups_997(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async def act() -> None:
        async with running(tmp_path) as gateway:
            real = gateway.node.pool._exchange

            async def exchange(worker, frame):
                if b'"hold":false' in frame and b'"resume_text":null' in frame:  # the first set is the one
                    worker.process.kill()
                return await real(worker, frame)

            monkeypatch.setattr(gateway.node.pool, "_exchange", exchange)
            value = await gateway.sent("northway", several(3))
            assert [one["state"] for one in value["interchanges"][0]["groups"][0]["sets"]] == ["held", "translated", "translated"]
            assert value["acknowledgments"] == []
            monkeypatch.undo()
            await gateway.operate("replay", id=f"{value['id']}.1.1.2")
            value = await gateway.decided("northway", value["id"])
            assert value["acknowledgments"] == [], "another set's replay settles nothing"
            await gateway.operate("replay", id=f"{value['id']}.1.1.1")
            value = await gateway.decided("northway", value["id"])
            (answer,) = value["acknowledgments"]
            assert "~AK2*214*0001~AK5*A~AK2*214*0002~AK5*A~AK2*214*0003~AK5*A~AK9*A*3*3*3~" in answer["content"]
            assert value["interchanges"][0]["groups"][0]["sets"][0]["verdict"] == "A"
            await gateway.settle(lambda: len(gateway.effects()) == 3)

    asyncio.run(act())


def test_a_message_held_in_the_middle_goes_on_from_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async def act() -> None:
        async with running(tmp_path) as gateway:
            real = gateway.node.pool._exchange

            async def exchange(worker, frame):
                if b'"resume_text": "{' in frame or b'"resume_text":"{' in frame:
                    worker.process.kill()
                return await real(worker, frame)

            monkeypatch.setattr(gateway.node.pool, "_exchange", exchange)
            value = await gateway.sent("northway", several(410))
            assert value["state"] == "held"
            documents = (await gateway.operate("show", id=value["id"]))["documents"]
            assert 0 < len(documents) < 410
            with pytest.raises(Refused, match="held in the middle"):
                await gateway.operate("replay", id=documents[0]["id"])
            monkeypatch.undo()
            await gateway.operate("replay", id=value["id"])
            value = await gateway.decided("northway", value["id"])
            assert value["state"] == "translated"
            assert "~AK9*A*410*410*410~" in value["acknowledgments"][0]["content"]
            await gateway.settle(lambda: len(gateway.effects()) == 410)
            assert all(effect.count == 1 for effect in gateway.effects())

    asyncio.run(act())


def test_partners_that_wait_for_a_worker_take_turns():
    async def act() -> None:
        pool, worker = Pool(0, 0), _Process(1, None)  # type: ignore[arg-type]
        served: list[str] = []

        async def call(partner: str) -> None:
            mine = await pool.take(partner)
            served.append(partner)
            pool.give_back(mine)

        assert not pool.is_wanted("flood")
        calls = [asyncio.create_task(call(partner)) for partner in ("flood",) * 4 + ("b",) + ("c",) * 2]
        await asyncio.sleep(0)
        assert pool.is_wanted("flood")
        calls[1].cancel()
        await asyncio.sleep(0)
        pool.give_back(worker)
        await asyncio.gather(*calls, return_exceptions=True)
        assert served == ["flood", "b", "c", "flood", "c", "flood"]
        assert await pool.take("anybody") is worker, "the worker of a call that was given up is not lost"

    asyncio.run(act())


def test_a_large_message_lets_others_pass_and_comes_to_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """One worker; a message of four chunks, whose worker is wanted by another partner meanwhile."""
    monkeypatch.setattr("gateway.translate.stage.LONGEST_TURN", 0.0)

    async def act() -> None:
        async with running(tmp_path) as gateway:
            turns = 0
            real = gateway.node.pool.take

            async def take(partner: str):
                nonlocal turns
                turns += partner == "northway"
                return await real(partner)

            monkeypatch.setattr(gateway.node.pool, "take", take)
            _, large = await gateway.partner("northway").send(gateway.session, "large", several(1300))
            await gateway.settle(lambda: turns == 1)
            value = await gateway.sent("harbor", order(1).body)
            assert value["state"] == "translated"
            assert (await gateway.partner("northway").status(gateway.session, large["id"]))["state"] == "received", "it waited for the large one"
            value = await gateway.decided("northway", large["id"])
            assert turns >= 2
            assert value["state"] == "translated"
            (answer,) = value["acknowledgments"]
            assert "~AK9*A*1300*1300*1300~" in answer["content"]
            await gateway.settle(lambda: len(gateway.effects()) == 1301)
            assert all(effect.count == 1 for effect in gateway.effects())

    asyncio.run(act())


def test_a_damaged_payload_is_never_handed_on(tmp_path: Path):
    async def act() -> None:
        async with running(tmp_path) as gateway:
            gateway.node.translate.wake = lambda: None  # type: ignore[method-assign]
            store = gateway.node.store
            await gateway.node.translate.stop()
            large = document("856-notice.edi") + b"\n" * 100_000
            status_code, answer = await gateway.partner("northway").send(gateway.session, "n", large)
            assert status_code == 202
            import hashlib

            path = store.files.local(hashlib.sha256(large).hexdigest())
            damaged = bytearray(path.read_bytes())
            damaged[500] ^= 1
            path.write_bytes(bytes(damaged))
            gateway.node.translate.start()
            for _ in range(200):
                if (await gateway.operate("messages"))[0]["state"] == "held":
                    break
                await asyncio.sleep(0.05)
            whole_life = await gateway.operate("show", id=answer["id"])
            assert "checksum" in whole_life["message"]["reason"]
            assert gateway.effects() == []

    asyncio.run(act())


def test_damaged_small_payloads_are_handed_to_nobody(tmp_path: Path):
    """An event on its way, a 997 in the outbox: dead letters with their cause; who asks for them hears 500."""

    async def act() -> None:
        async with running(tmp_path) as gateway:
            await gateway.operate("targets.steer", name="erp", act="pause", because="the test")
            value = await gateway.sent("northway", status(1).body)
            store = gateway.node.store

            def verb(tx, items):
                tx.exec_driver_sql("UPDATE payloads SET data = zeroblob(length(data)) WHERE id NOT LIKE 'message:%' OR data LIKE '%ST*997%'")
                return [None] * len(items)

            store.writer.submit(verb, None).result(20)
            await gateway.operate("targets.steer", name="erp", act="resume", because="the test")
            box = gateway.partner("northway")
            (told,) = (await box.status(gateway.session, value["id"]))["acknowledgments"]
            assert told["content"] is None
            async with gateway.session.get(f"{gateway.url}/v1/outbox/{told['id']}", headers=box.headers()) as response:
                assert (response.status, (await response.json(content_type=None))["type"]) == (500, "/problems/damaged")
            assert await box.pick_up(gateway.session) == 0
            for _ in range(100):
                if len(letters := (await gateway.operate("dead", cause="delivery-damaged"))["deliveries"]) == 2:
                    break
                await asyncio.sleep(0.05)
            assert {one["kind"] for one in letters} == {"event", "receipt"}
            assert {one["kind"] for one in await gateway.operate("alarms")} == {"delivery.dead", "payload.damaged"}
            assert gateway.effects() == []

    asyncio.run(act())


def test_a_commit_that_fails_leaves_no_answer_behind_in_a_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Calls whose lane has ended meanwhile are heard to their end: the next call gets its own answer, and not that of another message."""

    async def act() -> None:
        async with running(tmp_path) as gateway:
            store, box = gateway.node.store, gateway.partner("northway")
            await gateway.node.translate.stop()
            messages = [(await box.send(gateway.session, "s", status(number).body))[1]["id"] for number in range(1, 65)]
            real, away = store.keep_chunk, [True]

            def keep(chunk):
                if away:
                    away.pop()
                    raise StoreUnavailable("the database is away")
                return real(chunk)

            monkeypatch.setattr(store, "keep_chunk", keep)
            gateway.node.translate.start()
            states = {(await gateway.decided("northway", message))["state"] for message in messages}
            assert states == {"translated"}
            await gateway.settle(lambda: len(gateway.effects()) == 64)
            assert gateway.node.pool.lost == 0

    asyncio.run(act())


def test_an_answer_to_something_else_costs_the_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async def act() -> None:
        async with running(tmp_path) as gateway:
            pool = gateway.node.pool
            real, others = pool._exchange, ["nobody's", None]

            async def exchange(worker, frame):
                results = await real(worker, frame)
                return [result | {"message": others.pop()} for result in results] if others else results

            monkeypatch.setattr(pool, "_exchange", exchange)
            assert (await gateway.sent("northway", status(1).body))["state"] == "translated"
            assert pool.lost == 2

    asyncio.run(act())
