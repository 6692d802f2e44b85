"""Ship notices into a real Tryton: one received shipment of the right quantities, read back from its stock moves, wherever the line breaks."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import DestinationFault, PermanentFailure, TemporaryFailure, UnknownOutcome
from gateway.settings import read_settings
from gateway.targets.base import Destination
from gateway.targets.kinds import make
from tests.cutting import Cut, Line, line_to
from tests.databases import own_postgresql
from tests.notices import data_of, delivery, notice
from tests.peers import tryton as peers

pytestmark = [pytest.mark.big, pytest.mark.nodes, pytest.mark.skipif(not peers.PROGRAM.exists(), reason=peers.MISSING), pytest.mark.timeout(300)]

TABLES = {
    "suppliers": "default:\n  northway: NORTHWAY\n",
    "items": "northway:\n  NF-2200: WIDGET\n  NF-2300: GADGET\n",
    "units": "default:\n  EA: u\n",
    "order_lines": "default: {}\n",
}
RECEIVED = [("GADGET", 30, "draft"), ("WIDGET", 20, "draft"), ("WIDGET", 100, "done")]
UNTOUCHED = [("GADGET", 30, "draft"), ("WIDGET", 120, "draft")]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def erp(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[peers.Tryton]:
    """SQLite lets one change come after another; PostgreSQL has them side by side, and refuses what does not fit."""
    with contextlib.ExitStack() as stack:
        postgresql = stack.enter_context(own_postgresql()).get_uri() if request.param == "postgresql" else None
        yield stack.enter_context(peers.server(tmp_path_factory.mktemp("tryton"), postgresql))


@pytest.fixture
def order(erp: peers.Tryton) -> str:
    """One that no other test has."""
    return erp.order()


@pytest.fixture
def tables(tmp_path: Path) -> dict[str, str]:
    for name, text in TABLES.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    return {name: str(tmp_path / f"{name}.yaml") for name in TABLES}


def one(order: str, number: str = "") -> dict[str, Any]:
    """100 of 120 widgets, in two cartons."""
    return notice(number or f"ASN-{order}.", (order, "NF-2200", "60"), (order, "NF-2200", "40"))


@contextlib.asynccontextmanager
async def target_of(url: str, tables: dict[str, str], key: str, **terms: Any) -> AsyncIterator[Destination]:
    given = {"kind": "calls", "mapping": "erp/tryton", "url": url, "token": key, "lookups": tables, "timeout": "20s"} | terms
    target = make("erp", read_settings(None, {"targets": {"erp": given}}, environment={}).targets["erp"])
    try:
        yield target
    finally:
        await target.close()


@contextlib.asynccontextmanager
async def delivering(erp: peers.Tryton, tables: dict[str, str], **terms: Any) -> AsyncIterator[tuple[Destination, Line]]:
    async with line_to(erp.url) as line, target_of(line.url, tables, terms.pop("key", erp.key), **terms) as target:
        yield target, line


def run(erp: peers.Tryton, tables: dict[str, str], value: dict[str, Any], **terms: Any) -> Any:
    given = {key: terms.pop(key) for key in ("revision", "partner") if key in terms}

    async def act() -> Any:
        async with delivering(erp, tables, **terms) as (target, _):
            return await target.deliver(delivery(value["notice_id"], **given), data_of(value))

    return asyncio.run(act())


def judged(erp: peers.Tryton, order: str) -> None:
    """One shipment, done, with one move; 100 in the storage, 20 open."""
    assert erp.shipments(f"ASN-{order}.") == [("done", 1)]
    assert erp.moves(order) == RECEIVED
    assert erp.stored(order) == [("WIDGET", 100, "done")]


def test_a_notice_of_100_of_120_is_one_shipment_and_20_stay_open(erp: peers.Tryton, tables: dict[str, str], order: str):
    confirmation = run(erp, tables, one(order))
    judged(erp, order)
    (shipment,) = erp.read("stock.shipment.in", ["number"], [["reference", "=", f"ASN-{order}."]])
    assert confirmation.confirmed == shipment["number"]


def test_the_same_event_five_times_is_one_shipment(erp: peers.Tryton, tables: dict[str, str], order: str):
    async def act() -> None:
        async with delivering(erp, tables) as (target, _):
            said = [await target.deliver(delivery(f"ASN-{order}.", attempts=number), data_of(one(order))) for number in range(5)]
            assert [one.looked_up for one in said] == [False, True, True, True, True]
            assert len({one.confirmed for one in said}) == 1

    asyncio.run(act())
    judged(erp, order)


def test_five_at_once_are_one_shipment(erp: peers.Tryton, tables: dict[str, str], order: str):
    async def act() -> None:
        async with delivering(erp, tables) as (target, _):
            await asyncio.gather(*(target.deliver(delivery(f"ASN-{order}."), data_of(one(order))) for _ in range(5)))

    asyncio.run(act())
    judged(erp, order)


REQUESTS = ("find our shipment", "find the move", "create", "look again", "receive", "do")


@pytest.mark.parametrize("cut", ["before", "after"])
@pytest.mark.parametrize("at", range(len(REQUESTS)), ids=REQUESTS)
def test_a_line_that_breaks_at_any_request_doubles_nothing(erp: peers.Tryton, tables: dict[str, str], order: str, at: int, cut: Cut):
    async def act() -> None:
        async with delivering(erp, tables) as (target, line):
            line.breaks = lambda number, method: cut if number >= at else None  # a GET is asked once more by the client itself
            with pytest.raises(TemporaryFailure) as broken:
                await target.deliver(delivery(f"ASN-{order}."), data_of(one(order)))
            assert isinstance(broken.value, UnknownOutcome) == (at >= 2), "in doubt only from the first change on"
            line.breaks = lambda number, method: None
            await target.deliver(delivery(f"ASN-{order}.", attempts=1, in_doubt=True), data_of(one(order)))

    asyncio.run(act())
    judged(erp, order)


@pytest.mark.parametrize("cut", ["before", "after"])
def test_a_line_that_breaks_at_each_change_in_turn_is_one_shipment(erp: peers.Tryton, tables: dict[str, str], order: str, cut: Cut):
    async def act() -> int:
        changes = 0

        def breaks(number: int, method: str) -> Cut | None:
            nonlocal changes
            changes += method != "GET"
            return cut if method != "GET" and changes % 2 else None

        async with delivering(erp, tables) as (target, line):
            line.breaks = breaks
            for attempt in range(12):
                with contextlib.suppress(TemporaryFailure):
                    await target.deliver(delivery(f"ASN-{order}.", attempts=attempt, in_doubt=bool(attempt)), data_of(one(order)))
                    return attempt
        raise AssertionError("it never came through")

    assert asyncio.run(act()) >= 2
    judged(erp, order)


def test_a_request_that_was_given_up_and_still_at_work_leaves_one_shipment(erp: peers.Tryton, tables: dict[str, str], order: str):
    """Tryton gives a move to whoever asks last: the first shipment is left empty, and has to go."""

    async def act() -> None:
        async with delivering(erp, tables) as (target, line):
            came: list[bytes] = []

            async def late() -> None:
                """The first one's request comes through behind the second's."""
                async with line.session.post(
                    f"{erp.url}/rest/model/stock.shipment.in?f=id", data=came[0], headers=HEADERS | {"Authorization": f"Bearer {erp.key}"}
                ) as answer:
                    assert answer.status == 200, await answer.text()

            line.breaks = lambda number, method: "before" if method == "POST" and not came else None
            with pytest.raises(UnknownOutcome):
                await target.deliver(delivery(f"ASN-{order}."), data_of(one(order)))
            came.append(line.bodies[-1])
            line.breaks = lambda number, method: "after" if method == "POST" else None  # the second's is done, and not heard of
            with pytest.raises(UnknownOutcome):
                await target.deliver(delivery(f"ASN-{order}.", attempts=1, in_doubt=True), data_of(one(order)))
            await late()
            assert sorted(erp.shipments(f"ASN-{order}.")) == [("draft", 0), ("draft", 1)]
            line.breaks = lambda number, method: None
            await target.deliver(delivery(f"ASN-{order}.", attempts=2, in_doubt=True), data_of(one(order)))

    asyncio.run(act())
    judged(erp, order)


HEADERS = {"Content-Type": "application/json"}


def test_two_notices_for_one_order(erp: peers.Tryton, tables: dict[str, str], order: str):
    async def act() -> None:
        async with delivering(erp, tables) as (target, _):
            second = notice(f"B-{order}.", (order, "NF-2200", "20"), (order, "NF-2300", "30"))
            for value in (one(order), second, one(order), second):
                await target.deliver(delivery(value["notice_id"]), data_of(value))

    asyncio.run(act())
    assert erp.moves(order) == [("GADGET", 30, "done"), ("WIDGET", 20, "done"), ("WIDGET", 100, "done")]
    assert erp.shipments(f"ASN-{order}.") == [("done", 1)]
    assert erp.shipments(f"B-{order}.") == [("done", 2)]


def test_two_notices_for_one_order_at_once(erp: peers.Tryton, tables: dict[str, str], order: str):
    async def act() -> None:
        async with delivering(erp, tables) as (target, _):
            values = [notice(f"C{number}-{order}.", (order, "NF-2200", "30")) for number in range(4)]
            await asyncio.gather(*(target.deliver(delivery(value["notice_id"]), data_of(value)) for value in values))

    asyncio.run(act())
    assert erp.moves(order) == [("GADGET", 30, "draft"), *[("WIDGET", 30, "done")] * 4]


def test_one_notice_for_two_orders_is_one_shipment(erp: peers.Tryton, tables: dict[str, str], order: str):
    other = erp.order()
    run(erp, tables, notice(f"ASN-{order}.", (order, "NF-2200", "100"), (other, "NF-2300", "30")))
    assert erp.shipments(f"ASN-{order}.") == [("done", 2)]
    assert erp.moves(order) == RECEIVED
    assert erp.moves(other) == [("GADGET", 30, "done"), ("WIDGET", 120, "draft")]


def test_where_the_warehouse_receives_the_shipment_waits_and_so_does_a_second_notice(erp: peers.Tryton, tables: dict[str, str], order: str):
    run(erp, tables, one(order), values={"receive": "no"})
    run(erp, tables, one(order), values={"receive": "no"})
    assert erp.shipments(f"ASN-{order}.") == [("draft", 1)]
    with pytest.raises(TemporaryFailure, match="is in another shipment that is not received yet"):
        run(erp, tables, notice(f"B-{order}.", (order, "NF-2200", "20")), values={"receive": "no"})
    run(erp, tables, one(order))
    judged(erp, order)


REFUSED = [
    pytest.param((("NF-9", "1"),), {}, r"the table items has no entry for NF-9 of northway; add it to \S*items.yaml", "NF-9 is not known to us", id="unknown item"),
    pytest.param((("NF-2200", "121"),), {}, "has 121 of item WIDGET, and order .* has 120 open", "the notice has 121", id="more than ordered"),
    pytest.param((("NF-2200", "1"),), {"unit": "CA"}, "the table units has no entry for CA", "CA is not known to us", id="unknown unit"),
    pytest.param((("NF-2200", "1"),), {"cancelled": True, "purpose": "cancel"}, "is taken back", "is taken back", id="cancelled"),
    pytest.param((("NF-2200", "0.5"),), {}, r"create the shipment: a rule of Tryton: .*Quantity", "Quantity", id="a rule of Tryton"),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "more", "told", "words"), REFUSED)
def test_what_cannot_be_taken_is_refused_with_words_and_changes_nothing(
    erp: peers.Tryton, tables: dict[str, str], order: str, lines: Any, more: Any, told: str, words: str
):
    with pytest.raises(PermanentFailure, match=told) as refused:
        run(erp, tables, notice(f"ASN-{order}.", *((order, item, quantity) for item, quantity in lines), **more))
    assert words in (refused.value.words or "")
    assert erp.shipments(f"ASN-{order}.") == []
    assert erp.moves(order) == UNTOUCHED


def test_an_order_of_another_supplier_is_not_touched(erp: peers.Tryton, tables: dict[str, str]):
    theirs = str(peers.ORDERS + 1)
    with pytest.raises(PermanentFailure, match=f"order {theirs} is not with this supplier"):
        run(erp, tables, one(theirs))
    assert erp.moves(theirs) == UNTOUCHED


def test_a_correction_of_what_is_in_is_for_a_person(erp: peers.Tryton, tables: dict[str, str], order: str):
    run(erp, tables, one(order))
    with pytest.raises(PermanentFailure, match="is in the ERP already, and a later one corrects it"):
        run(erp, tables, notice(f"ASN-{order}.", (order, "NF-2200", "110")), revision=2)
    judged(erp, order)


def test_a_wrong_key_is_the_targets_own_fault(erp: peers.Tryton, tables: dict[str, str], order: str):
    with pytest.raises(DestinationFault, match="find our shipment: answered 401"):
        run(erp, tables, one(order), key="wrong")
    assert erp.moves(order) == UNTOUCHED
