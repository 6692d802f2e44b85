"""The partner listener over real ports: what it takes, what it refuses, and that its yes comes after the commit."""

import asyncio
import gzip
import json
from pathlib import Path

import aiohttp
import pytest
from sqlalchemy import text

from tests.running import Running, document, running

NOTICE = document("856-notice.edi")


def stored(gateway: Running) -> int:
    return gateway.node.store.read(lambda tx: int(tx.execute(text("SELECT count(*) FROM messages WHERE direction = 'in'")).scalar_one())).result()


async def post(gateway: Running, body: object, headers: dict[str, str] | None = None, *, token: str | None = "northway", path: str = "/v1/inbox"):
    given = {"Authorization": f"Bearer {token}"} if token else {}
    async with gateway.session.post(f"{gateway.url}{path}", data=body, headers=given | (headers or {})) as response:
        return response.status, response.headers.copy(), await response.read()


def multipart(*files: str) -> aiohttp.MultipartWriter:
    writer = aiohttp.MultipartWriter("form-data")
    for name in files:
        part = writer.append(NOTICE)
        part.set_content_disposition("form-data", name="file", filename=name)
    return writer


REFUSED = [
    ("no token", {"token": None}, NOTICE, 401, "not-authenticated"),
    ("another's token", {"token": "nobody"}, NOTICE, 401, "not-authenticated"),
    ("no address", {"path": "/v1/letterbox"}, NOTICE, 404, "not-found"),
    ("an empty body", {}, b"", 422, "empty-body"),
    ("compressed otherwise", {"headers": {"Content-Encoding": "br"}}, b"x", 415, "unsupported-encoding"),
    ("no gzip", {"headers": {"Content-Encoding": "gzip"}}, b"x" * 100, 422, "bad-encoding"),
    ("cut gzip", {"headers": {"Content-Encoding": "gzip"}}, gzip.compress(NOTICE)[:-5], 422, "bad-encoding"),
    ("gzip and more", {"headers": {"Content-Encoding": "gzip"}}, gzip.compress(NOTICE) + b"more", 422, "bad-encoding"),
    ("a gzip bomb", {"headers": {"Content-Encoding": "gzip"}}, gzip.compress(bytes(30_000_000)), 413, "too-large"),
    ("gzip of nothing", {"headers": {"Content-Encoding": "gzip"}}, gzip.compress(b""), 422, "empty-body"),
    ("a key of control characters", {"headers": {"Idempotency-Key": "a\tb"}}, NOTICE, 422, "bad-key"),
    ("an empty key", {"headers": {"Idempotency-Key": '""'}}, NOTICE, 422, "bad-key"),
    ("no file", {}, (), 422, "multipart"),
    ("21 files", {}, tuple(f"{number}.edi" for number in range(21)), 422, "multipart"),
    ("larger than the channel takes", {}, b"x" * 70_000, 413, "too-large"),
]


@pytest.mark.parametrize(("given", "body", "status", "kind"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_is_refused_says_why_and_keeps_nothing(tmp_path: Path, given, body, status, kind):
    async def act() -> None:
        async with running(tmp_path) as gateway:
            if status == 413 and body[:1] == b"x":
                await gateway.apply("northway", ("agreements:", "channels: {http: {max_body: 64 KiB}}\nagreements:"))
            answer, headers, content = await post(gateway, multipart(*body) if isinstance(body, tuple) else body, **given)
            value = json.loads(content)
            assert (answer, value["type"], value["status"]) == (status, f"/problems/{kind}", status)
            assert headers["Content-Type"] == "application/problem+json"
            assert value["title"]
            assert value["mend"]
            async with gateway.session.get(gateway.url + value["type"]) as page:
                assert page.status == 200
            assert stored(gateway) == 0

    asyncio.run(act())


def test_idempotency_keys_and_identical_bytes(tmp_path: Path, database_url: str):
    async def act() -> None:
        async with running(tmp_path, database_url) as gateway:
            first = await post(gateway, NOTICE, {"Idempotency-Key": '"K1"'})
            again = await post(gateway, NOTICE, {"Idempotency-Key": "K1"})
            assert first[0] == again[0] == 202
            assert first[2] == again[2], "the stored answer, byte for byte"
            assert again[1]["Idempotent-Replayed"] == "true"
            other = await post(gateway, NOTICE + b" ", {"Idempotency-Key": "K1"})
            assert other[0] == 422
            assert json.loads(other[2])["type"] == "/problems/key-reused"
            bare = json.loads((await post(gateway, NOTICE))[2])
            assert bare["duplicate"] is True
            assert bare["id"] == json.loads(first[2])["id"]
            theirs = await post(gateway, NOTICE, {"Idempotency-Key": "K1"}, token="lake3pl")
            assert json.loads(theirs[2])["id"] != bare["id"], "keys are the partner's own"
            assert stored(gateway) == 2

    asyncio.run(act())


def test_a_repeat_while_the_first_is_at_work_is_told_so(tmp_path: Path):
    async def act() -> None:
        async with running(tmp_path) as gateway:
            gate = asyncio.Event()
            real = gateway.node.store.keep_message

            def held(item):
                future = real(item)
                slow = asyncio.get_running_loop().create_task(gate.wait())
                outer: asyncio.Future = asyncio.get_running_loop().create_future()
                slow.add_done_callback(lambda _: outer.set_result(future.result()))
                import concurrent.futures

                bridged: concurrent.futures.Future = concurrent.futures.Future()
                outer.add_done_callback(lambda done: bridged.set_result(done.result()))
                return bridged

            gateway.node.store.keep_message = held  # type: ignore[method-assign]
            first = asyncio.create_task(post(gateway, NOTICE, {"Idempotency-Key": "K"}))
            await asyncio.sleep(0.2)
            status, headers, content = await post(gateway, NOTICE, {"Idempotency-Key": "K"})
            assert status == 409
            assert json.loads(content)["type"] == "/problems/in-flight"
            assert int(headers["Retry-After"]) >= 1
            gate.set()
            assert (await first)[0] == 202

    asyncio.run(act())


def test_a_multipart_upload_and_a_large_body_are_kept_whole(tmp_path: Path):
    async def act() -> None:
        async with running(tmp_path) as gateway:
            status, _, content = await post(gateway, multipart("notice.edi"))
            assert status == 202
            value = await gateway.decided("northway", json.loads(content)["id"])
            assert (value["size"], value["file_name"]) == (len(NOTICE), "notice.edi")
            large = NOTICE + b"\n" * 300_000
            status, _, content = await post(gateway, large)
            message = json.loads(content)["id"]
            row = gateway.node.store.read(
                lambda tx: tx.execute(text("SELECT * FROM payloads WHERE id = :id"), {"id": f"message:{message}"}).one()
            ).result()
            assert row.data is None
            assert gateway.node.store.files.read(row.location) == large

    asyncio.run(act())


def test_slow_heads_and_slow_bodies_lose_their_place(tmp_path: Path):
    async def act() -> None:
        async with running(tmp_path, limits={"header_time": "1s", "body_grace": "1s"}) as gateway:
            host, port = gateway.url.removeprefix("http://").split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"POST /v1/inbox HTTP/1.1\r\nHost: x\r\n")
            assert await asyncio.wait_for(reader.read(), 10) == b"", "half a head: the connection is closed"
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"POST /v1/inbox HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer northway\r\nContent-Length: 1000\r\n\r\nISA")
            assert b" 408 " in await asyncio.wait_for(reader.readline(), 10)
            assert stored(gateway) == 0

    asyncio.run(act())


@pytest.mark.parametrize("comes", [True, False], ids=["the rest comes", "the rest never comes"])
def test_an_upload_under_way_is_not_cut_by_a_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, comes: bool):
    async def act() -> None:
        async with running(tmp_path) as gateway:
            rest, listeners = asyncio.Event(), gateway.node.listeners
            if not comes:
                monkeypatch.setattr("gateway.doors.listeners.STOPPING", 0.1)

            async def slowly():
                yield NOTICE[:100]
                await rest.wait()
                yield NOTICE[100:]

            sending = asyncio.create_task(post(gateway, slowly()))
            await gateway.settle(lambda: any(guards.busy for guards in listeners._guards))
            listeners.close()
            stopping = asyncio.create_task(listeners.finish())
            if comes:
                await asyncio.sleep(0.2)
                rest.set()
                status, headers, _ = await sending
                assert (status, headers["Connection"]) == (202, "close")
                await stopping
            else:
                await stopping
                with pytest.raises(aiohttp.ClientError):
                    await sending
            assert stored(gateway) == comes

    asyncio.run(act())


def test_a_partner_that_hands_over_too_much_at_once_leaves_room_for_the_others(tmp_path: Path):
    async def act() -> None:
        async with running(tmp_path) as gateway:
            await gateway.apply("northway", ("agreements:", "channels: {http: {in_flight: 2}}\nagreements:"))
            go = asyncio.Event()

            async def slowly():
                yield NOTICE[:50]
                await go.wait()
                yield NOTICE[50:]

            under_way = [asyncio.create_task(post(gateway, slowly())) for _ in range(2)]
            await gateway.settle(lambda: gateway.node.door._in_flight["northway"] == 2)
            status, headers, content = await post(gateway, NOTICE)
            assert (status, headers["Retry-After"], json.loads(content)["type"]) == (429, "1", "/problems/too-many")
            assert (await post(gateway, NOTICE, token="harbor"))[0] == 202
            go.set()
            assert {answer[0] for answer in await asyncio.gather(*under_way)} <= {202, 409}
            assert (await post(gateway, NOTICE))[0] == 202, "there is room again"
            await gateway.settle(lambda: not gateway.node.door._in_flight)

    asyncio.run(act())


def test_nothing_is_taken_while_it_cannot_be_kept(tmp_path: Path):
    async def act() -> None:
        async with running(tmp_path, limits={"disk_free": f"{2**20} GiB"}) as gateway:
            status, headers, content = await post(gateway, NOTICE)
            assert status == 503
            assert int(headers["Retry-After"]) >= 1
            assert json.loads(content)["type"] == "/problems/not-now"
            async with gateway.session.get(gateway.node.addresses["admin"] + "/readyz") as ready:
                assert ready.status == 503

    asyncio.run(act())


def test_a_message_is_its_partners_own(tmp_path: Path):
    async def act() -> None:
        async with running(tmp_path) as gateway:
            value = await gateway.sent("northway", NOTICE)
            async with gateway.session.get(f"{gateway.url}/v1/messages/{value['id']}", headers={"Authorization": "Bearer lake3pl"}) as response:
                assert response.status == 404
            assert [step["step"] for step in value["life"]][:1] == ["received"]
            async with gateway.session.get(f"{gateway.url}/livez") as response:
                assert response.status == 404, "the admin's addresses are not on the partners' port"

    asyncio.run(act())


def test_the_outbox_leases_and_is_acknowledged_once(tmp_path: Path):
    async def act() -> None:
        async with running(tmp_path) as gateway:
            await gateway.sent("northway", NOTICE)
            headers = {"Authorization": "Bearer northway"}

            async def outbox(lease: int) -> list[dict]:
                async with gateway.session.get(f"{gateway.url}/v1/outbox?lease={lease}", headers=headers) as response:
                    return (await response.json())["documents"]

            async def acknowledge(one: dict, who: str = "northway") -> int:
                url = gateway.url + one["ack_url"]
                async with gateway.session.post(url, json={"lease": one["lease"]}, headers={"Authorization": f"Bearer {who}"}) as response:
                    return response.status

            (first,) = await outbox(1)
            assert "~AK9*A*1*1*1~" in first["content"]
            assert await outbox(1) == [], "leased"
            await asyncio.sleep(1.1)
            (second,) = await outbox(60)
            assert second["id"] == first["id"]
            assert await acknowledge(first) == 409, "the first lease has passed to the second pick-up"
            assert await acknowledge(second, "lake3pl") == 404
            assert await acknowledge(second) == 200
            assert await acknowledge(second) == 200, "saying so twice is harmless"
            await asyncio.sleep(0.1)
            assert await outbox(1) == []

    asyncio.run(act())


def test_a_997_is_pushed_where_the_profile_says(tmp_path: Path):
    async def act() -> None:
        from aiohttp import web

        got: list[tuple[str, bytes]] = []

        async def take(request: web.Request) -> web.Response:
            got.append((request.headers["Idempotency-Key"], await request.read()))
            return web.Response(status=503 if len(got) == 1 else 200)

        app = web.Application()
        app.router.add_post("/edi", take)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/edi"
        async with running(tmp_path) as gateway:
            await gateway.apply("northway", ("agreements:", f"channels: {{http: {{way_back: push, push_url: '{url}'}}}}\nagreements:"))
            await gateway.sent("northway", NOTICE)
            await gateway.settle(lambda: len(got) == 2, "the 997 was not pushed again after a 503")
            assert got[0] == got[1], "the same bytes under the same key"
            assert b"AK1*SH*201~" in got[1][1]
        await runner.cleanup()

    asyncio.run(act())
