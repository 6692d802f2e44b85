"""A real S3 server: SeaweedFS, a process of its own, in a folder of its own."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import obstore
from obstore.store import S3Store

PROGRAM = Path(__file__).parent.parent.parent / ".venv-peer" / "bin" / "weed"
KEY, SECRET = "key-of-the-tests", "secret-of-the-tests"
UP = 60.0


@dataclass
class Bucket:
    """Where it is; it can be stopped and started on what it has."""

    endpoint: str
    command: list[str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            # A group of its own: the program that pip installs starts the server as its child.
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, start_new_session=True)
        until = time.monotonic() + UP
        while not self._answers():
            if time.monotonic() > until or self.process.poll() is not None:
                raise RuntimeError(f"SeaweedFS did not start; see {self.log}")
            time.sleep(0.1)

    def stop(self) -> None:
        """By SIGKILL: it does not heed SIGTERM."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(20)
            self.process = None

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(self.endpoint.removeprefix("http://"), timeout=2)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def make(self, name: str) -> str:
        """A new bucket; its name."""
        store = S3Store(
            name, endpoint=self.endpoint, access_key_id=KEY, secret_access_key=SECRET, region="us-east-1", virtual_hosted_style_request=False,
            client_options={"allow_http": True},
        )  # fmt: skip
        obstore.put(store, "made", b"")  # the first object makes it
        obstore.delete(store, "made")
        return name

    def environment(self, name: str) -> dict[str, str]:
        """The settings of a gateway whose bucket is called so."""
        self.make(name)
        return {
            "CROSSDOCK_PAYLOADS__BUCKET": f"s3://{name}", "CROSSDOCK_PAYLOADS__ENDPOINT": self.endpoint, "CROSSDOCK_PAYLOADS__ACCESS_KEY": KEY,
            "CROSSDOCK_PAYLOADS__SECRET_KEY": SECRET, "CROSSDOCK_PAYLOADS__TIMEOUT": "3s",
        }  # fmt: skip


@contextlib.contextmanager
def seaweed(folder: Path) -> Iterator[Bucket]:
    """Up, with nothing in it; buckets come into being when something is put there."""
    identity = {
        "name": "crossdock", "credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }  # fmt: skip
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    ports = _ports(8)
    names = ("s3.port", "s3.port.grpc", "master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc")
    command = [
        str(PROGRAM), "server", "-ip=127.0.0.1", f"-dir={folder}", "-s3", f"-s3.config={folder / 's3.json'}", "-volume.max=200", "-master.telemetry=false", "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.volumeSizeLimitMB=64",
        *(f"-{name}={port}" for name, port in zip(names, ports, strict=True)),
    ]  # fmt: skip
    bucket = Bucket(f"http://127.0.0.1:{ports[0]}", command, folder / "weed.log")
    try:
        bucket.start()
        yield bucket
    finally:
        bucket.stop()


def _ports(count: int) -> list[int]:
    """Free ones."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]
