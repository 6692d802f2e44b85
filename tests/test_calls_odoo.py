"""Ship notices into Odoo 19, a pretend one: exactly one receipt of the right quantities, wherever the line breaks; refusals in words."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from gateway.errors import DestinationFault, PermanentFailure, TemporaryFailure, UnknownOutcome
from gateway.settings import read_settings
from gateway.targets.base import Destination
from gateway.targets.kinds import make
from partners import library
from partners.mappings import HOME
from tests.cutting import Cut, Line, line_to
from tests.notices import data_of, delivery, notice
from tests.pretend_odoo import KEY, PretendOdoo, serving

TABLES = {
    "suppliers": "default:\n  northway: NORTHWAY\n",
    "items": "northway:\n  NF-2200: WIDGET\n  NF-2300: GADGET\n",
    "units": "default:\n  EA: Units\n",
}
ONE = notice("ASN-1", ("PO1", "NF-2200", "60"), ("PO1", "NF-2200", "40"))
MARK = "PO1 ASN-1"
RECEIVED = [("WIDGET", 100, "done", MARK), ("WIDGET", 20, "assigned", MARK)]


@pytest.fixture
def tables(tmp_path: Path) -> dict[str, str]:
    for name, text in TABLES.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    return {name: str(tmp_path / f"{name}.yaml") for name in TABLES}


def odoo_with_an_order(**terms: Any) -> PretendOdoo:
    odoo = PretendOdoo(**terms)
    odoo.order("PO1", ("WIDGET", 120))
    return odoo


@contextlib.asynccontextmanager
async def target_of(url: str, tables: dict[str, str], **terms: Any) -> AsyncIterator[Destination]:
    asked = {"kind": "calls", "mapping": "erp/odoo", "url": url, "token": KEY, "lookups": tables, "timeout": "5s"} | terms
    target = make("erp", read_settings(None, {"targets": {"erp": asked}}, environment={}).targets["erp"])
    try:
        yield target
    finally:
        await target.close()


@contextlib.asynccontextmanager
async def delivering(odoo: PretendOdoo, tables: dict[str, str], **terms: Any) -> AsyncIterator[tuple[Destination, Line]]:
    async with serving(odoo) as upstream, line_to(upstream) as line, target_of(line.url, tables, **terms) as target:
        yield target, line


def run(odoo: PretendOdoo, tables: dict[str, str], value: dict[str, Any], **terms: Any) -> Any:
    """Delivers one notice once; the confirmation."""
    about = {key: terms.pop(key) for key in ("revision", "type_", "partner") if key in terms}

    async def act() -> Any:
        async with delivering(odoo, tables, **terms) as (target, _):
            return await target.deliver(delivery(value["notice_id"], **about), data_of(value))

    return asyncio.run(act())


def test_a_notice_of_100_of_120_is_received_and_20_stay_open(tables: dict[str, str]):
    odoo = odoo_with_an_order()
    confirmation = run(odoo, tables, ONE)
    assert odoo.moves("PO1") == RECEIVED
    assert odoo.stock == {"WIDGET": 100}
    assert confirmation.confirmed == "WH/IN/00001"
    assert not confirmation.looked_up


def test_it_asks_before_it_does(tables: dict[str, str]):
    odoo = odoo_with_an_order()
    run(odoo, tables, ONE)
    assert [f"{model}/{method}" for model, method, _ in odoo.asked] == [
        "stock.picking/search_read", "stock.move/search_read", "stock.picking/write", "stock.picking/search_read", "stock.picking/button_validate",
        "stock.picking/search_read",
    ]  # fmt: skip


def test_the_same_event_five_times_is_one_receipt(tables: dict[str, str]):
    odoo = odoo_with_an_order()

    async def act() -> None:
        async with delivering(odoo, tables) as (target, _):
            said = [await target.deliver(delivery("ASN-1", attempts=number), data_of(ONE)) for number in range(5)]
            assert [one.looked_up for one in said] == [False, True, True, True, True]
            assert {one.confirmed for one in said} == {"WH/IN/00001"}

    asyncio.run(act())
    assert odoo.moves("PO1") == RECEIVED


def test_five_at_once_are_one_receipt(tables: dict[str, str]):
    odoo = odoo_with_an_order()

    async def act() -> None:
        async with delivering(odoo, tables) as (target, _):
            await asyncio.gather(*(target.deliver(delivery("ASN-1"), data_of(ONE)) for _ in range(5)))

    asyncio.run(act())
    assert odoo.moves("PO1") == RECEIVED


def test_two_notices_for_one_order_at_once_spoil_nothing(tables: dict[str, str]):
    odoo = odoo_with_an_order()

    async def act() -> None:
        async with delivering(odoo, tables) as (target, _):
            values = [notice(f"ASN-{number}", ("PO1", "NF-2200", "30")) for number in range(4)]
            await asyncio.gather(*(target.deliver(delivery(value["notice_id"]), data_of(value)) for value in values))

    asyncio.run(act())
    assert sorted(odoo.moves("PO1")) == [("WIDGET", 30, "done", f"PO1 ASN-{number}") for number in range(4)]


def test_more_than_one_at_a_time_is_refused_where_the_mapping_does_not_allow_it(tables: dict[str, str]):
    """On a real Tryton four notices for one order, at the same time, left three shipments that were done and empty, without a word."""
    odoo = odoo_with_an_order()
    with pytest.raises(
        DestinationFault, match="must be asked for one event at a time, or two for one order spoil each other: set concurrency: 1, not 4"
    ):
        run(odoo, tables, ONE, concurrency=4)
    assert not odoo.asked


@pytest.mark.parametrize("cut", ["before", "after"])
@pytest.mark.parametrize("at", range(6))
def test_a_line_that_breaks_at_any_request_doubles_nothing(tables: dict[str, str], at: int, cut: Cut):
    odoo = odoo_with_an_order()

    async def act() -> None:
        async with delivering(odoo, tables) as (target, line):
            line.breaks = lambda number, method: cut if number == at else None
            with pytest.raises(TemporaryFailure) as broken:
                await target.deliver(delivery("ASN-1"), data_of(ONE))
            assert isinstance(broken.value, UnknownOutcome) == (at >= 2), "in doubt only from the first change on"
            await target.deliver(delivery("ASN-1", attempts=1, in_doubt=True), data_of(ONE))

    asyncio.run(act())
    assert odoo.moves("PO1") == RECEIVED
    assert odoo.stock == {"WIDGET": 100}


def test_a_line_that_breaks_at_every_request_in_turn_is_one_receipt(tables: dict[str, str]):
    odoo = odoo_with_an_order()

    async def act() -> None:
        async with delivering(odoo, tables) as (target, line):
            came = 0
            line.breaks = lambda number, method: "after" if number - came >= len(broken) else None
            broken: list[int] = []
            for attempt in range(12):
                came = len(line.passed)
                try:
                    await target.deliver(delivery("ASN-1", attempts=attempt, in_doubt=bool(attempt)), data_of(ONE))
                    break
                except TemporaryFailure:
                    broken.append(attempt)
            else:
                raise AssertionError("it never came through")

    asyncio.run(act())
    assert odoo.moves("PO1") == RECEIVED


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some.lists(some.sampled_from(["before", "after", None, None]), max_size=25))
def test_whatever_is_lost_and_however_often_it_comes_it_is_one_receipt(tables: dict[str, str], cuts: list[Cut | None]):
    """A law: any requests may be lost, before they come through or after; what is delivered in the end is delivered once."""
    odoo = odoo_with_an_order()

    async def act() -> None:
        async with delivering(odoo, tables) as (target, line):
            line.breaks = lambda number, method: cuts[number] if number < len(cuts) else None
            delivered = 0
            for attempt in range(60):
                with contextlib.suppress(TemporaryFailure):
                    await target.deliver(delivery("ASN-1", attempts=attempt, in_doubt=bool(attempt)), data_of(ONE))
                    delivered += 1
                if delivered == 2:
                    return
            raise AssertionError("it never came through")

    asyncio.run(act())
    assert odoo.moves("PO1") == RECEIVED
    assert odoo.stock == {"WIDGET": 100}


def test_without_its_guard_a_repeat_would_be_noticed(tmp_path: Path, tables: dict[str, str]):
    """These tests can fail: the same mapping that looks for another mark books twice."""
    shipped = (HOME / "erp" / "odoo" / "shipment.notified.yaml").read_text(encoding="utf-8")
    blind = tmp_path / "library" / "mappings" / "erp" / "blind" / "shipment.notified.yaml"
    blind.parent.mkdir(parents=True)
    blind.write_text(shipped.replace('[origin, "=", "{one.order} {reference}"], [picking', '[origin, "=", "nothing"], [picking'))
    library.use(tmp_path / "library")
    odoo = odoo_with_an_order()
    value = notice("ASN-1", ("PO1", "NF-2200", "10"))
    try:
        for _ in range(2):
            run(odoo, tables, value, mapping="erp/blind")
    finally:
        library.use(None)
    assert odoo.stock == {"WIDGET": 20}


def test_two_notices_for_one_order(tables: dict[str, str]):
    odoo = odoo_with_an_order()

    async def act() -> None:
        async with delivering(odoo, tables) as (target, _):
            for number, quantity in (("ASN-1", "100"), ("ASN-2", "15"), ("ASN-1", "100"), ("ASN-2", "15")):
                await target.deliver(delivery(number), data_of(notice(number, ("PO1", "NF-2200", quantity))))

    asyncio.run(act())
    assert odoo.moves("PO1") == [("WIDGET", 100, "done", MARK), ("WIDGET", 15, "done", "PO1 ASN-2"), ("WIDGET", 5, "assigned", "PO1 ASN-2")]


def test_one_notice_for_two_orders(tables: dict[str, str]):
    odoo = odoo_with_an_order()
    odoo.order("PO2", ("GADGET", 5), ("WIDGET", 3))
    said = run(odoo, tables, notice("ASN-1", ("PO1", "NF-2200", "120"), ("PO2", "NF-2300", "5")))
    assert said.confirmed == "WH/IN/00001, WH/IN/00002"
    assert odoo.moves("PO1") == [("WIDGET", 120, "done", MARK)]
    assert odoo.moves("PO2") == [("GADGET", 5, "done", "PO2 ASN-1"), ("WIDGET", 3, "assigned", "PO2 ASN-1")]


def test_where_the_warehouse_validates_the_receipt_waits_for_it(tables: dict[str, str]):
    odoo = odoo_with_an_order()
    run(odoo, tables, ONE, values={"receive": "no"})
    run(odoo, tables, ONE, values={"receive": "no"})
    assert odoo.validations == 0
    assert odoo.records["stock.move"][1] | {"quantity": 100, "picked": True, "state": "assigned"} == odoo.records["stock.move"][1]


REFUSED = [
    pytest.param(notice("ASN-1", ("PO1", "NF-9", "1")), {}, r"the table items has no entry for NF-9 of northway; add it to \S*items.yaml under northway", id="unknown item"),
    pytest.param(notice("ASN-1", ("PO1", "NF-2200", "1"), unit="ZZ"), {}, "the table units has no entry for ZZ", id="unknown unit"),
    pytest.param(notice("ASN-1", ("PO9", "NF-2200", "1")), {}, "order PO9 has 0 open lines of item WIDGET", id="unknown order"),
    pytest.param(notice("ASN-1", ("PO1", "NF-2200", "121")), {}, "the notice has 121 of item WIDGET, and order PO1 has 120 open", id="more than ordered"),
    pytest.param(notice("ASN-1", ("PO1", "NF-2200", "1"), purpose="cancel", cancelled=True), {}, "ASN-1 is taken back", id="cancelled"),
    pytest.param(notice("ASN-1", ("PO1", "NF-2200", "1")), {"partner": "lake3pl"}, "the table suppliers has no entry for lake3pl", id="another partner"),
    pytest.param(notice("ASN-1", ("PO1", "NF-2200", "1")), {"type_": "org.crossdock.shipment.status.v1"}, "has no calls for shipment.status", id="no calls"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "terms", "told"), REFUSED)
def test_what_cannot_be_taken_is_refused_with_words_and_changes_nothing(tables: dict[str, str], value: Any, terms: Any, told: str):
    odoo = odoo_with_an_order()
    with pytest.raises(PermanentFailure, match=told):
        run(odoo, tables, value, **terms)
    assert odoo.moves("PO1") == [("WIDGET", 120, "assigned", "PO1")]
    assert not [method for _, method, _ in odoo.asked if method != "search_read"]


def test_the_partners_words_name_no_file_of_ours(tables: dict[str, str]):
    with pytest.raises(PermanentFailure) as refused:
        run(odoo_with_an_order(), tables, notice("ASN-1", ("PO1", "NF-9", "1")))
    assert refused.value.words == "NF-9 is not known to us (items)"


def test_a_line_added_to_a_table_counts_at_the_next_attempt(tables: dict[str, str]):
    odoo = odoo_with_an_order()
    value = notice("ASN-1", ("PO1", "NF-9", "100"))

    async def act() -> None:
        async with delivering(odoo, tables) as (target, _):
            with pytest.raises(PermanentFailure):
                await target.deliver(delivery("ASN-1"), data_of(value))
            with Path(tables["items"]).open("a") as file:
                file.write("  NF-9: WIDGET\n")
            await target.deliver(delivery("ASN-1"), data_of(value))

    asyncio.run(act())
    assert odoo.moves("PO1") == RECEIVED


def test_a_correction_of_what_is_in_is_for_a_person_and_of_what_was_refused_is_taken(tables: dict[str, str]):
    odoo = odoo_with_an_order()
    run(odoo, tables, ONE)
    with pytest.raises(PermanentFailure, match="ASN-1 is in the ERP already, and a later one corrects it"):
        run(odoo, tables, notice("ASN-1", ("PO1", "NF-2200", "99"), purpose="correct"), revision=2)
    assert odoo.moves("PO1") == RECEIVED
    odoo = odoo_with_an_order()
    run(odoo, tables, notice("ASN-1", ("PO1", "NF-2200", "100"), purpose="correct"), revision=2)
    assert odoo.moves("PO1") == [("WIDGET", 100, "done", "PO1 ASN-1/2"), ("WIDGET", 20, "assigned", "PO1 ASN-1/2")]


def test_a_wrong_key_is_the_targets_own_fault(tables: dict[str, str]):
    with pytest.raises(DestinationFault, match="find the receipt with our mark: answered 401"):
        run(odoo_with_an_order(), tables, ONE, token="wrong")


def test_a_rule_of_odoo_is_told_in_its_words(tables: dict[str, str]):
    odoo = odoo_with_an_order()
    odoo.refuses = True
    with pytest.raises(PermanentFailure, match="write mark and quantities: a rule of Odoo: You cannot receive on a closed period") as refused:
        run(odoo, tables, ONE)
    assert refused.value.words == "You cannot receive on a closed period."
    assert odoo.moves("PO1") == [("WIDGET", 120, "assigned", "PO1")]


def test_a_validation_that_asks_a_person_is_not_taken_for_done(tables: dict[str, str]):
    with pytest.raises(PermanentFailure, match=r"WH/IN/00001, and has not: .*done before: write mark and quantities, validate the receipt"):
        run(odoo_with_an_order(reports=True), tables, ONE)


def test_what_is_told_of_our_own_documents_needs_no_calls(tables: dict[str, str]):
    odoo = odoo_with_an_order()
    assert run(odoo, tables, ONE, type_="org.crossdock.exchange.settled.v1").looked_up
    assert run(odoo, tables, ONE, type_="org.crossdock.shipment.status.v1", others="pass").looked_up
    assert not odoo.asked
