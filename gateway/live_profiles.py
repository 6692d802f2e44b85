"""The live profiles as this node knows them: the book of partners, with what their revisions say in text, their quotas and secrets.

Knows neither listeners nor destinations; whoever opens those asks here.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection

from gateway.clock import Clock
from gateway.doors.callers import secret_bytes
from gateway.errors import StoreUnavailable
from gateway.scheduling import Quota, Quotas, Rate, quotas
from gateway.sftp.host_keys import all_keys, opened
from gateway.store import profiles as rows
from gateway.store.store import Store, landed
from partners.book import Book, Revision
from partners.profile import Profile, read_profile

ProfileText = Callable[[str, int], Awaitable[str]]
"""(partner, revision) -> the profile's text."""


class LiveProfiles:
    def __init__(self, store: Store, *, clock: Clock, targets: Collection[str]) -> None:
        self._store, self._clock, self._targets = store, clock, frozenset(targets)
        self.book = Book([])
        """Replaced as a whole when a profile is applied."""
        self.quotas = Quotas()
        """Of all partners, at the targets."""
        self._texts: dict[tuple[str, int], str] = {}
        self._secrets: dict[str, bytes] = {}

    async def refresh(self) -> None:
        """The live revisions, as the store has them now."""
        rows_now = await landed(self._store.read(rows.live))
        present = {revision.profile.partner: revision for revision in self.book}
        revisions = []
        for row in rows_now:
            known = present.get(row.partner)
            fresh = known is None or known.number != row.revision
            revision = Revision(read_profile(row.text, row.partner), row.revision, row.text) if fresh or known is None else known
            revisions.append(revision)
            if fresh:
                await self._check_targets(revision)
        self.book = Book(revisions)
        self._secrets = await asyncio.to_thread(self._secrets_open)
        self.quotas = quotas({one.profile.partner: _quota_of(one.profile) for one in self.book})

    async def _check_targets(self, revision: Revision) -> None:
        named = {name for one in revision.profile.agreements for name in (one.target, one.test_target, one.fallback) if name}
        missing = sorted(named - self._targets)
        if missing:
            what = (
                f"profile revision {revision.number} of {revision.profile.partner} names targets that the settings do not have: {', '.join(missing)}"
            )
            await landed(self._store.raise_alarm("profile.target", revision.profile.partner, what, self._clock()))

    async def text(self, partner: str, revision: int) -> str:
        """Any revision's, as it was applied. Raises StoreUnavailable for one that there is not."""
        key = (partner, revision)
        if key not in self._texts:
            text = await landed(self._store.read(lambda tx: rows.text_of(tx, partner, revision)))
            if text is None:
                raise StoreUnavailable(f"revision {revision} of {partner} is not in the store")
            self._texts[key] = text
        return self._texts[key]

    def has_hook(self, partner: str) -> bool:
        revision = self.book.by_name(partner)
        return revision is not None and revision.profile.channels.http.webhook is not None

    def secret(self, name: str) -> bytes | None:
        """The bytes behind a secret's name, or None."""
        return self._secrets.get(name)

    def signatures_of(self, partner: str) -> list[bytes]:
        """The secrets by which the partner signs its requests."""
        revision = self.book.by_name(partner)
        names = revision.profile.channels.http.signatures if revision else []
        return [self._secrets[name] for name in names if name in self._secrets]

    def _secrets_open(self) -> dict[str, bytes]:
        """Every secret that is in use, by name."""
        return {row.name: secret_bytes(opened(self._store, row).decode()) for row in all_keys(self._store, "secret")}


def _quota_of(profile: Profile) -> Quota:
    throttle = profile.throttle
    return Quota(Rate(throttle.rate, throttle.burst), throttle.concurrency, throttle.daily, throttle.weight)
