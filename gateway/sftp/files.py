"""A partner's files on their way in: opened, written, whole or not, renamed, removed. Each yes comes after its commit.

Knows no wire. Its callers are threads of sessions, and may wait.
"""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, TypeVar

from gateway import journal
from gateway.clock import Clock, Instant, span
from gateway.errors import StoreBroken, StoreUnavailable
from gateway.failpoints import reach
from gateway.receive.stage import ReceiveStage
from gateway.records.incoming import Incoming
from gateway.sftp.caller import Caller
from gateway.sftp.paths import FAILURE, NO_SUCH_FILE, Refusal, fate, marked, markers_of
from gateway.sftp.records import UNFINISHED, FileKept, FilePut, FileRow, FileState
from gateway.sftp.uploads import NOT_NOW, Key, Upload
from gateway.store import sftp as rows
from gateway.store.payloads import Payload, PayloadDamaged
from gateway.store.spool import CHUNK, Spool
from gateway.store.store import Store
from partners.channels import SftpChannel

CHANNEL = "sftp"
PATIENCE = 60.0
"""Seconds for a commit."""
MEDIA_TYPE = "application/octet-stream"
Value = TypeVar("Value")


class Files:
    """All files of all partners at this node."""

    def __init__(self, store: Store, receive: ReceiveStage, clock: Clock, loop: asyncio.AbstractEventLoop) -> None:
        self._store, self._receive, self._clock, self._loop = store, receive, clock, loop
        self._lock = threading.Lock()
        self._open: dict[Key, Upload] = {}
        self._bytes: dict[str, int] = defaultdict(int)
        """Of uploads that are under way, by partner."""

    # ---- what there is

    def listed(self, caller: Caller, folder: str) -> dict[str, tuple[int, Instant]]:
        """Name -> (size, time) of what stands in a folder, uploads that are under way included."""
        since = self._since(caller)
        found = {row.name: (row.size, row.mtime) for row in self._read(lambda tx: rows.in_folder(tx, caller.partner, folder, since))}
        with self._lock:
            for (partner, place, name), upload in self._open.items():
                if (partner, place) == (caller.partner, folder):
                    found[name] = (upload.size, upload.mtime)
        return found

    def stat(self, caller: Caller, folder: str, name: str) -> tuple[int, Instant] | None:
        with self._lock:
            upload = self._open.get((caller.partner, folder, name))
        if upload is not None:
            return upload.size, upload.mtime
        row = self._row(caller, folder, name)
        return None if row is None else (row.size, row.mtime)

    def _row(self, caller: Caller, folder: str, name: str) -> FileRow | None:
        since = self._since(caller)
        row: FileRow | None = self._read(lambda tx: rows.by_name(tx, caller.partner, folder, name, since))
        return row

    def _since(self, caller: Caller) -> Instant:
        return self._clock() - span(caller.channel.keep)

    # ---- writing

    def open(self, caller: Caller, folder: str, name: str, *, create: bool, truncate: bool, exclusive: bool, append: bool) -> Upload:
        """An upload, with what there was of it unless it is to begin anew. Raises Refusal."""
        key = (caller.partner, folder, name)
        with self._lock:
            under_way = self._open.get(key)
        if under_way is not None and not truncate:
            # The line broke and the client has come back before we knew: it goes on from what has arrived.
            under_way.abort()
            under_way = None
        row = self._row(caller, folder, name)
        if exclusive and (row is not None or under_way is not None):
            raise Refusal(FAILURE, "a file of this name is there already")
        if row is None and not create:
            raise Refusal(NO_SUCH_FILE, f"there is no file {name}")
        if row is None and self._read(lambda tx: rows.listed(tx, caller.partner, self._since(caller))) >= caller.channel.files:
            raise Refusal(FAILURE, f"{caller.channel.files} files are listed already; remove some, or ask for a higher limit")
        try:
            spool = self._receive.spool()
        except StoreUnavailable as error:
            raise Refusal(FAILURE, f"not now: {error}") from None
        upload = Upload(self, caller, folder, name, spool, append=append, now=self._clock())
        if row is not None and row.state in UNFINISHED and not truncate:
            upload.goes_on(row, self._content(row))
        else:
            upload.touched = True
        with self._lock:
            self._open[key] = upload
        return upload

    def _content(self, row: FileRow) -> Iterator[bytes]:
        """The bytes of an unfinished file."""
        if row.payload is not None:
            payload = row.payload
            found = self._read(lambda tx: rows.payload_of(tx, payload))
            yield bytes(found.data)
            return
        left = row.size
        try:
            path = self._store.files.part(row.id, row.sha256)
            if not path.exists() and row.sha256:
                path = self._store.files.local(row.sha256)
            with path.open("rb") as file:
                while left and (piece := file.read(min(CHUNK, left))):
                    left -= len(piece)
                    yield piece
        except (FileNotFoundError, PayloadDamaged):
            raise Refusal(FAILURE, "what there was of it is gone; send it anew") from None

    def charge(self, upload: Upload, more: int) -> None:
        """Counts bytes against the partner's quota. Raises Refusal."""
        caller = upload.caller
        held = self._read(lambda tx: rows.held(tx, caller.partner))
        with self._lock:
            if held + self._bytes[caller.partner] + more > caller.channel.quota:
                raise Refusal(FAILURE, f"the quota of {caller.channel.quota} bytes for files that are not whole is used up")
            self._bytes[caller.partner] += more
        upload.charged += more

    def ended(self, upload: Upload) -> None:
        """It is no more under way."""
        with self._lock:
            self._bytes[upload.caller.partner] -= upload.charged
            if self._open.get(upload.key) is upload:
                del self._open[upload.key]
        upload.spool.discard()

    # ---- whole, or not yet

    def close(self, upload: Upload) -> None:
        """The client says that this was all. After it returns, what was promised is durable. Raises Refusal."""
        caller, name = upload.caller, upload.name
        what = fate(name, caller.channel, renamed=False)
        if what == "take" or (what == "wait" and self._has_marker(upload)):
            self._take_spool(upload)
        elif what == "marker":
            self._mark(upload)
        else:
            self.park(upload, "waiting")

    def _has_marker(self, upload: Upload) -> bool:
        channel = upload.caller.channel
        if channel.complete != "marker" or fate(upload.name, channel, renamed=False) != "wait":
            return False
        if fate(upload.name + channel.marker, channel, renamed=False) != "marker":
            return False
        found = [self._row(upload.caller, upload.folder, name) for name in markers_of(upload.name, channel)]
        return any(row is not None and row.state == "marker" for row in found)

    def _take_spool(self, upload: Upload) -> None:
        if upload.size == 0:
            self._commit(FilePut(upload.row("empty", None), is_new=not upload.persisted))
            return
        digest, data = self._finish(upload.spool)
        reach("receive.spooled")
        self._commit(
            FilePut(upload.row("taken", digest), incoming=self._incoming(upload.caller, upload.folder, upload.name, upload.size, digest, data))
        )

    def _finish(self, spool: Spool) -> tuple[str, bytes | None]:
        try:
            return spool.finish()
        except StoreBroken as error:
            self._store.on_broken(error)
            raise

    def park(self, upload: Upload, state: FileState) -> None:
        """Keeps what there is of it, durably, for a name that comes later, or for a client that comes back."""
        try:
            digest, data = upload.spool.park(upload.id)
        except StoreBroken as error:
            self._store.on_broken(error)
            raise
        reach("sftp.parked")
        payload = None if data is None else Payload(f"sftp:{upload.id}", upload.caller.partner, upload.size, digest, data)
        self._commit(FilePut(upload.row(state, digest, payload.id if payload else None), payload))

    def persist(self, upload: Upload) -> None:
        """What came so far is durable, and a client that comes back finds it; the upload goes on."""
        upload.persisted = True
        try:
            digest, data = upload.spool.persist(upload.id)
        except StoreBroken as error:
            self._store.on_broken(error)
            raise
        payload = None if data is None else Payload(f"sftp:{upload.id}", upload.caller.partner, upload.size, digest, data)
        self._commit(FilePut(upload.row("partial", digest, payload.id if payload else None), payload))

    def _mark(self, upload: Upload) -> None:
        """A marker has come: the file that it is for is whole."""
        base, stem = marked(upload.name, upload.caller.channel)
        since = self._since(upload.caller)
        there = self._read(lambda tx: rows.in_folder(tx, upload.caller.partner, upload.folder, since))
        waiting = [
            row for row in there if row.state == "waiting" and (row.name == base or (row.name.startswith(stem) and "." not in row.name[len(stem) :]))
        ]
        exact = [row for row in waiting if row.name == base] or waiting
        if len(exact) > 1:
            raise Refusal(FAILURE, f"{upload.name} may be the marker of {' or '.join(row.name for row in exact[:3])}; call it by the whole name")
        for row in exact:
            self._take_row(upload.caller, row, upload.folder, row.name)
        self._commit(FilePut(upload.row("marker", None)))

    def rename(self, caller: Caller, folder: str, name: str, to_folder: str, to_name: str) -> None:
        """A new name; where it is a last one, the file is whole. Raises Refusal."""
        with self._lock:
            if (caller.partner, folder, name) in self._open:
                raise Refusal(FAILURE, f"{name} is still being written; close it first")
        row = self._row(caller, folder, name)
        if row is None:
            raise Refusal(NO_SUCH_FILE, f"there is no file {name}")
        if (folder, name) == (to_folder, to_name):
            return
        what = fate(to_name, caller.channel, renamed=True)
        if row.state == "partial" and what != "wait":
            raise Refusal(FAILURE, f"{name} is not whole: its connection broke after {row.size} bytes; send the rest, or send it anew")
        if row.state == "waiting" and what == "take":
            self._take_row(caller, row, to_folder, to_name)
            return
        self._relabel(replace(row, folder=to_folder, name=to_name))

    def _take_row(self, caller: Caller, row: FileRow, folder: str, name: str) -> None:
        """A file that waited is whole, under this name."""
        if row.size == 0:
            self._commit(FilePut(replace(row, folder=folder, name=name, state="empty", payload=None)))
            return
        data = None
        if row.payload is not None:
            data = b"".join(self._content(row))
        else:
            self._store.files.settle_part(row.id, row.sha256 or "")
        reach("receive.spooled")
        incoming = self._incoming(caller, folder, name, row.size, row.sha256 or "", data)
        taken = replace(row, folder=folder, name=name, state="taken", payload=None, at=self._clock(), who=caller.who)
        self._commit(FilePut(taken, incoming=incoming))
        if data is None:
            self._drop_parts([row.id])

    def _drop_parts(self, parts: list[str]) -> None:
        """After the commit, which counts whatever comes of this: what stays is swept later (leftovers.py)."""
        try:
            self._store.files.drop_parts(parts)
        except StoreUnavailable as error:
            journal.trouble("sftp", error)

    def _incoming(self, caller: Caller, folder: str, name: str, size: int, digest: str, data: bytes | None) -> Incoming:
        told = name if len(caller.channel.folders.into) == 1 else f"{folder}/{name}"
        return self._receive.incoming(
            caller.revision, (digest, data), size, channel=CHANNEL, window=caller.channel.duplicate_window, media_type=MEDIA_TYPE, file_name=told,
            who=caller.who,
        )  # fmt: skip

    # ---- without bytes

    def set_time(self, caller: Caller, folder: str, name: str, mtime: Instant) -> None:
        row = self._row(caller, folder, name)
        if row is None:
            raise Refusal(NO_SUCH_FILE, f"there is no file {name}")
        self._relabel(replace(row, mtime=mtime))

    def remove(self, caller: Caller, folder: str, name: str) -> None:
        """Takes the name away. A message stays a message; what was not whole is gone."""
        row = self._row(caller, folder, name)
        if row is None:
            raise Refusal(NO_SUCH_FILE, f"there is no file {name}")
        self._commit(FilePut(replace(row, state="removed", payload=None)))
        if row.state in UNFINISHED:
            self._drop_parts([row.id])

    def _relabel(self, row: FileRow) -> None:
        payload = None
        if row.payload is not None:
            found = self._read(lambda tx: rows.payload_of(tx, row.payload or ""))
            payload = Payload(row.payload, row.partner, row.size, found.sha256, bytes(found.data))
        self._commit(FilePut(row, payload))

    def refused(self, upload: Upload, why: str) -> None:
        """Tells of an upload that we would not take, so that the partner finds it in its error folder."""
        journal.refused(upload.caller.partner, CHANNEL, 0, why)
        self._commit(FilePut(replace(upload.row("refused", None), reason=why)))

    def expire(self, partner: str, channel: SftpChannel) -> int:
        """Ends unfinished files that nobody has come back to."""
        now = self._clock()
        parts = self._settled(self._store.expire_files(partner, now - span(channel.keep), now))
        self._drop_parts(parts)
        return len(parts)

    def _commit(self, item: FilePut) -> FileKept:
        kept = self._settled(self._store.put_file(item))
        self._drop_parts(kept.leftovers)
        if item.incoming is not None:
            self._receive.kept(item.incoming, kept.message or "", "duplicate" if kept.duplicate else "new")
            self._loop.call_soon_threadsafe(self._receive.wake, item.incoming.partner, item.incoming.channel)
        return kept

    def _read(self, query: Any) -> Any:
        return self._store.look(query)

    def _settled(self, future: "Future[Value]") -> Value:
        try:
            return future.result(PATIENCE)
        except StoreUnavailable as error:
            journal.trouble("sftp", error)
            raise Refusal(FAILURE, NOT_NOW) from None
        except TimeoutError:
            raise Refusal(FAILURE, "it could not be kept in time; send it again later") from None
