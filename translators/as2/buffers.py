"""Where an opened layer's bytes go: memory here, a spool file at the door for larger ones.

Knows no layer.
"""

from collections.abc import Callable, Iterable
from typing import Protocol


class Sink(Protocol):
    """Takes bytes in order, and gives them back as one view."""

    def write(self, data: bytes | memoryview) -> object: ...

    def view(self) -> memoryview: ...


class MemorySink:
    """Keeps them in memory."""

    def __init__(self) -> None:
        self._data = bytearray()

    def write(self, data: bytes | memoryview) -> object:
        self._data += data
        return None

    def view(self) -> memoryview:
        return memoryview(self._data).toreadonly()


NewSink = Callable[[], Sink]


def size_of(chunks: Iterable[bytes | memoryview]) -> int:
    """Their bytes together."""
    return sum(len(chunk) for chunk in chunks)
