"""The tables of those who read from us: consumers with their tokens, quotas and cursors, and the feed of events that they read.

A consumer is no partner's, so its rows carry none; the feed's rows do.
"""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table, Text, text

from gateway.store.schema import Instant, metadata

consumers = Table(
    "consumers",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("scopes", Text, nullable=False, comment="JSON: what it may ask for"),
    Column("partners", Text, comment="JSON: whose rows it sees; null: all"),
    Column("types", Text, comment="JSON: which types of events it reads; null: all"),
    Column("stream", String(10), comment="production or test; null: both"),
    Column("rate", Integer, comment="requests a minute; null: no bound"),
    Column("contract", String(20), nullable=False, comment="the version of the contract that it was written for"),
    Column("audit_reads", Boolean, nullable=False, server_default=text("false"), comment="whether each of its reads is in the audit log"),
    Column("position", BigInteger, nullable=False, server_default=text("0"), comment="of the feed: up to where it is done"),
    Column(
        "epoch",
        Integer,
        nullable=False,
        server_default=text("0"),
        comment="how often its cursor was set anew; cursors of an earlier one do not count",
    ),
    Column("committed_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("who", String(80), nullable=False),
    Column("retired_at", Instant),
)

consumer_tokens = Table(
    "consumer_tokens",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("consumer", String(40), nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("until_at", Instant, comment="until when it opens; null: no end is set"),
)
Index("consumer_tokens_by_consumer", consumer_tokens.c.consumer)

consumer_quotas = Table(
    "consumer_quotas",
    metadata,
    Column("consumer", String(40), primary_key=True),
    Column("minute", BigInteger, nullable=False, comment="the minute of UTC that `taken` counts, from 1970-01-01"),
    Column("taken", Integer, nullable=False, comment="requests that were given out for it, to whichever node"),
)

feed = Table(
    "feed",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False, comment="1, 2, 3 … in the order in which they can be seen"),
    Column("event", String(80), nullable=False),
    Column("partner", String(64), nullable=False),
    Column("type", String(80), nullable=False),
    Column("stream", String(10), nullable=False),
    Column("at", Instant, nullable=False, comment="when it was placed; never before the one before it"),
    sqlite_with_rowid=False,
)
Index("feed_by_time", feed.c.at)

feed_waiting = Table(
    "feed_waiting",
    metadata,
    Column("event", String(80), primary_key=True),
    Column("partner", String(64), nullable=False),
    Column("type", String(80), nullable=False),
    Column("stream", String(10), nullable=False),
    Column("tick", Instant, nullable=False, comment="its turn among those that wait"),
)
Index("feed_waiting_by_turn", feed_waiting.c.tick, feed_waiting.c.event)

feed_heads = Table(
    "feed_heads",
    metadata,
    Column("id", String(10), primary_key=True, comment="events"),
    Column("position", BigInteger, nullable=False, comment="the last that was given"),
    Column("at", Instant, nullable=False),
)
