"""The key ring of a node: our keys and the partners' certificates, opened once and looked up by use and time.

Refreshed when a row changes; knows no message.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gateway.as2.records import CertificateRow
from gateway.clock import Clock, Instant
from gateway.keys import Vault
from gateway.store import certificates
from gateway.store.store import Store, landed
from translators.as2.cms.keys import Certificate, OurKey, certificate

OURS = "-"
SIGNS, ENCRYPTS = ("sign", "both"), ("encrypt", "both")


@dataclass(frozen=True, slots=True)
class Held:
    """A row with what it holds, opened."""

    row: CertificateRow
    certificate: Certificate
    key: OurKey | None

    def used_at(self, now: Instant) -> bool:
        return self.row.state == "active" and self.row.from_at <= now and (self.row.until_at is None or now <= self.row.until_at)


class KeyRing:
    def __init__(self, store: Store, vault: Vault, clock: Clock) -> None:
        self._store = store
        self._vault = vault
        self._clock = clock
        self._version: Any = None
        self._refreshing = asyncio.Lock()
        self._held: tuple[Held, ...] = ()
        self._opened: dict[str, Held] = {}

    async def refresh(self) -> None:
        """Reads the rows again if one changed. Keys are opened in a thread: each takes a moment."""
        async with self._refreshing:  # an older reading must not take the place of a newer one
            version = await landed(self._store.read(certificates.version))
            if version == self._version:
                return
            rows = await landed(self._store.read(certificates.everything))
            self._held = await asyncio.to_thread(self._open, rows)
            self._version = version

    def _open(self, rows: Iterable[CertificateRow]) -> tuple[Held, ...]:
        found = []
        for row in rows:
            before = self._opened.get(row.id)
            if before is not None:
                found.append(Held(row, before.certificate, before.key))
            else:
                key = self._vault.open(row.private, row.der) if row.private is not None else None
                found.append(Held(row, key.certificate if key else certificate(row.der), key))
            self._opened[row.id] = found[-1]
        return tuple(found)

    def decrypting(self) -> list[OurKey]:
        """Every key of ours that may open a message: all that are not retired, because partners change over when they can."""
        return [
            one.key for one in self._held if one.row.owner == OURS and one.key is not None and one.row.use in ENCRYPTS and one.row.state == "active"
        ]

    def signing(self, name: str | None = None) -> OurKey | None:
        """The key that signs: the named one, or the oldest that is in use and valid."""
        now = self._clock()
        fitting = [
            one
            for one in self._held
            if one.row.owner == OURS and one.key is not None and one.row.use in SIGNS and one.used_at(now) and name in (None, one.row.name)
        ]
        valid = [one for one in fitting if one.row.not_before <= now <= one.row.not_after] or fitting
        chosen = min(valid, key=lambda one: (one.row.from_at, one.row.id), default=None)
        return chosen.key if chosen else None

    def signers(self, partner: str) -> list[Certificate]:
        """Certificates that prove the partner's messages now; their own dates are judged where a signature is."""
        now = self._clock()
        return [one.certificate for one in self._held if one.row.owner == partner and one.row.use in SIGNS and one.used_at(now)]

    def encrypting_to(self, partner: str) -> Certificate | None:
        """The certificate to encrypt to: of those in use the one whose time began last."""
        now = self._clock()
        fitting = [one for one in self._held if one.row.owner == partner and one.row.use in ENCRYPTS and one.used_at(now)]
        chosen = max(fitting, key=lambda one: (one.row.from_at, one.row.not_after, one.row.id), default=None)
        return chosen.certificate if chosen else None

    def tls(self, partner: str) -> list[Certificate]:
        """Certificates that the partner's server may show, where they are pinned."""
        now = self._clock()
        return [one.certificate for one in self._held if one.row.owner == partner and one.row.use == "tls" and one.used_at(now)]
