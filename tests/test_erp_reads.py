"""What consumers read over HTTP: canonical forms, pages, tags, filters; hostile queries get a clear no."""

import asyncio
import base64
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from multidict import CIMultiDict
from sqlalchemy import text

from gateway.clock import DAY, as_text
from gateway.doors import erp_reads
from gateway.store import lists, naming
from gateway.store.replays import Skip
from tests.api_running import Api, serving, shipment_event
from tests.running import document
from tests.standing_running import AT, event_row, moment, status
from tests.test_stock import count, line


def run(act: Any, folder: Path, database: str | None = None) -> None:
    async def whole() -> None:
        async with serving(folder, database) as api:
            await act(api)

    asyncio.run(whole())


def test_shipments_orders_stock_and_documents_are_read_in_canonical_form(tmp_path: Path, database_url: str):
    async def act(api: Api) -> None:
        await api.gateway.sent("northway", document("856-notice-again.edi"))
        await api.gateway.sent("lake3pl", document("945-shipped.edi"))
        shipments = await api.walk("/v1/shipments")
        assert shipments
        one = (await api.get(shipments[0]["url"])).value
        assert one["standings"] == [row for row in shipments if row["id"] == one["id"]]
        (event, *_) = one["events"]
        assert (event["specversion"], event["source"], event["subject"]) == ("1.0", "/partners/northway", one["subject"])
        await api.gateway.settle(lambda: api.gateway.effects(one["subject"]), "the ERP has it, too")
        pushed = next(effect for effect in api.gateway.effects(one["subject"]) if effect.attributes["id"] == event["id"])
        attributes = {name: value for name, value in event.items() if name not in ("specversion", "data", "datacontenttype")}
        given = {name: value for name, value in pushed.attributes.items() if name != "specversion"}
        assert (attributes, event["data"]) == (given, pushed.data), "pulled as it was pushed"
        (order, *_) = await api.walk("/v1/orders?partner=lake3pl")
        assert (order["id"], order["step"]) == ("H-77120", "shipped")
        found = await api.walk("/v1/orders?reference=h77120")
        assert [row["url"] for row in found] == [order["url"]]
        documents = await api.walk("/v1/documents?direction=in")
        assert {row["set"] for row in documents} == {"856", "945"}
        whole = (await api.get(documents[0]["url"])).value
        assert whole["events"]
        assert {name: whole[name] for name in documents[0]} == documents[0]

    run(act, tmp_path, database_url)


def test_a_document_of_ours_keeps_its_form(tmp_path: Path, database_url: str):
    from tests.test_way_out import asked

    async def act(api: Api) -> None:
        _, answer = await api.gateway.release(asked())
        by_message, by_document = [(await api.get(f"/v1/documents/{answer[name]}")).value for name in ("id", "document")]
        assert by_message == by_document
        assert {name: by_message[name] for name in answer} == answer
        assert by_message["direction"] == "out"
        (listed,) = await api.walk("/v1/documents?direction=out")
        assert (listed["id"], listed["set"]) == (answer["document"], "940")
        box = api.gateway.partner("lake3pl")
        for _ in range(500):
            await box.pick_up(api.gateway.session)
            if box.picked_up:
                break
            await asyncio.sleep(0.02)
        one = (await api.get(listed["url"])).value
        (delivered,) = await api.walk("/v1/documents?direction=out&status=delivered")
        assert (delivered["id"], delivered["state"], one["state"]) == (answer["document"], "delivered", "delivered"), "listed as it is read by itself"
        for other in ("composed", "due"):
            assert await api.walk(f"/v1/documents?status={other}") == []

    run(act, tmp_path, database_url)


def test_a_document_that_a_person_gave_up_was_altered(tmp_path: Path):
    async def act(api: Api) -> None:
        document = f"{api.tell('northway', shipment_event('HELD'))}.1.1.1"
        hold = text("UPDATE documents SET state = 'held' WHERE id = :id")

        def held(tx: Any, items: list[Any]) -> list[None]:
            tx.execute(hold, {"id": document})
            return [None for _ in items]

        await asyncio.to_thread(lambda: api.store.writer.submit(held, None).result(20))
        before = (await api.get(f"/v1/documents/{document}")).value
        given_up = Skip(document, "me", "no", AT + 1_000 * DAY)
        assert await asyncio.to_thread(lambda: api.store.skip(given_up).result(20))
        (row,) = await api.walk(f"/v1/documents?changed_since={as_text(given_up.at)}")
        assert (row["id"], row["state"], row["changed_at"]) == (document, "skipped", as_text(given_up.at))
        assert before["changed_at"] < row["changed_at"]

    run(act, tmp_path)


def test_who_has_it_already_gets_no_body(tmp_path: Path):
    async def act(api: Api) -> None:
        api.tell("northway", shipment_event("S1"))
        for path in ("/v1/shipments", "/v1/shipments/S1", "/v1/inventory"):
            first = await api.get(path)
            tag = first.headers["ETag"]
            assert tag.startswith('"'), "a strong one"
            assert first.headers["Cache-Control"] == "private, no-cache"
            for header in (tag, f"W/{tag}", f'"x", {tag}', "*", f'"a,b" , "c", {tag}'):
                again = await api.get(path, If_None_Match=header)
                assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tag)
            two = CIMultiDict([("Authorization", f"Bearer {api.tokens['erp']}"), ("If-None-Match", '"x"'), ("If-None-Match", tag)])
            async with api.gateway.session.get(f"{api.url}{path}", headers=two) as answer:
                assert answer.status == 304, "a list on two lines is one list"
            for header in ('"x"', tag.strip('"'), f'"x" {tag}', "", ", ".join(f'"{n}"' for n in range(150)) + f", {tag}", '"' * 5000):
                assert (await api.get(path, If_None_Match=header)).status == 200
        before = (await api.get("/v1/shipments")).headers["ETag"]
        api.tell("northway", shipment_event("S1", what="delivery.unloaded"))
        assert (await api.get("/v1/shipments", If_None_Match=before)).status == 200

    run(act, tmp_path)


def test_large_answers_are_put_together_beside_the_loop_and_a_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(erp_reads, "LARGE", 1_000)
    original, threads, under_way, most = erp_reads.put_together, [], [], []

    def seen(*given: Any) -> Any:
        threads.append(threading.current_thread())
        under_way.append(1)
        most.append(len(under_way))
        time.sleep(0.01)
        under_way.pop()
        return original(*given)

    monkeypatch.setattr(erp_reads, "put_together", seen)

    async def act(api: Api) -> None:
        small = api.tell("northway", shipment_event("SMALL"))
        large = api.tell(
            "northway", *(event_row(f"n{n}", "shipment.status", "shipment/LARGE", LATE | {"note": f"{n}" + "ä" * 600}) for n in range(5))
        )
        for path, loop in ((f"/v1/documents/{small}.1.1.1", True), (f"/v1/documents/{large}.1.1.5", False), ("/v1/shipments/LARGE", False)):
            threads.clear()
            one = await api.get(path)
            assert [event["data"]["event"] for event in one.value["events"]]
            assert [thread is threading.main_thread() for thread in threads] == [loop], path
        most.clear()
        answers = await asyncio.gather(*(api.get("/v1/shipments/LARGE", If_None_Match="*") for _ in range(8)))
        assert {answer.status for answer in answers} == {304}
        assert (len(most), max(most) <= erp_reads.AT_ONCE) == (8, True)

    run(act, tmp_path)


LATE = status("pickup.departed", "pickup", moment("2026-11-16T10:00"))


def test_pages_are_linked_and_a_cursor_is_good_for_its_own_list_alone(tmp_path: Path):
    async def act(api: Api) -> None:
        await api.consumer("wms", "shipments:read", "orders:read")
        api.tell("northway", *(shipment_event(f"S{number}") for number in range(7)))
        first = await api.get("/v1/shipments?limit=3", "wms")
        cursor = first.value["next"]
        assert first.headers["Link"] == f'</v1/shipments?limit=3&cursor={quote(cursor)}>; rel="next"'
        assert [row["id"] for row in await api.walk("/v1/shipments?limit=3", "wms")] == [f"S{number}" for number in range(7)]
        last = await api.get("/v1/shipments?limit=50", "wms")
        assert (last.value["next"], "Link" in last.headers) == (None, False)
        flipped = ("B" if cursor[0] == "A" else "A") + cursor[1:]
        hostile = (flipped, cursor[:-2], cursor + "A", "x", "%00", "=", quote("💥"), "A" * 3000, "W1tdXQ")
        for other in hostile:
            answer = await api.get(f"/v1/shipments?limit=3&cursor={other}", "wms")
            assert (answer.status, answer.value["type"]) in ((400, "/problems/bad-cursor"), (400, "/problems/bad-request")), other
        for who, path in (
            ("erp", "/v1/shipments"),
            ("wms", "/v1/orders"),
            ("wms", "/v1/shipments?status=pickup"),
            ("wms", "/v1/shipments?changed_since=1d"),
        ):
            joined = "&" if "?" in path else "?"
            assert (await api.get(f"{path}{joined}cursor={cursor}", who)).value["type"] == "/problems/bad-cursor", path

    run(act, tmp_path)


def test_a_cursor_shows_nobody_the_key_that_it_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A page that looks through the rows of all partners may end at one which the consumer does not see."""
    monkeypatch.setattr(lists, "SCAN", 5)

    async def act(api: Api) -> None:
        await api.consumer("one", partners=["northway"])
        for number in range(9):
            api.tell("harbor", shipment_event(f"SECRET{number}", "harbor"))
        api.tell("northway", shipment_event("MINE"))
        for path in ("/v1/shipments?changed_since=2000-01-01&limit=2", "/v1/documents?changed_since=2000-01-01&limit=2"):
            first, again = await api.get(path, "one"), await api.get(path, "one")
            shown = base64.urlsafe_b64decode(first.value["next"] + "==")
            assert first.value["items"] == []
            assert not any(text in shown for text in (b"harbor", b"SECRET", b"0000", b"production"))
            assert (len(shown) - 16) % 64 == 0, "nor how long it is"
            assert first.headers["ETag"] == again.headers["ETag"], "the same page is the same bytes"
            assert (await api.get(path, "one", If_None_Match=first.headers["ETag"])).status == 304
            assert [row["partner"] for row in await api.walk(path, "one")] == ["northway"]

    run(act, tmp_path)


def test_what_many_documents_name_is_found_to_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A blanket order, and a number that another partner's documents carry, too, and more of them."""
    monkeypatch.setattr(naming, "TOGETHER", 4)
    monkeypatch.setattr(naming, "LOOKED", 6)

    async def act(api: Api) -> None:
        await api.consumer("one", partners=["northway"])
        for number in range(9):
            api.tell("northway", *(shipment_event(f"S{number}.{more}") for more in range(2)), references=[("purchase_order", "BLANKET")])
        for number in range(15):
            api.tell("harbor", shipment_event(f"H{number}", "harbor"), references=[("purchase_order", "BLANKET")])
        for who, rows in (("one", 18), ("erp", 33)):
            shipments = [row["id"] for row in await api.walk("/v1/shipments?reference=BLANKET&limit=3", who)]
            assert len(set(shipments)) == rows
            documents = [row["id"] for row in await api.walk("/v1/documents?reference=BLANKET&limit=2", who)]
            assert len(set(documents)) == len(documents) == rows
            assert await api.walk("/v1/orders?reference=BLANKET", who) == []
        assert len(await api.walk("/v1/shipments?reference=BLANKET&partner=northway&status=pickup&changed_since=2000-01-01")) == 18
        first = (await api.get("/v1/shipments?reference=BLANKET&limit=3", "one")).value["next"]
        for other in ("reference=BLANKET2", "status=pickup", ""):
            assert (await api.get(f"/v1/shipments?{other}&cursor={first}", "one")).value["type"] == "/problems/bad-cursor"
        assert (await api.get("/v1/shipments?reference=%20", "one")).value["items"] == []

    run(act, tmp_path)


HOSTILE = {
    "limit=0": "limit must be",
    "limit=201": "limit must be",
    "limit=-1": "limit must be",
    "limit=1e9": "limit must be",
    "limit=٣": "limit must be",
    "offset=5": "offset is no parameter",
    "partner=": "1 to 200 characters",
    "partner=a&partner=b": "given twice",
    "status=" + "x" * 201: "1 to 200 characters",
    "status=%00": "control characters",
    "changed_since=yesterday": "is no time",
    "changed_since=9999-99-99": "is no time",
    "changed_since=0001-01-01T00:00:00%2B14:00": "",
    "reference=%0a": "control characters",
    "cursor=": "1 to 200 characters",
}


@pytest.mark.parametrize("query", HOSTILE)
def test_hostile_queries(shared: Api, query: str):
    async def act() -> None:
        answer = await shared.get(f"/v1/shipments?{query}")
        if HOSTILE[query]:
            assert (answer.status, HOSTILE[query] in answer.value["detail"]) == (400, True), answer.body
        else:
            assert answer.status in (200, 400)

    shared.loop.run_until_complete(act())


@pytest.mark.parametrize("value", ["' OR '1'='1", "%", "_", "\\", "a" * 200, "💥", "shipment/..", "1); DROP TABLE standings;--"])
def test_values_are_values(shared: Api, value: str):
    async def act() -> None:
        for name in ("status", "reference"):
            answer = await shared.get(f"/v1/shipments?{name}={quote(value)}")
            assert (answer.status, answer.value["items"]) == (200, [])
        assert (await shared.get(f"/v1/shipments/{quote(value, safe='')}")).status == 404
        assert (await shared.get(f"/v1/documents/{quote(value, safe='')}")).status == 404

    shared.loop.run_until_complete(act())


def test_a_long_address_is_refused_and_the_next_one_is_served(shared: Api):
    async def act() -> None:
        assert (await shared.get(f"/v1/shipments?status={'x' * 9000}")).status == 400
        assert (await shared.get("/v1/shipments")).status == 200
        assert (await shared.get(f"/v1/shipments/{quote('a/b c', safe='')}")).value["id"] == "a/b c"

    shared.loop.run_until_complete(act())


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory):
    """One gateway for many small requests."""
    loop = asyncio.new_event_loop()
    context = serving(tmp_path_factory.mktemp("api"))
    api = loop.run_until_complete(context.__aenter__())
    api.loop = loop  # type: ignore[attr-defined]
    api.tell("northway", shipment_event("a/b c"))
    yield api
    loop.run_until_complete(context.__aexit__(None, None, None))
    loop.close()


def test_a_consumer_sees_its_partners_and_its_stream_alone(tmp_path: Path):
    """What another partner tells of the same shipment is not there for it, nor is a reference of another's document."""

    async def act(api: Api) -> None:
        await api.consumer("one", partners=["northway"])
        await api.consumer("both", partners=["northway", "harbor"])
        await api.consumer("tests", stream="test")
        api.tell("northway", shipment_event("S1"), references=[("purchase_order", "PO1")])
        secret = api.tell("harbor", shipment_event("S1", "harbor", "delivery.unloaded"), references=[("purchase_order", "PO2")])
        api.tell("harbor", shipment_event("S2", "harbor"))
        stock = {"as_of": moment("2026-11-16T08:00"), "parties": [{"role": "warehouse", "ids": [{"type": "assigned", "value": "W"}]}]}
        counted = count("2026-11-16T08:00", line("I", on_hand="1"))
        api.tell("harbor", event_row("c", "inventory.snapshot", "inventory/c", counted | stock))
        assert [row["partner"] for row in await api.walk("/v1/shipments", "one")] == ["northway"]
        assert len(await api.walk("/v1/shipments", "both")) == 3
        assert await api.walk("/v1/shipments", "tests") == []
        one = (await api.get("/v1/shipments/S1", "one")).value
        assert [row["partner"] for row in one["standings"]] == ["northway"]
        assert {event["source"] for event in one["events"]} == {"/partners/northway"}
        assert (await api.get("/v1/shipments/S2", "one")).status == 404
        assert (await api.get("/v1/shipments/S1", "tests")).status == 404
        assert await api.walk("/v1/shipments?reference=PO2", "one") == [], "a number that another partner's document has leads nowhere"
        assert len(await api.walk("/v1/shipments?reference=PO1", "one")) == 1
        assert await api.walk("/v1/inventory", "one") == []
        assert {row["partner"] for row in await api.walk("/v1/documents", "one")} == {"northway"}
        assert (await api.get(f"/v1/documents/{secret}.1.1.1", "one")).status == 404
        assert (await api.get(f"/v1/documents/{secret}.1.1.1", "both")).status == 200
        for path in ("shipments", "orders", "inventory", "documents"):
            for partner in ("harbor", "nobody"):
                answer = await api.get(f"/v1/{path}?partner={partner}", "one")
                assert (answer.status, answer.value["type"]) == (403, "/problems/outside-filter"), "the same, whether or not there is such a partner"

    run(act, tmp_path)
