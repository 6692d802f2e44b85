"""`crossdock dead …`, `replay`, `replays …` and `partners promote|rollback` as a person types them, through the node that has the data."""

import asyncio
import json
from pathlib import Path

from typer.testing import CliRunner

from gateway.__main__ import app
from tests.kill.documents import status
from tests.running import Running, running
from tests.test_pipeline import NOTICE
from tests.test_replays import CHICAGO, DENVER, northway, rows, unzoned


async def told(gateway: Running, *words: str, status: int = 0) -> str:
    """What the command prints."""
    data = str(gateway.node.settings.data_dir)
    done = await asyncio.to_thread(CliRunner().invoke, app, [*words, "--data-dir", data])
    assert done.exit_code == status, done.output
    return done.output


async def dead_letters(gateway: Running, folder: Path) -> None:
    delivery = rows(gateway, "SELECT id FROM deliveries WHERE state = 'dead'")[0].id
    listed = await told(gateway, "dead", "--target", "erp")
    for words in (
        f"delivery {delivery} to target:erp: dead after 1 attempts",
        "delivery-refused since 2",
        "docs/runbooks/delivery-refused.md",
        "it said: {",
    ):
        assert words in listed
    assert "Nothing waits for a person." in await told(gateway, "dead", "--partner", "harbor")
    assert "no cause is called nonsense" in await told(gateway, "dead", "--cause", "nonsense", status=1)
    assert "1 delivery dead: delivery-refused" in await told(gateway, "dead", "retry", "--all", "--dry-run")
    assert "say which" in await told(gateway, "dead", "skip", "--because", "no", status=1)
    file = folder / "event.json"
    assert await told(gateway, "dead", "edit", delivery, "--out", str(file)) == ""
    assert json.loads(file.read_text())["notice_id"] == "ASN-88120"
    assert json.loads(await told(gateway, "dead", "edit", delivery)) == json.loads(file.read_text())
    file.write_text(json.dumps(json.loads(file.read_text()) | {"notes": [{"text": "by hand"}]}))
    assert "an edit needs a reason" in await told(gateway, "dead", "edit", delivery, "--file", str(file), status=1)
    made = await told(gateway, "dead", "edit", delivery, "--file", str(file), "--because", "ticket 9")
    assert "-r2 takes the place of" in made
    event = made.partition(" ")[0]
    assert f"{event} was made of {delivery.partition('@')[0]} by " in await told(gateway, "show", event)
    assert "a person made this event" in await told(gateway, "explain", event, "notice_id")
    await gateway.settle(lambda: rows(gateway, "SELECT id FROM deliveries WHERE state = 'dead'"), "it was refused again")
    assert f"{event}@erp: skipped" in await told(gateway, "dead", "skip", f"{event}@erp", "--because", "ticket 9")


async def replays(gateway: Running) -> None:
    assert "name a message, document" in await told(gateway, "replay", status=2)
    assert "No replays of many documents yet" in await told(gateway, "replays")
    draft = gateway.node.settings.data_dir.parent / "draft.yaml"
    draft.write_text(northway((CHICAGO, DENVER)))
    assert "northway: revision 2 is a draft" in await told(gateway, "partners", "apply", str(draft), "--as", "draft")
    waited = await told(gateway, "replay", "--partner", "northway", "--revision", "2", "--since", "1h", "--wait")
    for words in (" of northway: reprocess into nowhere: done", "3 of 3 messages are done", "1 events changed", "1 events the same"):
        assert words in waited
    (job,) = json.loads(await told(gateway, "replays", "--json"))
    assert job["id"] in await told(gateway, "replays")
    diff = await told(gateway, "replays", "diff", job["id"])
    assert "shipment.status occurred_at.instant: 1 changed" in diff
    assert " became " in diff
    assert json.loads(await told(gateway, "replays", "diff", job["id"], "--json"))["diff"]["fields"]
    assert f"replay {job['id']} of northway" in await told(gateway, "replays", "show", job["id"], "--wait")
    for state in ("pause", "resume", "cancel"):
        assert "it is done, and" in await told(gateway, "replays", state, job["id"], status=1)
    assert "northway: revision 2 is live" in await told(gateway, "partners", "promote", "northway")
    assert "northway: revision 1 is live" in await told(gateway, "partners", "rollback", "northway")
    assert "is read again under profile revision 1" in await told(
        gateway, "replay", rows(gateway, "SELECT min(message) AS one FROM documents")[0].one
    )


def test_dead_letters_and_replays_by_command(tmp_path: Path):
    async def act() -> None:
        async with running(tmp_path) as gateway:
            gateway.erp.behaviour.refuse_types = ["org.crossdock.shipment.notified.v1"]
            await gateway.apply("northway")
            for body in (NOTICE, unzoned(31), status(32).body):
                await gateway.sent("northway", body)
            await gateway.settle(lambda: rows(gateway, "SELECT id FROM deliveries WHERE state = 'dead'"))
            await dead_letters(gateway, tmp_path)
            await replays(gateway)

    asyncio.run(act())
