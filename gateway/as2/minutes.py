"""How often each source has done a thing in this minute, for bounds on what strangers may ask for. Knows nothing of what they did."""

from gateway.clock import MINUTE, Clock

MOST_SOURCES = 10_000


class Minutes:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counts: dict[str, tuple[int, int]] = {}
        """Source -> (minute, how often in it)."""

    def of(self, source: str) -> int:
        """How often in this minute."""
        then, count = self._counts.get(source, (0, 0))
        return count if then == self._clock() // MINUTE else 0

    def count(self, source: str) -> int:
        """How often with this time."""
        if len(self._counts) > MOST_SOURCES:
            self._counts.clear()
        now = self.of(source) + 1
        self._counts[source] = (self._clock() // MINUTE, now)
        return now
