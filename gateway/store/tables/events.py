"""The tables of canonical events: each as it was told, and the latest revision of each identity.

Knows nothing of whom they are for; that is deliveries.py.
"""

from sqlalchemy import Column, Index, Integer, String, Table, text

from gateway.store.schema import Instant, metadata

identities = Table(
    "identities",
    metadata,
    Column("id", String(64), primary_key=True, comment="hash of stream, partner, set, business key, event key, ordinal"),
    Column("partner", String(64), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("meaning_hash", String(64), nullable=False),
    Column("event", String(80), nullable=False),
    Column("document", String(60), nullable=False),
    Column("at", Instant, nullable=False),
    Column("stream", String(10), comment="with subject: whose standing its latest revision speaks of"),
    Column("subject", String(200)),
    Column("stands", String(80), comment="the rank of the step that it says was reached"),
    Column("expects", String(80), comment="the rank of the moment that it says to expect"),
)
STANDS, EXPECTS = text("stands IS NOT NULL"), text("expects IS NOT NULL")
Index(
    "identities_standing",
    identities.c.subject,
    identities.c.partner,
    identities.c.stream,
    identities.c.stands,
    sqlite_where=STANDS,
    postgresql_where=STANDS,
)
Index(
    "identities_expecting",
    identities.c.subject,
    identities.c.partner,
    identities.c.stream,
    identities.c.expects,
    sqlite_where=EXPECTS,
    postgresql_where=EXPECTS,
)

events = Table(
    "events",
    metadata,
    Column("id", String(80), primary_key=True, comment="identity-rN: also the Idempotency-Key"),
    Column("identity", String(64), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("partner", String(64), nullable=False),
    Column("stream", String(10), nullable=False),
    Column("document", String(60), nullable=False),
    Column("message", String(26), nullable=False),
    Column("type", String(80), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("time", String(40), nullable=False),
    Column("correlation", String(200), nullable=False),
    Column("supersedes", String(80)),
    Column("payload", String(120), nullable=False),
    Column("at", Instant, nullable=False),
)
Index("events_by_document", events.c.document)
Index("events_by_message", events.c.message)
