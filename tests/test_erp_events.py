"""The event stream by pull, over HTTP: batches behind a cursor, long polls, commits, replays; nothing is lost and nothing disturbs another consumer."""

import asyncio
import json
from pathlib import Path
from typing import Any

from sqlalchemy import text

from tests.api_running import Answer, Api, serving, shipment_event
from tests.running import document


def run(act: Any, folder: Path, database: str | None = None) -> None:
    async def whole() -> None:
        async with serving(folder, database) as api:
            await act(api)

    asyncio.run(whole())


async def drain(api: Api, who: str, *, commit: bool = True, limit: int = 3) -> list[dict[str, Any]]:
    """Everything up to the end, batch by batch, as a consumer does it."""
    found: list[dict[str, Any]] = []
    after = ""
    while True:
        everything = await placed(api)
        answer = await api.get(f"/v1/events?limit={limit}{after}", who)
        assert answer.status == 200, answer.body
        assert answer.headers["Content-Type"] == "application/cloudevents-batch+json"
        found += answer.value
        cursor = answer.headers["Crossdock-Cursor"]
        if commit:
            assert (await api.ask("PUT", "/v1/events/cursor", who, json={"cursor": cursor})).status == 200
        after = f"&after={cursor}"
        if not answer.value and everything:
            return found


async def placed(api: Api) -> bool:
    """Whether everything that was told has its place."""
    query = text("SELECT count(*) FROM feed_waiting")
    return bool(await asyncio.to_thread(lambda: api.store.read(lambda tx: tx.execute(query).scalar() == 0).result(20)))


def ids(events: list[dict[str, Any]]) -> list[str]:
    return [event["id"] for event in events]


def test_what_is_pulled_is_what_was_pushed(tmp_path: Path, database_url: str):
    async def act(api: Api) -> None:
        await api.consumer("wms", **{"from": "start"})
        for partner, name in (("northway", "856-notice.edi"), ("lake3pl", "945-shipped.edi"), ("northway", "214-status.edi")):
            await api.gateway.sent(partner, document(name))
        pulled = await drain(api, "wms")
        assert pulled
        await api.gateway.settle(lambda: len(api.gateway.effects()) == len(pulled), "the ERP has as many")
        pushed = {effect.attributes["id"]: effect for effect in api.gateway.effects()}
        for event in pulled:
            data = event.pop("data")
            assert (event.pop("specversion"), event.pop("datacontenttype")) == ("1.0", "application/json")
            other = pushed[event["id"]]
            assert (event, data) == ({name: value for name, value in other.attributes.items() if name != "specversion"}, other.data)
        assert await drain(api, "wms") == [], "what is committed does not come again"
        assert ids(await drain(api, "erp", commit=False)) == ids(await drain(api, "erp")), "what is not committed does"

    run(act, tmp_path, database_url)


def test_a_replay_is_one_consumers_own(tmp_path: Path):
    async def act(api: Api) -> None:
        for name in ("wms", "bi"):
            await api.consumer(name)
        api.tell("northway", *(shipment_event(f"S{number}") for number in range(7)))
        first = {name: ids(await drain(api, name)) for name in ("wms", "bi")}
        assert first["wms"] == first["bi"]
        assert len(first["wms"]) == 7
        stale = (await api.get("/v1/events/cursor", "wms")).value["cursor"]
        sent = len(api.gateway.effects())
        replay = await api.ask("POST", "/v1/replays", "wms", json={"from": "1h", "reason": "a table was lost"})
        assert (replay.status, replay.value["behind"]) == (200, 7)
        for answer in (
            await api.get(f"/v1/events?after={stale}", "wms"),
            await api.ask("PUT", "/v1/events/cursor", "wms", json={"cursor": stale}),
        ):
            assert (answer.status, answer.value["type"]) == (409, "/problems/cursor-set"), "whoever has not heard of it is told, and undoes nothing"
        assert ids(await drain(api, "wms")) == first["wms"], "the same events, by the same ids"
        assert await drain(api, "bi") == []
        assert len(api.gateway.effects()) == sent, "no target hears of it"
        back = await api.ask("POST", "/v1/replays", "wms", json={"cursor": stale, "reason": "to where it was"})
        assert back.value["behind"] == 0
        assert (await api.ask("POST", "/v1/replays", "wms", json={"from": "start", "reason": "x"})).value["behind"] == 7
        await api.gateway.operate("consumers.replay", name="bi", **{"from": "start", "because": "ticket 9"})
        assert len(await drain(api, "bi")) == 7

    run(act, tmp_path)


def test_who_waits_is_answered_when_something_comes(tmp_path: Path):
    async def act(api: Api) -> None:
        await api.consumer("wms")
        await api.consumer("other", partners=["harbor"])
        loop = asyncio.get_running_loop()
        waiting = [loop.create_task(api.get("/v1/events?wait=15", "wms")) for _ in range(6)]
        left_out = loop.create_task(api.get("/v1/events?wait=2", "other"))
        await asyncio.sleep(0.3)
        assert sum(one.done() for one in waiting) == 2, "four wait; more than that are answered at once"
        api.tell("northway", shipment_event("S1"))
        answers: list[Answer] = await asyncio.gather(*waiting)
        assert sorted(len(answer.value) for answer in answers) == [0, 0, 1, 1, 1, 1]
        nothing = await left_out
        assert (nothing.status, nothing.value) == (200, [])
        assert (await api.get("/v1/events", "other")).headers["Crossdock-Cursor"], "and a cursor behind what it does not see"

    run(act, tmp_path)


def test_a_node_that_stops_lets_nobody_wait(tmp_path: Path):
    async def act(api: Api) -> None:
        waiting = asyncio.get_running_loop().create_task(api.get("/v1/events?wait=30"))
        await asyncio.sleep(0.2)
        runner = api.gateway.node.listeners.runners["erp"]
        await asyncio.wait_for(runner.cleanup(), 10)
        assert (await waiting).value == []

    run(act, tmp_path)


def test_a_consumer_reads_its_partners_types_and_stream(tmp_path: Path):
    async def act(api: Api) -> None:
        await api.consumer("one", partners=["harbor"])
        await api.consumer("typed", types=["shipment.notified"])
        await api.consumer("tests", stream="test")
        await api.gateway.sent("northway", document("856-notice.edi"))
        await api.gateway.sent("northway", document("214-status.edi"))
        api.tell("harbor", shipment_event("S1", "harbor"))
        assert {event["source"] for event in await drain(api, "one")} == {"/partners/harbor"}
        assert {event["type"] for event in await drain(api, "typed")} == {"org.crossdock.shipment.notified.v1"}
        assert await drain(api, "tests") == []

    run(act, tmp_path)


def test_what_is_damaged_is_told_and_can_be_passed_over_on_purpose(tmp_path: Path):
    async def act(api: Api) -> None:
        await api.consumer("wms")
        api.tell("northway", *(shipment_event(f"S{number}") for number in range(3)))
        await drain(api, "wms", commit=False)
        event = "northway.S1.pickup.departed-r1"
        change = text(f"UPDATE payloads SET data = :data WHERE id = 'event:{event}'")

        def harm(tx: Any, items: list[Any]) -> list[None]:
            tx.execute(change, {"data": b"{}"})
            return [None for _ in items]

        await asyncio.to_thread(lambda: api.store.writer.submit(harm, None).result(20))
        first = await api.get("/v1/events", "wms")
        assert len(first.value) == 1, "what stands before it"
        stuck = await api.get(f"/v1/events?after={first.headers['Crossdock-Cursor']}", "wms")
        assert (stuck.status, stuck.value["type"], stuck.value["event"]) == (500, "/problems/damaged", event)
        behind = await api.get(f"/v1/events?after={stuck.value['next']}", "wms")
        assert ids(behind.value) == ["northway.S2.pickup.departed-r1"]
        assert "payload.damaged" in [alarm["kind"] for alarm in await api.gateway.operate("alarms")]

    run(act, tmp_path)


def test_the_address_of_the_next_batch_asks_as_this_one_did(tmp_path: Path):
    async def act(api: Api) -> None:
        for asked, kept in (("", ""), ("?limit=2", "limit=2&"), ("?wait=0&limit=3", "limit=3&wait=0&")):
            answer = await api.get(f"/v1/events{asked}")
            assert answer.headers["Link"] == f'</v1/events?{kept}after={answer.headers["Crossdock-Cursor"]}>; rel="next"'

    run(act, tmp_path)


def test_a_batch_has_a_bound_of_bytes(tmp_path: Path, monkeypatch: Any):
    monkeypatch.setattr("gateway.store.told.MOST_BYTES", 700)

    async def act(api: Api) -> None:
        await api.consumer("wms")
        api.tell("northway", *(shipment_event(f"S{number}") for number in range(9)))
        whole = await drain(api, "wms", limit=100)
        assert len(whole) == len(set(ids(whole))) == 9
        (await api.ask("POST", "/v1/replays", "wms", json={"from": "start", "reason": "again"}))
        assert 1 <= len((await api.get("/v1/events?limit=100", "wms")).value) < 9

    run(act, tmp_path)


HOSTILE: list[tuple[str, str, Any, int]] = [
    ("GET", "/v1/events?limit=501", None, 400),
    ("GET", "/v1/events?wait=31", None, 400),
    ("GET", "/v1/events?wait=-1", None, 400),
    ("GET", "/v1/events?after=x", None, 400),
    ("GET", "/v1/events?type=shipment.status", None, 400),
    ("PUT", "/v1/events/cursor", {"cursor": "x"}, 400),
    ("PUT", "/v1/events/cursor", {"cursor": 5}, 400),
    ("PUT", "/v1/events/cursor", {"cursor": "x", "more": 1}, 400),
    ("PUT", "/v1/events/cursor", [1], 400),
    ("PUT", "/v1/events/cursor", {"cursor": "x" * 20_000}, 413),
    ("POST", "/v1/replays", {"from": "start"}, 400),
    ("POST", "/v1/replays", {"from": "never", "reason": "x"}, 400),
    ("POST", "/v1/replays", {"from": 5, "reason": "x"}, 400),
    ("POST", "/v1/replays", {"reason": "x"}, 400),
    ("POST", "/v1/replays", {"from": "start", "cursor": "x", "reason": "x"}, 400),
    ("POST", "/v1/replays", {"from": "start", "reason": "x" * 501}, 400),
    ("DELETE", "/v1/events/cursor", None, 405),
]


def test_hostile_requests_get_a_clear_no(tmp_path: Path):
    async def act(api: Api) -> None:
        for method, path, body, status in HOSTILE:
            answer = await api.ask(method, path, json=body)
            assert (answer.status, "detail" in answer.value) == (status, True), (method, path, answer.body)
        deep = await api.gateway.session.put(
            f"{api.url}/v1/events/cursor", data=b"[" * 9_000, headers={"Authorization": f"Bearer {api.tokens['erp']}"}
        )
        assert (deep.status, json.loads(await deep.read())["type"]) == (400, "/problems/bad-request")

    run(act, tmp_path)
