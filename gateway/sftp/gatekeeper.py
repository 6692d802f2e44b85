"""Who may log in: keys compared byte by byte, passwords by argon2id, and a pause for those who guess.

Knows no wire. Every method may be called from any thread.
"""

import ipaddress
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from datetime import date

from gateway import journal
from gateway.clock import Clock, as_datetime
from gateway.passwords import fits
from partners.book import Book, Revision
from partners.channels import SftpChannel
from partners.ssh_keys import read_public_key

GUESSES = 10
"""Wrong passwords for one user from one address, within PAUSE, until no more are looked at."""
GUESSES_OF_ADDRESS = 50
PAUSE = 600.0
"""Seconds."""
MOST_WATCHED = 10_000


class Gatekeeper:
    def __init__(self, book: Callable[[], Book], clock: Clock, locked: Callable[[str, str], None] = lambda user, address: None) -> None:
        """`locked` is told once when somebody begins to be kept out: (user or "", address)."""
        self._book, self._clock, self._locked = book, clock, locked
        self._lock = threading.Lock()
        self._wrong: dict[tuple[str, str], deque[float]] = defaultdict(deque)

    def by_key(self, user: str, blob: bytes, address: str) -> Revision | None:
        revision, channel, day = self._terms(user, address)
        if revision is None or channel is None:
            return None
        known = [read_public_key(one.key).blob for one in channel.keys if one.good(day)]
        return revision if blob in known else None

    def by_password(self, user: str, password: str, address: str) -> Revision | None:
        if self._paused(user, address):
            journal.refused(None, "sftp", 0, "locked")
            return None
        revision, channel, day = self._terms(user, address)
        hashes = [one.argon2 for one in channel.passwords if one.good(day)] if channel else []
        if fits(password, hashes):
            with self._lock:
                self._wrong.pop((user, address), None)
            return revision
        self._count(user, address)
        return None

    def _terms(self, user: str, address: str) -> tuple[Revision | None, SftpChannel | None, date]:
        """Of the user, if it may come from this address."""
        revision = self._book().by_login(user)
        channel = revision.profile.channels.sftp if revision else None
        if channel is not None and not comes_from(address, channel.addresses):
            revision = channel = None
        return revision, channel, as_datetime(self._clock()).date()

    def _paused(self, user: str, address: str) -> bool:
        now = time.monotonic()
        with self._lock:
            return any(len(self._recent(key, now)) >= most for key, most in _watched(user, address))

    def _count(self, user: str, address: str) -> None:
        now, full = time.monotonic(), []
        with self._lock:
            if len(self._wrong) > MOST_WATCHED:
                for key in [key for key in self._wrong if not self._recent(key, now)]:
                    del self._wrong[key]
            for key, most in _watched(user, address):
                recent = self._recent(key, now)
                recent.append(now)
                if len(recent) == most:
                    full.append(key)
        for name, place in full:
            self._locked(name, place)

    def _recent(self, key: tuple[str, str], now: float) -> deque[float]:
        times = self._wrong[key]
        while times and times[0] < now - PAUSE:
            times.popleft()
        return times


def _watched(user: str, address: str) -> list[tuple[tuple[str, str], int]]:
    return [((user[:64], address), GUESSES), (("", address), GUESSES_OF_ADDRESS)]


def comes_from(address: str, networks: list[str]) -> bool:
    """Whether the address is in one of these networks; where there are none, any is good."""
    if not networks:
        return True
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return any((mapped or found) in ipaddress.ip_network(one) for one in networks)
