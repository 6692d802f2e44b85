"""How much stock there is: the latest count and what was changed since, whatever order they are told in."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from gateway.operations import OPERATIONS
from gateway.store.store import Store
from tests.standing_running import Teller, event_row, moment
from translators.events.standing import stock_of

_numbers = itertools.count()
WAREHOUSE = [{"role": "warehouse", "ids": [{"type": "given_by_buyer", "value": "RNO1"}]}]


@pytest.fixture(scope="module")
def one_store(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("stock")
    opened = Store(f"sqlite:///{folder / 'crossdock.db'}", folder / "payloads")
    yield opened
    opened.close()


def line(item: str, *, lot: str = "", **quantities: str) -> dict[str, Any]:
    stock = [{"kind": kind, "quantity": {"value": value, "unit": "case"}} for kind, value in quantities.items()]
    return {"id": "1", "item": {"ids": [{"type": "gtin12", "value": "0045"}, {"type": "vendor_item", "value": item}]}, "stock": stock, "lots": [lot]}


def count(when: str, *lines: dict[str, Any]) -> dict[str, Any]:
    return {"as_of": moment(when), "parties": WAREHOUSE, "lines": list(lines)}


def change(when: str, item: str, by: str) -> dict[str, Any]:
    one = {"id": "1", "item": {"ids": [{"type": "vendor_item", "value": item}]}, "change": {"value": by, "unit": "case"}}
    return {"adjusted_on": moment(when), "parties": WAREHOUSE, "lines": [one]}


def tell(teller: Teller, identity: str, data: dict[str, Any], purpose: str = "original") -> None:
    family = "inventory.adjusted" if "adjusted_on" in data else "inventory.snapshot"
    teller.tell(event_row(identity, family, f"inventory/{identity}", data, purpose=purpose), set_id="846")


def known(store: Store, item: str) -> list[dict[str, Any]]:
    query = text("SELECT * FROM stock WHERE item = :item ORDER BY partner")
    return store.read(lambda tx: [dict(row._mapping) for row in tx.execute(query, {"item": item})]).result()


CASES = {
    "a count": ([("a", count("2026-11-16T08:00", line("I", available="12", damaged="1.50")))], {"available": "12", "damaged": "1.5"}, 0),
    "lots are summed": (
        [("a", count("2026-11-16T08:00", line("I", available="12", lot="1"), line("I", available="3", lot="2")))],
        {"available": "15"},
        0,
    ),
    "changes after it": (
        [("a", count("2026-11-16T08:00", line("I", on_hand="12"))), ("b", change("2026-11-17", "I", "-4")), ("c", change("2026-11-18", "I", "0.5"))],
        {"on_hand": "8.5"},
        2,
    ),
    "changes before it": (
        [("b", change("2026-11-15", "I", "-4")), ("a", count("2026-11-16T08:00", line("I", on_hand="12")))],
        {"on_hand": "12"},
        0,
    ),
    "changes told before it": (
        [("b", change("2026-11-17", "I", "-4")), ("a", count("2026-11-16T08:00", line("I", on_hand="12")))],
        {"on_hand": "8"},
        1,
    ),
    "what is available, where nothing is counted on hand": (
        [("a", count("2026-11-16T08:00", line("I", available="12"))), ("b", change("2026-11-17", "I", "-4"))],
        {"available": "8"},
        1,
    ),
    "changes alone": ([("b", change("2026-11-17", "I", "-4")), ("c", change("2026-11-18", "I", "4"))], {"on_hand": "0"}, 2),
    "a late count": (
        [("a", count("2026-11-16T08:00", line("I", on_hand="12"))), ("z", count("2026-11-15T08:00", line("I", on_hand="99")))],
        {"on_hand": "12"},
        0,
    ),
    "a corrected count": (
        [
            ("a", count("2026-11-16T08:00", line("I", on_hand="12"))),
            ("b", change("2026-11-17", "I", "1")),
            ("a", count("2026-11-16T08:00", line("I", on_hand="20"))),
        ],
        {"on_hand": "21"},
        1,
    ),
    "a cancelled count": (
        [
            ("z", count("2026-11-15T08:00", line("I", on_hand="99"))),
            ("a", count("2026-11-16T08:00", line("I", on_hand="12"))),
            ("a", {"as_of": moment("2026-11-16T08:00"), "cancelled": True}),
        ],
        {"on_hand": "99"},
        0,
    ),
    "a cancelled change": (
        [
            ("a", count("2026-11-16T08:00", line("I", on_hand="12"))),
            ("b", change("2026-11-17", "I", "-4")),
            ("b", {"adjusted_on": moment("2026-11-17"), "cancelled": True}),
        ],
        {"on_hand": "12"},
        0,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_stock_is_the_latest_count_with_what_was_changed_since(one_store: Store, name: str):
    events, quantities, changes = CASES[name]
    teller = Teller(one_store, f"p{next(_numbers)}")
    seen: set[str] = set()
    for identity, data in events:
        tell(teller, f"{identity} {teller.partner}", data, "correct" if identity in seen else "original")
        seen.add(identity)
    (row,) = [row for row in known(one_store, "I") if row["partner"] == teller.partner]
    assert (json.loads(row["quantities"]), row["changes"], row["place"], row["unit"]) == (quantities, changes, "RNO1", "case")


@st.composite
def words(draw: st.DrawFn) -> dict[str, Any]:
    day = f"2026-11-1{draw(st.integers(0, 3))}T0{draw(st.integers(0, 2))}:00"
    kind = draw(st.sampled_from(["count", "change", "change", "cancelled"]))
    if kind == "count":
        return count(day, line("I", on_hand=str(draw(st.integers(0, 50)))))
    if kind == "change":
        return change(day, "I", str(draw(st.sampled_from([-7, -1, 2, 5]))))
    return {"as_of": moment(day), "cancelled": True}


@given(
    things=st.lists(st.lists(words(), min_size=1, max_size=3, unique_by=json.dumps), min_size=1, max_size=5), chance=st.randoms(use_true_random=False)
)
@settings(max_examples=25, deadline=None)
def test_whatever_order_they_come_in_the_sum_is_the_same(one_store: Store, things: list[list[dict[str, Any]]], chance: Any):
    number = next(_numbers)
    found = []
    for partner in (f"first{number}", f"second{number}"):
        teller = Teller(one_store, partner)
        queues = [list(enumerate(revisions)) for revisions in things]
        while any(queues):
            which = chance.choice([one for one, queue in enumerate(queues) if queue])
            revision, data = queues[which].pop(0)
            tell(teller, f"{which} {partner}", data, "correct" if revision else "original")
        rows = [row for row in known(one_store, "I") if row["partner"] == partner]
        found.append([(row["quantities"], row["as_of"], row["changes"], row["changed_at"]) for row in rows])
    nothing = ("{}", None, 0, None)
    first, second = ([row for row in rows if row != nothing] for rows in found)
    assert first == second


def test_stock_on_both_databases_is_listed_by_item_place_and_partner(store: Store):
    teller = Teller(store)
    lines = [line(f"I{number}", on_hand=str(number)) for number in range(1, 8)]
    tell(teller, "a", count("2026-11-16T08:00", *lines))
    tell(teller, "b", change("2026-11-17", "I3", "-1"))
    tell(teller, "a", count("2026-11-16T08:00", *lines[:6], line("I8", on_hand="8")), "correct")
    (one,) = OPERATIONS["stock"](store, {"item": "I3", "location": "RNO1", "partner": "northway"})
    assert (one["quantities"], one["as_of"], one["changes"], one["event"]) == ({"on_hand": "2"}, "2026-11-16T08:00:00.000Z", 1, "a-r2")
    assert OPERATIONS["stock"](store, {"item": "I3", "location": "ELSEWHERE"}) == []
    (gone,) = OPERATIONS["stock"](store, {"item": "I7"})
    assert (gone["quantities"], gone["as_of"]) == ({}, None), "the corrected count does not count it"
    pages, after = [], ""
    while page := OPERATIONS["stock"](store, {"limit": 3, "after": after}):
        pages.append([row["item"] for row in page])
        after = page[-1]["after"]
    assert sorted(itertools.chain(*pages)) == [f"I{number}" for number in range(1, 9)]
    assert [len(page) for page in pages] == [3, 3, 2]


def test_what_shipped_mappings_say_of_stock():
    from pathlib import Path

    found = {}
    for name in ("846/fixtures/stock-on-hand-004010", "947/fixtures/damaged-004010"):
        value = json.loads((Path(__file__).parent.parent / "mappings" / "x12" / f"{name}.events.json").read_text())
        (event,) = value["sets"][0]["events"]
        found[name[:3]] = stock_of(event["type"], event["data"])
    assert [(one["item"], one["place"], one["quantities"]) for one in found["846"]] == [
        ("APL-12", "RNO1", {"available": ["4120"], "unusable": ["4"]}),
        ("PEA-06", "RNO1", {"available": ["310"]}),
    ]
    assert [(one["item"], one["place"], one["quantities"], one["counted"]) for one in found["947"]] == [
        ("APL-12", "RNO1", {"on_hand": ["-4"]}, False)
    ]
