"""The demo's stage: its data directory, the carrier's keys, and how long it stays. Knows nothing of the story."""

import asyncio
import os
import secrets
import shutil
import signal
from datetime import UTC, datetime
from pathlib import Path

from gateway.data_directory import LOCK_FILE, lock
from gateway.keys import Vault, generate
from translators.as2.cms.keys import OurKey, certificate


def fresh_folder(folder: Path) -> Path:
    """The demo's data directory, emptied of the last demo's; it stays afterwards, so that the commands can look into it."""
    if folder.exists() and any(folder.iterdir()) and not (folder / LOCK_FILE).exists():
        raise SystemExit(f"{folder} is not a demo's data directory; name another with CROSSDOCK_DEMO_DIR")
    if folder.exists():
        os.close(lock(folder))
        shutil.rmtree(folder)
    folder.mkdir(parents=True, mode=0o700)
    return folder


def carrier_keys() -> tuple[OurKey, OurKey]:
    """A key pair for the pretend carrier, and one that stands in for ours until it is made."""
    vault = Vault(secrets.token_bytes(32))
    made = [generate(name, at=datetime.now(UTC), kind=kind) for name, kind in (("Northway Freight", "rsa-2048"), ("nobody", "ec-p256"))]
    first, second = (vault.open(vault.seal(one.private, certificate(one.certificate).fingerprint), one.certificate) for one in made)
    return first, second


async def until_stopped() -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    await stopped.wait()
