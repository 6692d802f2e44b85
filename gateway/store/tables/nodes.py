"""The tables of nodes among themselves: who is there, whose turn a piece of shared work is, which payload files nobody names any more."""

from sqlalchemy import BigInteger, Column, Index, String, Table, Text, text

from gateway.store.schema import Instant, metadata

nodes = Table(
    "nodes",
    metadata,
    Column("name", String(40), primary_key=True, comment="of its data directory: the same over restarts"),
    Column("state", String(10), nullable=False, comment="serving, draining, stopped"),
    Column("version", String(40), nullable=False),
    Column("addresses", Text, nullable=False, comment="JSON: where its listeners are"),
    Column("started_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False, comment="by its own clock, which nodes share"),
    Column("database_at", Instant, nullable=False, comment="by the database's clock, at the same moment"),
)

chores = Table(
    "chores",
    metadata,
    Column("name", String(40), primary_key=True, comment="work of the whole installation, which one node at a time does"),
    Column("next_due", Instant, nullable=False),
    Column("lease_until", Instant, nullable=False, server_default=text("0")),
    Column("node", String(40), comment="who has it, or had it last"),
    Column("fence", BigInteger, nullable=False, server_default=text("0")),
    Column("told", Text, comment="what came of the last time"),
    Column("at", Instant, nullable=False, server_default=text("0"), comment="when that was"),
)

payload_drops = Table(
    "payload_drops",
    metadata,
    Column("sha256", String(64), primary_key=True, comment="of a payload file that no row names any more"),
    Column("state", String(8), nullable=False, comment="waiting; going: it is being removed; gone"),
    Column("at", Instant, nullable=False, comment="since when"),
)
Index("payload_drops_by_time", payload_drops.c.state, payload_drops.c.at)
