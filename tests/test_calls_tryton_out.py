"""A warehouse's shipping advice (945) into a real Tryton: the customer shipment is done with what was shipped, once, wherever the line breaks."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import PermanentFailure, TemporaryFailure
from tests.cutting import Cut
from tests.notices import SHIPPED, advice, data_of, delivery
from tests.peers import tryton as peers
from tests.test_calls_tryton import delivering

pytestmark = [pytest.mark.big, pytest.mark.nodes, pytest.mark.skipif(not peers.PROGRAM.exists(), reason=peers.MISSING), pytest.mark.timeout(300)]

TABLES = {"warehouses": "default: {lake3pl: WH}\n", "items": "default: {NF-2200: WIDGET, NF-2300: GADGET}\n", "units": "default: {EA: u}\n"}
WAITING = ("waiting", None, [("GADGET", 5, "draft"), ("WIDGET", 20, "draft")])


@pytest.fixture(scope="module")
def erp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[peers.Tryton]:
    with peers.server(tmp_path_factory.mktemp("tryton")) as server:
        yield server


@pytest.fixture
def order(erp: peers.Tryton) -> str:
    return erp.order()


@pytest.fixture
def tables(tmp_path: Path) -> dict[str, str]:
    for name, text in TABLES.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    return {name: str(tmp_path / f"{name}.yaml") for name in TABLES}


def one(order: str, **more: Any) -> dict[str, Any]:
    """12 of 20 widgets in two lots, none of the gadgets."""
    return advice(order, f"W-{order}", ("NF-2200", "7"), ("NF-2200", "5"), ("NF-2300", "0"), **more)


def done(order: str) -> tuple[str, str, list[tuple[str, int, str]]]:
    return "done", f"W-{order}", [("WIDGET", 12, "done")]


def given(order: str, **more: Any) -> Any:
    return delivery(order, type_=SHIPPED, partner="lake3pl", **more)


def run(erp: peers.Tryton, tables: dict[str, str], order: str, value: dict[str, Any], **more: Any) -> Any:
    async def act() -> Any:
        async with delivering(erp, tables) as (target, _):
            return await target.deliver(given(order, **more), data_of(value))

    return asyncio.run(act())


def test_what_was_shipped_is_done_and_what_was_not_is_not_in_it(erp: peers.Tryton, tables: dict[str, str], order: str):
    confirmation = run(erp, tables, order, one(order))
    assert erp.shipped(order) == done(order)
    assert (confirmation.confirmed, confirmation.looked_up) == (order, False)
    again = run(erp, tables, order, one(order), attempts=1)
    assert (again.confirmed, again.looked_up) == (order, True)
    assert erp.shipped(order) == done(order)


def test_what_somebody_there_has_assigned_is_shipped_as_the_advice_says(erp: peers.Tryton, tables: dict[str, str], order: str):
    erp.act(order, "assign_force")
    run(erp, tables, order, one(order))
    assert erp.shipped(order) == done(order)


@pytest.mark.parametrize(
    "buttons", [("assign_force", "pick"), ("assign_force", "pick", "pack"), ("assign_force", "pick", "pack", "do")], ids=["picked", "packed", "done"]
)
def test_what_somebody_there_ships_is_not_taken_for_ours(erp: peers.Tryton, tables: dict[str, str], order: str, buttons: tuple[str, ...]):
    erp.act(order, *buttons)
    before = erp.shipped(order)
    with pytest.raises(PermanentFailure, match=f"shipment {order} is {before[0]} in the ERP, and not by this advice"):
        run(erp, tables, order, one(order))
    assert erp.shipped(order) == before


REQUESTS = ("find the shipment", "say what was shipped", "assign", "pick", "pack", "do")


@pytest.mark.parametrize("cut", ["before", "after"])
@pytest.mark.parametrize("at", range(len(REQUESTS)), ids=REQUESTS)
def test_a_line_that_breaks_at_any_request_ships_once(erp: peers.Tryton, tables: dict[str, str], order: str, at: int, cut: Cut):
    async def act() -> None:
        async with delivering(erp, tables) as (target, line):
            line.breaks = lambda number, method: cut if number >= at else None
            with pytest.raises(TemporaryFailure):
                await target.deliver(given(order), data_of(one(order)))
            line.breaks = lambda number, method: None
            await target.deliver(given(order, attempts=1, in_doubt=True), data_of(one(order)))

    asyncio.run(act())
    assert erp.shipped(order) == done(order)


REFUSED = [
    pytest.param((("NF-9", "1"), ("NF-2300", "0")), {}, "the table items has no entry for NF-9", id="unknown item"),
    pytest.param((("NF-2200", "1"),), {}, "has item GADGET, and the advice does not say how much of it was shipped", id="an item is not told"),
    pytest.param((("NF-2200", "21"), ("NF-2300", "0")), {}, "21 of item WIDGET were shipped, and order .* has 20", id="more than ordered"),
    pytest.param((("NF-2200", "1"), ("NF-2300", "0")), {"cancelled": True, "purpose": "cancel"}, "is taken back", id="cancelled"),
    pytest.param(
        (("NF-2200", "1"), ("NF-2300", "0")), {"order_id": "9999"}, "there are 0 shipments 9999 to be shipped from this warehouse", id="unknown order"
    ),
]


@pytest.mark.parametrize(("lines", "more", "told"), REFUSED)
def test_what_cannot_be_booked_is_refused_and_changes_nothing(
    erp: peers.Tryton, tables: dict[str, str], order: str, lines: Any, more: Any, told: str
):
    with pytest.raises(PermanentFailure, match=told):
        run(erp, tables, order, advice(order, f"W-{order}", *lines, **more))
    assert erp.shipped(order) == WAITING


def test_a_second_advice_and_a_correction_of_what_is_shipped_are_for_a_person(erp: peers.Tryton, tables: dict[str, str], order: str):
    run(erp, tables, order, one(order))
    for value, more in ((one(order) | {"shipment_id": "W-2"}, {}), (one(order), {"revision": 2})):
        with pytest.raises(PermanentFailure, match=f"was shipped as W-{order} already"):
            run(erp, tables, order, value, **more)
    assert erp.shipped(order) == done(order)
