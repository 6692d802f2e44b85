"""What became of each message, cell by cell, each with the bytes that prove it; and that every receipt we owe is there, once."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from gateway.errors import Refused
from gateway.evidence import instant_of
from gateway.simulators.partner import acknowledged
from gateway.store.controls import gaps
from tests.running import Running, document, running
from tests.sftp_running import x12


def run(act: Callable[[Running], Awaitable[None]], folder: Path, database: str | None = None) -> None:
    async def whole() -> None:
        async with running(folder, database) as gateway:
            await act(gateway)

    asyncio.run(whole())


async def row_of(gateway: Running, message: str, **more) -> dict:
    return (await gateway.operate("receipts", id=message, **more))["rows"][0]["cells"]


async def opened(gateway: Running, identity: str) -> bytes:
    return base64.b64decode((await gateway.operate("bytes", id=identity))["base64"])


def states(cells: dict) -> dict[str, str]:
    return {name: one["state"] for name, one in cells.items()}


def test_a_message_in_is_shown_from_its_bytes_to_the_erps_word(tmp_path: Path, database_url: str):
    async def act(gateway: Running) -> None:
        body = document("945-shipped.edi")
        message = (await gateway.sent("lake3pl", body))["id"]
        await gateway.settle(lambda: gateway.erp.effects, "the ERP has not heard of it")
        await gateway.settle(lambda: True)
        for _ in range(100):
            cells = await row_of(gateway, message)
            if cells["confirmed"]["state"] == "done":
                break
            await asyncio.sleep(0.05)
        assert states(cells) == {
            "received": "done",
            "mdn": "none",
            "acknowledged": "waiting",
            "translated": "done",
            "delivered": "done",
            "confirmed": "done",
        }
        assert cells["acknowledged"]["text"] == "997 accepted"
        await gateway.partner("lake3pl").pick_up(gateway.session)
        assert (await row_of(gateway, message))["acknowledged"]["state"] == "done"
        # Every cell opens its stored bytes.
        assert await opened(gateway, cells["received"]["opens"][0]) == body
        assert b"~AK9*A*1*1*1~" in await opened(gateway, cells["acknowledged"]["opens"][0])
        assert json.loads(await opened(gateway, cells["delivered"]["opens"][0]))["lines"]
        assert b"ERP-0000" in await opened(gateway, cells["confirmed"]["opens"][0])
        assert (await opened(gateway, f"{message}.1.1.1")).startswith(b"ST*945*0001")
        with pytest.raises(Refused, match="no bytes are called"):
            await gateway.operate("bytes", id="nothing")

    run(act, tmp_path, database_url)


def test_what_is_wrong_shows_where(tmp_path: Path):
    async def act(gateway: Running) -> None:
        bad = (await gateway.sent("lake3pl", document("945-bad.edi")))["id"]
        cells = await row_of(gateway, bad)
        assert states(cells) == {
            "received": "done",
            "mdn": "none",
            "acknowledged": "waiting",
            "translated": "failed",
            "delivered": "none",
            "confirmed": "none",
        }
        assert (cells["acknowledged"]["text"], cells["translated"]["text"]) == ("997 rejected", "1 × 945 rejected")
        foreign = (await gateway.sent("northway", document("945-shipped.edi")))["id"]
        cells = await row_of(gateway, foreign)
        assert (cells["acknowledged"]["state"], cells["translated"]["state"]) == ("none", "failed"), "no 997 goes to whom it names"

    run(act, tmp_path)


def test_a_message_out_is_shown_to_the_partners_997(tmp_path: Path):
    async def act(gateway: Running) -> None:
        await gateway.sent("harbor", document("940-order.edi"))
        await gateway.settle(lambda: gateway.erp.effects)
        ordered = next(iter(gateway.erp.effects.values()))
        data = {name: value for name, value in ordered.data.items() if name not in ("evidence", "quality")}
        status, answer = await gateway.release({"partner": "lake3pl", "type": "fulfilment.requested", "data": data}, key="one")
        assert status == 202, answer
        message, box = answer["id"], gateway.partner("lake3pl")
        assert states(await row_of(gateway, message, sent=True)) == {
            "written": "done",
            "sent": "waiting",
            "mdn": "none",
            "TA1": "none",
            "997": "waiting",
            "824": "none",
        }
        await box.pick_up(gateway.session)
        (order,) = [body for name, body in box.picked_up.items() if name.startswith("940:")]
        answered = (await gateway.sent("lake3pl", acknowledged(order, 9)))["id"]
        cells = await row_of(gateway, message, sent=True)
        assert (cells["sent"]["state"], cells["997"]["state"], cells["997"]["text"]) == ("done", "done", "accepted")
        assert cells["997"]["opens"] == [answered]
        assert b"AK9*A" in await opened(gateway, answered)
        assert await opened(gateway, cells["written"]["opens"][0]) == order

    run(act, tmp_path)


def test_every_receipt_that_we_owe_is_there_once_and_the_check_notices_where_not(tmp_path: Path, database_url: str):
    async def act(gateway: Running) -> None:
        for partner, name in (
            ("lake3pl", "945-shipped.edi"),
            ("lake3pl", "945-bad.edi"),
            ("northway", "856-notice.edi"),
            ("northway", "856-notice-again.edi"),
        ):
            await gateway.sent(partner, document(name))
        good = await gateway.operate("receipts.check")
        assert (good["groups"], good["answered"], good["not_owed"], good["wrong"]) == (4, 4, 0, [])

        def sabotage(tx, items):
            tx.execute(
                text(
                    "DELETE FROM deliveries WHERE kind = 'receipt' AND id LIKE '997:%' AND id = (SELECT min(id) FROM deliveries WHERE id LIKE '997:%')"
                )
            )
            twice = tx.execute(text("SELECT max(id) FROM messages WHERE answers IS NOT NULL")).scalar()
            tx.execute(
                text(
                    "INSERT INTO messages (id, partner, direction, channel, state, payload, size, sha256, media_type, file_name, profile_revision, arrival, answers)"
                    " SELECT 'TWICE', partner, direction, channel, state, payload, size, sha256, media_type, file_name, profile_revision, arrival + 1, answers"
                    " FROM messages WHERE id = :id"
                ),
                {"id": twice},
            )
            return [None]

        await asyncio.to_thread(lambda: gateway.node.store.writer.submit(sabotage, None).result())
        bad = await gateway.operate("receipts.check")
        assert len(bad["wrong"]) == 2
        assert "owes an answer and has none" in bad["wrong"][0]
        assert "is answered by 2 messages" in bad["wrong"][1]

    run(act, tmp_path, database_url)


def test_groups_to_which_nothing_is_owed_are_none(tmp_path: Path):
    async def act(gateway: Running) -> None:
        await gateway.apply("northway", ('- receive: "856"', '- receive: "856"\n    duties: {functional_acknowledgment: none}'))
        await gateway.sent("northway", document("856-notice.edi"))
        found = await gateway.operate("receipts.check")
        assert (found["groups"], found["answered"], found["not_owed"], found["wrong"]) == (1, 0, 1, [])

    run(act, tmp_path)


@pytest.mark.parametrize(
    ("numbers", "missing"),
    [
        ([1, 2, 3], []),
        ([1, 2, 5, 6, 8], [(3, 4), (7, 7)]),
        ([5, 1, 4, 2], [(3, 3)]),
        ([1, 1, 2], []),
        ([999_999_999, 1, 2], []),
        ([7, 900_000], []),
        ([], []),
    ],
    ids=["none", "two", "any order", "twice", "from the top again", "a new count", "nothing"],
)
def test_numbers_that_are_missing_are_found(numbers: list[int], missing: list[tuple[int, int]]):
    assert gaps([(number, place) for place, number in enumerate(numbers)], settled=100) == missing


def test_what_came_a_moment_ago_may_still_be_passed():
    assert gaps([(1, 10), (3, 20)], settled=15) == []


def test_a_gap_in_a_partners_numbers_is_told_and_ends_when_they_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gateway.shared_work.CONTROLS_SETTLED", 0)

    async def act(gateway: Running) -> None:
        await gateway.apply("lake3pl", ("  tokens:", "  control_numbers: sequential\n  tokens:"))

        async def gap() -> list[str]:
            await gateway.do("warnings")
            return [one["text"] for one in await gateway.operate("alarms") if one["kind"] == "control.gap"]

        for number in (7, 8, 11):
            await gateway.sent("lake3pl", x12(number))
        (told,) = await gap()
        assert "ISA13 9 to 10 from ZZ:LAKE3PL to ZZ:CROSSDOCK (production) did not come" in told
        await gateway.sent("lake3pl", x12(10))
        await gateway.sent("lake3pl", x12(9))
        assert not await gap()

    run(act, tmp_path)


def test_times_are_days_times_or_spans_back():
    assert instant_of("2026-11-30") == 1_795_996_800_000_000
    assert instant_of("2026-11-30T08:00+02:00") == 1_795_996_800_000_000 + 6 * 3_600_000_000
    assert instant_of("24h") < instant_of("1h")
    assert instant_of(None) is None
    with pytest.raises(Refused, match="is no time"):
        instant_of("yesterday")
