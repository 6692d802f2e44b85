"""What a target of calls puts on the wire, and what it makes of what comes back, whatever the mapping."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest
from aiohttp import web

from gateway.errors import DestinationFault, PermanentFailure, TemporaryFailure, UnknownOutcome
from gateway.settings import SettingsError, read_settings
from gateway.targets.base import Destination
from gateway.targets.kinds import make
from partners import library
from tests.notices import data_of, delivery, notice
from tests.their_erp import TheirErp, their_erp

MAPPING = """
event: shipment.notified
about: a thing
values: {depot: {about: where it goes, default: D1}}
steps:
  look: {guard: yes, get: 'things/{notice_id}', query: {q: ['{notice_id}', '{value.depot}']}, as: thing, answers: [{status: 404, means: nothing}], example: 'null'}
  make: {when: not thing, post: things, body: {id: '{notice_id}'}}
"""
DATA = notice("N-1", ("PO1", "A", "1"))


@pytest.fixture
def mapping(tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "mappings" / "erp" / "mine" / "shipment.notified.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(MAPPING)
    library.use(tmp_path)
    yield file
    library.use(None)


@contextlib.asynccontextmanager
async def target_of(there: TheirErp, **terms: Any) -> AsyncIterator[Destination]:
    given = {"kind": "calls", "mapping": "erp/mine", "url": f"{there.url}/api/", "timeout": "2s"} | terms
    target = make("erp", read_settings(None, {"targets": {"erp": given}}, environment={}).targets["erp"])
    try:
        yield target
    finally:
        await target.close()


def answering(there: TheirErp, look: Any, make_: Any = None) -> None:
    def answer(request: web.Request, body: bytes) -> web.StreamResponse:
        value = look if request.method == "GET" else make_
        status, told = value if isinstance(value, tuple) else (200, value)
        return web.json_response(told, status=status)

    there.answer = answer


@pytest.mark.parametrize("number", ["N 1/2?x=1&y=2#z", "Größe 東京", "a+b%20c", "..%2f..", "x" * 500])
def test_a_partners_words_arrive_as_they_were_and_add_nothing(mapping: Path, number: str):
    async def act() -> None:
        async with their_erp() as there, target_of(there, api_key={"secret": "k"}) as target:
            answering(there, (404, {}), {})
            await target.deliver(delivery("N-1"), data_of(notice(number, ("PO1", "A", "1"))))
            look, make_ = there.requests
            path, _, query = look.path.partition("?")
            assert path.count("/") == 3
            assert unquote(path.rpartition("/")[2]) == number
            assert parse_qsl(query) == [("q", number), ("q", "D1")]
            assert json.loads(make_.body) == {"id": number}
            assert (make_.path, make_.headers["x-api-key"], make_.headers["content-type"]) == ("/api/things", "k", "application/json")

    asyncio.run(act())


@pytest.mark.parametrize(
    ("look", "make_", "told", "words"),
    [
        ((404, {}), (422, {"error": "no"}), PermanentFailure, "make: answered 422: it will not take this"),
        ((404, {}), (401, {}), DestinationFault, "make: answered 401: its address or our credentials are wrong"),
        ((404, {}), (404, {}), DestinationFault, "make: answered 404"),
        ((404, {}), (302, {}), DestinationFault, "make: answered 302"),
        ((404, {}), (503, {}), UnknownOutcome, "make: answered 503"),
        ((404, {}), (429, {}), UnknownOutcome, "make: answered 429"),
        ((503, {}), {}, TemporaryFailure, "look: answered 503"),
        ((429, {}), {}, TemporaryFailure, "look: answered 429"),
        ((410, {}), {}, PermanentFailure, "look: answered 410"),
    ],
)
def test_what_the_mapping_has_no_line_for_means_what_http_says(mapping: Path, look: Any, make_: Any, told: Any, words: str):
    async def act() -> None:
        async with their_erp() as there, target_of(there) as target:
            answering(there, look, make_)
            with pytest.raises(told, match=words) as failure:
                await target.deliver(delivery("N-1"), data_of(DATA))
            assert type(failure.value) is told
            assert not isinstance(failure.value, TemporaryFailure) or failure.value.status is not None

    asyncio.run(act())


def test_an_answer_that_is_no_json_or_none_in_time_is_asked_again(mapping: Path):
    async def act() -> None:
        async with their_erp() as there, target_of(there, timeout="300ms") as target:
            there.answer = lambda request, body: web.Response(text="<html>", content_type="text/html")
            with pytest.raises(TemporaryFailure, match="look: answered 200 with what is no JSON"):
                await target.deliver(delivery("N-1"), data_of(DATA))

            async def slow(request: web.Request, body: bytes) -> web.StreamResponse:
                if request.method == "POST":
                    await asyncio.sleep(1)
                return web.json_response({}, status=404)

            there.answer = slow
            with pytest.raises(UnknownOutcome, match="make: gave no answer in time"):
                await target.deliver(delivery("N-1"), data_of(DATA))

    asyncio.run(act())


def test_a_mapping_that_does_not_compile_rests_the_target_until_it_is_mended(mapping: Path):
    async def act() -> None:
        async with their_erp() as there, target_of(there) as target:
            answering(there, (404, {}), {})
            mapping.write_text(MAPPING.replace("notice_id", "notice_di"))
            with pytest.raises(DestinationFault, match=r"its mapping cannot be used: mappings/erp/mine/shipment.notified.yaml: line 6"):
                await target.deliver(delivery("N-1"), data_of(DATA))
            mapping.write_text(MAPPING)
            await target.deliver(delivery("N-1"), data_of(DATA))

    asyncio.run(act())


def test_a_file_that_is_called_otherwise_than_its_event_is_told(mapping: Path):
    async def act() -> None:
        async with their_erp() as there, target_of(there) as target:
            mapping.write_text(MAPPING.replace("shipment.notified", "shipment.status"))
            with pytest.raises(DestinationFault, match=r"is not the file's name; call the file shipment\.status\.yaml"):
                await target.deliver(delivery("N-1"), data_of(DATA))

    asyncio.run(act())


def test_a_shipped_name_cannot_be_taken(tmp_path: Path, mapping: Path):
    mine = tmp_path / "mappings" / "erp" / "odoo" / "shipment.notified.yaml"
    mine.parent.mkdir()
    mine.write_text(MAPPING)

    async def act() -> None:
        async with their_erp() as there, target_of(there, mapping="erp/odoo") as target:
            with pytest.raises(DestinationFault, match="a mapping of that name ships; give yours another ERP's name"):
                await target.deliver(delivery("N-1"), data_of(DATA))

    asyncio.run(act())


@pytest.mark.parametrize(
    ("terms", "told"),
    [
        ({"mapping": "tryton"}, "targets.erp.mapping"), ({"values": {"A B": "x"}}, "targets.erp.values"), ({"repeats": "look_up"}, "targets.erp.repeats"),
        ({"token": "a", "basic": {"user": "u", "password": "p"}}, "keep one of them"), ({"others": "drop"}, "targets.erp.others"),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_is_told(terms: Any, told: str):
    with pytest.raises(SettingsError, match=told):
        read_settings(None, {"targets": {"erp": {"kind": "calls", "mapping": "erp/tryton", "url": "https://erp.example"} | terms}}, environment={})
