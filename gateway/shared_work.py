"""The chores of an installation, each for one node at a time: what nobody trips over is looked for, what is over goes.

Stages have work of their own; none of it is here.
"""

import asyncio
from collections.abc import Callable
from functools import partial

from gateway.chores import Chore, Turn
from gateway.clock import DAY, HOUR, MINUTE, SECOND, Clock, Instant, as_text, span
from gateway.consumers.records import Behind
from gateway.records.alarms import AlarmClosed, Waited
from gateway.settings import Settings
from gateway.sftp import leftovers
from gateway.sftp.files import Files
from gateway.store import feed, payload_rows, pruning, pruning_ours
from gateway.store.alarms import waiting_outboxes
from gateway.store.bucket import OWNER
from gateway.store.controls import ControlLook, look_for_gaps
from gateway.store.store import Store, landed
from partners.book import Book
from partners.profile import Profile

CHASE_EVERY = 5 * SECOND
WATCH_EVERY = 15 * SECOND
WARN_EVERY = 5 * MINUTE
PRUNE_EVERY = HOUR
LOOK_FOR_FILES = DAY
CONTROLS_SINCE = 7 * DAY
"""How far back gaps in partners' control numbers are looked for."""
CONTROLS_SETTLED = 15 * MINUTE
"""So long numbers may pass each other on their way."""
TAKEN, ANOTHERS = "bucket.taken", "nothing: the bucket belongs to another installation"
MESSAGES_AT_ONCE = 50
FILES_AT_ONCE = 200
PLACED_WITHIN = DAY
"""So long after it was told an event has its place in the stream, whatever was away meanwhile."""
BREATH = 0.02
"""Seconds between two commits of pruning: partners' messages go first."""


class SharedWork:
    def __init__(
        self, store: Store, settings: Settings, *, clock: Clock, book: Callable[[], Book], files: Files, on_queued: Callable[[], None]
    ) -> None:
        self._store, self._settings, self._clock, self._book, self._files, self._on_queued = store, settings, clock, book, files, on_queued

    def chores(self) -> dict[str, Chore]:
        return {
            "nodes": Chore(WATCH_EVERY, self._watch),
            "receipts": Chore(CHASE_EVERY, self._chase),
            "warnings": Chore(WARN_EVERY, self._warn),
            "unfinished files": Chore(10 * MINUTE, self._expire),
            "prune": Chore(PRUNE_EVERY, self._prune),
            "removed files": Chore(10 * MINUTE, self._remove_files),
            "unnamed files": Chore(LOOK_FOR_FILES, self._look_for_unnamed),
            "parts": Chore(LOOK_FOR_FILES, self._drop_parts),
        }

    async def _watch(self, turn: Turn) -> str:
        lost = await landed(self._store.watch_nodes(self._clock()))
        return f"{lost} nodes are lost" if lost else ""

    async def _chase(self, turn: Turn) -> str:
        """Receipts of AS2 messages that partners owe us."""
        chased = await landed(self._store.chase_as2(self._clock()))
        if chased:
            self._on_queued()
        return f"{chased} messages are sent again or reported" if chased else ""

    async def _warn(self, turn: Turn) -> str:
        """Certificates that run out, documents that nobody fetches, consumers who have stopped to read, numbers that are missing."""
        now = self._clock()
        await landed(self._store.warn_of_certificates(now))
        since = now - span(self._settings.alarms.outbox_after)
        late = await landed(self._store.read(lambda tx: waiting_outboxes(tx, since)))
        await landed(self._store.warn_of_outboxes(Waited(late, now)))
        behind = await landed(self._store.read(partial(feed.behind, since=now - span(self._settings.alarms.consumer_after))))
        await landed(self._store.consumers.warn_of_behind(Behind(behind, now)))
        for revision in self._book():
            if revision.profile.identities.control_numbers == "sequential":
                look = ControlLook(revision.profile.partner, now - CONTROLS_SINCE, now - CONTROLS_SETTLED, now)
                found = await landed(self._store.read(partial(look_for_gaps, look=look)))
                await landed(self._store.tell_gaps(found))
        return ""

    async def _expire(self, turn: Turn) -> str:
        """Files by SFTP that were never whole."""
        removed = 0
        for revision in self._book():
            channel = revision.profile.channels.sftp
            if channel is not None:
                removed += await asyncio.to_thread(self._files.expire, revision.profile.partner, channel)
        return f"{removed} files were never whole" if removed else ""

    # ---- what is over

    async def _prune(self, turn: Turn) -> str:
        """Messages that are older than their partner's retention, and that nothing needs any more."""
        told, spans = [], list[tuple[Instant, Instant]]()
        for profile in [revision.profile for revision in self._book()]:
            kept = kept_for(profile, self._settings)
            if kept is None:
                continue
            before, after, removed = self._clock() - kept, 0, 0
            while True:
                await turn.still_ours()
                pruned = await landed(self._store.prune(pruning.Ask(profile.partner, before, after, MESSAGES_AT_ONCE, self._clock())))
                removed += pruned.removed
                if pruned.told is not None:
                    spans = joined([*spans, pruned.told])
                if pruned.last is None:
                    break
                after = pruned.last
                await asyncio.sleep(BREATH)
            if removed:
                told.append(f"{profile.partner}: {removed} messages from before {as_text(before)}")
        for begin, end in spans:
            await self._prune_feed(turn, begin, end)
        if self._settings.retention.messages is not None:
            told += await self._prune_ours(turn, self._clock() - span(self._settings.retention.messages))
        return "; ".join(told)

    async def _prune_feed(self, turn: Turn, begin: Instant, end: Instant) -> None:
        """Places in the stream of events that were told between these moments and are gone."""
        after, until = await landed(self._store.read(lambda tx: (feed.before(tx, begin), feed.before(tx, end + PLACED_WITHIN))))
        while after < until:
            await turn.still_ours()
            after = await landed(self._store.consumers.prune_feed(after))
            await asyncio.sleep(BREATH)

    async def _prune_ours(self, turn: Turn, before: Instant) -> list[str]:
        removed, channels = 0, [f"alarm:{name}" for name, _ in self._settings.alarms.channels()]
        while True:
            await turn.still_ours()
            alarms = await landed(self._store.read(lambda tx: pruning_ours.closed(tx, before, MESSAGES_AT_ONCE)))
            gone = await landed(self._store.prune_ours(pruning_ours.Ours(alarms, channels, before, MESSAGES_AT_ONCE, self._clock())))
            if not gone:
                return [f"{removed} alarms and letters from before {as_text(before)}"] if removed else []
            removed += gone
            await asyncio.sleep(BREATH)

    async def _may_remove(self) -> bool:
        """False, and an alarm, where the bucket names another installation: what that one keeps there, no row of ours names."""
        bucket = self._store.files.bucket
        if bucket is None:
            return True
        is_ours = await asyncio.to_thread(bucket.is_ours)
        if is_ours:
            await landed(self._store.close_alarm(AlarmClosed(f"{TAKEN}:-", self._clock(), "crossdock", "the bucket is ours")))
        else:
            what = f"{bucket.name} belongs to another installation, and nothing is removed from it. Give this one a bucket of its own; or, where it is the only one that still works, remove the object {OWNER!r} there"
            await landed(self._store.raise_alarm(TAKEN, "-", what, self._clock()))
        return is_ours

    async def _remove_files(self, turn: Turn) -> str:
        """Payload files that no row names any more (payload_rows)."""
        if not await self._may_remove():
            return ANOTHERS
        removed = 0
        while True:
            await turn.still_ours()
            files = await landed(self._store.take_drops(self._clock(), FILES_AT_ONCE))
            for one in files:
                await turn.still_ours()
                removed += await asyncio.to_thread(self._remove_file, turn, one)
            await landed(self._store.end_drops(files, self._clock()))
            if len(files) < FILES_AT_ONCE:
                return f"{removed} payload files" if removed else ""

    def _remove_file(self, turn: Turn, file: str) -> bool:
        """Whether it went. Looked at as late as can be: what another node has removed meanwhile may be named again, and then has no second copy."""
        if not self._store.look(partial(payload_rows.is_going, file=file)):
            return False
        turn.look_at_clock()
        self._store.files.remove(file)
        return True

    async def _drop_parts(self, turn: Turn) -> str:
        """Those in the bucket of files by SFTP that are whole or over. Each node looks after its own disk itself."""
        if not await self._may_remove():
            return ANOTHERS
        dropped, pages = 0, leftovers.in_bucket(self._store.files, self._clock() - payload_rows.GRACE)
        while (page := await asyncio.to_thread(next, pages, None)) is not None:
            await turn.still_ours()
            dropped += await asyncio.to_thread(leftovers.drop_left, self._store, page)
        return f"{dropped} parts of files by SFTP" if dropped else ""

    async def _look_for_unnamed(self, turn: Turn) -> str:
        """Payload files without a row: a crash came between their sync and their commit, and nobody was told yes."""
        if not await self._may_remove():
            return ANOTHERS
        found, pages = 0, self._store.files.stored()
        while (page := await asyncio.to_thread(next, pages, None)) is not None:
            await turn.still_ours()
            old = [one.name for one in page if one.at < self._clock() - payload_rows.GRACE]
            unnamed = await landed(self._store.read(partial(payload_rows.unnamed, files=old)))
            if unnamed:
                await landed(self._store.drop_unnamed(unnamed, self._clock()))
            found += len(unnamed)
        return f"{found} payload files that no message names" if found else ""


def joined(spans: list[tuple[Instant, Instant]]) -> list[tuple[Instant, Instant]]:
    """The same moments in as few spans as can be walked through without walking twice."""
    found: list[tuple[Instant, Instant]] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1] + PLACED_WITHIN:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    return found


def kept_for(profile: Profile, settings: Settings) -> Instant | None:
    """How long the partner's messages are kept, in microseconds; never less than anything about them still counts. None: for ever."""
    wanted = profile.retention.messages if "messages" in profile.retention.model_fields_set else settings.retention.messages
    return None if wanted is None else span(max(wanted, profile.longest_window()))
