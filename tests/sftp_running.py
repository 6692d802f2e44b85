"""A partner with a login at our SFTP server, and a paramiko client that does what it is told."""

import asyncio
import contextlib
import io
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import paramiko

from gateway.keys import MadeSsh, generate_ssh
from tests.running import PATIENCE, Running, document, running

Value = TypeVar("Value")

KEY = generate_ssh("ed25519")
OTHER_KEY = generate_ssh("ed25519")
AGREEMENTS = "[{receive: csv/status}, {receive: '945', overlays: [demo-3pl], default_zone: America/New_York}]"


def profile(partner: str, *, terms: str = "", key: MadeSsh = KEY, agreements: str = AGREEMENTS, isa: str = "LAKE3PL") -> str:
    more = f", {terms}" if terms else ""
    return (
        f"partner: {partner}\nname: {partner} by SFTP\nidentities: {{isa: [{{qualifier: ZZ, id: {isa}}}]}}\n"
        f"channels: {{sftp: {{keys: [{{key: '{key.public}'}}]{more}}}}}\nagreements: {agreements}\n"
    )


async def with_sftp(gateway: Running, partner: str = "acme", **terms: Any) -> None:
    await gateway.operate("partners.apply", text=profile(partner, **terms))


def address(gateway: Running) -> tuple[str, int]:
    host, _, port = gateway.node.addresses["sftp"].removeprefix("sftp://").partition(":")
    return host, int(port)


@contextlib.contextmanager
def connected(gateway: Running, user: str = "acme", key: MadeSsh = KEY, password: str | None = None) -> Iterator[paramiko.Transport]:
    transport = paramiko.Transport(address(gateway))
    try:
        pkey = None if password is not None else paramiko.Ed25519Key.from_private_key(io.StringIO(key.private.decode()))
        transport.connect(username=user, pkey=pkey, password=password)
        yield transport
    finally:
        transport.close()


@contextlib.contextmanager
def client(gateway: Running, user: str = "acme", key: MadeSsh = KEY, password: str | None = None) -> Iterator[paramiko.SFTPClient]:
    with connected(gateway, user, key, password) as transport:
        found = paramiko.SFTPClient.from_transport(transport)
        assert found is not None
        yield found


class Background:
    """A gateway on an event loop of its own thread, for tests that are clients and may wait."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._running = running(folder, **settings)
        self.gateway = self.do(self._running.__aenter__())

    def do(self, what: Coroutine[Any, Any, Value]) -> Value:
        """Its value, awaited where the gateway lives."""
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(60)

    def with_partner(self, partner: str, **terms: Any) -> None:
        self.do(with_sftp(self.gateway, partner, **terms))

    def operate(self, operation: str, **given: Any) -> Any:
        return self.do(self.gateway.operate(operation, **given))

    def settle(self, what: Callable[[], Any], words: str = "it did not come to that") -> Any:
        """Waits until `what` gives something true; that."""
        until = time.monotonic() + PATIENCE
        while not (value := what()):
            assert time.monotonic() < until, words
            time.sleep(0.02)
        return value

    def messages(self, partner: str) -> list[dict[str, Any]]:
        """The partner's messages, the latest first."""
        return self.operate("messages", partner=partner, limit=200)

    def decided(self, partner: str, count: int = 1) -> list[dict[str, Any]]:
        """The same, once there are so many and all are decided."""
        return self.settle(
            lambda: (found := self.messages(partner)) and len(found) == count and all(one["state"] != "received" for one in found) and found,
            f"{partner} has not {count} decided messages",
        )

    def close(self) -> None:
        self.do(self._running.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)


def x12(number: int) -> bytes:
    """A 945 of its own: other control numbers, another shipment."""
    changes = {
        b"000000301": b"%09d" % number, b"*301*X*": b"*%d*X*" % number, b"GE*1*301": b"GE*1*%d" % number, b"WS-88120": b"WS-%05d" % number,
        b"H-77120": b"H-%05d" % number,
    }  # fmt: skip
    made = document("945-shipped.edi")
    for old, new in changes.items():
        assert old in made, old
        made = made.replace(old, new)
    return made
