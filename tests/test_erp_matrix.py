"""Every address of the ERP's listener, by every scope, for the consumer's own partner and another's, and for nobody: what comes of it, that it is what the
published document says, and what the audit log has of it. An address without an entry here fails.
"""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from sqlalchemy import text

from gateway.consumers.records import SCOPES, chain_of
from gateway.contract.documents import openapi
from gateway.doors.erp import ErpDoor
from gateway.doors.erp_routes import ROUTES, Route
from tests.api_running import Answer, Api, serving, shipment_event
from tests.standing_running import event_row
from tests.test_stock import count, line
from tests.test_way_out import asked

OWN, OTHER = "lake3pl", "harbor"
DOCUMENT = openapi("0.1.0")


@dataclass
class Entry:
    """One address as it is asked for one's own things, and for another's: path, body, the status that is due."""

    own: str
    other: str | None
    other_status: int = 404
    own_status: int = 200
    own_body: Any = None
    other_body: Any = None


def of_list(name: str) -> Entry:
    return Entry(f"/v1/{name}?partner={OWN}", f"/v1/{name}?partner={OTHER}", 403)


ENTRIES: dict[tuple[str, str], Entry] = {
    ("POST", "/v1/documents"): Entry(
        "/v1/documents", "/v1/documents", 403, 202, own_body=asked(), other_body=asked(partner=OTHER)
    ),
    ("GET", "/v1/documents"): of_list("documents"),
    ("GET", "/v1/documents/{id}"): Entry("/v1/documents/{own_document}", "/v1/documents/{other_document}"),
    ("GET", "/v1/shipments"): of_list("shipments"),
    ("GET", "/v1/shipments/{id}"): Entry(f"/v1/shipments/S-{OWN}", f"/v1/shipments/S-{OTHER}"),
    ("GET", "/v1/orders"): of_list("orders"),
    ("GET", "/v1/orders/{id}"): Entry(f"/v1/orders/O-{OWN}", f"/v1/orders/O-{OTHER}"),
    ("GET", "/v1/inventory"): of_list("inventory"),
    ("GET", "/v1/events"): Entry("/v1/events?limit=500", "/v1/events?after={foreign_cursor}", 400),
    ("GET", "/v1/events/cursor"): Entry("/v1/events/cursor", None),
    ("PUT", "/v1/events/cursor"): Entry(
        "/v1/events/cursor", "/v1/events/cursor", 400, own_body={"cursor": "{own_cursor}"}, other_body={"cursor": "{foreign_cursor}"}
    ),
    ("POST", "/v1/replays"): Entry(
        "/v1/replays", "/v1/replays", 400, own_body={"from": "start", "reason": "again"}, other_body={"cursor": "{foreign_cursor}", "reason": "x"}
    ),
}  # fmt: skip


def test_every_address_that_is_served_stands_in_the_table_and_here(api: Any):
    door = api.run(lambda one: _door(one))
    served = {(route.method, route.resource.canonical) for route in door.router.routes() if route.method != "HEAD"}
    assert served == {(route.method, route.path) for route in ROUTES} | {("GET", "/problems/{kind}")}
    assert set(ENTRIES) == {(route.method, route.path) for route in ROUTES}
    assert {route.scope for route in ROUTES} == set(SCOPES), "no scope that opens nothing, no address without one"
    described = {(method.upper(), path) for path, operations in DOCUMENT["paths"].items() for method in operations}
    assert described == set(ENTRIES)


async def _door(api: Api) -> Any:
    node = api.gateway.node
    return ErpDoor(node.store, node.compose, node.consumers, node.placer, node.clock).app()


class Shared:
    """One gateway for the whole matrix, with things of two partners and a consumer for each scope."""

    def __init__(self, folder: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self._context = serving(folder)
        self.api: Api = self.loop.run_until_complete(self._context.__aenter__())
        self.known: dict[str, str] = {}
        self.loop.run_until_complete(self._fill())

    def run(self, act: Any) -> Any:
        return self.loop.run_until_complete(act(self.api))

    def close(self) -> None:
        self.loop.run_until_complete(self._context.__aexit__(None, None, None))
        self.loop.close()

    async def _fill(self) -> None:
        api = self.api
        for scope in SCOPES:
            await api.consumer(f"only-{scope.replace(':', '-')}", scope, partners=[OWN], stream="both")
        for number, partner in enumerate((OWN, OTHER)):
            order = {"order_id": f"O-{partner}", "purpose": "original", "lines": []}
            stock = count("2026-11-16T08:00", line(f"I{number}", on_hand="1"))
            message = api.tell(
                partner,
                shipment_event(f"S-{partner}", partner),
                event_row(f"o{number}", "fulfilment.requested", f"order/O-{partner}", order),
                event_row(f"c{number}", "inventory.snapshot", f"inventory/{partner}", stock),
            )
            self.known[f"{'own' if partner == OWN else 'other'}_document"] = f"{message}.1.1.1"
        for _ in range(200):
            batch = await api.get("/v1/events?limit=500")
            if len(batch.value) == 6:
                break
            await asyncio.sleep(0.05)
        self.known["foreign_cursor"] = batch.headers["Crossdock-Cursor"]
        self.known["own_cursor"] = (await api.get("/v1/events", "only-events-read")).headers["Crossdock-Cursor"]

    async def ask(self, route: Route, who: str | None, path: str, body: Any, method: str | None = None) -> Answer:
        filled = json.loads(_with(json.dumps(body), self.known)) if body is not None else None
        return await self.api.ask(method or route.method, _with(path, self.known), who, json=filled)

    def records(self, name: str) -> list[dict[str, Any]]:
        query = text("SELECT record FROM audit WHERE partner = :chain ORDER BY number")
        found = self.api.store.read(lambda tx: tx.execute(query, {"chain": chain_of(name)}).scalars().all()).result(20)
        return [json.loads(one) for one in found]


def _with(text_: str, known: dict[str, str]) -> str:
    for name, value in known.items():
        text_ = text_.replace(f"{{{name}}}", value)
    return text_


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory):
    shared = Shared(tmp_path_factory.mktemp("matrix"))
    yield shared
    shared.close()


SOMETIMES = {"Link", "Idempotent-Replayed"}
OWN_HEADERS = SOMETIMES | {"ETag", "Location", "Crossdock-Cursor", "Retry-After", "WWW-Authenticate"}


def conforms(route: Route, answer: Answer) -> None:
    """The answer is one that the published document tells of: status, kind of body, and its schema."""
    told = DOCUMENT["paths"][route.path][route.method.lower()]["responses"].get(str(answer.status))
    assert told is not None, f"{answer.status} of {route.method} {route.path} is not in the document: {answer.body!r}"
    sent, declared = ({name for name in OWN_HEADERS if name in one} for one in (answer.headers, told.get("headers", {})))
    assert sent <= declared, f"{answer.status} of {route.method} {route.path} tells of {declared}"
    assert declared - sent <= SOMETIMES
    if answer.status == 304:
        assert answer.body == b""
        return
    (media, content) = next(iter(told["content"].items()))
    assert answer.headers["Content-Type"].split(";")[0] == media
    faults = list(Draft202012Validator({"components": DOCUMENT["components"], **content["schema"]}).iter_errors(answer.value))
    assert not faults, faults[0].message


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_the_matrix(api: Shared, route: Route, scope: str):
    entry, name = ENTRIES[route.method, route.path], f"only-{scope.replace(':', '-')}"

    async def act(_: Api) -> None:
        asked_for = [(entry.own, entry.own_body, entry.own_status, True)]
        if entry.other is not None:
            asked_for.append((entry.other, entry.other_body, entry.other_status, False))
        for path, body, due, is_own in asked_for:
            status = due if scope == route.scope else 403
            before = api.records(name)
            answer = await api.ask(route, name, path, body)
            assert answer.status == status, (path, answer.body)
            conforms(route, answer)
            noted = api.records(name)[len(before) :]
            if scope != route.scope:
                assert (answer.value["type"], answer.value["scope"]) == ("/problems/missing-scope", route.scope)
                assert [(one["act"], one["scope"]) for one in noted] == [("denied", route.scope)]
            elif is_own:
                check_own(route, answer)
                assert [one["act"] for one in noted] == OWN_RECORDS.get((route.method, route.path), [])
            else:
                assert [one["act"] for one in noted] == OTHER_RECORDS.get((route.method, route.path), ["denied"] if status in (403, 404) else [])
            if route.method == "GET":
                head = await api.ask(route, name, path, None, "HEAD")
                assert (head.status, head.body) == (status, b"")

    api.run(act)


OWN_RECORDS = {
    ("POST", "/v1/documents"): ["asked", "answered"],
    ("PUT", "/v1/events/cursor"): ["cursor committed"],
    ("POST", "/v1/replays"): ["cursor set"],
}
OTHER_RECORDS = {("POST", "/v1/documents"): ["asked", "denied"]}
"""What changes something leaves a record, also where it is refused in the end."""


def check_own(route: Route, answer: Answer) -> None:
    """There is something to see, and it is the partner's own."""
    if route.path == "/v1/events":
        assert {event["source"] for event in answer.value} == {f"/partners/{OWN}"}
    elif "items" in (answer.value if isinstance(answer.value, dict) else {}):
        assert {row["partner"] for row in answer.value["items"]} == {OWN}
    elif "standings" in answer.value:
        assert {row["partner"] for row in answer.value["standings"]} == {OWN}
        assert answer.value["events"]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_nobody_comes_in_without_a_token_that_opens(api: Shared, route: Route):
    entry = ENTRIES[route.method, route.path]

    async def act(one: Api) -> None:
        one.tokens |= {"partner": "lake3pl", "admin": one.gateway.node.admin_token, "none": "", "wrong": "cdc_" + "x" * 43, "long": "x" * 4000}
        for who in (None, "partner", "admin", "none", "wrong", "long"):
            answer = await api.ask(route, who, entry.own, entry.own_body)
            assert (answer.status, answer.value["type"]) == (401, "/problems/not-authenticated")
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert not {"RateLimit", "ETag", "Crossdock-Contract"} & set(answer.headers)
            conforms(route, answer)

    api.run(act)


def test_what_is_no_address_says_so_and_is_written_down(api: Shared):
    async def act(one: Api) -> None:
        name = "only-events-read"
        for method, path, status in (
            ("GET", "/v1/everything", 404), ("DELETE", "/v1/shipments", 405), ("POST", "/v1/shipments", 405), ("GET", "/", 404), ("GET", "/v1/documents/", 404),
            ("GET", "/api/consumers", 404), ("GET", "/metrics", 404), ("POST", "/v1/inbox", 404), ("GET", "/v1/shipments/a%2Fb/c", 404),
        ):  # fmt: skip
            before = len(api.records(name))
            answer = await one.ask(method, path, name)
            assert answer.status == status, path
            assert len(api.records(name)) == before + (status == 404)
            assert (await one.ask(method, path, None)).status == 401

    api.run(act)
