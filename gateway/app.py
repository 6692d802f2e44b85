"""Wires everything once: one node, from settings to listeners, and down again."""

import asyncio
import os
import secrets
import signal
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.metadata import version
from urllib.parse import urlsplit

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from gateway import journal, traces
from gateway.alarms.stage import Herald
from gateway.as2.judging import Judge
from gateway.as2.receiving import Receiver
from gateway.as2.ring import KeyRing
from gateway.chores import Chore, Chores
from gateway.clock import SECOND, Clock, now, span
from gateway.compose.stage import ComposeStage
from gateway.consumers.book import ConsumerBook
from gateway.consumers.placing import Placer
from gateway.data_directory import lock, node_name, remove_node_file, write_node_file
from gateway.deliver.stage import DeliverStage
from gateway.doors.api.listener import AdminDoor
from gateway.doors.as2 import As2Door
from gateway.doors.callers import Callers
from gateway.doors.erp import ErpDoor
from gateway.doors.guard import Guards
from gateway.doors.http import HttpDoor
from gateway.doors.listeners import Listeners
from gateway.doors.sftp import SftpDoor
from gateway.doors.sftp_poll import Poller
from gateway.doors.tls import TlsContext
from gateway.errors import StoreBroken, StoreUnavailable
from gateway.live_profiles import LiveProfiles
from gateway.metrics import Metrics
from gateway.own_work import OwnWork
from gateway.receive.stage import ReceiveStage
from gateway.reconcile.stage import ReconcileStage
from gateway.replay.reading import Reader
from gateway.replay.stage import ReplayStage
from gateway.scheduling import UNBOUND, BreakerTerms, Quota, Quotas, Rate
from gateway.settings import Settings
from gateway.sftp.documents import Documents
from gateway.sftp.files import Files
from gateway.sftp.gatekeeper import Gatekeeper
from gateway.sftp.host_keys import host_keys, opened
from gateway.shared_work import WARN_EVERY, SharedWork
from gateway.store import nodes
from gateway.store.store import landed
from gateway.store_opening import open_store
from gateway.targets.base import Destination
from gateway.targets.kinds import make
from gateway.translate.pool import Pool
from gateway.translate.stage import TranslateStage
from gateway.transports.alarms import AlarmByMail, AlarmByWebhook
from gateway.transports.kinds import Transports
from partners import library

PROFILE_LOOK = 5
CHORES_LOOK = 5
SWEEP_EVERY = timedelta(minutes=10)


class Node:
    def __init__(self, settings: Settings, clock: Clock = now, pool: type[Pool] = Pool) -> None:
        self.settings = settings
        self.draining = False
        self._pool_of = pool
        library.use(settings.library)
        self.clock = clock
        self.name = ""
        self.admin_token = secrets.token_urlsafe(32)
        self.addresses: dict[str, str] = {}
        self.stopping = asyncio.Event()
        self.fault: str | None = None
        self._tls: TlsContext | None = None
        self._erp_is_open = False
        self.listeners = Listeners()

    async def start(self) -> None:
        self._lock = lock(self.settings.data_dir)
        self.name = node_name(self.settings.data_dir)
        self.store = await asyncio.to_thread(open_store, self.settings, self.clock)
        loop = asyncio.get_running_loop()
        self.store.on_broken = lambda error: void(loop.call_soon_threadsafe(self._broken, error))
        self.own_work = OwnWork(
            self.store, self.settings, node=self.name, version=_version(), clock=self.clock, addresses=self.addresses, state=self._state
        )
        await self.own_work.begin()
        if self.settings.traces is not None:
            traces.use(self.settings.traces, node=self.name, version=_version())
        await asyncio.to_thread(self.store.forget_leases, self.name)
        self.profiles = LiveProfiles(self.store, clock=self.clock, targets=self.settings.targets)
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
            on_settled=self.metrics.attempted,
        )
        self._start_herald()
        self.reconcile = ReconcileStage(self.store, clock=self.clock, profile_text=self.profiles.text, on_written=self.deliver.wake)
        self.translate = TranslateStage(
            self.store, self.pool, node=self.name, clock=self.clock, profile_text=self.profiles.text, on_kept=self._on_kept, hooks=self.profiles.has_hook,
            on_translated=self.metrics.translated,
        )  # fmt: skip
        self.replay = ReplayStage(
            self.store, Reader(self.pool, self.store.files, self.profiles.text), node=self.name, clock=self.clock,
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
            secrets=self.profiles.signatures_of,
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
        await self.own_work.beat()
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
        self.transports = Transports(
            self.store, ring=self.ring, judge=self.judge, clock=self.clock, book=lambda: self.profiles.book, secrets=self.profiles.secret,
            mail=self.settings.partner_mail, domain=self._domain(), product=f"Crossdock/{_version()}", public_url=self.settings.public_url,
        )  # fmt: skip

    def _start_sftp(self) -> None:
        """Its door opens once a profile asks for it."""
        self.sftp: SftpDoor | None = None
        self.files = Files(self.store, self.receive, self.clock, asyncio.get_running_loop())
        self.documents = Documents(self.store, self.clock)
        self.gatekeeper = Gatekeeper(lambda: self.profiles.book, self.clock, self._locked)
        loop = asyncio.get_running_loop()
        self.poller = Poller(
            self.store,
            self.receive,
            node=self.name,
            clock=self.clock,
            book=lambda: self.profiles.book,
            on_kept=lambda: void(loop.call_soon_threadsafe(self.translate.wake)),
        )

    async def _open_sftp(self) -> None:
        keys = await asyncio.to_thread(host_keys, self.store, self.clock())
        pems = [opened(self.store, row) for row in keys]
        self.sftp = SftpDoor(
            self.settings.sftp_listener, pems, book=lambda: self.profiles.book, gatekeeper=self.gatekeeper, files=self.files, documents=self.documents,
            product=f"Crossdock_{_version()}",
        )  # fmt: skip
        self.addresses["sftp"] = self.sftp.start()

    def _locked(self, user: str, address: str) -> None:
        """Somebody guesses passwords."""
        whom = f"the login {user}" if user else "logins"
        what = f"{address} has tried too many wrong passwords for {whom}; its tries are not looked at for a while"
        partner = revision.profile.partner if (revision := self.profiles.book.by_login(user)) else "-"
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
            self._tls.trust(one.der for revision in self.profiles.book for one in self.ring.tls(revision.profile.partner))
        self.addresses["partners"] = await self.listeners.open("partners", partner, self.settings.partner_listener, guards, self._tls)
        if self.consumers:
            await self._open_erp()
        guards = Guards(self.settings.limits.header_time.total_seconds(), 200)
        self.addresses["admin"] = await self.listeners.open("admin", AdminDoor(self).app(guards.middleware), self.settings.admin_listener, guards)
        if any(one.profile.channels.sftp for one in self.profiles.book):
            await self._open_sftp()
        write_node_file(self.settings.data_dir, self.admin_token, self.addresses)

    async def _open_erp(self) -> None:
        """Once somebody may come in."""
        self._erp_is_open = True
        guards = Guards(self.settings.limits.header_time.total_seconds(), self.settings.limits.connections)
        app = ErpDoor(self.store, self.compose, self.consumers, self.placer, self.clock).app(guards.middleware)
        self.addresses["erp"] = await self.listeners.open("erp", app, self.settings.erp_listener, guards)

    # ---- profiles

    async def reload_profiles(self) -> None:
        """The live revisions, as the store has them now."""
        await self.profiles.refresh()
        book = self.profiles.book
        self.callers.book = self.compose.book = self.as2.book = book
        await self.ring.refresh()
        if self._tls is not None:
            self._tls.trust(one.der for revision in book for one in self.ring.tls(revision.profile.partner))
            self._tls.renew()
        for revision in book:
            for name, made in self.transports.of(revision.profile):
                self.deliver.add_once(name, made)
        await self.consumers.refresh()
        if self.consumers and not self._erp_is_open and "partners" in self.addresses:
            await self._open_erp()
            write_node_file(self.settings.data_dir, self.admin_token, self.addresses)
        if self.sftp is None and "partners" in self.addresses and any(one.profile.channels.sftp for one in book):
            await self._open_sftp()
            write_node_file(self.settings.data_dir, self.admin_token, self.addresses)

    def _quotas(self, destination: str) -> tuple[Quota, Quotas]:
        """Partners' quotas are for the targets: a partner's own destination has nobody to wait for."""
        kind, _, name = destination.partition(":")
        if kind != "target":
            return UNBOUND, Quotas()
        target = self.settings.targets[name]
        return Quota(Rate(target.rate, target.burst), target.concurrency, target.daily), self.profiles.quotas

    def _on_kept(self) -> None:
        self.deliver.wake()
        self.placer.wake()
        self.reconcile.wake()

    def _on_queued(self) -> None:
        self.translate.wake()
        self.deliver.wake()

    def _broken(self, error: StoreBroken) -> None:
        """A sync failed: what the disk holds is unknown, so this node takes nothing more and ends; the next start finds what is really there."""
        if self.fault is None:
            self.fault = str(error)
            journal.trouble("store", error)
            self.stopping.set()

    # ---- ticks: what each node does for itself, and whose turn it is for the rest

    def _tick(self) -> None:
        # Late on a busy machine is not never: without a grace each work would be left out a second after its time.
        self._scheduler = AsyncIOScheduler(job_defaults={"max_instances": 1, "coalesce": True, "misfire_grace_time": None})
        for work, every in (
            (self._look_for_profiles, PROFILE_LOOK),
            (self.own_work.beat, nodes.BEAT / SECOND),
            (self._look_for_chores, CHORES_LOOK),
            (self.own_work.sweep, SWEEP_EVERY.total_seconds()),
        ):
            self._scheduler.add_job(work, "interval", seconds=every)
        self._scheduler.add_job(self.own_work.look_at_disk, "interval", seconds=WARN_EVERY / SECOND, next_run_time=datetime.now(UTC))
        self._scheduler.start()

    async def _look_for_chores(self) -> None:
        self.chores.look()

    def _shared_work(self) -> dict[str, Chore]:
        work = SharedWork(self.store, self.settings, clock=self.clock, book=lambda: self.profiles.book, files=self.files, on_queued=self.deliver.wake)
        return work.chores()

    async def _look_for_profiles(self) -> None:
        try:
            await self.reload_profiles()
        except StoreUnavailable as error:
            journal.trouble("profiles", error)

    def _state(self) -> str:
        """As the other nodes are told."""
        return "stopped" if self.stopping.is_set() and not self.draining else "draining" if self.draining else "serving"

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
            await self.own_work.beat()
            await asyncio.sleep(self.settings.drain.total_seconds())

    async def stop(self) -> None:
        """Doors first, then the stages, then the store: what was accepted is committed, what was not is refused.

        However much is under way it is over within 30 seconds, the drain not counted: doors and stages have 10 each (STOPPING, LAST_ATTEMPTS).
        """
        self.stopping.set()
        self.listeners.close()
        self._scheduler.shutdown(wait=False)
        await self.chores.stop()
        by_sftp = [asyncio.to_thread(self.sftp.stop)] if self.sftp is not None else []
        await asyncio.gather(self.poller.stop(), self.listeners.finish(), *by_sftp)
        stages = (self.as2, self.replay, self.translate, self.reconcile, self.herald, self.placer, self.deliver)
        await asyncio.gather(*(stage.stop() for stage in stages))
        await self.pool.stop()
        self.draining = False
        try:
            await asyncio.to_thread(self.store.forget_leases, self.name)  # another node goes on at once
        except StoreUnavailable as error:
            journal.trouble("leases", error)
        await self.own_work.beat()
        await asyncio.to_thread(traces.stop)
        await asyncio.to_thread(self.store.close)
        remove_node_file(self.settings.data_dir)
        os.close(self._lock)


def breaker_terms(settings: Settings) -> BreakerTerms:
    return BreakerTerms(settings.breaker.failures, span(settings.breaker.pause))


def void(value: object) -> None:
    """Nothing, of a call whose value nobody wants."""


@cache
def _version() -> str:
    return version("crossdock")
