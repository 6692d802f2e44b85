"""The lanes of translate: a partner's channel is read by one node at a time, its messages in the order of COMMIT 1."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from gateway.clock import Instant, Ticks
from gateway.records.translation import ToTranslate, TranslateClaim, TranslateLane
from gateway.store.serial import Rows, waits_for
from gateway.store.sql import many

_DUE = text("SELECT partner, channel, fence FROM translate_lanes WHERE next_due <= :now AND lease_until <= :now ORDER BY next_due LIMIT :limit")
_DUE_SKIP_LOCKED = text(_DUE.text + " FOR UPDATE SKIP LOCKED")
_TAKE = text(
    "UPDATE translate_lanes SET lease_until = :until, node = :node, fence = fence + 1"
    " WHERE partner = :partner AND channel = :channel AND fence = :fence"
)
_WAITING = text(
    "SELECT m.id, m.partner, m.channel, m.arrival, m.size, m.sha256, p.data, p.location, m.profile_revision, m.resume, m.losses, m.traceparent,"
    " m.override, m.file_name FROM messages m JOIN payloads p ON p.id = m.payload"
    " WHERE m.partner = :partner AND m.channel = :channel AND m.state = 'received' ORDER BY m.arrival LIMIT :limit"
)
_RELEASE = text(
    "UPDATE translate_lanes SET lease_until = 0, next_due = CASE WHEN EXISTS (SELECT 1 FROM messages m WHERE m.partner = translate_lanes.partner"
    " AND m.channel = translate_lanes.channel AND m.state = 'received') THEN CAST(:now AS BIGINT) END"
    " WHERE partner = :partner AND channel = :channel AND fence = :fence"
)
_RENEW = text("UPDATE translate_lanes SET lease_until = :until WHERE partner = :partner AND channel = :channel AND fence = :fence")
_LOSE = text("UPDATE messages SET losses = losses + 1 WHERE id = :id AND state = 'received'")


@dataclass(frozen=True, slots=True)
class TranslateLaneVerbs:
    ticks: Ticks
    is_sqlite: bool

    def claim_messages(self, tx: Connection, items: list[TranslateClaim]) -> list[list[TranslateLane]]:
        """Due lanes (partner and channel), leased, each with its next messages in the order of COMMIT 1."""
        results = []
        for claim in items:
            lanes = []
            due = tx.execute(_DUE if self.is_sqlite else _DUE_SKIP_LOCKED, {"now": claim.now, "limit": claim.lanes}).all()
            taking = [{"partner": row.partner, "channel": row.channel, "fence": row.fence, "until": claim.until, "node": claim.node} for row in due]
            many(tx, _TAKE, sorted(taking, key=lambda row: (row["partner"], row["channel"])))
            for row in due:
                waiting = tx.execute(_WAITING, {"partner": row.partner, "channel": row.channel, "limit": claim.messages}).all()
                lanes.append(TranslateLane(row.partner, row.channel, row.fence + 1, [ToTranslate(*one) for one in waiting]))
            results.append(lanes)
        return results

    @waits_for(lambda tx, items: Rows(incoming=[_lane(lane) for lane in items]))
    def release_lanes(self, tx: Connection, items: list[TranslateLane]) -> list[None]:
        now = self.ticks()
        many(tx, _RELEASE, [{"partner": lane.partner, "channel": lane.channel, "fence": lane.fence, "now": now} for lane in sorted(items, key=_lane)])
        return [None] * len(items)

    @waits_for(lambda tx, items: Rows(incoming=[_lane(lane) for lane, _ in items]))
    def renew_lanes(self, tx: Connection, items: list[tuple[TranslateLane, Instant]]) -> list[None]:
        many(
            tx,
            _RENEW,
            [
                {"partner": lane.partner, "channel": lane.channel, "fence": lane.fence, "until": until}
                for lane, until in sorted(items, key=lambda item: _lane(item[0]))
            ],
        )
        return [None] * len(items)

    def count_losses(self, tx: Connection, items: list[str]) -> list[None]:
        """A worker was lost on each of these messages."""
        many(tx, _LOSE, [{"id": message} for message in sorted(items)])
        return [None] * len(items)


def _lane(lane: TranslateLane) -> tuple[str, str]:
    return lane.partner, lane.channel
