"""Where the layers of a large message lie while it is opened or written: small ones in memory, larger ones in files without a name.

A file of this kind is gone when the last view of it is, or when the process ends, however it ends.
"""

import mmap
import os
import tempfile
from pathlib import Path

from gateway.errors import StoreUnavailable
from translators.as2.buffers import NewSink

IN_MEMORY = 256 * 1024


class FileSink:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._memory = bytearray()
        self._descriptor: int | None = None
        self._size = 0

    def write(self, data: bytes | memoryview) -> object:
        self._size += len(data)
        if self._descriptor is None:
            if self._size <= IN_MEMORY:
                self._memory += data
                return None
            self._descriptor = _nameless(self._folder)
            self._pour(memoryview(self._memory))
            self._memory = bytearray()
        self._pour(memoryview(data))
        return None

    def _pour(self, data: memoryview) -> None:
        assert self._descriptor is not None
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError as error:
            raise StoreUnavailable(f"a message could not be opened, for the disk did not take its layers: {error.strerror}") from error

    def view(self) -> memoryview:
        """All that was written; nothing more is written after it."""
        if self._descriptor is None:
            return memoryview(self._memory).toreadonly()
        mapped = mmap.mmap(self._descriptor, self._size, access=mmap.ACCESS_READ)
        os.close(self._descriptor)
        self._descriptor = None
        return memoryview(mapped)

    def __del__(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _nameless(folder: Path) -> int:
    descriptor, name = tempfile.mkstemp(prefix="layer-", dir=folder)
    os.unlink(name)
    return descriptor


def sinks_in(folder: Path) -> NewSink:
    """Sinks whose files lie in that folder."""
    return lambda: FileSink(folder)


def mapped(path: Path) -> memoryview:
    """A file's bytes without reading them."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        size = os.fstat(descriptor).st_size
        return memoryview(mmap.mmap(descriptor, size, access=mmap.ACCESS_READ)) if size else memoryview(b"")
    finally:
        os.close(descriptor)
