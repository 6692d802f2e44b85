"""Searching: any reference or how it begins, and time; each query walks an index, pages go on after a key."""

import asyncio
import itertools
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from gateway.__main__ import app
from gateway.clock import SECOND, as_text
from gateway.commands import screen
from gateway.commands.shown import shown
from gateway.errors import Refused
from gateway.operations import OPERATIONS
from gateway.store import finding, standings, stock
from gateway.store.engine import Database
from gateway.store.store import Store
from tests.running import document, running
from tests.standing_running import AT, Teller, event_row, moment, status

SAID = status("pickup.departed", "pickup", moment("2026-11-16T10:00"))


def told(
    store: Store, number: int, *references: tuple[str, str], partner: str = "northway", set_id: str = "214", file_name: str | None = None
) -> str:
    event = event_row(f"{partner}{number}", "shipment.status", f"shipment/{number}", SAID)
    return Teller(store, partner).tell(event, set_id=set_id, references=references, file_name=file_name)


def find(store: Store, value: str, **given: Any) -> list[str]:
    return [row["message"] for row in OPERATIONS["find"](store, {"value": value} | given)]


@pytest.fixture
def filled(store: Store) -> tuple[Store, list[str]]:
    ids = [
        told(store, 1, ("purchase_order", "4500881"), ("pro", "PRO55120987"), file_name="a.edi"),
        told(store, 2, ("purchase_order", "4500881"), partner="harbor", set_id="940"),
        told(store, 3, ("order", "4500881"), ("sscc", "006141410734900012")),
        told(store, 4, ("purchase_order", "4500882"), file_name="a.edi"),
        told(store, 5, ("purchase_order", "450.0881"), ("customer", "4500"), file_name="b.edi"),
    ]
    return store, ids


def test_documents_are_found_by_any_reference_the_latest_first(filled):
    store, (one, two, three, four, five) = filled
    second = lambda message: as_text(AT + int(message) * SECOND)  # noqa: E731
    cases = {
        "4500881": ({}, [three, two, one]),
        "45-00 881": ({}, [three, two, one]),
        "pro 5512-0987": ({}, [one]),
        "(00)006141410734900012": ({}, [three]),
        "450": ({}, []),
    }
    for value, (given, expected) in cases.items():
        assert find(store, value, **given) == expected, value
    narrowed = [
        ({"type": "purchase_order"}, [two, one]),
        ({"partner": "harbor"}, [two]),
        ({"set": "940"}, [two]),
        ({"since": second(two)}, [three, two]),
        ({"until": second(two)}, [one]),
        ({"since": second(two), "until": second(three), "partner": "harbor", "set": "940", "type": "purchase_order"}, [two]),
        ({"since": second(five)}, []),
    ]
    for given, expected in narrowed:
        assert find(store, "4500881", **given) == expected, given
    assert four not in find(store, "4500881")


def test_the_beginning_of_a_reference_is_marked(filled):
    store, (one, two, three, four, five) = filled
    assert find(store, "4500*") == [five, one, two, three, four], "in the order of the references"
    assert find(store, "450088*", partner="harbor") == [two]
    assert find(store, "450088*", type="order") == [three]
    assert find(store, "450.0*") == [five]
    assert find(store, "45-00 88*", set="940") == [two]
    assert find(store, "5008*") == []
    for short in ("450*", "4-5-0 *", "*"):
        with pytest.raises(Refused, match="at least 4 characters"):
            find(store, short)


def test_pages_go_on_after_a_key(store: Store):
    ids = [told(store, number, ("purchase_order", "PO1000"), ("sscc", f"PO10001{number}")) for number in range(7)]
    for value, expected in (("PO1000", list(reversed(ids))), ("PO10001*", ids)):
        seen, after = [], None
        while page := OPERATIONS["find"](store, {"value": value, "limit": 3, "after": after}):
            seen += [row["message"] for row in page]
            after = page[-1]["after"]
        assert seen == expected
    with pytest.raises(Refused, match="after is the `after` of the last row"):
        find(store, "PO1000", after="nonsense")


def test_a_document_with_many_references_that_begin_alike_is_one_row_and_no_standstill(store: Store):
    notice = told(store, 1, *(("sscc", f"0061{number:04}") for number in range(30)))
    other = told(store, 2, ("sscc", "00619999"))
    seen, after, pages = [], None, 0
    while page := OPERATIONS["find"](store, {"value": "0061*", "limit": 10, "after": after}):
        seen += [row["message"] for row in page]
        after, pages = page[-1]["after"], pages + 1
    assert (set(seen), seen[-1], pages) == ({notice, other}, other, 4)


def test_messages_by_time_partner_and_file_name(filled):
    store, (one, two, three, four, five) = filled

    def messages(**given: Any) -> list[str]:
        return [row["id"] for row in OPERATIONS["messages"](store, given)]

    arrivals = {row["id"]: row["received_at"] for row in OPERATIONS["messages"](store, {})}
    assert messages() == [five, four, three, two, one]
    assert messages(file_name="a.edi") == [four, one]
    assert messages(partner="harbor", state="translated") == [two]
    assert messages(since="2999-01-01") == []
    assert messages(until=min(arrivals.values())[:10]) == []
    assert set(messages(since=arrivals[four][:19])) >= {five, four}
    first = messages(limit=2)
    assert messages(limit=3, before=first[-1]) == [three, two, one]
    assert messages(sent=True) == []


def _texts() -> list[tuple[str, str]]:
    """Every reading statement that narrows, in every form that can be asked for."""

    def every(names: Any) -> list[frozenset[str]]:
        return [frozenset(some) for length in range(len(names) + 1) for some in itertools.combinations(sorted(names), length)]

    found = []
    for after in (False, True):
        found += [("reference", finding.by_reference(one, after=after).text) for one in every(("type", "partner", "set", "since", "until"))]
        found += [("beginning", finding.by_beginning(one, after=after).text) for one in every(("type", "partner", "set", "since", "until"))]
    found += [("envelope", finding.by_envelope(one).text) for one in every(("partner", "since", "until"))]
    found += [("messages", finding.messages_by(one).text) for one in every(("partner", "state", "since", "until", "file_name", "before"))]
    found += [("stock", one.text) for one in stock._LISTS.values()]
    found += [("standing", one.text) for one in (standings._OF_SUBJECT, standings._SUBJECTS_OF, standings._TOP_STEP, standings._TOP_EXPECTED)]
    return found


GIVEN = {
    "value": "V", "type": "t", "partner": "p", "set": "214", "since": 1, "until": 9, "low": "V", "high": "W", "after_value": "V", "after_at": 5,
    "after_document": "d", "limit": 10, "direction": "in", "state": "held", "file_name": "f", "before": "b", "item": "i", "place": "l", "after": "",
    "subject": "shipment/1", "stream": "production",
}  # fmt: skip


def test_every_query_walks_an_index_in_its_order(store: Store):
    """EXPLAIN of each on a store with rows: no table is read whole, and no page is sorted out of more than one index gives."""
    told(store, 1, ("purchase_order", "V"), file_name="f")

    def plans(tx: Any) -> list[tuple[str, str]]:
        found = []
        if not store.database.is_sqlite:
            tx.execute(text("SET enable_seqscan = off"))
        for name, statement in _texts():
            given = {key: GIVEN[key] for key in text(statement)._bindparams}
            explain = "EXPLAIN QUERY PLAN" if store.database.is_sqlite else "EXPLAIN"
            found.append((f"{name}: {statement}", "\n".join(str(row[-1]) for row in tx.execute(text(f"{explain} {statement}"), given))))
        return found

    for statement, plan in store.read(plans).result():
        lines = plan.splitlines()
        if store.database.is_sqlite:
            wrong = [line for line in lines if line.startswith("SCAN") and line not in ("SCAN r", "SCAN (subquery-1)") and "INDEX" not in line]
            wrong += [line for line in lines if "TEMP B-TREE" in line and statement.startswith(("messages", "stock"))]
        else:
            wrong = [line for line in lines if "Seq Scan" in line]
        assert not wrong, f"{statement}\n{plan}"
        assert "OFFSET" not in statement


def test_references_that_were_kept_before_are_found_afterwards(empty_url: str, tmp_path: Path):
    """The migration takes them over, each once, at the time when its message came."""
    database = Database(empty_url)
    database.migrate("0008_replays")
    with database.writing.begin() as connection:
        message = {"id": "M", "partner": "p", "direction": "in", "channel": "http", "state": "translated", "payload": "x", "size": 1, "sha256": "s"}
        _put(connection, "messages", message | {"media_type": "t", "profile_revision": 1, "arrival": 7 * SECOND, "losses": 0})
        document = {
            "id": "M.1.1.1",
            "message": "M",
            "interchange": 1,
            "grp": 1,
            "ordinal": 1,
            "partner": "p",
            "stream": "production",
            "set_id": "214",
        }
        more = {"control": "1", "state": "translated", "verdict": "A", "codes": "", "release": "004010", "byte_start": 0, "byte_end": 1}
        _put(connection, "documents", document | more | {"profile_revision": 1, "at": 9 * SECOND})
        for kind in ("purchase_order", "order"):
            _put(connection, "document_references", {"value": "PO1", "type": kind, "document": "M.1.1.1", "partner": "p", "at": 9 * SECOND})
    database.close()
    opened = Store(empty_url, tmp_path / "payloads")
    (row,) = OPERATIONS["find"](opened, {"value": "PO1", "set": "214", "until": as_text(8 * SECOND)})
    opened.close()
    assert (row["id"], sorted(row["found_by"])) == ("M.1.1.1", ["order", "purchase_order"])


def _put(connection: Any, table: str, row: dict[str, Any]) -> None:
    names = ", ".join(row)
    connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({', '.join(f':{name}' for name in row)})"), row)


def test_a_replay_leaves_references_as_they_are(tmp_path: Path):
    async def act() -> None:
        async with running(tmp_path) as gateway:
            message = (await gateway.sent("northway", document("856-notice.edi")))["id"]

            def kept() -> list[Any]:
                return gateway.node.store.look(lambda tx: tx.execute(text("SELECT * FROM document_references ORDER BY value, type")).all())

            before = kept()
            assert len(before) > 5
            await gateway.operate("replay", id=message, reason="to see")
            await gateway.decided("northway", message)
            assert kept() == before

    asyncio.run(act())


def test_people_see_it_in_words(store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    teller = Teller(store)
    references = [("purchase_order", "4500881")]
    eta = status("delivery.eta", "info", moment("2026-11-18T10:00", zone="America/Chicago", offset="-06:00", certainty="profile"), "estimated")
    teller.tell(event_row("s", "shipment.status", "shipment/ASN1", SAID, references=references), references=references, file_name="a.edi")
    teller.tell(event_row("e", "shipment.status", "shipment/ASN1", eta, references=references))
    teller.tell(event_row("o", "fulfilment.requested", "order/O1", {"cancelled": True}, purpose="cancel"))
    line = {"item": {"ids": [{"type": "sku", "value": "APL-12"}]}, "stock": [{"kind": "on_hand", "quantity": {"value": "12", "unit": "case"}}]}
    teller.tell(event_row("c", "inventory.snapshot", "inventory/1", {"as_of": moment("2026-11-16T08:00"), "lines": [line]}))

    monkeypatch.setattr(screen.console, "_width", 160)

    def words(name: str, **given: Any) -> str:
        shown(name, OPERATIONS[name](store, given))
        return capsys.readouterr().out

    told_ = words("shipment", id="asn1")
    assert "shipment/ASN1 as northway tells it\n  pickup.departed (pickup) 2026-11-16 10:00 UTC\n" in told_
    assert "expected: delivery.eta 2026-11-18 10:00 America/Chicago, assumed" in told_
    assert "references: purchase_order 4500881" in told_
    assert "it is cancelled" in words("order", id="O1")
    assert "APL-12" in words("stock")
    assert "on_hand 12 case" in words("stock", item="APL-12")
    assert "No stock is known there." in words("stock", item="nothing")
    assert "purchase_order 4500881" in words("find", value="4500*")
    assert "Nothing carries that reference." in words("find", value="nothing")
    assert "a.edi" in words("messages", file_name="a.edi")
    assert "No messages yet." in words("messages", partner="nobody")


def test_the_commands_pass_on_what_they_were_given(monkeypatch: pytest.MonkeyPatch):
    asked: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(
        "gateway.commands.asking.run", lambda name, given, *rest: asked.append((name, {k: v for k, v in given.items() if v is not None}))
    )
    lines = [
        "find PO44* --type purchase_order --partner p --set 214 --since 24h --until 1h --limit 5 --after x",
        "messages --since 24h --until 1h --file-name a.edi --before b --limit 5",
        "shipment ASN1",
        "order O1",
        "stock --item i --location l --partner p --limit 5 --after x",
    ]
    for line in lines:
        assert CliRunner().invoke(app, line.split()).exit_code == 0, line
    assert asked == [
        ("find", {"value": "PO44*", "type": "purchase_order", "partner": "p", "set": "214", "since": "24h", "until": "1h", "limit": 5, "after": "x"}),
        ("messages", {"since": "24h", "until": "1h", "file_name": "a.edi", "before": "b", "limit": 5, "sent": False}),
        ("shipment", {"id": "ASN1"}),
        ("order", {"id": "O1"}),
        ("stock", {"item": "i", "location": "l", "partner": "p", "limit": 5, "after": "x"}),
    ]
