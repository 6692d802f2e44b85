"""A gateway as a process that may be killed, and started again on the same data."""

import asyncio
import json
import os

from gateway.settings import Settings
from tests.nursery import nursery

PATIENCE = 30.0


class Life:
    """A gateway as a process of its own; its journal lies beside its data directory."""

    def __init__(self, settings: Settings, failpoints: str, **more: str) -> None:
        environment = (
            os.environ
            | {
                "CROSSDOCK_DATA_DIR": str(settings.data_dir),
                "CROSSDOCK_PARTNER_LISTENER__PORT": "0",
                "CROSSDOCK_ADMIN_LISTENER__PORT": "0",
                "CROSSDOCK_WORKERS": "1",
                "CROSSDOCK_LIMITS__DISK_FREE": "1 MiB",
                "CROSSDOCK_RETRIES__FIRST": "1s",
                "CROSSDOCK_BREAKER__PAUSE": "1s",
                "CROSSDOCK_TARGETS__ERP__URL": settings.targets["erp"].url,
                "CROSSDOCK_SFTP_LISTENER__PORT": "0",
                "CROSSDOCK_FAILPOINTS": failpoints,
            }
            | more
        )
        self._file = settings.data_dir / "node.json"
        self._file.unlink(missing_ok=True)
        self.process = nursery().bear(["serve"], environment, errors=settings.data_dir.with_suffix(".log"))

    async def url(self) -> str:
        """Of the partners' listener."""
        return (await self.addresses())["partners"]

    async def addresses(self) -> dict[str, str]:
        """Of all listeners, by name."""
        async with asyncio.timeout(PATIENCE):
            while not self._file.exists():
                assert self.process.poll() is None, "the gateway did not start"
                await asyncio.sleep(0.05)
        found: dict[str, str] = json.loads(self._file.read_text())
        return found

    async def dead(self) -> None:
        async with asyncio.timeout(PATIENCE):
            while self.process.poll() is None:
                await asyncio.sleep(0.05)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE)
