"""`crossdock explain` through a running node: from an event at the ERP back to the bytes that the partner sent."""

import asyncio
from pathlib import Path

import pytest

from gateway.commands.screen import console
from gateway.commands.shown import shown
from gateway.errors import Refused
from tests.running import document, running

NOTICE = document("856-notice.edi")


def test_an_event_is_explained_from_its_stored_bytes(tmp_path: Path, database_url: str):
    async def act() -> None:
        async with running(tmp_path, database_url) as gateway:
            await gateway.sent("northway", NOTICE)
            await gateway.settle(gateway.effects, "no event at the ERP")
            [effect] = gateway.effects()
            event = effect.attributes["id"]
            value = await gateway.operate("explain", id=event, field="lines.shipped")
            assert value["revision"] == 1
            assert len(value["fields"]) == len(effect.data["lines"])
            for number, one in enumerate(value["fields"]):
                assert (one["field"], one["value"]) == (f"lines[{number}].shipped", effect.data["lines"][number]["shipped"])
                [first, *_] = one["from"]
                assert NOTICE[first["byte_start"] : first["byte_end"]].decode() == first["text"] == one["value"]["value"]
            whole = await gateway.operate("explain", id=event)
            assert {one["field"] for one in whole["fields"]} > {"notice_id", "lines[0].shipped", "(business)"}
            with console.capture() as capture:
                shown("explain", value)
            assert "rule  SN1/02,03 | quantity(unit)   mappings/x12/856/mapping.yaml:" in capture.get()
            with pytest.raises(Refused, match="has no field colour; it has "):
                await gateway.operate("explain", id=event, field="colour")
            with pytest.raises(Refused, match="no event and no document of ours is called"):
                await gateway.operate("explain", id="nothing")

    asyncio.run(act())


def test_each_status_of_a_message_is_explained_as_itself(tmp_path: Path):
    """Several events of one set: each by its own AT7."""

    async def act() -> None:
        async with running(tmp_path) as gateway:
            body = document("214-status.edi")
            await gateway.sent("northway", body)
            await gateway.settle(lambda: len(gateway.effects()) == 3, "not all events came to the ERP")
            seen = set()
            for effect in gateway.effects():
                value = await gateway.operate("explain", id=effect.attributes["id"], field="status.code")
                [one] = value["fields"]
                assert one["value"] == effect.data["status"]["code"]
                [spot, *_] = one["from"]
                assert body[spot["byte_start"] : spot["byte_end"]].decode() == one["value"]
                seen.add(spot["byte_start"])
            assert len(seen) == len(gateway.effects())

    asyncio.run(act())
