"""A body on its way in: in memory while it is small, then in a hidden file; hashed as it comes, durable once it is finished.

Knows nothing of rows. Where files lie, and how one gets its name, is payloads.py's.
"""

import hashlib
import os
from pathlib import Path
from typing import Protocol

from gateway.errors import StoreBroken, StoreUnavailable
from gateway.store.engine import sync_folder

INLINE_LIMIT = 64 * 1024
CHUNK = 1024 * 1024


class Places(Protocol):
    """Where a spool's file lies while it grows, and where it goes then."""

    spool: Path
    parts: Path

    def settle(self, spooled: Path, sha256: str) -> None:
        """Moves a synced spool file to its name, durably."""

    def share_part(self, part: str) -> None:
        """A part that lies here may be gone on with at any node."""


class Spool:
    """A body on its way in: in memory up to the inline limit, then in a hidden file; hashed as it comes."""

    _serial = iter(range(1, 2**62))

    def __init__(self, files: Places, memory: int = INLINE_LIMIT) -> None:
        self._files = files
        self._most_in_memory = memory
        self._memory = bytearray()
        self._descriptor: int | None = None
        self._path: Path | None = None
        self._hash = hashlib.sha256()
        self._altered = False
        self.size = 0

    @property
    def is_file(self) -> bool:
        return self._descriptor is not None

    def would_spill(self, length: int) -> bool:
        return self._descriptor is not None or len(self._memory) + length > self._most_in_memory

    def write(self, data: bytes) -> None:
        self.size += len(data)
        self._hash.update(data)
        try:
            if self._descriptor is None and len(self._memory) + len(data) <= self._most_in_memory:
                self._memory += data
                return
            if self._descriptor is None:
                self._spill()
            assert self._descriptor is not None
            _write_all(self._descriptor, data)
        except OSError as error:
            raise StoreUnavailable(f"the body could not be kept: {error.strerror}") from error

    def _spill(self) -> None:
        """From memory into a hidden file."""
        self._path = self._files.spool / f"{os.getpid()}-{next(self._serial)}.part"
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        _write_all(self._descriptor, bytes(self._memory))
        self._memory.clear()

    def finish(self) -> tuple[str, bytes | None]:
        """(SHA-256, the bytes if they are small, else None: they are then durable under that name)."""
        digest = self.settled_hash()
        if self._descriptor is None:
            return digest, bytes(self._memory)
        self._sync()
        assert self._path is not None
        self._files.settle(self._path, digest)
        self._path = None
        return digest, None

    def park(self, part: str) -> tuple[str, bytes | None]:
        """Like `finish`, for a body that is not whole: a large one is then durable among the parts."""
        digest = self.settled_hash()
        if self._descriptor is None:
            return digest, bytes(self._memory)
        self._sync()
        self._name(self._files.parts / part)
        self._path = None
        self._files.share_part(part)
        return digest, None

    def settle_copy(self, named: Path) -> None:
        """Under this name, as a copy of what is durable elsewhere: without a sync."""
        if self._descriptor is None:
            self._spill()
        assert self._descriptor is not None
        assert self._path is not None
        os.close(self._descriptor)
        self._descriptor = None
        try:
            os.replace(self._path, named)
        except OSError as error:
            raise StoreUnavailable(f"the copy of a payload could not be kept: {error.strerror}") from error
        self._path = None

    def persist(self, part: str) -> tuple[str, bytes | None]:
        """Like `park`, and the body goes on growing."""
        digest = self.settled_hash()
        if self._descriptor is None:
            return digest, bytes(self._memory)
        assert self._path is not None
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise StoreBroken(f"the disk did not take the body: {error.strerror}") from error
        named = self._files.parts / part
        if self._path != named:
            self._name(named)
            self._path = named
        return digest, None

    def _name(self, named: Path) -> None:
        """Moves the synced file there, durably."""
        assert self._path is not None
        try:
            os.replace(self._path, named)
            sync_folder(named.parent)
        except OSError as error:
            raise StoreUnavailable(f"the body could not be kept: {error.strerror}") from error

    def overwrite(self, offset: int, data: bytes) -> None:
        """Writes over bytes that were written before, and beyond; hashed anew when it is finished."""
        end = offset + len(data)
        if offset == self.size:
            self.write(data)
            return
        if self._descriptor is None and end <= self._most_in_memory:
            self._memory[offset:end] = data
            self.size, self._altered = len(self._memory), True
            return
        inner = min(len(data), self.size - offset)
        try:
            if self._descriptor is None:
                self._spill()
            assert self._descriptor is not None
            os.pwrite(self._descriptor, data[:inner], offset)
            if inner < len(data):
                _write_all(self._descriptor, data[inner:])
                self.size += len(data) - inner
        except OSError as error:
            raise StoreUnavailable(f"the body could not be kept: {error.strerror}") from error
        self._altered = True

    def cut(self, size: int) -> None:
        """Keeps the first `size` bytes only."""
        if self._descriptor is None:
            del self._memory[size:]
        else:
            try:
                os.ftruncate(self._descriptor, size)
                os.lseek(self._descriptor, size, os.SEEK_SET)
            except OSError as error:
                raise StoreUnavailable(f"the body could not be kept: {error.strerror}") from error
        self._altered = self.size != size or self._altered
        self.size = size

    def settled_hash(self) -> str:
        """SHA-256 of what there is now; read again where bytes were altered after they had been hashed."""
        if self._altered:
            self._hash = hashlib.sha256(self._memory)
            if self._path is not None:
                with self._path.open("rb") as file:
                    while piece := file.read(CHUNK):
                        self._hash.update(piece)
            self._altered = False
        return self._hash.copy().hexdigest()

    def _sync(self) -> None:
        assert self._descriptor is not None
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            # The kernel may have dropped the pages: a second fsync could say yes to bytes that are gone.
            raise StoreBroken(f"the disk did not take the body: {error.strerror}") from error
        os.close(self._descriptor)
        self._descriptor = None

    def discard(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        if self._path is not None:
            self._path.unlink(missing_ok=True)
            self._path = None


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
