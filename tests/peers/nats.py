"""A real NATS server, or three of them as a cluster, each a process of its own with a folder of its own on loopback ports (`make peers`)."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import nats
import psutil
from nats.aio.client import Client
from nats.js.api import StreamConfig

ROOT = Path(__file__).parents[2]
SERVER = ROOT / ".venv-peer" / "bin" / "nats-server"
MISSING = "no NATS server; `make peers` installs it"
SECONDS = 30.0


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class NatsServer:
    """One server. It can be killed, frozen, and started again on its port with what it has stored."""

    def __init__(self, folder: Path, *, more: str = "", name: str = "n1", port: int | None = None) -> None:
        """`more` is added to its configuration."""
        self.folder, self.name, self.port = folder, name, port or free_port()
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / "nats.conf"
        self.configure(more)

    def configure(self, more: str) -> None:
        self.file.write_text(
            f'listen: "127.0.0.1:{self.port}"\nserver_name: {self.name}\njetstream {{store_dir: "{self.folder / "store"}"}}\n{more}\n'
        )

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([str(SERVER), "-c", str(self.file)], stdout=log, stderr=log)
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1) as line:
                if line.recv(4) == b"INFO":
                    return
            time.sleep(0.05)
        raise RuntimeError((self.folder / "log").read_text())

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None

    def freeze(self) -> None:
        """Stopped, and it is: on a busy machine the signal alone leaves it a moment in which it still answers."""
        self.signal(signal.SIGSTOP)
        assert self.process is not None
        frozen, until = psutil.Process(self.process.pid), time.monotonic() + SECONDS
        while frozen.status() != psutil.STATUS_STOPPED and time.monotonic() < until:
            time.sleep(0.01)

    def signal(self, number: signal.Signals) -> None:
        """SIGSTOP freezes it, SIGCONT thaws it."""
        assert self.process is not None
        os.kill(self.process.pid, number)


@contextlib.contextmanager
def server(folder: Path, *, more: str = "") -> Iterator[NatsServer]:
    one = NatsServer(folder, more=more)
    try:
        one.start()
        yield one
    finally:
        one.kill()


@contextlib.contextmanager
def cluster(folder: Path, size: int = 3) -> Iterator[list[NatsServer]]:
    routes = [free_port() for _ in range(size)]
    known = ", ".join(f'"nats-route://127.0.0.1:{port}"' for port in routes)
    nodes = [
        NatsServer(folder / f"n{number}", name=f"n{number}", more=f'cluster {{name: c, listen: "127.0.0.1:{port}", routes: [{known}]}}')
        for number, port in enumerate(routes, start=1)
    ]
    try:
        for node in nodes:
            node.start()
        yield nodes
    finally:
        for node in nodes:
            node.kill()


@contextlib.asynccontextmanager
async def client(*servers: str, **more: Any) -> AsyncIterator[Client]:
    """A client that is no part of ours, for making streams and for judging what they hold."""

    async def quiet(error: Exception) -> None:
        """A server that is being killed is no news."""

    one = await nats.connect(list(servers), error_cb=quiet, reconnect_time_wait=0.1, max_reconnect_attempts=-1, **more)
    try:
        yield one
    finally:
        await one.close()


async def make_stream(one: Client, name: str = "EVENTS", subjects: tuple[str, ...] = ("crossdock.>",), **more: Any) -> None:
    """The stream, once the servers can make it: a fresh cluster has to elect a leader first."""
    until = time.monotonic() + SECONDS
    while True:
        try:
            await one.jetstream().add_stream(StreamConfig(name=name, subjects=list(subjects), **more))
            return
        except Exception:
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.2)


async def held(one: Client, name: str = "EVENTS") -> list[Any]:
    """Every message of a stream, in its order, read by the server's own API."""
    context = one.jetstream()
    state = (await context.stream_info(name)).state
    found = []
    for sequence in range(max(1, state.first_seq), state.last_seq + 1):
        with contextlib.suppress(nats.js.errors.NotFoundError):
            found.append(await context.get_msg(name, sequence))
    return found


async def leader_of(one: Client, name: str = "EVENTS") -> str:
    info = json.loads((await one.request(f"$JS.API.STREAM.INFO.{name}", b"", timeout=5)).data)
    return str(info["cluster"]["leader"])
