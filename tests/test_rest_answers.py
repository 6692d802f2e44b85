"""What an ERP's answers say, found where its settings say: the id under which it has a thing, and a refusal's words."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import PermanentFailure
from gateway.settings import SettingsError, read_settings
from tests.kill.documents import status
from tests.running import Running, running
from tests.test_acknowledgments import ADVICE, told
from tests.their_erp import event, target_of, their_erp
from translators.pointer import find, words_at

RFC_6901 = {"foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5, 'k"l': 6, " ": 7, "m~n": 8}
FOUND = [
    ("", RFC_6901), ("/foo", ["bar", "baz"]), ("/foo/0", "bar"), ("/", 0), ("/a~1b", 1), ("/c%d", 2), ("/e^f", 3), ("/g|h", 4), ("/i\\j", 5),
    ('/k"l', 6), ("/ ", 7), ("/m~0n", 8), ("/foo/2", None), ("/foo/-", None), ("/foo/00", None), ("/foo/bar", None), ("/foo/0/x", None), ("/nowhere", None),
]  # fmt: skip


@pytest.mark.parametrize(("pointer", "value"), FOUND)
def test_a_pointer_finds_what_the_standard_says(pointer: str, value: Any):
    assert find(RFC_6901, pointer) == value


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(alphabet="ab~/01 \x00é", max_size=4), inner, max_size=4),
    max_leaves=12,
)


def places(value: Any, pointer: str = "") -> Any:
    yield pointer, value
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in steps:
        yield from places(inner, f"{pointer}/{str(name).replace('~', '~0').replace('/', '~1')}")


@given(JSON)
@settings(deadline=None)
def test_every_place_is_found_by_its_pointer(value: Any):
    for pointer, inner in places(value):
        assert find(value, pointer) is inner


@given(JSON | st.binary(max_size=40), st.integers(1, 60))
@settings(deadline=None)
def test_words_are_one_printable_line_or_nothing(value: Any, most: int):
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    for pointer in [pointer for pointer, _ in places(value)] if not isinstance(value, bytes) else ["", "/a"]:
        words = words_at(body, pointer, most)
        assert words is None or (0 < len(words) <= most and words.isprintable())


WORDS = [
    (b'{"a": "two\\nlines\\u0000"}', "/a", "two lines"),
    (b'{"a": ["one", 2, {"b": 3}]}', "/a", "one; 2"),
    (b'{"a": 7}', "/a", "7"),
    (b'{"a": {"b": "inside"}}', "/a", None),
    (b'{"a": true}', "/a", None),
    (b"<html>", "/a", None),
    (b"[" * 5000, "", None),
    (b'{"a": "x"}', None, None),
]


@pytest.mark.parametrize(("body", "pointer", "wanted"), WORDS)
def test_words_at_a_place(body: bytes, pointer: str | None, wanted: str | None):
    assert words_at(body, pointer, 400) == wanted


def test_ids_and_words_come_with_what_the_target_tells():
    async def act() -> None:
        async with their_erp() as there, target_of(there, answer={"confirmed": "/data/0/id", "error": "/error/message"}) as target:
            there.answer = lambda request, body: web.json_response({"data": [{"id": 4711}]})
            assert (await target.deliver(event(), b"{}")).confirmed == "4711"
            there.answer = lambda request, body: web.json_response({"data": []})
            assert (await target.deliver(event(), b"{}")).confirmed is None
            there.answer = lambda request, body: web.json_response({"error": {"message": "no such item"}, "title": "usual"}, status=422)
            with pytest.raises(PermanentFailure) as refused:
                await target.deliver(event(), b"{}")
            assert refused.value.words == "no such item"
            there.answer = lambda request, body: web.json_response({"title": "usual"}, status=422)
            with pytest.raises(PermanentFailure) as refused:
                await target.deliver(event(), b"{}")
            assert refused.value.words is None, "then what is usual is looked for"

    asyncio.run(act())


def test_a_look_up_tells_the_id_too():
    async def act() -> None:
        async with (
            their_erp() as there,
            target_of(there, repeats="look_up", look_up_url=f"{there.url}/has/{{id}}", answer={"confirmed": "/id"}) as target,
        ):
            there.answer = lambda request, body: web.json_response({"id": "ERP-1"})
            said = await target.deliver(event(attempts=1, unknown=True), b"{}")
            assert (said.looked_up, said.confirmed, there.events()) == (True, "ERP-1", [])

    asyncio.run(act())


async def delivery_of(gateway: Running, message: str, state: str) -> dict[str, Any]:
    for _ in range(200):
        whole = await gateway.operate("show", id=message)
        found = [one for one in whole["deliveries"] if one["kind"] == "event"]
        if found and found[0]["state"] == state:
            return found[0]
        await asyncio.sleep(0.05)
    raise AssertionError(found)


def test_the_id_is_shown_and_the_words_go_into_the_824(tmp_path: Path, database_url: str):
    async def act() -> None:
        async with their_erp() as there:
            target = {"url": f"{there.url}/events", "answer": {"confirmed": "/d/results/0/number", "error": "/error/inner/0/text"}}
            async with running(tmp_path, database_url, target=target) as gateway:
                await gateway.apply("northway", (ADVICE[0], ADVICE[1] % "errors"))
                there.answer = lambda request, body: web.json_response({"d": {"results": [{"number": "0180000017"}]}}, status=201)
                taken = await gateway.sent("northway", status(7).body)
                assert (await delivery_of(gateway, taken["id"], "delivered"))["confirmed"] == "0180000017"
                cells = (await gateway.operate("receipts", id=taken["id"]))["rows"][0]["cells"]
                assert cells["confirmed"]["text"] == "1 of 1: 0180000017"
                await told(gateway, "northway", taken["id"], 1)
                said = {"error": {"inner": [{"text": "shipment  SHP8 is closed"}], "message": "stack trace"}}
                there.answer = lambda request, body: web.json_response(said, status=422)
                refused = await gateway.sent("northway", status(8).body)
                assert (await delivery_of(gateway, refused["id"], "dead"))["confirmed"] is None
                found = await told(gateway, "northway", refused["id"], 2)
                assert "~TED*ZZZ*shipment SHP8 is closed~" in found[0][1]

    asyncio.run(act())


@pytest.mark.parametrize("pointer", ["id", "/a~2", "/a~"])
def test_what_is_no_pointer_is_told(pointer: str):
    with pytest.raises(SettingsError, match=r"answer.error: .*no JSON pointer"):
        read_settings(None, {"targets": {"erp": {"url": "https://erp", "answer": {"error": pointer}}}}, environment={})
