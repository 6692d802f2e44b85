"""SAP's token dance: fetched with its cookies, both sent back with each change, and fetched anew when they are not good any more."""

import asyncio
from typing import Any

import pytest
from aiohttp import web

from gateway.errors import DestinationFault, PermanentFailure
from gateway.settings import SettingsError, read_settings
from tests.their_erp import TheirErp, event, target_of, their_erp

DATA = b'{"a":1}'


class Gateway:
    """As SAP Gateway was documented: a token lives as long as its session, and a session has one."""

    def __init__(self, there: TheirErp, *, header: str = "x-csrf-token", gives: str | None = None) -> None:
        self.session = 0
        self.header, self.gives = header, gives
        self.refuses_all = False
        there.answer = self.answer

    def answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        told = request.headers.get(self.header, "")
        if request.method == "GET":
            assert told == "Fetch"
            self.session += 1
            answer = web.json_response({}, headers={self.header: self.gives if self.gives is not None else f"token-{self.session}"})
            answer.set_cookie("SAP_SESSIONID", f"s{self.session}", path="/sap", httponly=True)
            answer.set_cookie("sap-usercontext", "client=100")
            return answer
        cookies = dict(request.cookies)
        if self.refuses_all or told != f"token-{self.session}" or cookies.get("SAP_SESSIONID") != f"s{self.session}":
            return web.Response(status=403, text="CSRF token validation failed", headers={self.header: "Required"})
        return web.json_response({"d": {"id": 1}}, status=201)


def test_a_token_is_fetched_once_and_goes_with_its_cookies():
    async def act() -> None:
        async with their_erp() as there, target_of(there, csrf={"fetch": "/sap/odata/"}, token="t") as target:
            Gateway(there)
            await asyncio.gather(*(target.deliver(event(f"e{number}"), DATA) for number in range(5)))
            assert [one.path for one in there.requests if one.method == "GET"] == ["/sap/odata/"]
            assert {one.headers["authorization"] for one in there.requests} == {"Bearer t"}
            assert {one.headers["cookie"] for one in there.events()} == {'SAP_SESSIONID=s1; sap-usercontext="client=100"'}
            assert len(there.events()) == 5

    asyncio.run(act())


def test_a_session_that_has_ended_is_begun_anew_and_the_request_repeated_once():
    async def act() -> None:
        async with their_erp() as there, target_of(there, csrf={}) as target:
            gateway = Gateway(there)
            await target.deliver(event("e1"), DATA)
            gateway.session += 10
            assert (await target.deliver(event("e2"), DATA)).status == 201
            assert [one.method for one in there.requests] == ["GET", "POST", "POST", "GET", "POST"]
            assert there.requests[0].path == "/events", "the target's own address, where no other is set"

    asyncio.run(act())


def test_several_that_meet_the_end_of_a_session_fetch_one_token():
    async def act() -> None:
        async with their_erp() as there, target_of(there, csrf={}) as target:
            gateway = Gateway(there)
            await target.deliver(event("e1"), DATA)
            gateway.session += 10
            await asyncio.gather(*(target.deliver(event(f"e{number}"), DATA) for number in range(2, 8)))
            assert [one.method for one in there.requests].count("GET") == 2

    asyncio.run(act())


def test_a_403_that_is_none_of_a_token_is_not_repeated():
    async def act() -> None:
        async with their_erp() as there, target_of(there, csrf={}) as target:
            gateway = Gateway(there)
            usual = there.answer
            there.answer = lambda request, body: usual(request, body) if request.method == "GET" else web.json_response({"error": "no"}, status=403)
            with pytest.raises(DestinationFault, match="answered 403"):
                await target.deliver(event(), DATA)
            assert len(there.events()) == 1
            there.answer, gateway.refuses_all = usual, True
            with pytest.raises(DestinationFault, match="answered 403"):
                await target.deliver(event(), DATA)
            assert len(there.events()) == 3, "and one that is, once"

    asyncio.run(act())


@pytest.mark.parametrize("gives", ["", "Required", "b\u00e9"])
def test_without_a_token_nothing_is_sent_and_the_target_rests(gives: str):
    async def act() -> None:
        async with their_erp() as there, target_of(there, csrf={}) as target:
            Gateway(there, gives=gives)
            with pytest.raises(DestinationFault, match=r"it gives no token for changes: \S+ answered 200 without a x-csrf-token"):
                await target.deliver(event(), DATA)
            assert not there.events()

    asyncio.run(act())


def test_what_only_looks_needs_no_token():
    async def act() -> None:
        async with their_erp() as there, target_of(there, csrf={}, repeats="look_up", look_up_url=f"{there.url}/has/{{id}}") as target:
            there.answer = lambda request, body: web.json_response({})
            assert (await target.deliver(event(attempts=1), DATA)).looked_up
            assert [one.path for one in there.requests] == ["/has/e-r1"]

    asyncio.run(act())


def test_a_refusal_behind_a_token_is_a_refusal():
    async def act() -> None:
        async with their_erp() as there, target_of(there, csrf={}) as target:
            Gateway(there)
            usual = there.answer
            there.answer = lambda request, body: (
                usual(request, body) if request.method == "GET" else web.json_response({"error": "no such plant"}, status=400)
            )
            with pytest.raises(PermanentFailure):
                await target.deliver(event(), DATA)

    asyncio.run(act())


@pytest.mark.parametrize(
    ("csrf", "told"),
    [
        ({"fetch": "https://elsewhere.example/"}, "csrf.fetch is an address of the target's own server"),
        ({"fetch": "//elsewhere.example/"}, "csrf.fetch is an address of the target's own server"),
        ({"fetch": "nowhere"}, "targets.erp.csrf.fetch"),
        ({"header": "content-type"}, "is a header that says something else already"),
    ],
)
def test_our_credentials_fetch_a_token_at_the_targets_own_server_alone(csrf: Any, told: str):
    with pytest.raises(SettingsError, match=told):
        read_settings(None, {"targets": {"erp": {"url": "https://erp.example/x", "csrf": csrf}}}, environment={})
