"""What a promise, a trial of it and its outcome are. Knows none of the promises."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.databases import empty_database


class CannotBeTried(Exception):
    """The machine lacks what the trial needs; the text says what."""


@dataclass(frozen=True)
class Trial:
    """One try at a promise: where, from which seed, how large, and with what broken on purpose."""

    folder: Path
    seed: int
    sizes: Mapping[str, float]
    postgresql: Callable[[], str]
    """The URL of a PostgreSQL that other trials use, too."""
    sabotage: str | None = None

    def size(self, name: str) -> int:
        return int(self.sizes[name])

    def database(self) -> str:
        """The URL of an empty PostgreSQL database."""
        return empty_database(self.postgresql())


@dataclass
class Proof:
    """What a trial counted, and every way in which the promise did not hold."""

    counts: Counter[str] = field(default_factory=Counter)
    figures: dict[str, str] = field(default_factory=dict)
    """What is no count: times and ratios, told and never judged by a test."""
    broken: list[str] = field(default_factory=list)

    def count(self, what: str, number: int = 1) -> None:
        self.counts[what] += number

    def holds(self, condition: bool, words: str) -> None:
        if not condition:
            self.broken.append(words)

    def none(self, what: str, found: Any) -> None:
        """Counts what there must be none of, and names the first of it."""
        found = sorted(found, key=str)
        self.count(what, len(found))
        if found:
            self.broken.append(f"{what}: {len(found)}, such as {', '.join(map(str, found[:5]))}")

    def __str__(self) -> str:
        told = [f"{number:,} {what}" for what, number in self.counts.items()] + [f"{what} {value}" for what, value in self.figures.items()]
        return "\n".join(["  " + ", ".join(told), *(f"  BROKEN  {words}" for words in self.broken)])


@dataclass(frozen=True)
class Promise:
    says: str
    prove: Callable[[Trial, Proof], Awaitable[None]]
    short: Mapping[str, float]
    """The sizes of CI."""
    full: Mapping[str, float]
    sabotages: tuple[str, ...]
    """What may be broken on purpose; the trial must then find the promise broken."""
