"""The way out by SFTP: a document goes to the partner's server under a temporary name and gets its last one when it is there whole.

Knows the partner's server only as a `Remote`.
"""

import asyncio
import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from gateway.clock import Clock, as_datetime
from gateway.errors import DestinationFault, TemporaryFailure, UnknownOutcome
from gateway.failpoints import reach
from gateway.records.deliveries import ToDeliver
from gateway.sftp.host_keys import secret_of
from gateway.store.store import Store
from gateway.targets.base import Confirmation
from gateway.transports.sftp_remote import Remote, RemoteDenied, RemoteGone
from gateway.ways import SFTP
from partners.book import Book
from partners.channels import SftpPush

MOST_TOGETHER = 20
IDLE = 60.0
"""Seconds that an unused connection is kept."""
MOST_COMPARED = 1 << 20
"""Bytes of a file that is there already, and may be ours, that are read to know."""


class SftpSend:
    """Documents to one partner's server."""

    marks_sending = True
    """After a crash nobody knows how far an attempt came: the next one looks."""

    def __init__(self, partner: str, *, store: Store, clock: Clock, book: Callable[[], Book]) -> None:
        self.name = f"{SFTP}:{partner}"
        self._partner, self._store, self._clock, self._book = partner, store, clock, book
        self._pool = ThreadPoolExecutor(MOST_TOGETHER, thread_name_prefix=f"sftp-{partner}")
        self._idle: list[tuple[float, SftpPush, Remote]] = []
        self._lock = threading.Lock()
        self._closed = False

    @property
    def concurrency(self) -> int:
        revision = self._book().by_name(self._partner)
        terms = revision.profile.channels.sftp_push if revision else None
        return terms.connections if terms else 1

    async def close(self) -> None:
        self._closed = True
        await asyncio.to_thread(self._pool.shutdown, wait=True)
        for _, _, remote in self._idle:
            remote.close()

    async def deliver(self, delivery: ToDeliver, data: bytes) -> Confirmation:
        revision = self._book().by_name(self._partner)
        terms = revision.profile.channels.sftp_push if revision else None
        if terms is None:
            raise DestinationFault(f"{self._partner} has no SFTP server in its profile any more (channels.sftp_push)")
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._deliver, terms, delivery, data)

    def _deliver(self, terms: SftpPush, delivery: ToDeliver, data: bytes) -> Confirmation:
        remote = self._connection(terms)
        try:
            done = Placing(remote, terms, delivery, data, self._clock).place()
        except (RemoteDenied, RemoteGone) as error:
            self._give_back(terms, remote)
            raise DestinationFault(f"{terms.host}: {error}") from None
        except BaseException:
            remote.close()
            raise
        self._give_back(terms, remote)
        return done

    # ---- connections

    def _connection(self, terms: SftpPush) -> Remote:
        """One that was used before, under the same terms, or a new one."""
        with self._lock:
            kept, self._idle = self._idle, []
            for since, made_for, remote in kept:
                if made_for == terms and remote.alive and time.monotonic() - since < IDLE:
                    self._idle.append((since, made_for, remote))
                else:
                    remote.close()
            if self._idle:
                return self._idle.pop()[2]
        return Remote.connect(terms, secret_of(self._store, terms))

    def _give_back(self, terms: SftpPush, remote: Remote) -> None:
        with self._lock:
            if remote.alive and not self._closed:
                self._idle.append((time.monotonic(), terms, remote))
                return
        remote.close()


class Placing:
    """One document on its way into the partner's folder."""

    def __init__(self, remote: Remote, terms: SftpPush, delivery: ToDeliver, data: bytes, clock: Clock) -> None:
        self._remote, self._terms, self._delivery, self._data = remote, terms, delivery, data
        self._name = name_of(terms.name, delivery)
        self._mark = hashlib.sha256(delivery.id.encode()).hexdigest()[:8]

    def place(self) -> Confirmation:
        """Raises UnknownOutcome where the line breaks, RemoteDenied where the server does not want it."""
        again = self._delivery.unknown_outcome or self._delivery.attempts > 0
        last, second = self._path(self._name), self._path(self._other_name())
        temporary = self._temporary()
        begun = self._remote.stat(temporary) if again else None
        if again and begun is None:
            for path in (last, second):
                if self._is_ours(path):
                    self._mark_whole(path)
                    return Confirmation(0, f"{path} was there already".encode(), looked_up=True)
        self._put(temporary, begun.size if begun is not None else 0)
        reach("sftp.put")
        path = last if self._remote.stat(last) is None else second
        if path == second and self._remote.stat(second) is not None:
            self._remote.remove(second)  # its name is only ours: what is there is an attempt of ours that was not whole
        self._rename(temporary, path)
        reach("sftp.renamed")
        self._mark_whole(path)
        return Confirmation(0, f"{path}, {len(self._data)} bytes".encode())

    def _put(self, temporary: str, begun: int) -> None:
        """The bytes under the temporary name, from where an earlier attempt broke off, if it did."""
        if 0 < begun < len(self._data):
            self._remote.write(temporary, self._data, begin=begun)
        elif begun != len(self._data) or not self._data:
            self._remote.write(temporary, self._data)
        there = self._remote.stat(temporary)
        if there is None or there.size != len(self._data):
            with contextlib.suppress(RemoteDenied, RemoteGone):
                self._remote.remove(temporary)
            size = "nothing" if there is None else f"{there.size} bytes"
            raise TemporaryFailure(f"{temporary} has {size} after {len(self._data)} were written; it is sent anew")

    def _rename(self, temporary: str, path: str) -> None:
        try:
            self._remote.posix_rename(temporary, path)
        except RemoteGone:
            # Where a server moves files away the moment they are there, this tells of it; what is gone was taken.
            raise UnknownOutcome(f"{temporary} was there whole and is gone; the partner may have taken it under that name") from None

    def _is_ours(self, path: str) -> bool:
        """Whether what has this name is this document. Its size says so, and its bytes, where they may be read."""
        there = self._remote.stat(path)
        if there is None or there.size != len(self._data):
            return False
        if there.size > MOST_COMPARED:
            return True
        try:
            return b"".join(self._remote.pieces(path, there.size)) == self._data
        except (RemoteDenied, RemoteGone):
            return True

    def _mark_whole(self, path: str) -> None:
        if self._terms.marker is not None:
            self._remote.write(path + self._terms.marker, b"")

    def _temporary(self) -> str:
        """A name that only this delivery has, so that an attempt finds what the one before has left."""
        stem = f"{self._name}.{self._mark}"
        return self._path(f".{stem}.part" if self._terms.temporary == "hidden" else f"{stem}.part")

    def _other_name(self) -> str:
        """For where the first one is taken: nothing that waits there is ever overwritten."""
        stem, point, ending = self._name.rpartition(".")
        return f"{stem}-{self._mark}.{ending}" if point and stem else f"{self._name}-{self._mark}"

    def _path(self, name: str) -> str:
        return f"{self._terms.folder.rstrip('/')}/{name}"


def name_of(template: str, delivery: ToDeliver) -> str:
    """What the file is called there. The time is that of the delivery, so that each attempt gives the same name."""
    attributes = json.loads(delivery.attributes)
    file_name = str(attributes.get("file_name") or "document")
    stem, _, ending = file_name.rpartition(".")
    at = as_datetime(delivery.created_at)
    values = {
        "file_name": file_name, "stem": stem or ending, "ending": ending, "set": str(attributes.get("set") or "file"), "date": at.strftime("%Y%m%d"),
        "time": at.strftime("%H%M%S"), "id": hashlib.sha256(delivery.id.encode()).hexdigest()[:12],
    }  # fmt: skip
    name = template
    for word, value in values.items():
        name = name.replace("{" + word + "}", "".join(one if one.isalnum() or one in "-._" else "_" for one in value))
    return name.lstrip(".")[:200] or "document"
