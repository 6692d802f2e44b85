"""The other end of each kind of target, with the moods that its wire can have: what the contract of targets (test_targets.py) is tried with."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway.simulators.erp import PretendErp
from partners import library
from tests.cutting import line_to
from tests.notices import data_of, notice
from tests.peers import nats as peers
from tests.peers import tryton
from tests.pretend_odoo import KEY as ODOO_KEY
from tests.pretend_odoo import PretendOdoo
from tests.pretend_odoo import serving as odoo_serving

TYPE = "org.crossdock.shipment.notified.v1"
NO_TRYTON = pytest.mark.skipif(not tryton.PROGRAM.exists(), reason=tryton.MISSING)
NO_SERVER = pytest.mark.skipif(not peers.SERVER.exists(), reason=peers.MISSING)
LARGE = json.dumps({"lines": ["Größe" * 10] * 11_500}, ensure_ascii=False).encode()
DATA = json.dumps({"note": "Größe 42 — 東京 \u2603"}, ensure_ascii=False).encode()


class Rig:
    """The other end of one kind."""

    kind = "rest"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        yield

    def settings(self) -> dict[str, Any]:
        """As an installation would set it."""
        raise NotImplementedError

    async def effects(self) -> list[tuple[str, bytes]]:
        """(event id, data) of all that happened there, repeats with them, in order."""
        raise NotImplementedError

    def lose_answers(self, number: int) -> None:
        """So many effects happen without a word to us."""
        raise NotImplementedError

    async def go(self) -> None:
        """It is away."""
        raise NotImplementedError

    async def come(self) -> None:
        raise NotImplementedError

    async def refuse(self, number: int | str) -> bytes:
        """It will not take the event of this number; the data to send to be refused."""
        raise NotImplementedError

    def data(self, number: int | str) -> bytes:
        """What the event of this number tells."""
        return DATA

    def large(self) -> bytes:
        """Of the event "large": less than a megabyte, and not much."""
        return LARGE


class RestRig(Rig):
    repeats = "native_key"

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        self.erp = PretendErp()
        self.erp.behaviour.ignore_keys = self.repeats == "look_up"
        runner = web.AppRunner(self.erp.app(), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/events"
        yield
        await runner.cleanup()

    def settings(self) -> dict[str, Any]:
        return {"url": self.url, "repeats": self.repeats, "look_up_url": f"{self.url}/{{id}}", "timeout": "5s"}

    async def effects(self) -> list[tuple[str, bytes]]:
        return [(key, json.dumps(self.erp.effects[key].data, ensure_ascii=False).encode()) for key in self.erp.order]

    def lose_answers(self, number: int) -> None:
        self.erp.behaviour.cut_after_commit = number

    async def go(self) -> None:
        self.erp.behaviour.dead = True

    async def come(self) -> None:
        self.erp.behaviour.dead = False

    async def refuse(self, number: int | str) -> bytes:
        self.erp.behaviour.refuse_types = [TYPE]
        return DATA


class LookUpRig(RestRig):
    repeats = "look_up"


LEDGER = """
event: shipment.notified
about: the whole event, for an ERP that takes it by its id and does not mind repeats itself
together: yes
steps:
  look whether it has it:
    guard: yes
    get: events/{@id}
    as: known
    answers: [{status: 404, means: nothing}]
    example: "null"
  send it:
    when: not known
    post: events
    headers: {Idempotency-Key: "{@id}", ce-id: "{@id}", ce-type: "{@type}"}
    body: "{@data}"
answers:
  - {status: 422, means: refuse, words: /error}
done: {confirmed: "{@id}"}
"""


class CallsRig(RestRig):
    """A mapping of a library's own, for an ERP that takes every request for a new thing."""

    kind = "calls"
    repeats = "look_up"

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        home = self.folder / "library" / "mappings" / "erp" / "ledger"
        home.mkdir(parents=True)
        (home / "shipment.notified.yaml").write_text(LEDGER)
        library.use(self.folder / "library")
        try:
            async with super().open():
                yield
        finally:
            library.use(None)

    def settings(self) -> dict[str, Any]:
        return {"kind": "calls", "mapping": "erp/ledger", "url": self.url.removesuffix("/events"), "timeout": "5s", "concurrency": 8}


class ReceivingRig(Rig):
    """An ERP that is told of ship notices: event N is one widget for order POn, and its effect a receipt of that."""

    kind = "calls"
    unit = "Units"

    def tables(self) -> dict[str, str]:
        tables = {
            "suppliers": {"default": {"acme": "NORTHWAY"}},
            "items": {"default": {"NF-2200": "WIDGET"}},
            "units": {"default": {"EA": self.unit}},
        }
        for name, table in tables.items():
            (self.folder / f"{name}.yaml").write_text(json.dumps(table))
        return {name: str(self.folder / f"{name}.yaml") for name in tables}

    def order(self, number: int | str) -> str:
        return f"PO{number}"

    def data(self, number: int | str) -> bytes:
        return data_of(notice(f"N-{number}", (self.order(number), "NF-2200", "1")))

    def large(self) -> bytes:
        return data_of(notice("N-large", (self.order("large"), "NF-2200", "1"), notes=[{"text": "Größe" * 10} for _ in range(9_900)]))

    async def refuse(self, number: int | str) -> bytes:
        return data_of(notice(f"N-{number}", (self.order(number), "NF-9", "1")))

    def told(self, number: str) -> tuple[str, bytes]:
        """The effect of the notice N-…."""
        number = number.removeprefix("N-")
        return f"e{number}-r1", self.large() if number == "large" else self.data(number)


class OdooRig(ReceivingRig):
    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        self.odoo = PretendOdoo()
        for number in (*range(20), "large"):
            self.odoo.order(self.order(number), ("WIDGET", 1))
        async with odoo_serving(self.odoo) as self.url:
            yield

    def settings(self) -> dict[str, Any]:
        return {"kind": "calls", "mapping": "erp/odoo", "url": self.url, "token": ODOO_KEY, "lookups": self.tables(), "timeout": "5s"}

    async def effects(self) -> list[tuple[str, bytes]]:
        done = [one for one in self.odoo.records["stock.picking"].values() if one["state"] == "done"]
        assert self.odoo.stock.get("WIDGET", 0) == len(done), "each receipt brought one"
        return [self.told(one["origin"].partition(" ")[2]) for one in done]

    def lose_answers(self, number: int) -> None:
        self.odoo.cut_after_commit = number

    async def go(self) -> None:
        self.odoo.dead = True

    async def come(self) -> None:
        self.odoo.dead = False


class TrytonRig(ReceivingRig):
    """The real one: its orders are numbered from 1."""

    unit = "u"

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        with tryton.server(self.folder / "tryton") as self.server:
            async with line_to(self.server.url) as self.line:
                yield

    def settings(self) -> dict[str, Any]:
        return {"kind": "calls", "mapping": "erp/tryton", "url": self.line.url, "token": self.server.key, "lookups": self.tables(), "timeout": "20s"}

    def order(self, number: int | str) -> str:
        return "50" if number == "large" else str(int(number) + 1)

    async def effects(self) -> list[tuple[str, bytes]]:
        found = await asyncio.to_thread(self.server.read, "stock.shipment.in", ["reference", "state", "incoming_moves.quantity"], [])
        assert {(one["state"], *[move["quantity"] for move in one["incoming_moves"]]) for one in found} <= {("done", 1.0)}
        return [self.told(one["reference"]) for one in sorted(found, key=lambda one: int(one["id"]))]

    def lose_answers(self, number: int) -> None:
        left = iter(range(number))
        self.line.breaks = lambda at, method: "after" if method == "POST" and next(left, None) is not None else None

    async def go(self) -> None:
        self.line.breaks = lambda at, method: "before"

    async def come(self) -> None:
        self.line.breaks = lambda at, method: None


class FolderRig(Rig):
    kind = "folder"

    def settings(self) -> dict[str, Any]:
        return {"kind": "folder", "path": str(self.folder / "box")}

    async def effects(self) -> list[tuple[str, bytes]]:
        files = sorted((self.folder / "box").glob("*.json"), key=lambda one: one.stat().st_mtime_ns)
        events = [json.loads(file.read_text()) for file in files]
        return [(one["id"], json.dumps(one["data"], ensure_ascii=False).encode()) for one in events if "id" in one]

    def lose_answers(self, number: int) -> None:
        raise AssertionError("a folder's own writes are heard of, or nobody is there to hear")

    async def go(self) -> None:
        (self.folder / "box").write_text("a file where the folder should be")

    async def come(self) -> None:
        (self.folder / "box").unlink()

    async def refuse(self, number: int | str) -> bytes:
        (self.folder / "box").mkdir()
        (self.folder / "box" / f"e{number}-r1.json").write_text("{}")
        return DATA


class LossyLine:
    """A line to a NATS server that can lose acknowledgments: the message is stored, its answer is not passed on, the line breaks."""

    def __init__(self, port: int) -> None:
        self.to = port
        self.losing = 0
        self.is_mute = False
        """While it is, nothing comes back."""
        self._lines: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        self.cut()

    def cut(self) -> None:
        for line in list(self._lines):
            line.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            back, forth = await asyncio.open_connection("127.0.0.1", self.to)
        except OSError:
            writer.transport.abort()
            return
        self._lines |= {writer, forth}
        await asyncio.gather(self._carry(reader, forth, False), self._carry(back, writer, True))
        self._lines -= {writer, forth}

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_back: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                if is_back and self.is_mute:
                    continue
                if is_back and self.losing and b'"seq":' in data and b'"stream":' in data:
                    self.losing -= 1
                    break
                writer.write(data)
                await writer.drain()
        writer.transport.abort()


class NatsRig(Rig):
    kind = "nats"

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        with peers.server(self.folder / "nats") as self.server:
            async with peers.client(self.server.url) as self.client:
                await peers.make_stream(self.client, max_msg_size=900_000)
                self.line = LossyLine(self.server.port)
                await self.line.start()
                yield
                await self.line.stop()

    def settings(self) -> dict[str, Any]:
        return {"kind": "nats", "servers": f"nats://127.0.0.1:{self.line.port}", "timeout": "5s", "ack_wait": "1s"}

    async def effects(self) -> list[tuple[str, bytes]]:
        return [(one.headers["ce-id"], one.data) for one in await peers.held(self.client)]

    def lose_answers(self, number: int) -> None:
        self.line.losing = number

    async def go(self) -> None:
        await self.line.stop()
        self.line.to = 1

    async def come(self) -> None:
        self.line._server = await asyncio.start_server(self.line._serve, "127.0.0.1", self.line.port)
        self.line.to = self.server.port

    async def refuse(self, number: int | str) -> bytes:
        return b'{"x":"' + b"x" * 950_000 + b'"}'
