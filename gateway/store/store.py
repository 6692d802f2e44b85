"""The store as the rest of the gateway sees it: one method a verb; writes go to the writer thread, reads have their own connections."""

import asyncio
import secrets
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import Connection
from sqlalchemy.exc import InterfaceError, OperationalError, PendingRollbackError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from gateway.as2.records import Answered, Arrived, As2Claim, As2Row, AsideAs2, CertificateChange, CertificateRow, Decided, Frozen, StoredReceipt
from gateway.clock import Clock, Instant, Ticks, now
from gateway.errors import StoreBroken, StoreUnavailable
from gateway.keys import Vault
from gateway.records.alarms import AlarmClosed, DiskLook, Told, Waited
from gateway.records.answers import Origin, WrittenAnswer
from gateway.records.deliveries import Action, Claimed, Renewal, Settled
from gateway.records.incoming import Incoming, Kept
from gateway.records.outgoing import Outgoing, OutgoingKept
from gateway.records.translation import Chunk, ChunkKept, TranslateClaim, TranslateLane
from gateway.replay.records import Asked, Job, JobClaim, JobLease, Progress, StateChange
from gateway.scheduling import LaneClaim, Steering
from gateway.sftp.records import FileKept, FilePut, PickUp, PollClaim, PolledPut, PolledRow, PollEnd, SshKeyRow
from gateway.store import (
    alarms,
    certificates,
    controls,
    destinations,
    installation,
    nodes,
    payload_rows,
    profiles,
    pruning,
    pruning_ours,
    replays,
    sftp,
    sftp_polls,
)
from gateway.store.as2 import As2Verbs
from gateway.store.awaited import AwaitedVerbs
from gateway.store.breaker import BreakerVerbs
from gateway.store.bucket import Bucket
from gateway.store.claims import ClaimVerbs
from gateway.store.consumer_verbs import ConsumerVerbs
from gateway.store.delivery import DeliveryVerbs
from gateway.store.edits import Edited, EditedEvent, EditVerbs
from gateway.store.edits import Kept as EditKept
from gateway.store.engine import Database
from gateway.store.intake import IntakeVerbs
from gateway.store.lanes import forget_leases
from gateway.store.outgoing import OutgoingVerbs, SentFile, send_files
from gateway.store.owed import OwedVerbs
from gateway.store.payloads import Payload, PayloadFiles
from gateway.store.replay_jobs import ReplayJobVerbs
from gateway.store.serial import lock_first
from gateway.store.translate_lanes import TranslateLaneVerbs
from gateway.store.translation import TranslationVerbs
from gateway.store.writer import Writer

Value = TypeVar("Value")


class Store:
    """Opens, migrates and owns one database and one folder of payload files."""

    def __init__(self, url: str, payload_folder: Path, clock: Clock = now, bucket: Bucket | None = None) -> None:
        payload_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.files = PayloadFiles(payload_folder, bucket)
        self.database = Database(url)
        self.ticks = Ticks(clock)
        self.database.check_settings()
        self.database.migrate()
        self.vault: Vault | None = None
        """Opens and seals our private keys; None where nobody needs them."""
        self.on_broken: Callable[[StoreBroken], None] = lambda error: None
        self.writer = Writer(self.database, lambda error: self.on_broken(error), lock_first)
        if bucket is not None:
            bucket.installation = self.writer.submit(installation.know, secrets.randbits(installation.BITS)).result()
            bucket.is_ours()  # before anybody is restored beside us
        self.consumers = ConsumerVerbs(self.writer)
        self._readers = ThreadPoolExecutor(max_workers=4, thread_name_prefix="store-reader")
        self._intake = IntakeVerbs(self.ticks)
        self._translate_lanes = TranslateLaneVerbs(self.ticks, self.database.is_sqlite)
        self._translation = TranslationVerbs(self.ticks, self.files)
        self._replays = replays.ReplayVerbs(self.ticks)
        self._awaited = AwaitedVerbs(self.ticks)
        self._outgoing = OutgoingVerbs(self.ticks, self.files)
        self._owed = OwedVerbs(self.ticks, self.files)
        self._as2 = As2Verbs(self.ticks, self._intake)
        self._claims = ClaimVerbs(self.ticks, self.database.is_sqlite)
        self._delivery = DeliveryVerbs(self.ticks, self.database.is_sqlite)
        self._breakers = BreakerVerbs(self.ticks, self.database.is_sqlite)
        self._jobs = ReplayJobVerbs(self.ticks, self.database.is_sqlite, self.files, self._replays, self._delivery)
        self._edits = EditVerbs(self.ticks, self.files, self._intake, self._translation, self._replays, self._delivery)
        self._sftp = sftp.SftpVerbs(self._intake, self._delivery)
        self._polls = sftp_polls.PollVerbs(self._intake)

    def forget_leases(self, node: str) -> None:
        """What this node held in an earlier life is free again. Its data directory's lock says that the earlier process is gone."""
        self.writer.submit(forget_leases, node).result()

    # ---- receive

    def keep_message(self, item: Incoming) -> "Future[Kept]":
        return self.writer.submit(self._intake.keep_messages, item)

    def keep_together(self, items: list[Incoming]) -> "Future[list[Kept]]":
        return self.writer.submit(self._intake.keep_together, items)

    # ---- translate

    def claim_messages(self, claim: TranslateClaim) -> "Future[list[TranslateLane]]":
        return self.writer.submit(self._translate_lanes.claim_messages, claim, rides=True)

    def release_lane(self, lane: TranslateLane) -> "Future[None]":
        return self.writer.submit(self._translate_lanes.release_lanes, lane, rides=True)

    def renew_lane(self, lane: TranslateLane, until: Instant) -> "Future[None]":
        return self.writer.submit(self._translate_lanes.renew_lanes, (lane, until))

    def count_loss(self, message: str) -> "Future[None]":
        return self.writer.submit(self._translate_lanes.count_losses, message)

    def keep_chunk(self, chunk: Chunk) -> "Future[ChunkKept]":
        return self.writer.submit(self._translation.keep_chunks, chunk, rides=True)

    # ---- compose

    def keep_outgoing(self, item: Outgoing) -> "Future[OutgoingKept]":
        return self.writer.submit(self._outgoing.keep_outgoing, item)

    # ---- reconcile

    def write_answer(self, item: WrittenAnswer) -> "Future[bool]":
        return self.writer.submit(self._owed.write_answers, item)

    def mark_overdue(self, now: Instant) -> "Future[int]":
        return self.writer.submit(self._awaited.mark_overdue, now)

    # ---- deliver

    def claim_lanes(self, claim: LaneClaim) -> "Future[Claimed]":
        return self.writer.submit(self._claims.claim_lanes, claim, rides=True)

    def renew_lease(self, renewal: Renewal) -> "Future[bool]":
        return self.writer.submit(self._claims.renew_leases, renewal)

    def settle(self, settled: Settled) -> "Future[bool]":
        return self.writer.submit(self._delivery.settle, settled, rides=True)

    def send_file(self, origin: Origin, payload: Payload, file_name: str, media_type: str) -> "Future[str]":
        return self.writer.submit(send_files, (SentFile(origin, payload, file_name, media_type), self.ticks))

    # ---- AS2

    def keep_as2(self, item: Arrived) -> "Future[As2Row | None]":
        return self.writer.submit(self._as2.keep, item)

    def claim_as2(self, item: As2Claim) -> "Future[list[As2Row]]":
        return self.writer.submit(self._as2.claim, item)

    def set_as2_aside(self, item: AsideAs2) -> "Future[None]":
        return self.writer.submit(self._as2.set_aside, item)

    def decide_as2(self, item: Decided) -> "Future[As2Row | None]":
        return self.writer.submit(self._as2.decide, item)

    def answer_as2_again(self, row: As2Row, source: str, receipt: StoredReceipt | None) -> "Future[None]":
        return self.writer.submit(self._as2.answer_again, (row, source, receipt))

    def freeze_as2(self, item: Frozen) -> "Future[As2Row]":
        return self.writer.submit(self._as2.freeze, item)

    def answer_as2(self, item: Answered) -> "Future[str]":
        return self.writer.submit(self._as2.answered, item)

    def chase_as2(self, now: Instant) -> "Future[int]":
        return self.writer.submit(self._as2.chase, now)

    def put_certificate(self, item: CertificateRow) -> "Future[bool]":
        return self.writer.submit(certificates.put, item)

    def change_certificate(self, item: CertificateChange) -> "Future[None]":
        return self.writer.submit(certificates.change, item)

    def warn_of_certificates(self, now: Instant) -> "Future[int]":
        return self.writer.submit(certificates.warn, now)

    # ---- SFTP

    def put_file(self, item: FilePut) -> "Future[FileKept]":
        return self.writer.submit(self._sftp.put, item)

    def pick_up(self, item: PickUp) -> "Future[bool]":
        return self.writer.submit(self._sftp.pick_up, item)

    def expire_files(self, partner: str, before: Instant, at: Instant) -> "Future[list[str]]":
        return self.writer.submit(sftp.expire, (partner, before, at))

    def claim_poll(self, item: PollClaim) -> "Future[tuple[int, int] | None]":
        return self.writer.submit(self._polls.claim, item)

    def end_poll(self, item: PollEnd) -> "Future[bool]":
        return self.writer.submit(self._polls.end, item)

    def put_polled(self, item: PolledPut) -> "Future[Kept | None]":
        return self.writer.submit(self._polls.put, item)

    def see_polled(self, item: list[PolledRow]) -> "Future[None]":
        return self.writer.submit(sftp_polls.seen, item)

    def forget_polled(self, poll: str, now: Instant, before: Instant) -> "Future[None]":
        return self.writer.submit(sftp_polls.forget, (poll, now, before))

    def poll_now(self, partner: str) -> "Future[None]":
        return self.writer.submit(sftp_polls.due_now, partner)

    def put_ssh_key(self, item: SshKeyRow) -> "Future[None]":
        return self.writer.submit(sftp.put_keys, item)

    def retire_ssh_key(self, item: str) -> "Future[None]":
        return self.writer.submit(sftp.retire_keys, item)

    # ---- replays of many

    def ask_replay(self, item: Asked) -> "Future[None]":
        return self.writer.submit(self._jobs.ask, item)

    def claim_replays(self, claim: JobClaim) -> "Future[list[Job]]":
        return self.writer.submit(self._jobs.claim, claim)

    def renew_replay(self, lease: JobLease) -> "Future[bool]":
        return self.writer.submit(self._jobs.renew, lease)

    def count_replay(self, job: str, total: int) -> "Future[None]":
        return self.writer.submit(self._jobs.count_range, (job, total))

    def keep_progress(self, item: Progress) -> "Future[dict[str, int] | None]":
        return self.writer.submit(self._jobs.keep, item)

    def change_replay(self, item: StateChange) -> "Future[tuple[str, bool]]":
        return self.writer.submit(self._jobs.change, item)

    # ---- nodes among themselves

    def beat(self, item: nodes.Beat) -> "Future[Instant]":
        return self.writer.submit(nodes.beat, item)

    def watch_nodes(self, now: Instant) -> "Future[int]":
        return self.writer.submit(nodes.watch, now)

    def forget_node(self, name: str, before: Instant) -> "Future[bool]":
        return self.writer.submit(nodes.forget, (name, before))

    def hasten(self, chore: str) -> "Future[None]":
        return self.writer.submit(nodes.hasten, chore)

    def claim_chore(self, item: nodes.ChoreClaim) -> "Future[int | None]":
        return self.writer.submit(nodes.claim_chores, item)

    def renew_chore(self, name: str, fence: int, until: Instant) -> "Future[bool]":
        return self.writer.submit(nodes.renew_chores, (name, fence, until))

    def end_chore(self, item: nodes.ChoreEnd) -> "Future[bool]":
        return self.writer.submit(nodes.end_chores, item)

    # ---- what is over

    def prune(self, item: pruning.Ask) -> "Future[pruning.Pruned]":
        return self.writer.submit(pruning.prune, item)

    def prune_ours(self, item: pruning_ours.Ours) -> "Future[int]":
        return self.writer.submit(pruning_ours.prune, item)

    def take_drops(self, now: Instant, limit: int) -> "Future[list[str]]":
        return self.writer.submit(payload_rows.take_drops, (now, limit))

    def end_drops(self, files: list[str], at: Instant) -> "Future[None]":
        return self.writer.submit(payload_rows.end_drops, (files, at))

    def drop_unnamed(self, files: list[str], at: Instant) -> "Future[None]":
        return self.writer.submit(payload_rows.drop_unnamed, (files, at))

    # ---- people

    def edit_document(self, item: Edited) -> "Future[EditKept]":
        return self.writer.submit(self._edits.keep, item)

    def edit_event(self, item: EditedEvent) -> "Future[EditKept]":
        return self.writer.submit(self._edits.keep_events, item)

    def act(self, action: Action) -> "Future[str]":
        return self.writer.submit(self._delivery.act, action)

    def steer_destination(self, item: Steering) -> "Future[tuple[bool, str]]":
        return self.writer.submit(self._breakers.steer_destinations, item)

    def know_destinations(self, names: list[str]) -> "Future[None]":
        return self.writer.submit(destinations.know, names)

    def apply_profile(self, item: "profiles.Applied") -> "Future[int]":
        return self.writer.submit(profiles.apply, item)

    def make_live(self, item: "profiles.MadeLive") -> "Future[bool]":
        return self.writer.submit(profiles.make_live, item)

    def replay(self, item: "replays.Replay") -> "Future[str]":
        return self.writer.submit(self._replays.replay, item)

    def skip(self, item: "replays.Skip") -> "Future[bool]":
        return self.writer.submit(self._replays.skip, item)

    def raise_alarm(self, kind: str, partner: str, what: str, at: Instant, subject: str | None = None) -> "Future[None]":
        """One about the partner, or about a subject of its own."""
        row = {"id": f"{kind}:{subject or partner}"[:120], "kind": kind, "partner": partner, "message": None, "text": what, "at": at}
        return self.writer.submit(_alarm, row)

    def close_alarm(self, item: AlarmClosed) -> "Future[bool]":
        return self.writer.submit(alarms.close_each, item)

    def warn_of_outboxes(self, item: Waited) -> "Future[None]":
        return self.writer.submit(alarms.warn_of_outboxes, item)

    def tell_gaps(self, item: "controls.Gaps") -> "Future[None]":
        return self.writer.submit(controls.tell_gaps, item)

    def warn_of_disk(self, item: DiskLook) -> "Future[None]":
        return self.writer.submit(alarms.warn_of_disk, item)

    def tell_alarms(self, item: Told) -> "Future[int]":
        return self.writer.submit(alarms.tell, (item, self.ticks), rides=True)

    # ---- reading

    def read(self, query: Callable[[Connection], Value]) -> "Future[Value]":
        """Runs a query on a reading connection; through the writer where SQLite is too old for two connections."""
        if not self.database.reads_beside_writer:
            return self.writer.submit(lambda tx, items: [query(tx) for _ in items], None)
        return self._readers.submit(self._read, query)

    def look(self, query: Callable[[Connection], Value]) -> Value:
        """The same in the caller's own thread, for threads that may wait: half as long as by a reader's."""
        if not self.database.reads_beside_writer:
            return self.read(query).result()
        return self._read(query)

    def _read(self, query: Callable[[Connection], Value]) -> Value:
        """Raises StoreUnavailable while there is no database to ask."""
        try:
            with self.database.reading.connect() as connection:
                return query(connection)
        except (OperationalError, InterfaceError, PendingRollbackError, PoolTimeout) as error:
            raise StoreUnavailable(f"the database cannot be asked: {getattr(error, 'orig', None) or error}") from error

    def close(self) -> None:
        self.writer.close()
        self._readers.shutdown(wait=True)
        self.database.close()


def _alarm(tx: Connection, items: list[dict[str, Any]]) -> list[None]:
    alarms.raise_alarms(tx, items)
    return [None] * len(items)


ANSWER_WITHIN = 5.0
"""Seconds that somebody outside waits for a commit or a look (promise P5)."""


class _Landing:
    """Brings results from the store's threads into one event loop: one wake-up for all that a commit settled, not one each."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._done: deque[tuple[asyncio.Future[Any], Future[Any]]] = deque()
        self._called = False

    def wait(self, future: "Future[Any]") -> "asyncio.Future[Any]":
        waiter: asyncio.Future[Any] = self._loop.create_future()
        future.add_done_callback(lambda done: self._settle(waiter, done))
        return waiter

    def _settle(self, waiter: "asyncio.Future[Any]", done: "Future[Any]") -> None:
        self._done.append((waiter, done))
        if not self._called:
            self._called = True
            try:
                self._loop.call_soon_threadsafe(self._drain)
            except RuntimeError:
                self._called = False  # the loop has closed; nobody waits any more

    def _drain(self) -> None:
        self._called = False
        while self._done:
            waiter, done = self._done.popleft()
            if waiter.done():
                continue  # its waiter was cancelled; the member was committed all the same
            error = done.exception()
            if error is not None:
                waiter.set_exception(error)
            else:
                waiter.set_result(done.result())


_landings: "WeakKeyDictionary[asyncio.AbstractEventLoop, _Landing]" = WeakKeyDictionary()


async def landed(future: "Future[Value]") -> Value:
    """Waits for a verb's commit without tying the member's fate to the waiter's: a cancelled waiter never cancels its member."""
    if future.done():
        return future.result()  # of members that shared a commit, who waits for one has waited for all
    loop = asyncio.get_running_loop()
    landing = _landings.get(loop)
    if landing is None:
        landing = _landings[loop] = _Landing(loop)
    value: Value = await landing.wait(future)
    return value


async def promised(future: "Future[Value]") -> Value:
    """`landed`, for somebody outside who waits. Raises StoreUnavailable where the store takes longer than a partner waits.

    The member goes on: it may yet be committed, and whoever comes again with the same document hears what came of it.
    """
    try:
        async with asyncio.timeout(ANSWER_WITHIN):
            return await landed(future)
    except TimeoutError as error:
        raise StoreUnavailable(f"the store has not answered within {ANSWER_WITHIN:.0f} seconds") from error
