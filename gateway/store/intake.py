"""The verbs of receive: COMMIT 1, and what a partner may ask about its message afterwards."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, text

from gateway.clock import Instant, Ticks
from gateway.records.incoming import Incoming, Kept, Outcome
from gateway.store.payload_rows import put_payloads
from gateway.store.serial import Key, Rows, waits_for
from gateway.store.sql import at_keys, insert, many, rows_of

PUT_ANSWER = text(
    "INSERT INTO answers (partner, channel, key, sha256, message, at) VALUES (:partner, :channel, :key, :sha256, :message, :at)"
    " ON CONFLICT (partner, channel, key) DO UPDATE SET sha256 = excluded.sha256, message = excluded.message, at = excluded.at"
)
_PUT_MESSAGE = insert(
    "messages", "id", "partner", "direction", "channel", "state", "payload", "size", "sha256", "media_type", "file_name",
    "profile_revision", "arrival", "traceparent",
)  # fmt: skip
PUT_LIFE = insert("life", "message", "at", "partner", "step", "who", "text", or_nothing=True)
_WAKE_LANE = text(
    "INSERT INTO translate_lanes (partner, channel, next_due) VALUES (:partner, :channel, :now)"
    " ON CONFLICT (partner, channel) DO UPDATE SET next_due = COALESCE(translate_lanes.next_due, excluded.next_due)"
)
"""A lane is due since the first message that waits in it: were it due since the last, a steady stream would keep it just out of a claim's reach."""
_TAKE_PLACES = text(
    "INSERT INTO translate_lanes (partner, channel, next_due, last_arrival)"
    " SELECT * FROM unnest(CAST(:partners AS VARCHAR[]), CAST(:channels AS VARCHAR[]), CAST(:nows AS BIGINT[]), CAST(:lasts AS BIGINT[]))"
    " ON CONFLICT (partner, channel) DO UPDATE SET next_due = COALESCE(translate_lanes.next_due, excluded.next_due),"
    " last_arrival = GREATEST(translate_lanes.last_arrival, excluded.next_due - 1) + excluded.last_arrival - excluded.next_due + 1"
    " RETURNING partner, channel, last_arrival"
)
"""The same where other nodes keep messages, too: the lane's row says who came after whom, whatever their clocks say. The first of n messages of a lane comes at
`now`, the last at `now` + n - 1, or behind the last of another node's. Looking for what is known comes after it: then no other node keeps the same meanwhile."""


def answers(tx: Connection, places: Iterable[tuple[str, str, str]]) -> dict[tuple[str, str, str], Row[Any]]:
    """What was kept under these (partner, channel, key): rows with sha256, message, at. Those that were never seen are left out."""
    rows = at_keys(tx, "answers", ("partner", "channel", "key"), ("sha256", "message", "at"), places)
    return {(row.partner, row.channel, row.key): row for row in rows}


def lanes_of(items: Iterable[Incoming]) -> list[Key]:
    """Where these wait to be translated."""
    return [(item.partner, item.channel) for item in items]


@dataclass(frozen=True, slots=True)
class IntakeVerbs:
    ticks: Ticks

    @waits_for(lambda tx, items: Rows(incoming=lanes_of(one for item in items for one in item)))
    def keep_together(self, tx: Connection, items: list[list[Incoming]]) -> list[list[Kept]]:
        """COMMIT 1 for requests of several files: of one with a conflict nothing is kept."""
        kept: list[list[Kept]] = []
        for item in items:
            with tx.begin_nested() as together:
                kept.append(self.keep_messages(tx, item))
                if any(one.outcome == "conflict" for one in kept[-1]):
                    together.rollback()
        return kept

    @waits_for(lambda tx, items: Rows(incoming=lanes_of(items)), in_order=True)
    def keep_messages(self, tx: Connection, items: list[Incoming]) -> list[Kept]:
        """COMMIT 1 for many messages: raw bytes, their receipt's facts, their place in the channel's order.

        A key that is known with the same bytes is a duplicate, with other bytes a conflict. Without a key the SHA-256 of the bytes is the key,
        for as long as the item's window says.
        """
        arrivals = self.take_places(tx, items)
        known = answers(tx, [(item.partner, item.channel, key) for item in items for key in _keys(item)])
        seen: dict[tuple[str, str, str], tuple[str, str, int]] = {key: (row.sha256, row.message, row.at) for key, row in known.items()}
        results: list[Kept] = []
        fresh: list[tuple[Incoming, int]] = []
        replies: dict[tuple[str, str, str], dict[str, object]] = {}
        for item in items:
            digest = item.payload.sha256
            main = (item.partner, item.channel, _keys(item)[0])
            earlier = seen.get(main)
            if earlier and item.key is None and earlier[2] + item.window < item.at:
                earlier = None
            if earlier:
                # Our own id: this member ran before and the answer to its COMMIT was lost.
                outcome: Outcome = "new" if earlier[1] == item.id else "duplicate" if earlier[0] == digest else "conflict"
                results.append(Kept(earlier[1], earlier[2], outcome))
                continue
            at = arrivals[item.id]
            results.append(Kept(item.id, at, "new"))
            fresh.append((item, at))
            for key in _keys(item):
                place = (item.partner, item.channel, key)
                seen[place] = (digest, item.id, at)
                replies[place] = {"partner": item.partner, "channel": item.channel, "key": key, "sha256": digest, "message": item.id, "at": at}
        self.write_messages(tx, fresh)
        many(tx, PUT_ANSWER, [replies[place] for place in sorted(replies)])
        return results

    def take_places(self, tx: Connection, items: list[Incoming]) -> dict[str, Instant]:
        """By its id, the arrival of each, if it is new. Over several nodes this is also the moment from which nobody else keeps anything in its lane."""
        if tx.dialect.name == "sqlite":  # one process: its ticks are the order
            return {item.id: self.ticks() for item in items}
        lanes: dict[tuple[str, str], list[Instant]] = {}
        for item in items:
            lanes.setdefault((item.partner, item.channel), []).append(self.ticks())
        places = sorted(lanes)
        if not places:
            return {}
        firsts = [lanes[place][0] for place in places]
        values = {
            "partners": [partner for partner, _ in places], "channels": [channel for _, channel in places], "nows": firsts,
            "lasts": [first + len(lanes[place]) - 1 for place, first in zip(places, firsts, strict=True)],
        }  # fmt: skip
        follow = {(row.partner, row.channel): row.last_arrival - len(lanes[row.partner, row.channel]) for row in rows_of(tx, _TAKE_PLACES, values)}
        arrivals = {}
        for item in items:
            follow[item.partner, item.channel] += 1
            arrivals[item.id] = follow[item.partner, item.channel]
        return arrivals

    def write_messages(self, tx: Connection, fresh: list[tuple[Incoming, Instant]]) -> None:
        """Their rows, with the place of each in its channel's order (`take_places`)."""
        put_payloads(tx, [item.payload.row() for item, _ in fresh])
        many(
            tx,
            _PUT_MESSAGE,
            [
                {
                    "id": item.id, "partner": item.partner, "direction": "in", "channel": item.channel, "state": "received",
                    "payload": item.payload.id, "size": item.payload.size, "sha256": item.payload.sha256, "media_type": item.media_type,
                    "file_name": item.file_name, "profile_revision": item.profile_revision, "arrival": at, "traceparent": item.traceparent,
                }
                for item, at in fresh
            ],
        )  # fmt: skip
        many(
            tx,
            PUT_LIFE,
            [
                {
                    "message": item.id,
                    "at": at,
                    "partner": item.partner,
                    "step": "received",
                    "who": item.who,
                    "text": f"{item.payload.size} bytes by {item.channel}, profile revision {item.profile_revision}",
                }
                for item, at in fresh
            ],
        )
        if tx.dialect.name == "sqlite":  # elsewhere their places have woken them
            lanes = {(item.partner, item.channel): at for item, at in fresh}
            many(tx, _WAKE_LANE, [{"partner": partner, "channel": channel, "now": at} for (partner, channel), at in sorted(lanes.items())])


def _keys(item: Incoming) -> list[str]:
    """The key that decides first; a keyed message is also known by its bytes, for a later one without a key."""
    by_bytes = f"sha256:{item.payload.sha256}"
    return [by_bytes] if item.key is None else [f"key:{item.key}", by_bytes]
