"""The table of alarms: each trouble once, counted, and whether people were told.

Knows nothing of how they are told; letters are deliveries.
"""

from sqlalchemy import Column, Index, Integer, String, Table, Text, text

from gateway.store.schema import Instant, metadata

alarms = Table(
    "alarms",
    metadata,
    Column("id", String(120), primary_key=True, comment="kind and subject: the same trouble again only counts up"),
    Column("kind", String(40), nullable=False),
    Column("partner", String(64), nullable=False),
    Column("message", String(26)),
    Column("text", Text, nullable=False),
    Column("count", Integer, nullable=False),
    Column("first_at", Instant, nullable=False),
    Column("last_at", Instant, nullable=False),
    Column("tell_at", Instant, comment="since when there is something to tell of it; null when nobody needs to hear more"),
    Column("told_at", Instant, comment="when people were last told of it"),
    Column("closed_at", Instant, comment="when it was over"),
    Column("closed_by", String(80)),
    Column("closed_because", Text),
)
NEWS = text("tell_at IS NOT NULL")
Index("alarms_to_tell", alarms.c.tell_at, sqlite_where=NEWS, postgresql_where=NEWS)
OPEN = text("closed_at IS NULL")
Index("alarms_open", alarms.c.last_at, sqlite_where=OPEN, postgresql_where=OPEN)
