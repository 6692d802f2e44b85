"""What stood before: control numbers, contents and events, as one COMMIT 2 looks at them.

Knows nothing of what follows from it; translation.py decides.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection

from gateway.clock import Instant
from gateway.records.translation import Chunk
from gateway.store.sql import at_keys, in_lists, one_of
from gateway.store.standings import Standings

_STATES = one_of("SELECT id, state, resume, profile_revision, override FROM messages WHERE id IN :keys")
_SEEN = ("partner", "stream", "sender", "receiver", "control")
_CONTENT = ("partner", "stream", "set_id", "content_hash")
_IDENTITIES = one_of("SELECT id, revision, meaning_hash, event, document, at, subject FROM identities WHERE id IN :keys")
_EDITED = one_of("SELECT identity, meaning_before, at FROM edits WHERE identity IN :keys")


class SeenInterchange(NamedTuple):
    """An interchange that stood before under one control number."""

    message: str
    sha256: str
    at: Instant


class SeenContent(NamedTuple):
    """A set's content that stood before."""

    document: str
    message: str
    at: Instant


class KnownEvent(NamedTuple):
    """The latest revision of an event's identity."""

    revision: int
    meaning_hash: str
    event: str
    document: str
    at: Instant
    subject: str | None
    """Whose standing it speaks of; None of what has none."""

    def recent(self, now: Instant, within: Instant) -> bool:
        """Partners use their numbers again: past the window an equal key is another thing."""
        return self.at + within > now


@dataclass
class Past:
    """What the rows say was there before, kept current while the chunks of one commit are decided one after another."""

    messages: dict[str, Any]
    seen: dict[tuple[str, ...], SeenInterchange]
    contents: dict[tuple[str, ...], SeenContent]
    identities: dict[str, KnownEvent]
    standings: Standings
    edited: dict[str, str]
    """Of a replay: the meaning that a person's edit of an event took the place of, by identity."""


def past_of(tx: Connection, items: list[Chunk]) -> Past:
    """What the rows know of everything that these chunks name."""
    places = [(chunk.partner, *(row[name] for name in _SEEN[1:])) for chunk in items for row in chunk.interchanges]
    contents = [(chunk.partner, one.stream, one.set_id, one.content_hash) for chunk in items for one in chunk.documents if one.content_hash]
    seen = at_keys(tx, "interchanges_seen", _SEEN, ("message", "sha256", "at"), places)
    identities = [event.identity for chunk in items for document in chunk.documents for event in document.events]
    return Past(
        messages={row.id: row for row in in_lists(tx, _STATES, [chunk.message for chunk in items])},
        seen={tuple(row[:5]): SeenInterchange(row.message, row.sha256, row.at) for row in seen},
        contents={
            tuple(row[:4]): SeenContent(row.document, row.message, row.at)
            for row in at_keys(tx, "contents", _CONTENT, ("document", "message", "at"), contents)
        },
        identities=known_events(tx, identities),
        edited=_edited(tx, [event.identity for chunk in items if chunk.replay for document in chunk.documents for event in document.events]),
        standings=Standings(tx, items),
    )


def _edited(tx: Connection, identities: list[str]) -> dict[str, str]:
    rows = sorted(in_lists(tx, _EDITED, identities), key=lambda row: -row.at)
    # The first edit says what the document itself told; later ones were edits of edits.
    return {row.identity: row.meaning_before for row in rows}


def known_events(tx: Connection, identities: list[str]) -> dict[str, KnownEvent]:
    """The latest revision of each identity that was told."""
    return {
        row.id: KnownEvent(row.revision, row.meaning_hash, row.event, row.document, row.at, row.subject)
        for row in in_lists(tx, _IDENTITIES, identities)
    }
