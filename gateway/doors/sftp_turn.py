"""One time at one folder of a partner's SFTP server: what is there, what is whole, fetched, kept and put away. Each step can be done again after a crash.

Knows the partner's server only as a `Remote`.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any

from gateway import journal
from gateway.clock import DAY, Clock, Instant, new_id, span
from gateway.errors import CrossdockError, DestinationFault, LeaseLost, StoreBroken, StoreUnavailable, TemporaryFailure
from gateway.failpoints import reach
from gateway.receive.stage import ReceiveStage
from gateway.records.alarms import AlarmClosed
from gateway.sftp.host_keys import secret_of
from gateway.sftp.paths import MOST_NAME
from gateway.sftp.records import PollClaim, PolledPut, PolledRow, PollEnd, Secret
from gateway.store import sftp_polls as rows
from gateway.store.spool import Spool
from gateway.store.store import Store
from gateway.transports.sftp_remote import Listed, Remote, RemoteDenied, RemoteGone
from partners.book import Revision
from partners.channels import SftpPoll

CHANNEL = "sftp-poll"
LEASE = timedelta(minutes=2)
OURS = ".crossdock-"
"""How names begin that we give to files at a partner's before we delete them."""
REMEMBERED = 400 * DAY
PATIENCE = 60.0
PAUSES = (1.0, 2.0, 4.0, 8.0, 8.0, 8.0)
"""Seconds between tries to give a folder back while the store takes nothing."""


class Stopped(CrossdockError):
    """The node stops; its leases are given back, so another one goes on with the folder."""


class Polling:
    """What a turn has of its node: the store, the way in, connections, and when each folder is due."""

    def __init__(
        self,
        store: Store,
        receive: ReceiveStage,
        *,
        node: str,
        clock: Clock,
        on_kept: Callable[[], None],
        connect: Callable[[SftpPoll, Secret], Remote],
    ) -> None:
        self.store, self.receive = store, receive
        self._node, self._clock, self._on_kept, self._connect = node, clock, on_kept, connect
        self._remotes: set[Remote] = set()
        self._not_before: dict[str, Instant] = {}
        self.stopping = False

    def now(self) -> Instant:
        return self._clock()

    def claim(self, name: str, partner: str) -> tuple[int, int] | None:
        now = self._clock()
        claim = PollClaim(name, partner, self._node, now, now + span(LEASE))
        return self.store.claim_poll(claim).result(PATIENCE)

    @contextlib.contextmanager
    def connected(self, poll: SftpPoll) -> Iterator[Remote]:
        """A connection, ended by whoever is first: its user, or the end of this node."""
        remote = self._connect(poll, secret_of(self.store, poll))
        self._remotes.add(remote)
        try:
            yield remote
        finally:
            self._remotes.discard(remote)
            remote.close()

    def go_on(self) -> None:
        """Raises Stopped once the node stops."""
        if self.stopping:
            raise Stopped

    def rest(self, name: str, until: Instant) -> None:
        self._not_before[name] = until

    def told(self) -> None:
        self._on_kept()

    def hang_up(self) -> None:
        """Ends all connections; who waits for an answer is told that the line broke."""
        for remote in list(self._remotes):
            remote.close()


class Turn:
    """One time at one folder."""

    def __init__(self, poller: Polling, revision: Revision, poll: SftpPoll, name: str) -> None:
        self._poller, self._revision, self._poll, self._name = poller, revision, poll, name
        self._partner = revision.profile.partner
        self._fence = 0
        self._renewed = time.monotonic()
        self._taken = self._faults = 0
        self._fault = ""
        self._waits = False
        """Whether a file is listed that may be whole soon."""

    def run(self) -> None:
        """Claims the folder, fetches what is whole, says what came of it."""
        claimed = self._poller.claim(self._name, self._partner)
        if claimed is None:
            self._poller.rest(self._name, self._poller.now() + span(min(self._poll.every, timedelta(seconds=15))))
            return
        self._fence, failures = claimed
        try:
            with self._poller.connected(self._poll) as remote:
                self._fetch(remote)
        except (LeaseLost, Stopped):
            return
        except (TemporaryFailure, DestinationFault, RemoteDenied, RemoteGone) as error:
            if self._poller.stopping:  # it is we who ended the line
                return
            self._end(failures + 1, str(error))
            return
        except StoreUnavailable as error:
            journal.trouble("sftp: poll", error)
            self._let_go(failures, str(error))
            return
        # A server that answers is polled at its pace: one file that it denies us must not hold up the others.
        self._end(0, f"{self._taken} fetched" + (f", {self._faults} not: {self._fault}" if self._faults else ""))

    def _let_go(self, failures: int, told: str) -> None:
        """Our own store took no more: the folder is free again as soon as it takes that, and not when the lease has run out."""
        for pause in PAUSES:
            if self._poller.stopping:
                return
            time.sleep(pause)
            now = self._poller.now()
            with contextlib.suppress(StoreUnavailable, TimeoutError):
                self._poller.store.end_poll(PollEnd(self._name, self._fence, now, now, failures, told[:2000])).result(PATIENCE)
                self._poller.rest(self._name, now)
                return

    def _end(self, failures: int, told: str) -> None:
        now = self._poller.now()
        wait = self._poll.every
        if self._waits and self._poll.whole == "stable":
            wait = min(wait, self._poll.stable)
        if failures:
            wait = min(wait * 2 ** min(failures, 12), max(self._poll.longest_wait, wait))
        if failures or self._faults:
            what = f"{self._poll.name} ({self._poll.host}:{self._poll.folder}): {told}"
            self._poller.store.raise_alarm("sftp.poll", self._partner, what, now, self._name).result(PATIENCE)
        else:
            self._poller.store.close_alarm(
                AlarmClosed(f"sftp.poll:{self._name}"[:120], now, "crossdock", "the folder was polled without trouble")
            ).result(PATIENCE)
        due = now + span(wait)
        self._poller.store.end_poll(PollEnd(self._name, self._fence, now, due, failures, told[:2000])).result(PATIENCE)
        self._poller.rest(self._name, due)
        journal.polled(self._partner, self._poll.name, self._taken, failures, told if failures or self._faults else None)

    # ---- what there is

    def _fetch(self, remote: Remote) -> None:
        listed = remote.listed(self._poll.folder)
        now = self._poller.now()
        known = self._poller.store.look(lambda tx: rows.known(tx, self._name))
        names = {one.name for one in listed}
        wanted = [one for one in listed if self._wanted(one.name)]
        fresh = [self._row(one, "seen", now) for one in wanted]
        self._poller.store.see_polled(fresh).result(PATIENCE)
        self._poller.store.forget_polled(self._name, now, now - REMEMBERED).result(PATIENCE)
        reach("sftp.listed")
        self._clear_moved(remote, known, names)
        for one in self._in_order(wanted):
            self._poller.go_on()
            if self._taken >= self._poll.most:
                return
            row = known.get((one.name, one.size, one.mtime)) or self._row(one, "seen", now)
            try:
                self._one(remote, one, row, names, now)
            except (RemoteDenied, RemoteGone) as error:
                self._faults += 1
                self._fault = self._fault or str(error)

    def _one(self, remote: Remote, one: Listed, row: PolledRow, names: set[str], now: Instant) -> None:
        if row.state == "seen":
            if not self._whole(one, row, names, now):
                self._waits = True
                return
            stored = self._take(remote, one, row)
            if stored is None:
                return
            row = stored
            self._taken += 1
        if row.state == "stored" and self._poll.after != "keep":
            self._put_away(remote, one, row, names)

    def _wanted(self, name: str) -> bool:
        folded = name.casefold()
        if any(fnmatchcase(folded, pattern.casefold()) for pattern in self._poll.temporary):
            return False
        if self._poll.whole == "marker" and name.endswith(self._poll.marker):
            return False
        return any(fnmatchcase(folded, pattern.casefold()) for pattern in self._poll.files) and not name.startswith(OURS)

    def _in_order(self, wanted: list[Listed]) -> list[Listed]:
        return sorted(wanted, key=lambda one: (one.mtime, one.name) if self._poll.order == "time" else (0, one.name))

    def _whole(self, one: Listed, row: PolledRow, names: set[str], now: Instant) -> bool:
        if self._poll.whole == "marker":
            return bool(self._markers(one.name) & names)
        return self._poll.whole == "listed" or now - row.seen_at >= span(self._poll.stable)

    def _markers(self, name: str) -> set[str]:
        stem = name.rpartition(".")[0]
        return {name + self._poll.marker} | ({stem + self._poll.marker} if stem else set())

    def _row(self, one: Listed, state: Any, now: Instant) -> PolledRow:
        return PolledRow(self._name, one.name, one.size, one.mtime, self._partner, state, now, now)

    # ---- one file

    def _take(self, remote: Remote, one: Listed, row: PolledRow) -> PolledRow | None:
        """The file as a message, durably; None where it is not whole after all, or not ours to take."""
        path = _path(self._poll.folder, one.name)
        if one.size > self._poll.max_body:
            raise RemoteDenied(f"{one.name} has {one.size:,} bytes, and {self._poll.max_body:,} may be (max_body)")
        if one.size == 0:
            return None
        spool = self._poller.receive.spool()
        try:
            if not self._read(remote, path, one, spool):
                return None
            try:
                digest, data = spool.finish()
            except StoreBroken as error:
                self._poller.store.on_broken(error)
                raise
            reach("sftp.fetched")
            incoming = self._poller.receive.incoming(
                self._revision, (digest, data), spool.size, channel=CHANNEL, window=self._poll.duplicate_window, media_type="application/octet-stream",
                file_name=one.name, who=f"{self._partner} by {CHANNEL} from {self._poll.host}"[:80],
            )  # fmt: skip
        finally:
            spool.discard()
        stored = replace(row, state="stored", sha256=digest, listed_at=self._poller.now())
        kept = self._poller.store.put_polled(PolledPut(stored, self._fence, incoming)).result(PATIENCE)
        if kept is None:
            raise LeaseLost
        self._poller.receive.kept(incoming, kept.id, kept.outcome)
        self._poller.told()
        reach("sftp.stored")
        return replace(stored, message=kept.id)

    def _read(self, remote: Remote, path: str, one: Listed, spool: Spool) -> bool:
        """Whether the file is the same, whole, at the end as it was listed."""
        try:
            for piece in remote.pieces(path, one.size):
                spool.write(piece)
                if spool.size > one.size:
                    return False
                self._poller.go_on()
                self._renew()
        except RemoteGone:
            return False
        after = remote.stat(path)
        return after is not None and spool.size == one.size == after.size and after.mtime == one.mtime

    def _put_away(self, remote: Remote, one: Listed, row: PolledRow, names: set[str]) -> None:
        """Takes a file away that is ours for sure.

        It is renamed first and looked at after that: whoever has put another one under its name meanwhile keeps it.
        """
        self._renew()
        path, aside = _path(self._poll.folder, one.name), self._aside(one, row)
        self._note(replace(row, moved=aside))
        try:
            remote.rename(path, aside)
        except RemoteGone:
            self._note(replace(row, state="done"))  # somebody has done it already
            return
        except RemoteDenied:
            self._note(row)
            raise
        reach("sftp.moved")
        there = remote.stat(aside)
        if there is None or there.size != one.size or there.mtime not in (one.mtime, 0):
            self._give_back(remote, aside, path, row)
            return
        self._finish(remote, aside, replace(row, moved=aside))
        for marker in sorted(self._markers(one.name) & names) if self._poll.whole == "marker" else []:
            remote.remove(_path(self._poll.folder, marker))

    def _aside(self, one: Listed, row: PolledRow) -> str:
        """Where it goes: to the archive, under a name that nobody has, or beside, to be deleted."""
        mark = (row.message or new_id(self._poller.now()))[-10:]
        if self._poll.after == "archive":
            stem, point, ending = one.name.rpartition(".")
            return _path(self._poll.archive or "", f"{stem}.{mark}.{ending}" if point else f"{one.name}.{mark}")
        return _path(self._poll.folder, f"{OURS}{mark}.{one.name}"[:MOST_NAME])

    def _give_back(self, remote: Remote, aside: str, path: str, row: PolledRow) -> None:
        """What we renamed is not what we fetched: it gets its name back, and is fetched by itself."""
        if remote.stat(path) is None:
            remote.rename(aside, path)
            self._note(replace(row, state="done"))
        else:
            raise RemoteDenied(f"{aside} was put there while we took {path}, and the name is taken again; look at both")

    def _finish(self, remote: Remote, aside: str, row: PolledRow) -> None:
        if self._poll.after == "delete":
            remote.remove(aside)
        reach("sftp.taken")
        self._note(replace(row, state="done"))

    def _clear_moved(self, remote: Remote, known: dict[tuple[str, int, int], PolledRow], names: set[str]) -> None:
        """What an earlier turn had renamed when it ended."""
        for row in known.values():
            if row.moved is None:
                continue
            there = remote.stat(row.moved)
            if there is None:
                if row.name not in names:
                    self._note(replace(row, state="done"))
            elif there.size == row.size:
                self._finish(remote, row.moved, row)
            else:
                self._give_back(remote, row.moved, _path(self._poll.folder, row.name), row)

    def _note(self, row: PolledRow) -> None:
        if self._poller.store.put_polled(PolledPut(replace(row, listed_at=self._poller.now()), self._fence)).result(PATIENCE) is None:
            raise LeaseLost

    def _renew(self) -> None:
        """Every third of the lease. Raises LeaseLost."""
        if time.monotonic() - self._renewed < LEASE.total_seconds() / 3:
            return
        now = self._poller.now()
        if not self._poller.store.end_poll(PollEnd(self._name, self._fence, now, until=now + span(LEASE))).result(PATIENCE):
            raise LeaseLost
        self._renewed = time.monotonic()


def _path(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}"
