"""Partners who send as real ones do: each document until it has its 202, with every answer noted. They judge by what they believe and what the ERP has."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp

from gateway.simulators.erp import PretendErp
from tests.faults.promise import Proof
from tests.kill.documents import Sent, document

PATIENCE = 10.0
"""Seconds after which a sender gives up waiting for one answer."""

LONGER_THAN_A_LEASE = 25.0
"""Seconds without progress after which what is not there is lost: what a failed commit leaves leased is taken up again when its lease has run out."""


@dataclass(frozen=True)
class Answer:
    begun: float
    ended: float
    status: int | None
    """None: no answer at all."""


@dataclass
class Senders:
    """Sends documents to `url()`, `rate` begun a second; `believed` has the subject of each that got its 202."""

    session: aiohttp.ClientSession
    url: Callable[[], str]
    rate: float
    answers: list[Answer] = field(default_factory=list)
    believed: set[str] = field(default_factory=set)
    put_off: Counter[str] = field(default_factory=Counter)
    """How often each was told that too many of its partner's are under way (429)."""
    begun: int = 0
    pause: float = 0.3
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _sending: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._sending = asyncio.create_task(self._send())

    async def stop(self) -> None:
        """No new documents; those begun get their 202."""
        assert self._sending is not None
        self._sending.cancel()
        async with asyncio.timeout(120):
            await asyncio.gather(*self._tasks)

    async def _send(self) -> None:
        while True:
            self.begun += 1
            task = asyncio.create_task(self._one(document(self.begun), f"key-{self.begun}"))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            await asyncio.sleep(1 / self.rate)

    async def _one(self, sent: Sent, key: str) -> None:
        headers = {"Authorization": f"Bearer {sent.partner}", "Content-Type": "application/edi-x12", "Idempotency-Key": key}
        while True:
            begun, status, pause = time.monotonic(), None, self.pause
            try:
                async with self.session.post(
                    f"{self.url()}/v1/inbox", data=sent.body, headers=headers, timeout=aiohttp.ClientTimeout(PATIENCE)
                ) as response:
                    await response.read()
                    status = response.status
                    if status == 429:
                        self.put_off[sent.subject] += 1
                        pause = float(response.headers["Retry-After"])
            except (aiohttp.ClientError, OSError, TimeoutError):
                pass
            self.answers.append(Answer(begun, time.monotonic(), status))
            if status == 202:
                self.believed.add(sent.subject)
                return
            await asyncio.sleep(pause)


async def judged(proof: Proof, believed: set[str], erp: PretendErp, *, patience: float = LONGER_THAN_A_LEASE) -> None:
    """Every document that its sender believes delivered is in the ERP's ledger exactly once, and nothing is there that nobody sent."""
    until, had = time.monotonic() + patience, -1
    while believed - {effect.subject for effect in erp.effects.values()} and time.monotonic() < until:
        if len(erp.effects) > had:
            had, until = len(erp.effects), time.monotonic() + patience
        await asyncio.sleep(0.1)
    effects = Counter(effect.subject for effect in erp.effects.values() for _ in range(effect.count))
    proof.count("documents believed delivered", len(believed))
    proof.none("lost", believed - set(effects))
    proof.none("doubled", (subject for subject, count in effects.items() if count > 1))
    proof.none("in the ERP though nobody believes them delivered", set(effects) - believed)
