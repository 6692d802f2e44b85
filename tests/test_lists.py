"""Lists of the ERP-facing API, on both databases: whatever is added or altered while somebody walks through pages, each row that was there is seen once."""

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.store import lists, naming
from gateway.store.lists import DOCUMENTS, ORDERS, SHIPMENTS, STOCK, Wanted
from gateway.store.store import Store
from tests.api_running import shipment_event
from tests.databases import empty_database
from tests.standing_running import AT, Teller
from tests.test_stock import count, line
from tests.test_stock import tell as tell_stock

PARTNERS = ("northway", "lake3pl", "harbor")
_numbers = itertools.count()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def one_store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("lists")
    url = f"sqlite:///{folder / 'a.db'}" if request.param == "sqlite" else empty_database(request.getfixturevalue("postgresql"))
    opened = Store(url, folder / "payloads")
    yield opened
    opened.close()


def tell(store: Store, partner: str, *numbers: str) -> None:
    Teller(store, partner).tell(*(shipment_event(number, partner) for number in numbers))


def page(store: Store, view: Any, **wanted: Any) -> lists.Page:
    given = {"partners": None, "stream": None, "limit": 3} | wanted
    return store.read(lambda tx: lists.page(tx, view, Wanted(**given))).result(20)


def walk(store: Store, view: Any, between: Any = lambda: None, **wanted: Any) -> list[dict[str, Any]]:
    found, after = [], None
    for _ in range(300):
        one = page(store, view, after=after, **wanted)
        found += one.rows
        if one.last is None:
            return found
        after = one.last
        between()
    raise AssertionError("it does not end")


@given(
    there=st.lists(st.tuples(st.sampled_from(PARTNERS), st.text("ab-1ä/", min_size=1, max_size=4)), min_size=1, max_size=12, unique=True),
    added=st.lists(st.lists(st.tuples(st.sampled_from(PARTNERS), st.text("ab-1ä/", min_size=1, max_size=4)), max_size=2), max_size=4),
    partners=st.none() | st.lists(st.sampled_from(PARTNERS), max_size=2, unique=True).map(lambda one: tuple(sorted(one))),
    limit=st.integers(1, 4),
    stream=st.sampled_from([None, "production"]),
)
@settings(max_examples=25, deadline=None)
def test_each_row_that_was_there_is_seen_once(one_store: Store, there: Any, added: Any, partners: Any, limit: int, stream: Any):
    mark = f"W{next(_numbers)}x"
    for partner, name in there:
        tell(one_store, partner, mark + name)
    more = iter(added)

    def between() -> None:
        for partner, name in next(more, ()):
            tell(one_store, partner, mark + name)

    seen = [(row["partner"], row["subject"]) for row in walk(one_store, SHIPMENTS, between, partners=partners, limit=limit, stream=stream)]
    assert len(seen) == len(set(seen))
    wanted = {(partner, f"shipment/{mark}{name}") for partner, name in there if partners is None or partner in partners}
    assert wanted <= set(seen)
    assert partners is None or {partner for partner, _ in seen} <= set(partners)


def test_what_was_altered_comes_in_the_order_of_that_and_again(store: Store):
    for number in range(6):
        tell(store, "northway", f"S{number}")
    first = walk(store, SHIPMENTS, since=0, limit=2)
    assert [row["subject"] for row in first] == [f"shipment/S{number}" for number in range(6)]
    since = first[3]["changed_at"]
    assert [row["subject"] for row in walk(store, SHIPMENTS, since=since)] == ["shipment/S3", "shipment/S4", "shipment/S5"]
    touched = iter([True])

    def between() -> None:
        if next(touched, False):
            Teller(store).tell(shipment_event("S0", what="delivery.unloaded"))

    again = [row["subject"] for row in walk(store, SHIPMENTS, between, since=0, limit=2)]
    assert again == [*(f"shipment/S{number}" for number in range(6)), "shipment/S0"], "what is altered on the way comes again"


def test_orders_and_shipments_are_told_apart_whatever_the_collation_makes_of_a_slash(store: Store):
    from tests.standing_running import event_row

    order = {"order_id": "O1", "purpose": "original", "lines": []}
    Teller(store).tell(
        shipment_event("A"), event_row("o", "fulfilment.requested", "order/O1", order), event_row("z", "fulfilment.requested", "order/zz", order)
    )
    assert [row["subject"] for row in walk(store, SHIPMENTS)] == ["shipment/A"]
    assert {row["subject"] for row in walk(store, ORDERS)} == {"order/O1", "order/zz"}


def test_a_filter_that_fits_few_goes_on_through_pages_without_rows(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lists, "SCAN", 4)
    for start in range(0, 30, 10):
        Teller(store).tell(*(shipment_event(f"S{number:02}") for number in range(start, start + 10)))
    Teller(store).tell(shipment_event("S25", what="delivery.unloaded"))
    for wanted in ({"filters": {"status": "delivery"}}, {"filters": {"status": "delivery.unloaded"}, "partners": ("harbor", "northway")}):
        pages, after = [], None
        while True:
            one = page(store, SHIPMENTS, after=after, **wanted)
            pages.append(len(one.rows))
            after = one.last
            if after is None:
                break
        assert sum(pages) == 1
        assert len(pages) >= 6, "each page has looked at a few rows and no more"


def test_stock_and_documents_are_narrowed_by_what_they_have(store: Store):
    for number in range(5):
        tell_stock(Teller(store, "lake3pl"), f"c{number}", count("2026-11-16", line(f"SKU{number % 2}", on_hand="5")))
    assert len(walk(store, STOCK)) == 2
    assert [row["item"] for row in walk(store, STOCK, filters={"item": "SKU1"})] == ["SKU1"]
    assert walk(store, STOCK, filters={"item": "SKU1"}, partners=("harbor",)) == []
    assert len(walk(store, STOCK, since=AT, filters={"item": "SKU1"})) == 1
    assert walk(store, STOCK, since=AT + 10**15) == []
    documents = walk(store, DOCUMENTS, partners=("lake3pl",), filters={"direction": "in", "status": "translated", "set_id": "846"})
    assert len(documents) == 5
    assert walk(store, DOCUMENTS, filters={"direction": "out"}) == []
    assert len(walk(store, DOCUMENTS, named=[documents[0]["id"]], since=0)) == 1
    assert walk(store, DOCUMENTS, partners=()) == []


def test_documents_that_carry_a_number_are_found_whoever_else_has_it(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(naming, "TOGETHER", 3)
    monkeypatch.setattr(naming, "LOOKED", 4)
    given = [("purchase_order", "PO1"), ("pro", "PO1"), ("load", "po-1")]
    (mine,) = [Teller(store).tell(shipment_event("MINE"), references=given)]
    others = [Teller(store, "harbor").tell(shipment_event(f"S{number:02}", "harbor"), references=given[number % 3 :][:2]) for number in range(11)]

    def walked(*spellings: str, **partners: Any) -> list[str]:
        found, mark = [], naming.START
        for _ in range(50):
            one = store.read(lambda tx, mark=mark: naming.documents_named(tx, spellings, partners.get("of"), mark)).result(20)
            assert len(one.documents) <= 3
            found += one.documents
            if one.last is None:
                return found
            mark = one.last
        raise AssertionError("it does not end")

    assert walked("PO1", "po-1") == [f"{message}.1.1.1" for message in (*reversed(others), mine)], "the latest first, each once"
    assert walked("PO1", "po-1", of=("northway",)) == walked("po-1", of=("northway",)) == [f"{mine}.1.1.1"]
    assert walked("PO1", of=("lake3pl",)) == walked("PO2") == walked() == []


PLANS: dict[str, tuple[dict[str, Any], str]] = {
    "all": ({}, "sqlite_autoindex_standings_1 (subject>?"),
    "partners": (
        {"partners": ("harbor", "northway"), "after": ["shipment/S5", "northway", "production"]},
        "standings_by_partner (partner=? AND subject>?",
    ),
    "changed": ({"since": AT, "after": [AT, "shipment/S5", "northway", "production"]}, "standings_by_change (changed_at>?"),
}
"""What is wanted, and the range of an index that is looked at."""


@pytest.mark.parametrize("name", PLANS)
def test_every_list_walks_an_index(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch):
    """No sort of more than what is looked at, and no walk over the whole table."""
    store = Store(f"sqlite:///{tmp_path / 'a.db'}", tmp_path / "payloads")
    told: list[str] = []

    def explained(tx: Any) -> None:
        query = lists.Query(SHIPMENTS, Wanted(**({"partners": None, "stream": None, "limit": 3} | PLANS[name][0])))
        original = lists.run

        def explain(tx: Any, statement: str, given: dict[str, Any]) -> Any:
            told.extend(row.detail for row in original(tx, f"EXPLAIN QUERY PLAN {statement}", given))
            return original(tx, statement, given)

        monkeypatch.setattr(lists, "run", explain)
        query.until(tx)
        query.rows(tx, ["shipment/S9", "northway", "production"] if len(query.order) == 3 else [AT, "shipment/S9", "northway", "production"])

    store.read(explained).result(20)
    store.close()
    looked = [line for line in told if line.startswith(("SEARCH s", "SCAN s "))]
    assert len(looked) == (4 if name == "partners" else 2)
    assert all(f"INDEX {PLANS[name][1]}" in line for line in looked), told
    assert "COVERING" in looked[0], "up to where it looks is found without looking at rows"
    assert not [line for line in told if "TEMP B-TREE" in line and name != "partners"], "only the few rows of each partner are put in order together"
