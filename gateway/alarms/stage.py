"""The herald: brings news of alarms to where people look. What is new for a little while goes into one letter; the same again waits.

A letter is a delivery like any other, kept in the commit that notes its alarms as told: it survives a crash, and is tried until it arrives. Only when
the store itself takes nothing are people told without it.
"""

import asyncio
import json
from fnmatch import fnmatchcase

from gateway import journal
from gateway.alarms.catalog import ORDER, kind_of
from gateway.alarms.wording import letter
from gateway.clock import SECOND, Clock, Instant, new_id, span
from gateway.errors import CrossdockError, StoreUnavailable
from gateway.records.alarms import AlarmRow, Letter, Told
from gateway.records.deliveries import ToDeliver
from gateway.settings import AlarmChannel, Alarms
from gateway.store import alarms as rows
from gateway.store.payloads import Payload
from gateway.store.store import Store, landed
from gateway.targets.base import Destination
from gateway.wakeful import Wakeful

MOST = 500
"""Alarms that are noted as told in one commit."""
SILENT = 30 * SECOND
"""So long the store may take nothing before people are told without it."""
LAST_WORDS = 10.0


class Herald(Wakeful):
    name = "herald"
    idle = 1.0

    def __init__(self, store: Store, settings: Alarms, channels: dict[str, Destination], *, node: str, clock: Clock) -> None:
        """`channels` are the destinations by their names, such as alarm:mail."""
        super().__init__()
        self._store, self._settings, self._channels, self._node, self._clock = store, settings, channels, node, clock
        self._terms: dict[str, AlarmChannel] = {f"alarm:{name}": terms for name, terms in settings.channels()}
        self._silent_since: Instant | None = None
        self._told_silence: Instant = 0

    async def _look(self) -> bool:
        try:
            await self.tell()
            self._silent_since = None
        except Exception as error:  # people must be told without the store, then
            journal.trouble("alarms", error)
            await self._silence(error)
        return False

    async def tell(self) -> int:
        """One look: the number of alarms that were noted as told, with a letter or, where no channel wants them, without."""
        now = self._clock()
        news = await landed(
            self._store.read(lambda tx: rows.news(tx, now - span(self._settings.gather), now - span(self._settings.again_after), MOST))
        )
        if not news:
            return 0
        letters = [
            made
            for name, terms in self._terms.items()
            if (wanted := [row for row in news if wants(terms, row)])
            for made in [self._letter(name, wanted, now)]
        ]
        return await landed(self._store.tell_alarms(Told(news, letters, now)))

    def _letter(self, channel: str, wanted: list[AlarmRow], now: Instant) -> Letter:
        identity = new_id(now)
        value = letter(wanted, node=self._node, at=now, runbooks=self._settings.runbooks)
        data = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
        name = f"{channel}:{identity}"
        return Letter(name, identity, channel, self._store.files.keep(Payload.inline(name, "-", data)))

    # ---- without the store

    async def _silence(self, error: Exception) -> None:
        now = self._clock()
        self._silent_since = self._silent_since or now
        if now - self._silent_since > SILENT and now - self._told_silence > span(self._settings.again_after):
            self._told_silence = now
            await self._say("store.unavailable", f"node {self._node} has kept nothing since {SILENT // SECOND} seconds: {error}")

    async def last_words(self, fault: str) -> None:
        """Before a node ends for a fault of its own."""
        try:
            async with asyncio.timeout(LAST_WORDS):
                await self._say("node.ended", f"node {self._node} ends: {fault}")
        except TimeoutError:
            journal.trouble("alarms", StoreUnavailable("there was no time to tell anybody"))

    async def _say(self, kind: str, what: str) -> None:
        """To every channel that wants it, now, with nothing kept."""
        now = self._clock()
        row = AlarmRow(f"{kind}:{self._node}"[:120], kind, "-", None, what, 1, now, now, None, None)
        for name, terms in self._terms.items():
            if not wants(terms, row):
                continue
            made = letter([row], node=self._node, at=now, runbooks=self._settings.runbooks)
            data = json.dumps(made).encode()
            delivery = ToDeliver(
                f"{name}:{new_id(now)}", "", 0, "-", name, "alarm", "", None, None, "", "{}", 0, False, "pass", now, data, None, "", now
            )
            try:
                await self._channels[name].deliver(delivery, data)
            except CrossdockError as error:
                journal.trouble(f"alarms: {name}", error)


def wants(terms: AlarmChannel, row: AlarmRow) -> bool:
    """Whether a channel is told of it."""
    return (
        ORDER[kind_of(row.kind).urgency] >= ORDER[terms.least]
        and any(fnmatchcase(row.kind, pattern) for pattern in terms.kinds)
        and (not terms.partners or row.partner in terms.partners or row.partner == "-")
    )
