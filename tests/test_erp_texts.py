"""Texts that no store can keep, wherever a consumer or a partner can put one: a clear no, which is written down; never an error of ours."""

import asyncio
import json
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.compose.request import read_request
from gateway.doors import erp
from gateway.errors import Refused
from gateway.store.audit_check import Walk, walk
from gateway.texts import check_json, keepable
from tests.api_running import Api, serving
from tests.running import document
from tests.test_erp_governance import records
from tests.test_way_out import asked

HALF = "\ud800"
RELEASE = asked() | {"partner": "lake3pl"}
CLOUD = {"specversion": "1.0", "id": "1", "source": "/o"} | RELEASE
HIGH = "\U0001f4a5"
CASES: list[tuple[str, str, str, Any, int]] = [
    ("GET", "/v1/shipments/%00", "", None, 400),
    ("GET", "/v1/orders/a%00b", "", None, 400),
    ("GET", "/v1/documents/%00", "", None, 400),
    ("GET", "/v1/shipments?status=%00", "", None, 400),
    ("GET", "/v1/shipments", "Crossdock-Contract: \udcff", None, 406),
    ("POST", "/v1/documents", "Idempotency-Key: \udcff", RELEASE, 422),
    ("POST", "/v1/documents", "", CLOUD | {"id": "1\0"}, 400),
    ("POST", "/v1/documents", "", CLOUD | {"source": HALF}, 400),
    ("POST", "/v1/documents", "", RELEASE | {"partner": "a\0b"}, 400),
    ("POST", "/v1/documents", "", RELEASE | {"type": HALF + HIGH}, 400),
    ("POST", "/v1/documents", "", RELEASE | {HALF: 1}, 400),
    ("POST", "/v1/documents", "", RELEASE | {"data": RELEASE["data"] | {"order_id": "\0"}}, 400),
    ("PUT", "/v1/events/cursor", "", {"cursor": HALF}, 400),
    ("POST", "/v1/replays", "", {"from": "start", "reason": HALF}, 400),
    ("POST", "/v1/replays", "", {"from": HALF, "reason": "x"}, 400),
    ("POST", "/v1/replays", "", {HALF: HALF, "reason": "x"}, 400),
]
"""(method, address, header, body, status)."""


async def raw(url: str, token: str, method: str, path: str, header: str, body: bytes) -> tuple[int, bytes]:
    """A request byte by byte: no client of ours would send these."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {token}", f"Content-Length: {len(body)}", "Connection: close", header]
    writer.write("\r\n".join(filter(None, lines)).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body)
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    head, _, rest = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), rest


def test_what_no_store_can_keep_is_refused_in_words_and_written_down(tmp_path: Path, database_url: str):
    async def act(api: Api) -> None:
        await api.gateway.apply("lake3pl")
        await api.consumer("wms")
        token = api.tokens["wms"]
        for method, path, header, body, status in CASES:
            got, answer = await raw(api.url, token, method, path, header, b"" if body is None else json.dumps(body).encode())
            assert (got, "detail" in json.loads(answer)) == (status, True), (method, path, header, body, answer)
        written = records(api, "consumer:wms")
        assert [one["act"] for one in written if one.get("status") == 406] == ["denied"]
        assert len([one for one in written if one["act"] == "asked"]) == sum(case[:2] == ("POST", "/v1/documents") for case in CASES)
        assert api.store.read(lambda tx: walk(tx, Walk("consumer:wms"))).result(20)[0] == [], "each record is what its hash holds"

    run(act, tmp_path, database_url)


def test_a_large_body_is_read_beside_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    threads = []

    def seen(body: bytes) -> Any:
        threads.append(threading.current_thread() is threading.main_thread())
        return read_request(body)

    monkeypatch.setattr(erp, "read_request", seen)

    async def act(api: Api) -> None:
        await api.gateway.apply("lake3pl")
        for body in (RELEASE, CLOUD | {"note": "x" * erp.LARGE}, CLOUD | {"note": "x" * erp.LARGE + HALF}):
            answer = await api.ask("POST", "/v1/documents", json=body)
            assert answer.status == (400 if HALF in json.dumps(body, ensure_ascii=False) else 202), answer.body
        assert threads == [True, False, False]

    run(act, tmp_path)


def test_a_partners_file_may_be_called_by_bytes_that_are_no_text(tmp_path: Path, database_url: str):
    async def act(api: Api) -> None:
        gateway = api.gateway
        url, token = gateway.url, "northway"
        status, answer = await raw(url, token, "POST", "/v1/inbox", "X-File-Name: a\udcff.edi", document("856-notice.edi"))
        assert (status, b"received" in answer) == (202, True), answer
        await gateway.decided("northway", json.loads(answer)["id"])
        (row,) = await api.walk("/v1/documents")
        assert row["file_name"] == "a\ufffd.edi"
        for path in ("/v1/messages/%00", "/v1/outbox/%00"):
            assert (await raw(url, token, "GET", path, "", b""))[0] == 400

    run(act, tmp_path, database_url)


def run(act: Any, folder: Path, database: str | None = None) -> None:
    async def whole() -> None:
        async with serving(folder, database) as api:
            await act(api)

    asyncio.run(whole())


WILD = st.text(st.characters(codec=None) | st.sampled_from(["\0", HALF, "\udfff", HIGH]), max_size=5)


@given(
    value=st.recursive(WILD | st.none() | st.integers(), lambda one: st.lists(one, max_size=3) | st.dictionaries(WILD, one, max_size=3), max_leaves=8)
)
def test_the_law_of_usable_texts(value: Any):
    """Of a JSON value in whatever encoding: refused, or every text in it is kept as it is."""

    def usable(one: Any) -> bool:
        if isinstance(one, str):
            return "\0" not in one and one == one.encode("utf-8", "replace").decode()
        if isinstance(one, dict):
            return all(map(usable, [*one, *one.values()]))
        return all(map(usable, one)) if isinstance(one, list) else True

    for body in (
        json.dumps(value).encode(),
        json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"),
        json.dumps(value).encode("utf-16"),
    ):
        read = json.loads(body)  # halves that meet in the text are one character there
        if usable(read):
            check_json(read, body)
        else:
            with pytest.raises(Refused) as refused:
                check_json(read, body)
            assert usable(refused.value.detail)
    if isinstance(value, str):
        assert usable(keepable(value))
        assert not usable(value) or keepable(value) == value
