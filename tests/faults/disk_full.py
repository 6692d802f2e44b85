"""P4. The disk fills up to its last byte and is freed, again and again: partners are told to come again, and no receipt says that their document was wrong."""

import asyncio
import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp

from gateway.simulators.as2 import PretendAs2Partner
from tests.as2_running import two
from tests.faults.promise import CannotBeTried, Proof, Trial
from tests.faults.sabotage import sabotaged
from tests.faults.senders import LONGER_THAN_A_LEASE, judged
from tests.kill.documents import Sent, document
from tests.running import Running
from translators.as2.write import Security

DISK = 96
"""MiB of the small file system that the gateway lives on."""
LARGE = 100 * 1024
"""Bytes after every third document's end: such a body is a file of its own."""
PAUSE = 0.2
BACK = 30.0


class Full:
    """What everybody was told, in turns of room and no room."""

    def __init__(self, gateway: Running, as2: PretendAs2Partner, proof: Proof) -> None:
        self.gateway, self.as2, self.proof = gateway, as2, proof
        self.believed: set[str] = set()
        self.over = False
        self.number = 0

    async def by_http(self) -> None:
        while not self.over:
            sent = self._next()
            await self._until_taken(sent, self._post)

    async def by_as2(self) -> None:
        while not self.over:
            self.number += 4 - self.number % 4  # statuses are the first of four kinds
            sent = document(self.number)
            await self._until_taken(sent, self._send)

    def _next(self) -> Sent:
        self.number += 1
        return document(self.number)

    async def _until_taken(self, sent: Sent, way: "object") -> None:
        while not await way(sent):
            await asyncio.sleep(PAUSE)
        self.believed.add(sent.subject)
        await asyncio.sleep(PAUSE / 4)

    async def _post(self, sent: Sent) -> bool:
        body = sent.body + b"\n" * (LARGE if int(sent.subject[-1]) % 3 == 0 else 0)
        headers = {"Authorization": f"Bearer {sent.partner}", "Content-Type": "application/edi-x12", "Idempotency-Key": sent.subject}
        try:
            async with self.gateway.session.post(f"{self.gateway.url}/v1/inbox", data=body, headers=headers) as response:
                await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError):
            self.proof.count("requests by HTTP without an answer")
            return False
        if response.status == 503:
            self.proof.count("times 503 by HTTP")
            self.proof.holds("Retry-After" in response.headers, "a 503 does not say when to come again")
        elif response.status != 202:
            self.proof.holds(False, f"HTTP was answered {response.status}")
        return response.status == 202

    async def _send(self, sent: Sent) -> bool:
        try:
            outcome = await self.as2.send(
                self.gateway.session,
                f"{self.gateway.url}/as2",
                sent.body,
                file_name="status.edi",
                security=Security(),
                message_id=f"<{sent.subject}@acme>",
            )
        except (aiohttp.ClientError, OSError, TimeoutError):
            self.proof.count("requests by AS2 without an answer")
            return False
        if outcome.status == 503:
            self.proof.count("times 503 by AS2")
            return False
        self.proof.holds(
            outcome.judgment is not None and outcome.judgment.state == "delivered", f"AS2 was answered {outcome.status}: {outcome.judgment}"
        )
        return outcome.status == 200

    async def ready(self) -> bool:
        async with self.gateway.session.get(f"{self.gateway.node.addresses['admin']}/readyz") as response:
            return response.status == 200


async def prove(trial: Trial, proof: Proof) -> None:
    with _small_disk(trial.folder / "var") as place, sabotaged(trial.sabotage):
        async with two(trial.folder, settings={"limits": {"disk_free": "1 MiB"}}) as (gateway, as2):
            full = Full(gateway, as2, proof)
            people = [asyncio.create_task(full.by_http()) for _ in range(4)] + [asyncio.create_task(full.by_as2())]
            for turn in range(2 if trial.sabotage else trial.size("turns")):
                await asyncio.sleep(trial.size("room"))
                async with _ballast(place, to_the_last_byte=turn % 2 == 0):
                    await asyncio.sleep(trial.size("no_room"))
                    proof.count("times ready without room", int(await full.ready()))
                await _back(full, proof)
            full.over = True
            async with asyncio.timeout(60):
                await asyncio.gather(*people)
            await judged(proof, full.believed, gateway.erp, patience=5 if trial.sabotage else LONGER_THAN_A_LEASE)
            proof.holds(proof.counts["times 503 by HTTP"] > 0 and proof.counts["times 503 by AS2"] > 0, "nobody met the full disk")
            proof.holds(proof.counts["times ready without room"] == 0, "it was ready though there was no room")


async def _back(full: Full, proof: Proof) -> None:
    begun, had = time.monotonic(), len(full.believed)
    while (len(full.believed) == had or not await full.ready()) and time.monotonic() - begun < 2 * BACK:
        await asyncio.sleep(0.1)
    proof.figures["back after"] = f"{max(time.monotonic() - begun, float(proof.figures.get('back after', '0').split()[0])):.1f} s"
    proof.holds(len(full.believed) > had, f"{2 * BACK:.0f} s after there was room nothing was taken")


@contextlib.asynccontextmanager
async def _ballast(place: Path, *, to_the_last_byte: bool) -> AsyncIterator[None]:
    """To the last byte, so that writes fail in the middle; else to below what is kept free, so that nothing is begun."""
    ballast = place / "ballast"

    def fill() -> None:
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            left = shutil.disk_usage(place).free
            file.write(b"\0" * (left if to_the_last_byte else max(0, left - (1 << 19))))

    await asyncio.to_thread(fill)
    try:
        yield
    finally:
        await asyncio.to_thread(ballast.unlink)


@contextlib.contextmanager
def _small_disk(place: Path) -> Iterator[Path]:
    place.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}m", "none", place], capture_output=True).returncode:
        raise CannotBeTried("this machine lets nobody mount a small file system, so no disk fills up")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], capture_output=True)
