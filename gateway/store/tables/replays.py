"""The tables of what people have had done once more: replays of many, and documents and events that they made in the place of others.

Knows nothing of what came of it, but in numbers; that is in the rows of documents and deliveries.
"""

from sqlalchemy import BigInteger, Column, Index, String, Table, Text, text

from gateway.store.schema import Instant, metadata

replay_jobs = Table(
    "replay_jobs",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("partner", String(64), nullable=False, comment="- for those of all partners"),
    Column("act", String(10), nullable=False, comment="reprocess, redeliver; of dead letters: retry, skip"),
    Column("destination", String(8), nullable=False, comment="live, test, nowhere"),
    Column("target", String(64), comment="the target that takes the place of the agreement's test target"),
    Column("revision", String(10), nullable=False, comment="original, live, or a number"),
    Column("query", Text, nullable=False, comment="JSON: from when to when, which set, values or ids; the live revisions when it was asked for"),
    Column("who", String(80), nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", String(10), nullable=False, comment="running, paused, done, failed, cancelled"),
    Column("told", Text, comment="why it failed"),
    Column("cursor", Text, nullable=False, comment="JSON: up to where it is done, and what of it is not decided yet"),
    Column("counts", Text, nullable=False, comment="JSON"),
    Column("diff", Text, nullable=False, comment="JSON: what differs, counted, with samples"),
    Column("total", BigInteger, comment="messages in its range; null until they are counted"),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("lease_until", Instant, nullable=False, server_default=text("0")),
    Column("node", String(40)),
    Column("fence", BigInteger, nullable=False, server_default=text("0")),
)
RUNNING = text("state = 'running'")
Index("replay_jobs_running", replay_jobs.c.lease_until, sqlite_where=RUNNING, postgresql_where=RUNNING)
Index("replay_jobs_by_time", replay_jobs.c.created_at)
Index("replay_jobs_by_partner", replay_jobs.c.partner, replay_jobs.c.created_at)

edits = Table(
    "edits",
    metadata,
    Column("id", String(80), primary_key=True, comment="the document or event that a person made"),
    Column("partner", String(64), nullable=False),
    Column("edited_from", String(80), nullable=False, comment="the document or event that it takes the place of"),
    Column("identity", String(64), comment="of an event"),
    Column("meaning_before", String(64), comment="of an event: what a reading of its document would say again"),
    Column("who", String(80), nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Instant, nullable=False),
)
Index("edits_by_origin", edits.c.edited_from)
Index("edits_by_identity", edits.c.identity)
