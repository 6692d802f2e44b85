"""Finds a partner: by token, by name, by AS2 names, by SFTP login. Holds the live revision of each, and older ones that messages still need."""

import hashlib
import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from partners.profile import Profile


@dataclass(frozen=True, slots=True)
class Revision:
    """A profile as one immutable numbered revision."""

    profile: Profile
    number: int
    text: str


class Book:
    def __init__(self, revisions: Iterable[Revision]) -> None:
        self._by_name = {revision.profile.partner: revision for revision in revisions}
        self._by_token = {token.sha256: revision for revision in self._by_name.values() for token in revision.profile.identities.tokens}
        self._by_client = {client.id: revision for revision in self._by_name.values() for client in revision.profile.identities.clients}
        self._by_as2 = {
            (revision.profile.channels.as2.id, revision.profile.us.as2): revision
            for revision in self._by_name.values()
            if revision.profile.channels.as2
        }
        self._by_login = {revision.profile.login: revision for revision in self._by_name.values() if revision.profile.channels.sftp}

    def __iter__(self) -> Iterator[Revision]:
        return iter(self._by_name.values())

    def by_name(self, partner: str) -> Revision | None:
        return self._by_name.get(partner)

    def by_token(self, token: str) -> Revision | None:
        """Whose bearer token this is. The look-up is by the token's hash, so its timing tells nothing of stored tokens."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
        revision = self._by_token.get(digest)
        if revision is None:
            return None
        stored = next(one.sha256 for one in revision.profile.identities.tokens if one.sha256 == digest)
        return revision if hmac.compare_digest(stored, digest) else None

    def by_client(self, client: str, secret: str | None = None) -> Revision | None:
        """Whose OAuth2 client this is; with a secret, only if that is its own."""
        revision = self._by_client.get(client)
        if revision is None or secret is None:
            return revision
        digest = hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
        stored = [one.sha256 for one in revision.profile.identities.clients if one.id == client]
        return revision if any(hmac.compare_digest(one, digest) for one in stored) else None

    def by_as2(self, as2_from: str, as2_to: str) -> Revision | None:
        """Whose AS2 names these are: the sender's, and ours to it."""
        return self._by_as2.get((as2_from, as2_to))

    def by_login(self, user: str) -> Revision | None:
        """Whose login at our SFTP server this is."""
        return self._by_login.get(user)

    @property
    def names(self) -> list[str]:
        return sorted(self._by_name)
