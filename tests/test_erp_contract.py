"""The test of an ERP's endpoint: a good one holds, and each way of getting it wrong is told at its clause, with the mend."""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from typer.testing import CliRunner

from gateway.__main__ import app
from gateway.commands.erp import WRONG_TOKEN, samples
from gateway.contract.endpoint import CLAUSES, FOREIGN, Endpoint, Tried, held_to_it
from gateway.simulators.erp import PretendErp
from gateway.targets.kinds import make
from gateway.targets.terms import Target

Handler = Callable[[web.Request, PretendErp], Awaitable[web.StreamResponse]]
TOKEN = "the-right-one"


@contextlib.asynccontextmanager
async def serving(handler: Handler, erp: PretendErp) -> AsyncIterator[str]:
    site = web.Application(client_max_size=2 * 2**20)

    async def take(request: web.Request) -> web.StreamResponse:
        return await handler(request, erp)

    site.router.add_post("/events", take)
    site.router.add_get("/events/{id}", erp.look_up)
    runner = web.AppRunner(site, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def tried(handler: Handler, *, look_up: str = "/events/{id}") -> dict[str, Tried]:
    async def act() -> list[Tried]:
        async with serving(handler, PretendErp()) as url:
            terms = Target(url=f"{url}/events", token=TOKEN, repeats="look_up", look_up_url=f"{url}{look_up}")
            tokens = {"wrong credentials": WRONG_TOKEN, "no credentials": None}
            ours, strangers = (
                make("check", terms),
                {having: make("check", terms.model_copy(update={"token": token})) for having, token in tokens.items()},
            )
            try:
                return await held_to_it(Endpoint(ours, strangers=strangers, samples=samples(), looks_up=True))
            finally:
                for one in (ours, *strangers.values()):
                    await one.close()

    return {one.name: one for one in asyncio.run(act())}


async def good(request: web.Request, erp: PretendErp) -> web.StreamResponse:
    if request.headers.get("Authorization") != f"Bearer {TOKEN}":
        return web.json_response({"error": "who are you?"}, status=401)
    return await erp.take(request)


async def _data(request: web.Request) -> dict[str, Any]:
    try:
        return dict(json.loads(await request.read()))
    except ValueError:
        return {}


async def _takes_no_orders(request: web.Request, erp: PretendErp) -> web.StreamResponse:
    return web.Response(status=422) if "fulfilment.requested" in request.headers["ce-type"] else await good(request, erp)


async def _ignores_keys(request: web.Request, erp: PretendErp) -> web.StreamResponse:
    erp.behaviour.ignore_keys = True
    return await good(request, erp)


async def _conflicts_for_ever(request: web.Request, erp: PretendErp) -> web.StreamResponse:
    known = request.headers["Idempotency-Key"].strip('"') in erp.effects
    return web.Response(status=409) if known else await good(request, erp)


async def _refuses_revisions(request: web.Request, erp: PretendErp) -> web.StreamResponse:
    return web.Response(status=400) if request.headers["ce-id"].endswith("-r2") else await good(request, erp)


async def _strict(request: web.Request, erp: PretendErp) -> web.StreamResponse:
    return web.Response(status=422) if "field_of_a_later_version" in await _data(request) else await good(request, erp)


async def _latin(request: web.Request, erp: PretendErp) -> web.StreamResponse:
    return web.Response(status=500) if FOREIGN in str(await _data(request)) else await good(request, erp)


async def _narrow(request: web.Request, erp: PretendErp) -> web.StreamResponse:
    return web.Response(status=413) if (request.content_length or 0) > 100_000 else await good(request, erp)


async def _fails_on_the_unknown(request: web.Request, erp: PretendErp) -> web.StreamResponse:
    return web.Response(status=500) if request.headers["ce-type"].endswith("v9") else await good(request, erp)


async def _not_there_for_the_unknown(request: web.Request, erp: PretendErp) -> web.StreamResponse:
    return web.Response(status=404) if request.headers["ce-type"].endswith("v9") else await good(request, erp)


async def _takes_nonsense(request: web.Request, erp: PretendErp) -> web.StreamResponse:
    return await good(request, erp) if await _data(request) else web.Response(status=202)


async def _open_to_all(request: web.Request, erp: PretendErp) -> web.StreamResponse:
    return await erp.take(request)


async def _lets_nobody_in_but_those_without_a_name(request: web.Request, erp: PretendErp) -> web.StreamResponse:
    return await good(request, erp) if "Authorization" in request.headers else await erp.take(request)


async def _talks(request: web.Request, erp: PretendErp) -> web.StreamResponse:
    answer = await good(request, erp)
    return web.Response(body=b"y" * 100_000) if answer.status == 200 else answer


WRONG: list[tuple[Handler, set[str], str]] = [
    (_takes_no_orders, {"kinds"}, "org.crossdock.fulfilment.requested.v1: it was answered 422"),
    (_ignores_keys, {"repeats", "at-once"}, "may have taken effect more than once"),
    (_conflicts_for_ever, {"repeats"}, "the repeat: it was answered 409"),
    (_refuses_revisions, {"corrections"}, "it was answered 400"),
    (_strict, {"new-fields"}, "it was answered 422"),
    (_latin, {"characters"}, "it was answered 500"),
    (_narrow, {"large"}, "900,000 bytes: it was answered 413"),
    (_fails_on_the_unknown, {"unknown-type"}, "come again"),
    (_not_there_for_the_unknown, {"unknown-type"}, "All events would wait"),
    (_takes_nonsense, {"nonsense"}, "as if it were fine"),
    (_open_to_all, {"strangers"}, "with wrong credentials it was answered 200"),
    (_lets_nobody_in_but_those_without_a_name, {"strangers"}, "with no credentials it was answered 200"),
    (_talks, {"answers"}, "an answer has 100,000 bytes"),
]


def test_a_good_endpoint_holds():
    assert {one.name: one.state for one in tried(good).values()} == {name: "held" for name, *_ in CLAUSES}


@pytest.mark.parametrize(("handler", "names", "words"), WRONG, ids=[one[0].__name__ for one in WRONG])
def test_each_wrong_is_told_at_its_clause(handler: Handler, names: set[str], words: str):
    found = tried(handler)
    assert {one.name for one in found.values() if one.state == "wrong"} == names
    assert all(words in found[name].words and found[name].mend for name in names), found


def test_who_says_not_now_is_asked_again():
    """A right endpoint with a rate limit holds."""
    asked: Counter[str] = Counter()

    async def slow_down(request: web.Request, erp: PretendErp) -> web.StreamResponse:
        asked[request.headers["Idempotency-Key"]] += 1
        if asked[request.headers["Idempotency-Key"]] == 1:
            return web.Response(status=503, headers={"Retry-After": "0"})
        return await good(request, erp)

    assert {one.name: one.state for one in tried(slow_down).values()} == {name: "held" for name, *_ in CLAUSES}


def test_answers_that_do_not_tell_hold_nothing():
    """It books every event anew, and says the same to each."""

    async def alike(request: web.Request, erp: PretendErp) -> web.StreamResponse:
        erp.behaviour.ignore_keys = True
        answer = await good(request, erp)
        return web.json_response({"ok": True}) if answer.status == 200 else answer

    found = tried(alike)
    assert {name for name, one in found.items() if one.state == "not tried"} == {"repeats", "at-once"}
    assert "look how often it has booked" in found["repeats"].words


def test_a_look_up_that_does_not_know_is_told():
    assert tried(good, look_up="/events/other-{id}")["look-up"].state == "wrong"


def test_every_clause_can_be_broken():
    assert {name for name, *_ in CLAUSES} == {name for _, names, _ in WRONG for name in names} | {"look-up"}


def test_nobody_there_is_told():
    done = CliRunner().invoke(app, ["erp", "check", "http://127.0.0.1:9/events"])
    assert done.exit_code == 69
    assert "cannot be reached" in done.output
