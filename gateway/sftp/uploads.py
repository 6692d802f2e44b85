"""One file that is open for writing: its bytes as they come, in order or not, until it is closed or its connection is gone.

Knows no rows; what is kept of it, and what was promised, is files.py's.
"""

import threading
from collections.abc import Iterator
from typing import Protocol

from gateway import journal
from gateway.clock import Instant, new_id
from gateway.errors import StoreUnavailable
from gateway.sftp.caller import Caller
from gateway.sftp.paths import DENIED, FAILURE, Refusal
from gateway.sftp.records import FileRow, FileState
from gateway.store.spool import INLINE_LIMIT, Spool

MOST_AHEAD = 4 << 20
"""Bytes that may come before those in front of them."""
NOT_NOW = "it could not be kept just now; send it again later"
Key = tuple[str, str, str]


class Keeper(Protocol):
    """What keeps uploads: Files. Each raises Refusal where it will not, and StoreUnavailable where it cannot."""

    def charge(self, upload: "Upload", more: int) -> None:
        """Counts bytes against the partner's quota."""

    def close(self, upload: "Upload") -> None:
        """The client says that this was all."""

    def park(self, upload: "Upload", state: FileState) -> None:
        """Keeps what there is of it."""

    def persist(self, upload: "Upload") -> None:
        """What came so far is durable; the upload goes on."""

    def refused(self, upload: "Upload", why: str) -> None:
        """Tells of an upload that we would not take."""

    def ended(self, upload: "Upload") -> None:
        """It is no more under way."""


class Upload:
    """One file that is open for writing. Ends once: closed by its client, or aborted when the connection is gone."""

    def __init__(self, files: Keeper, caller: Caller, folder: str, name: str, spool: Spool, *, append: bool, now: Instant) -> None:
        self._files, self._append, self._lock = files, append, threading.Lock()
        self.caller, self.folder, self.name, self.spool = caller, folder, name, spool
        self.id = new_id(now)
        self.at = self.mtime = now
        self.charged = 0
        self.touched = False
        """Whether this client has written, or begun anew: only then its CLOSE says that the file is whole."""
        self.persisted = False
        """Whether a row has its id."""
        self._ahead: dict[int, bytes] = {}
        self._ended = False
        self._fault: str | None = None

    @property
    def key(self) -> Key:
        return self.caller.partner, self.folder, self.name

    @property
    def size(self) -> int:
        return self.spool.size

    def goes_on(self, row: FileRow, content: Iterator[bytes]) -> None:
        """Begins with what there was of it."""
        self.mtime = row.mtime
        for piece in content:
            self._files.charge(self, len(piece))
            self.spool.write(piece)

    def write(self, offset: int, data: bytes) -> None:
        """Raises Refusal past the limits, and for bytes far in front of those that have come."""
        with self._lock:
            self._alive()
            if self._append:
                offset = self.spool.size
            self.touched = True
            most = self.caller.channel.max_body
            try:
                if offset + len(data) > most:
                    raise Refusal(FAILURE, f"a file may have {most} bytes here, and this one has more")
                self._write(offset, data)
            except StoreUnavailable as error:
                journal.trouble("sftp", error)
                self._fault = NOT_NOW
                raise Refusal(FAILURE, NOT_NOW) from None
            except Refusal as refusal:
                # A client that goes on and closes it must not get a yes.
                self._fault = refusal.words
                raise

    def _write(self, offset: int, data: bytes) -> None:
        if offset > self.spool.size:
            if sum(map(len, self._ahead.values())) + len(data) > MOST_AHEAD:
                raise Refusal(FAILURE, f"bytes came at {offset}, and those from {self.spool.size} on are missing; send them in order")
            self._ahead[offset] = data
            return
        self._put(offset, data)
        while self._ahead and (first := min(self._ahead)) <= self.spool.size:
            self._put(first, self._ahead.pop(first))

    def _put(self, offset: int, data: bytes) -> None:
        more = offset + len(data) - self.spool.size
        if more > 0 and (self.spool.size + more) // INLINE_LIMIT != self.spool.size // INLINE_LIMIT:
            self._files.charge(self, self.spool.size + more - self.charged)
        if offset == self.spool.size:
            self.spool.write(data)
        else:
            self.spool.overwrite(offset, data)

    def cut(self, size: int) -> None:
        """A size that the client sets: what is longer is cut; nothing is made up."""
        with self._lock:
            self._alive()
            if size > self.spool.size:
                raise Refusal(DENIED, "a file does not grow without bytes")
            if size < self.spool.size:
                self.touched = True
                try:
                    self.spool.cut(size)
                except StoreUnavailable as error:
                    journal.trouble("sftp", error)
                    self._fault = NOT_NOW
                    raise Refusal(FAILURE, NOT_NOW) from None

    def sync(self) -> None:
        """fsync@openssh.com: what was written survives a crash and a power cut."""
        with self._lock:
            self._alive()
            try:
                self._files.persist(self)
            except StoreUnavailable as error:
                journal.trouble("sftp", error)
                raise Refusal(FAILURE, "it could not be kept just now") from None

    def close(self) -> None:
        """Raises Refusal: then nothing was taken, and the client must not believe so."""
        with self._lock:
            self._alive()
            self._ended = True
            try:
                if self._fault is None and self._ahead:
                    self._fault = f"bytes from {self.spool.size} on are missing"
                if self._fault is not None:
                    if self._fault != NOT_NOW:
                        self._files.refused(self, self._fault)
                    raise Refusal(FAILURE, self._fault)
                if not self.touched:
                    self._files.park(self, "partial")
                    return
                self._files.close(self)
            except StoreUnavailable as error:
                journal.trouble("sftp", error)
                raise Refusal(FAILURE, NOT_NOW) from None
            finally:
                self._files.ended(self)

    def abort(self) -> None:
        """The connection is gone, or another one goes on with it: what came is kept for a while, and is no document."""
        with self._lock:
            if self._ended:
                return
            self._ended = True
            try:
                if self.spool.size and self._fault is None:
                    self._files.park(self, "partial")
            except (Refusal, StoreUnavailable) as error:
                journal.trouble("sftp", error)
            finally:
                self._files.ended(self)

    def _alive(self) -> None:
        if self._ended:
            raise Refusal(FAILURE, "another session goes on with this file")

    def row(self, state: FileState, sha256: str | None, payload: str | None = None) -> FileRow:
        return FileRow(
            id=self.id, partner=self.caller.partner, folder=self.folder, name=self.name, state=state, size=self.size, mtime=self.mtime, sha256=sha256,
            payload=payload, message=None, duplicate=False, reason=None, at=self.at, who=self.caller.who,
        )  # fmt: skip
