"""Wires everything once: one node, from settings to listeners, and down again."""

import asyncio
import fcntl
import json
import os
import secrets
import shutil
import signal
import time
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from gateway import journal, traces
from gateway.alarms.stage import Herald
from gateway.as2.judging import Judge
from gateway.as2.receiving import Receiver
from gateway.as2.ring import KeyRing
from gateway.chores import Chore, Chores
from gateway.clock import SECOND, Clock, now, span, wall
from gateway.compose.stage import ComposeStage
from gateway.consumers.book import ConsumerBook
from gateway.consumers.placing import Placer
from gateway.deliver.stage import DeliverStage
from gateway.doors.api.listener import AdminDoor
from gateway.doors.as2 import As2Door
from gateway.doors.callers import Callers, secret_bytes
from gateway.doors.erp import ErpDoor
from gateway.doors.guard import Guards
from gateway.doors.http import HttpDoor
from gateway.doors.sftp import SftpDoor
from gateway.doors.sftp_poll import Poller
from gateway.doors.tls import TlsContext
from gateway.errors import StoreBroken, StoreUnavailable
from gateway.keys import vault_of
from gateway.metrics import Metrics
from gateway.receive.stage import ReceiveStage
from gateway.reconcile.stage import ReconcileStage
from gateway.records import AlarmClosed, DiskLook, Settled
from gateway.replay.reading import Reader
from gateway.replay.stage import ReplayStage
from gateway.scheduling import UNBOUND, BreakerTerms, Quota, Quotas, Rate, quotas
from gateway.settings import Listener, Settings
from gateway.sftp.documents import Documents
from gateway.sftp.files import Files
from gateway.sftp.gatekeeper import Gatekeeper
from gateway.sftp.host_keys import all_keys, host_keys, opened
from gateway.shared_work import WARN_EVERY, SharedWork
from gateway.steady import JUMP, SteadyClock
from gateway.store import nodes
from gateway.store import profiles as profile_rows
from gateway.store.bucket import open_bucket
from gateway.store.store import Store, landed
from gateway.targets.base import Destination
from gateway.targets.kinds import make
from gateway.translate.pool import Pool
from gateway.translate.stage import TranslateStage
from gateway.transports.alarms import AlarmByMail, AlarmByWebhook
from gateway.transports.as2 import As2Receipts, As2Send
from gateway.transports.https import HttpsHook, HttpsPush
from gateway.transports.mail import ReminderByMail
from gateway.transports.outward import Outward
from gateway.transports.sftp import SftpSend
from gateway.ways import AS2, AS2_RECEIPTS, HOOK, MAIL, SFTP
from partners import library
from partners.book import Book, Revision
from partners.profile import Profile, read_profile

NODE_FILE = "node.json"
LOCK_FILE = "crossdock.lock"
NODE_NAME_FILE = "node.name"
PROFILE_LOOK = 5
CHORES_LOOK = 5
STOPPING = 20.0
"""Seconds that requests and attempts under way have, once a node stops."""
COPY_IN_USE = 3600
"""Seconds for which a copy of a payload stays after its last use, however full the disk."""
SWEEP_EVERY = timedelta(minutes=10)
SPOOL_KEPT = timedelta(hours=24)


class Locked(StoreUnavailable):
    """Another process has the data directory."""


def lock(data_dir: Path) -> int:
    """One process has a data directory's SQLite. The kernel gives the lock back however the process ends. Raises Locked."""
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(data_dir / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise Locked(f"another process uses {data_dir}; stop it, or talk to it: the commands find it by themselves") from None
    return descriptor


def open_store(settings: Settings, clock: Clock = now) -> Store:
    bucket = open_bucket(settings.payloads) if settings.payloads is not None else None
    store = Store(settings.database_url, settings.data_dir / "payloads", clock, bucket)
    store.vault = vault_of(settings.data_dir, settings.key_secret)
    return store


class Node:
    def __init__(self, settings: Settings, clock: Clock = now, pool: type[Pool] = Pool) -> None:
        """With a SteadyClock the node keeps it in step with the other nodes' and the database's; any other is taken as it is."""
        self.settings = settings
        self._steady = clock if isinstance(clock, SteadyClock) else None
        self._clock_told = False
        self.draining = False
        self._pool_of = pool
        library.use(settings.library)
        self.clock = clock
        self.name = ""
        self.admin_token = secrets.token_urlsafe(32)
        self.addresses: dict[str, str] = {}
        self.stopping = asyncio.Event()
        self.fault: str | None = None
        self._revisions: dict[tuple[str, int], str] = {}
        self._partner_quotas = Quotas()
        self._secrets: dict[str, bytes] = {}
        self._tls: TlsContext | None = None
        self._erp_is_open = False
        self._runners: list[web.AppRunner] = []
        self._servers: list[asyncio.Server] = []

    async def start(self) -> None:
        self._lock = lock(self.settings.data_dir)
        self.name = _node_name(self.settings.data_dir)
        self.store = await asyncio.to_thread(open_store, self.settings, self.clock)
        loop = asyncio.get_running_loop()
        self.store.on_broken = lambda error: void(loop.call_soon_threadsafe(self._broken, error))
        if self._steady is not None and not self.store.database.is_sqlite:
            self._steady.set(await landed(self.store.read(nodes.shared_now)))
        self.started_at = self.clock()
        if self.settings.traces is not None:
            traces.use(self.settings.traces, node=self.name, version=_version())
        await asyncio.to_thread(self.store.forget_leases, self.name)
        self.book = Book([])
        self.metrics = Metrics(self.store)
        self.pool = self._pool_of(self.settings.workers, self.settings.worker_memory)
        await self.pool.start()
        self.deliver = DeliverStage(
            self.store,
            self._targets(),
            node=self.name,
            clock=self.clock,
            retries=self.settings.retries,
            quotas=self._quotas,
            breaker=breaker_terms(self.settings),
            on_settled=self._on_settled,
        )
        self._start_herald()
        self.reconcile = ReconcileStage(self.store, clock=self.clock, profile_text=self._profile_text, on_written=self.deliver.wake)
        self.translate = TranslateStage(
            self.store, self.pool, node=self.name, clock=self.clock, profile_text=self._profile_text, on_kept=self._on_kept, hooks=self._has_hook,
            on_translated=self.metrics.translated,
        )  # fmt: skip
        self.replay = ReplayStage(
            self.store, Reader(self.pool, self.store.files, self._profile_text), node=self.name, clock=self.clock,
            targets=frozenset(self.settings.targets), on_queued=self._on_queued,
        )  # fmt: skip
        self.compose = ComposeStage(self.store, clock=self.clock, on_kept=self.deliver.wake)
        self.receive = ReceiveStage(self.store, self.settings.limits, self.clock, on_kept=self.translate.wake_for)
        self._start_as2()
        self._start_sftp()
        as2 = As2Door(self.receive, self.as2, self.settings.limits)
        assert self.store.vault is not None
        self.callers = Callers(
            self.store.vault,
            self.clock,
            certificates=lambda partner: [one.fingerprint for one in self.ring.tls(partner)],
            secrets=self._signatures_of,
            proxies=self.settings.partner_listener.proxies,
        )
        self.door = HttpDoor(self.store, self.receive, self.settings.limits, self.clock, self.callers, as2)
        self.consumers = ConsumerBook(self.store, self.clock, self.settings.erp_listener.token)
        await self.consumers.begin()
        self.placer = Placer(self.store, clock=self.clock)
        await self.reload_profiles()
        await landed(self.store.know_destinations([f"target:{name}" for name in self.settings.targets]))
        self.deliver.start()
        self.translate.start()
        self.reconcile.start()
        self.replay.start()
        self.as2.start()
        self.poller.start()
        self.herald.start()
        self.placer.start()
        self.chores = Chores(self.store, self._shared_work(), node=self.name, clock=self.clock)
        await self._listen()
        await self._beat()
        self._tick()
        notes = self.store.database.notes
        journal.started(self.name, _version(), self.store.database.url.render_as_string(hide_password=True), self.addresses, notes)

    def _start_herald(self) -> None:
        terms = self.settings.alarms
        told: list[Destination] = [AlarmByMail(name, one, self.clock) for name, one in terms.mail.items()]
        told += [AlarmByWebhook(name, one, self.clock) for name, one in terms.webhook.items()]
        for one in told:
            self.deliver.add(one)
        self.herald = Herald(self.store, terms, {one.name: one for one in told}, node=self.name, clock=self.clock)

    def _start_as2(self) -> None:
        assert self.store.vault is not None
        self.ring = KeyRing(self.store, self.store.vault, self.clock)
        self.judge = Judge(self.store, self.ring, self.clock)
        self.as2 = Receiver(
            self.store,
            self.ring,
            self.judge,
            node=self.name,
            clock=self.clock,
            domain=self._domain(),
            product=f"Crossdock/{_version()}",
            on_documents=self.translate.wake,
            on_queued=self.deliver.wake,
        )

    def _start_sftp(self) -> None:
        """Its door opens once a profile asks for it."""
        self.sftp: SftpDoor | None = None
        self.files = Files(self.store, self.receive, self.clock, asyncio.get_running_loop())
        self.documents = Documents(self.store, self.clock)
        self.gatekeeper = Gatekeeper(lambda: self.book, self.clock, self._locked)
        loop = asyncio.get_running_loop()
        self.poller = Poller(
            self.store,
            self.receive,
            node=self.name,
            clock=self.clock,
            book=lambda: self.book,
            on_kept=lambda: void(loop.call_soon_threadsafe(self.translate.wake)),
        )

    async def _open_sftp(self) -> None:
        keys = await asyncio.to_thread(host_keys, self.store, self.clock())
        pems = [opened(self.store, row) for row in keys]
        self.sftp = SftpDoor(
            self.settings.sftp_listener, pems, book=lambda: self.book, gatekeeper=self.gatekeeper, files=self.files, documents=self.documents,
            product=f"Crossdock_{_version()}",
        )  # fmt: skip
        self.addresses["sftp"] = self.sftp.start()

    def _locked(self, user: str, address: str) -> None:
        """Somebody guesses passwords."""
        whom = f"the login {user}" if user else "logins"
        what = f"{address} has tried too many wrong passwords for {whom}; its tries are not looked at for a while"
        partner = revision.profile.partner if (revision := self.book.by_login(user)) else "-"
        self.store.raise_alarm("sftp.locked", partner, what, self.clock())

    def _domain(self) -> str:
        """What stands behind the @ of our Message-IDs."""
        return urlsplit(self.settings.public_url).hostname or "crossdock" if self.settings.public_url else "crossdock"

    def _targets(self) -> list[Destination]:
        return [make(name, target, keys=lambda key: self.ring.signing(key), clock=self.clock) for name, target in self.settings.targets.items()]

    async def _listen(self) -> None:
        guards = Guards(self.settings.limits.header_time.total_seconds(), self.settings.limits.connections)
        self.metrics.connections = guards
        partner = self.door.app(guards.middleware, self.metrics.middleware)
        self._tls = TlsContext(self.settings.partner_listener.tls) if self.settings.partner_listener.tls else None
        if self._tls is not None:
            self._tls.trust(one.der for revision in self.book for one in self.ring.tls(revision.profile.partner))
        self.addresses["partners"] = await self._serve(partner, self.settings.partner_listener, guards, self._tls)
        if self.consumers:
            await self._open_erp()
        admin = AdminDoor(self).app()
        self.addresses["admin"] = await self._serve(
            admin, self.settings.admin_listener, Guards(self.settings.limits.header_time.total_seconds(), 200)
        )
        if any(one.profile.channels.sftp for one in self.book):
            await self._open_sftp()
        self._write_node_file()

    async def _open_erp(self) -> None:
        """Once somebody may come in."""
        self._erp_is_open = True
        guards = Guards(self.settings.limits.header_time.total_seconds(), self.settings.limits.connections)
        app = ErpDoor(self.store, self.compose, self.consumers, self.placer, self.clock).app(guards.middleware)
        self.addresses["erp"] = await self._serve(app, self.settings.erp_listener, guards)

    async def _serve(self, app: web.Application, listener: Listener, guards: Guards, tls: TlsContext | None = None) -> str:
        runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=STOPPING, auto_decompress=False, keepalive_timeout=75, max_line_size=8190, max_field_size=8190
        )
        await runner.setup()
        self._runners.append(runner)
        assert runner.server is not None
        more: dict[str, Any] = {"ssl": tls.context, "ssl_handshake_timeout": guards.header_seconds} if tls else {}
        server = await asyncio.get_running_loop().create_server(guards.factory(runner.server), listener.host, listener.port, backlog=512, **more)
        self._servers.append(server)
        port = server.sockets[0].getsockname()[1]
        return f"{'https' if tls else 'http'}://{listener.host}:{port}"

    def _write_node_file(self) -> None:
        """Where the commands find this node, and with which token: readable by its own user only."""
        path = self.settings.data_dir / NODE_FILE
        temporary = path.with_suffix(".new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.write(descriptor, json.dumps({"pid": os.getpid(), "token": self.admin_token, **self.addresses}).encode())
        os.close(descriptor)
        temporary.replace(path)

    # ---- profiles

    async def reload_profiles(self) -> None:
        """The live revisions, as the store has them now."""
        rows = await landed(self.store.read(profile_rows.live))
        present = {revision.profile.partner: revision for revision in self.book}
        revisions = []
        for row in rows:
            known = present.get(row.partner)
            fresh = known is None or known.number != row.revision
            revision = Revision(read_profile(row.text, row.partner), row.revision, row.text) if fresh or known is None else known
            revisions.append(revision)
            if fresh:
                await self._check_targets(revision)
        self.book = Book(revisions)
        self._secrets = await asyncio.to_thread(self._secrets_open)
        self.callers.book = self.compose.book = self.as2.book = self.book
        await self.ring.refresh()
        if self._tls is not None:
            self._tls.trust(one.der for revision in self.book for one in self.ring.tls(revision.profile.partner))
            self._tls.renew()
        self._partner_quotas = quotas({one.profile.partner: _quota_of(one.profile) for one in self.book})
        for revision in self.book:
            self._add_https(revision.profile)
            self._add_mail(revision.profile)
            if revision.profile.channels.as2 is not None:
                self._add_as2(revision.profile.partner)
            if revision.profile.channels.sftp_push is not None:
                self._add_sftp(revision.profile.partner)
        await self.consumers.refresh()
        if self.consumers and not self._erp_is_open and "partners" in self.addresses:
            await self._open_erp()
            self._write_node_file()
        if self.sftp is None and "partners" in self.addresses and any(one.profile.channels.sftp for one in self.book):
            await self._open_sftp()
            self._write_node_file()

    def _has_hook(self, partner: str) -> bool:
        revision = self.book.by_name(partner)
        return revision is not None and revision.profile.channels.http.webhook is not None

    def _add_https(self, profile: Profile) -> None:
        partner, channel = profile.partner, profile.channels.http
        if channel.way_back == "push":
            self.deliver.add_once(f"push:{partner}", lambda: HttpsPush(partner, book=lambda: self.book, outward=self._outward(partner)))
        if channel.webhook is not None:
            self.deliver.add_once(f"{HOOK}:{partner}", lambda: HttpsHook(partner, book=lambda: self.book, outward=self._outward(partner)))

    def _add_mail(self, profile: Profile) -> None:
        partner = profile.partner
        if profile.channels.mail is not None:
            self.deliver.add_once(f"{MAIL}:{partner}", lambda: ReminderByMail(partner, self.settings.partner_mail, book=lambda: self.book))

    def _outward(self, partner: str) -> Outward:
        return Outward(partner, ring=self.ring, secrets=lambda name: self._secrets.get(name), clock=self.clock, concurrency=8)

    def _secrets_open(self) -> dict[str, bytes]:
        """Every secret that is in use, by name."""
        return {row.name: secret_bytes(opened(self.store, row).decode()) for row in all_keys(self.store, "secret")}

    def _signatures_of(self, partner: str) -> list[bytes]:
        revision = self.book.by_name(partner)
        names = revision.profile.channels.http.signatures if revision else []
        return [self._secrets[name] for name in names if name in self._secrets]

    def _add_as2(self, partner: str) -> None:
        self.deliver.add_once(f"{AS2_RECEIPTS}:{partner}", lambda: As2Receipts(partner, ring=self.ring, book=lambda: self.book))
        self.deliver.add_once(
            f"{AS2}:{partner}",
            lambda: As2Send(
                partner,
                store=self.store,
                ring=self.ring,
                judge=self.judge,
                clock=self.clock,
                book=lambda: self.book,
                domain=self._domain(),
                product=f"Crossdock/{_version()}",
                public_url=self.settings.public_url,
                secrets=lambda name: self._secrets.get(name),
            ),
        )

    def _add_sftp(self, partner: str) -> None:
        self.deliver.add_once(f"{SFTP}:{partner}", lambda: SftpSend(partner, store=self.store, clock=self.clock, book=lambda: self.book))

    async def _profile_text(self, partner: str, revision: int) -> str:
        key = (partner, revision)
        if key not in self._revisions:
            text = await landed(self.store.read(lambda tx: profile_rows.text_of(tx, partner, revision)))
            if text is None:
                raise StoreUnavailable(f"revision {revision} of {partner} is not in the store")
            self._revisions[key] = text
        return self._revisions[key]

    def _quotas(self, destination: str) -> tuple[Quota, Quotas]:
        """Partners' quotas are for the targets: a partner's own destination has nobody to wait for."""
        kind, _, name = destination.partition(":")
        if kind != "target":
            return UNBOUND, Quotas()
        target = self.settings.targets[name]
        return Quota(Rate(target.rate, target.burst), target.concurrency, target.daily), self._partner_quotas

    def _on_kept(self) -> None:
        self.deliver.wake()
        self.placer.wake()
        self.reconcile.wake()

    def _on_queued(self) -> None:
        self.translate.wake()
        self.deliver.wake()

    def _on_settled(self, settled: Settled) -> None:
        self.metrics.attempted(settled)

    def _broken(self, error: StoreBroken) -> None:
        """A sync failed: what the disk holds is unknown, so this node takes nothing more and ends; the next start finds what is really there."""
        if self.fault is None:
            self.fault = str(error)
            journal.trouble("store", error)
            self.stopping.set()

    async def _check_targets(self, revision: Revision) -> None:
        named = {name for one in revision.profile.agreements for name in (one.target, one.test_target, one.fallback) if name}
        missing = sorted(named - set(self.settings.targets))
        if missing:
            what = (
                f"profile revision {revision.number} of {revision.profile.partner} names targets that the settings do not have: {', '.join(missing)}"
            )
            await landed(self.store.raise_alarm("profile.target", revision.profile.partner, what, self.clock()))

    # ---- ticks: what each node does for itself, and whose turn it is for the rest

    def _tick(self) -> None:
        # Late on a busy machine is not never: without a grace each work would be left out a second after its time.
        self._scheduler = AsyncIOScheduler(job_defaults={"max_instances": 1, "coalesce": True, "misfire_grace_time": None})
        for work, every in (
            (self._look_for_profiles, PROFILE_LOOK),
            (self._beat, nodes.BEAT / SECOND),
            (self._look_for_chores, CHORES_LOOK),
            (self._sweep, SWEEP_EVERY.total_seconds()),
        ):
            self._scheduler.add_job(work, "interval", seconds=every)
        self._scheduler.add_job(self._look_at_disk, "interval", seconds=WARN_EVERY / SECOND, next_run_time=datetime.now(UTC))
        self._scheduler.start()

    async def _look_for_chores(self) -> None:
        self.chores.look()

    def _shared_work(self) -> dict[str, Chore]:
        work = SharedWork(self.store, self.settings, clock=self.clock, book=lambda: self.book, files=self.files, on_queued=self.deliver.wake)
        return work.chores()

    async def _look_for_profiles(self) -> None:
        try:
            await self.reload_profiles()
        except StoreUnavailable as error:
            journal.trouble("profiles", error)

    async def _beat(self) -> None:
        """Tells the other nodes that this one is there, and keeps its clock in step with theirs."""
        state = "stopped" if self.stopping.is_set() and not self.draining else "draining" if self.draining else "serving"
        try:
            await landed(self.store.beat(nodes.Beat(self.name, state, _version(), self.addresses, self.started_at, self.clock())))
            if self._steady is not None:
                await self._keep_in_step(self._steady)
        except StoreUnavailable as error:
            journal.trouble("beat", error)

    async def _keep_in_step(self, steady: SteadyClock) -> None:
        before = steady()
        reference = wall() if self.store.database.is_sqlite else await landed(self.store.read(nodes.database_now))
        asked_for = steady() - before
        if asked_for > SECOND:
            return  # an answer that took so long says too little of when it was made
        behind = steady.agree(reference + asked_for // 2)
        if abs(behind) > JUMP and not self._clock_told:
            which = "this machine's clock" if self.store.database.is_sqlite else "the clock of the database's machine"
            way = "ahead of" if behind > 0 else "behind"
            what = f"{which} is {abs(behind) / SECOND:.0f} s {way} node {self.name}'s, which follows it slowly, so that nothing runs out at once"
            await landed(self.store.raise_alarm("clock.jumped", "-", what, self.clock(), self.name))
        elif abs(behind) <= JUMP and self._clock_told:
            await landed(self.store.close_alarm(AlarmClosed(f"clock.jumped:{self.name}", self.clock(), "crossdock", "the clocks agree again")))
        self._clock_told = abs(behind) > JUMP

    async def _look_at_disk(self) -> None:
        free = shutil.disk_usage(self.store.files.folder).free
        what = f"{free:,} bytes are free where node {self.name} keeps its data; below {self.settings.limits.disk_free:,} it takes nothing"
        try:
            await landed(self.store.warn_of_disk(DiskLook(self.name, what, free < 2 * self.settings.limits.disk_free, self.clock())))
        except StoreUnavailable as error:
            journal.trouble("disk", error)

    async def _sweep(self) -> None:
        """What lies about on this node's own disk."""
        files = self.store.files
        journal.swept("spool files of uploads that never ended", await asyncio.to_thread(files.sweep, SPOOL_KEPT.total_seconds(), time.time()))
        if self.settings.payloads is not None:
            journal.swept("copies of payloads", await asyncio.to_thread(files.shed, self.settings.payloads.cache, time.time() - COPY_IN_USE))

    # ---- down

    def heed_signals(self) -> None:
        """From now on SIGTERM and SIGINT end it in order, also while it starts."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stopping.set)

    async def run(self) -> None:
        """Serves until it is told to stop."""
        await self.stopping.wait()
        journal.stopping(self.name, self.fault or "asked to")
        self.draining = True
        await self._drain()
        if self.fault is not None:
            await self.herald.last_words(self.fault)
        await self.stop()

    async def _drain(self) -> None:
        """The doors stay open while a balancer finds out that they will close."""
        if self.fault is None and self.settings.drain:
            await self._beat()
            await asyncio.sleep(self.settings.drain.total_seconds())

    async def stop(self) -> None:
        """Doors first, then the stages, then the store: what was accepted is committed, what was not is refused."""
        self.stopping.set()
        for server in self._servers:
            server.close()
        if self.sftp is not None:
            await asyncio.to_thread(self.sftp.stop)
        self._scheduler.shutdown(wait=False)
        await self.chores.stop()
        await self.poller.stop()
        for runner in self._runners:
            await runner.cleanup()
        await self.as2.stop()
        await self.replay.stop()
        await self.translate.stop()
        await self.reconcile.stop()
        await self.herald.stop()
        await self.placer.stop()
        await self.deliver.stop()
        await self.pool.stop()
        self.draining = False
        try:
            await asyncio.to_thread(self.store.forget_leases, self.name)  # another node goes on at once
        except StoreUnavailable as error:
            journal.trouble("leases", error)
        await self._beat()
        await asyncio.to_thread(traces.stop)
        await asyncio.to_thread(self.store.close)
        (self.settings.data_dir / NODE_FILE).unlink(missing_ok=True)
        os.close(self._lock)


def _node_name(data_dir: Path) -> str:
    """The same for every life of a data directory, so that a restarted node knows its own leases; no two directories share one."""
    file = data_dir / NODE_NAME_FILE
    if not file.exists():
        file.write_text(f"{os.uname().nodename[:20]}-{secrets.token_hex(4)}", encoding="utf-8")
    return file.read_text(encoding="utf-8")


def breaker_terms(settings: Settings) -> BreakerTerms:
    return BreakerTerms(settings.breaker.failures, span(settings.breaker.pause))


def _quota_of(profile: Profile) -> Quota:
    throttle = profile.throttle
    return Quota(Rate(throttle.rate, throttle.burst), throttle.concurrency, throttle.daily, throttle.weight)


def void(value: object) -> None:
    """Nothing, of a call whose value nobody wants."""


@cache
def _version() -> str:
    return version("crossdock")
