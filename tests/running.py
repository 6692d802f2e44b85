"""A whole gateway in the test's own process, over real loopback ports: node, pretend ERP, partners."""

import asyncio
import contextlib
import hashlib
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from gateway import journal
from gateway.app import Node
from gateway.clock import Clock, now
from gateway.operations import OPERATIONS
from gateway.settings import read_settings
from gateway.simulators.erp import PretendErp
from gateway.simulators.partner import PretendPartner
from gateway.store.store import landed
from tests.databases import migrated_file
from tests.kennel import KennelPool

ROOT = Path(__file__).parent.parent
DOCUMENTS = ROOT / "gateway" / "simulators" / "documents"
PATIENCE = 20.0
ERP_TOKEN = "the-erp-of-the-tests"


class Running:
    def __init__(self, node: Node, erp: PretendErp, session: aiohttp.ClientSession, erp_url: str) -> None:
        self.node, self.erp, self.session, self.erp_url = node, erp, session, erp_url

    @property
    def url(self) -> str:
        return self.node.addresses["partners"]

    async def release(self, value: Any, *, key: str | None = None, token: str = ERP_TOKEN) -> tuple[int, dict[str, Any]]:
        """POST /v1/documents as an ERP would; (status, answer)."""
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        headers = {"Authorization": f"Bearer {token}"} | ({"Idempotency-Key": key} if key else {})
        async with self.session.post(f"{self.node.addresses['erp']}/v1/documents", data=body, headers=headers) as response:
            return response.status, await response.json(content_type=None)

    async def document(self, wanted: str) -> dict[str, Any]:
        """GET /v1/documents/{id}."""
        headers = {"Authorization": f"Bearer {ERP_TOKEN}"}
        async with self.session.get(f"{self.node.addresses['erp']}/v1/documents/{wanted}", headers=headers) as response:
            value: dict[str, Any] = await response.json(content_type=None)
            return value

    def partner(self, name: str) -> PretendPartner:
        return PretendPartner(name, name, self.url)

    async def operate(self, operation: str, **given: Any) -> Any:
        """An operation as the commands call it, with the node told afterwards."""
        value = await asyncio.to_thread(OPERATIONS[operation], self.node.store, given)
        await self.node.reload_profiles()
        self.node.translate.wake()
        self.node.deliver.wake()
        self.node.replay.wake()
        return value

    async def do(self, chore: str) -> None:
        """A chore of the node's, as if it were due now."""
        await landed(self.node.store.hasten(chore))
        await self.node.chores.do(chore)

    async def apply(self, partner: str, *changes: tuple[str, str]) -> None:
        """A shipped profile with its partner's name as its token, and with some of its text changed."""
        text = (ROOT / "partners" / "profiles" / f"{partner}.yaml").read_text(encoding="utf-8")
        digest = hashlib.sha256(partner.encode()).hexdigest()
        for old, new in (("tokens: []", f"tokens: [{{sha256: {digest}}}]"), *changes):
            assert old in text, old
            text = text.replace(old, new)
        await self.operate("partners.apply", text=text)

    async def settle(self, what: Callable[[], Any], words: str = "it did not come to that") -> None:
        """Waits until `what` is true."""
        until = time.monotonic() + PATIENCE
        while not what():
            assert time.monotonic() < until, words
            await asyncio.sleep(0.02)

    async def sent(self, partner: str, body: bytes, *, key: str | None = None) -> dict[str, Any]:
        """The status of a message once it is decided."""
        box = self.partner(partner)
        status, answer = await box.send(self.session, "test.edi", body, key=key)
        assert status == 202, answer
        return await self.decided(partner, answer["id"])

    async def decided(self, partner: str, message: str) -> dict[str, Any]:
        until = time.monotonic() + PATIENCE
        while (value := await self.partner(partner).status(self.session, message))["state"] == "received":
            assert time.monotonic() < until, "the message was not decided"
            await asyncio.sleep(0.02)
        return value

    def effects(self, subject: str | None = None) -> list[Any]:
        return [effect for effect in self.erp.effects.values() if subject in (None, effect.subject)]


@contextlib.asynccontextmanager
async def running(folder: Path, database: str | None = None, *, clock: Clock = now, **settings: Any) -> AsyncIterator[Running]:
    journal.silence()
    erp = PretendErp()
    runner = web.AppRunner(erp.app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    erp_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    target = {"url": f"{erp_url}/events", "look_up_url": f"{erp_url}/events/{{id}}", "timeout": "2s"} | settings.pop("target", {})
    given = {
        "data_dir": str(folder / "var"), "database": database, "partner_listener": {"port": 0}, "admin_listener": {"port": 0}, "workers": 1,
        "erp_listener": {"port": 0, "token": ERP_TOKEN}, "sftp_listener": {"port": 0},
        "targets": {"erp": target}, "retries": {"first": "1s", "park": "1s", "factor": "1.0"}, "limits": {"disk_free": "1 MiB"},
    }  # fmt: skip
    for key, value in settings.items():
        given[key] = given[key] | value if isinstance(value, dict) and isinstance(given.get(key), dict) else value
    file = folder / "var" / "crossdock.db"
    if database is None and not file.exists():
        migrated_file(file)  # what a start on nothing costs, hundreds of tests would pay; test_cli.py and the killed ones do
    node = Node(read_settings(None, given, environment={}), clock, pool=KennelPool)
    await node.start()
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE)) as session:
            one = Running(node, erp, session, erp_url)
            for partner in ("northway", "lake3pl", "harbor"):
                await one.apply(partner)
            yield one
    finally:
        await node.stop()
        await runner.cleanup()


def document(name: str) -> bytes:
    return (DOCUMENTS / name).read_bytes()
