"""Every way to a partner: which of them its profile has, and the class that goes by it. A new one is its own file and some lines here.

Knows nothing of when they are used; that is the deliver stage's.
"""

from collections.abc import Callable, Iterator

from gateway.as2.judging import Judge
from gateway.as2.ring import KeyRing
from gateway.clock import Clock
from gateway.settings import MailServer
from gateway.store.store import Store
from gateway.targets.base import Destination
from gateway.transports.as2 import As2Receipts, As2Send
from gateway.transports.https import HttpsHook, HttpsPush
from gateway.transports.mail import ReminderByMail
from gateway.transports.outward import Outward, Secrets
from gateway.transports.sftp import SftpSend
from gateway.ways import AS2, AS2_RECEIPTS, HOOK, MAIL, SFTP
from partners.book import Book
from partners.profile import Profile

AT_ONCE = 8
"""Requests to one partner's addresses at once."""
Way = tuple[str, Callable[[], Destination]]
"""A destination's name, and how it is made."""


class Transports:
    def __init__(
        self, store: Store, *, ring: KeyRing, judge: Judge, clock: Clock, book: Callable[[], Book], secrets: Secrets, mail: MailServer | None, domain: str,
        product: str, public_url: str | None,
    ) -> None:  # fmt: skip
        """`domain` stands behind the @ of our Message-IDs."""
        self._store, self._ring, self._judge, self._clock, self._book, self._secrets = store, ring, judge, clock, book, secrets
        self._mail, self._domain, self._product, self._public_url = mail, domain, product, public_url

    def of(self, profile: Profile) -> Iterator[Way]:
        """The destinations of a partner's own that its profile has."""
        partner, channels = profile.partner, profile.channels
        if channels.http.way_back == "push":
            yield f"push:{partner}", lambda: HttpsPush(partner, book=self._book, outward=self._outward(partner))
        if channels.http.webhook is not None:
            yield f"{HOOK}:{partner}", lambda: HttpsHook(partner, book=self._book, outward=self._outward(partner))
        if channels.mail is not None:
            yield f"{MAIL}:{partner}", lambda: ReminderByMail(partner, self._mail, book=self._book)
        if channels.as2 is not None:
            yield f"{AS2_RECEIPTS}:{partner}", lambda: As2Receipts(partner, ring=self._ring, book=self._book)
            yield f"{AS2}:{partner}", lambda: self._as2(partner)
        if channels.sftp_push is not None:
            yield f"{SFTP}:{partner}", lambda: SftpSend(partner, store=self._store, clock=self._clock, book=self._book)

    def _outward(self, partner: str) -> Outward:
        return Outward(partner, ring=self._ring, secrets=self._secrets, clock=self._clock, concurrency=AT_ONCE)

    def _as2(self, partner: str) -> As2Send:
        return As2Send(
            partner,
            store=self._store,
            ring=self._ring,
            judge=self._judge,
            clock=self._clock,
            book=self._book,
            domain=self._domain,
            product=self._product,
            public_url=self._public_url,
            secrets=self._secrets,
        )
