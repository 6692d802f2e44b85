"""The admin listener: operations for the commands, health, metrics. Its token lies in a file that only the node's user can read."""

import asyncio
import hmac
import shutil
from typing import Any

from aiohttp import web

from gateway.doors.problems import explain, problems
from gateway.errors import Refused
from gateway.operations import CHANGING, OPERATIONS
from gateway.store import search
from gateway.store.store import landed

MOST_BODY = 4 * 2**20
PATIENCE = 5
WRITER_BEHIND = 1_000


class AdminDoor:
    def __init__(self, node: Any) -> None:
        self._node = node

    def app(self, *middlewares: Any) -> web.Application:
        app = web.Application(middlewares=[*middlewares, problems], client_max_size=MOST_BODY)
        app.router.add_get("/livez", self.livez)
        app.router.add_get("/readyz", self.readyz)
        app.router.add_get("/metrics", self._node.metrics.page)
        app.router.add_post("/api/{operation}", self.operate)
        app.router.add_get("/problems/{kind}", explain)
        return app

    async def livez(self, request: web.Request) -> web.Response:
        """The process serves; nothing else is looked at."""
        return web.Response(text="ok\n")

    async def readyz(self, request: web.Request) -> web.Response:
        """Whether we can keep what comes: the database writes, the writer keeps up, the disk has room. 503 names what is not so."""
        wrong = [self._node.fault] if self._node.fault else []
        if self._node.draining:
            wrong.append("it is about to stop, and finishes what it has begun")
        try:
            async with asyncio.timeout(PATIENCE):
                await landed(self._node.store.writer.submit(_nothing, None))
                await landed(self._node.store.read(search.alive))
        except Exception as error:
            wrong.append(f"the database does not take writes: {type(error).__name__}: {error}")
        if self._node.store.writer.waiting > WRITER_BEHIND:
            wrong.append(f"{self._node.store.writer.waiting} writes wait for the writer")
        free = shutil.disk_usage(self._node.store.files.folder).free
        if free < self._node.settings.limits.disk_free:
            wrong.append(f"{free} bytes of disk are free; {self._node.settings.limits.disk_free} are wanted")
        return web.json_response({"ready": not wrong, "wrong": wrong}, status=503 if wrong else 200)

    async def operate(self, request: web.Request) -> web.Response:
        """One operation of gateway.operations: JSON in, JSON out."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(token.encode(), self._node.admin_token.encode()):
            raise Refused(401, "not-authenticated", "the node's own token is needed; it lies in its data directory")
        name = request.match_info["operation"]
        operation = OPERATIONS.get(name)
        if operation is None:
            raise Refused(404, "not-found", f"no operation is called {name}")
        try:
            given = await request.json()
            value = await asyncio.to_thread(operation, self._node.store, given)
        except (KeyError, TypeError, ValueError) as error:
            raise Refused(400, "bad-request", f"{type(error).__name__}: {error}") from None
        if name in CHANGING:
            await self._node.reload_profiles()
            self._node.translate.wake()
            self._node.deliver.wake()
            self._node.replay.wake()
            self._node.poller.soon()
            self._node.chores.look()
        return web.json_response(value)


def _nothing(tx: Any, items: list[Any]) -> list[None]:
    return [None] * len(items)
