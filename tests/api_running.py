"""The ERP-facing API of a running gateway: consumers with tokens, and requests as they make them."""

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.consumers.records import SCOPES
from tests.running import ERP_TOKEN, Running, running
from tests.standing_running import Teller, event_row, moment, status


@dataclass
class Answer:
    status: int
    headers: Any
    body: bytes

    @property
    def value(self) -> Any:
        return json.loads(self.body)


class Api:
    def __init__(self, gateway: Running) -> None:
        self.gateway = gateway
        self.tokens = {"erp": ERP_TOKEN}

    @property
    def store(self) -> Any:
        return self.gateway.node.store

    @property
    def url(self) -> str:
        return self.gateway.node.addresses["erp"]

    async def consumer(self, name: str, *scopes: str, **given: Any) -> None:
        """A new one; all scopes if none are named."""
        made = await self.gateway.operate("consumers.add", name=name, scopes=list(scopes or SCOPES), **given)
        self.tokens[name] = made["token"]

    async def ask(self, method: str, path: str, who: str | None = "erp", *, json: Any = None, **headers: str) -> Answer:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if who is not None:
            given["Authorization"] = f"Bearer {self.tokens[who]}"
        async with self.gateway.session.request(method, f"{self.url}{path}", headers=given, json=json) as response:
            return Answer(response.status, response.headers, await response.read())

    async def get(self, path: str, who: str | None = "erp", **headers: str) -> Answer:
        return await self.ask("GET", path, who, **headers)

    async def walk(self, path: str, who: str = "erp") -> list[dict[str, Any]]:
        """All items, page by page."""
        found, joined = [], "&" if "?" in path else "?"
        cursor = ""
        for _ in range(1_000):
            answer = await self.get(path + (f"{joined}cursor={cursor}" if cursor else ""), who)
            assert answer.status == 200, answer.body
            found += answer.value["items"]
            cursor = answer.value["next"]
            if not cursor:
                return found
        raise AssertionError("it does not end")

    def tell(self, partner: str, *events: Any, **given: Any) -> str:
        return Teller(self.store, partner).tell(*events, **given)


@contextlib.asynccontextmanager
async def serving(folder: Path, database: str | None = None, **settings: Any) -> AsyncIterator[Api]:
    async with running(folder, database, **settings) as gateway:
        yield Api(gateway)


def shipment_event(number: int | str, partner: str = "northway", what: str = "pickup.departed", **more: Any) -> Any:
    """A status of a shipment."""
    data = status(what, "pickup" if what.startswith("pickup") else "delivery", moment("2026-11-16T10:00"))
    return event_row(f"{partner}.{number}.{what}", "shipment.status", f"shipment/{number}", data, **more)
