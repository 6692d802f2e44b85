"""The tables of what stands in messages: interchanges, groups and documents, what was found in them, what was seen before, control numbers.

Knows nothing of what they were translated into; that is events.py.
"""

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text, text

from gateway.store.schema import Instant, metadata

BY_BYTES = String(80).with_variant(String(80, collation="C"), "postgresql")
"""Text in the order of its bytes, as SQLite has it, so that what begins alike is a range of an index."""

interchanges = Table(
    "interchanges",
    metadata,
    Column("message", String(26), primary_key=True),
    Column("ordinal", Integer, primary_key=True),
    Column("partner", String(64), nullable=False),
    Column("stream", String(10), nullable=False, comment="production, test"),
    Column("state", String(12), nullable=False, comment="open while its sets are read; then translated, rejected, duplicate, held, skipped"),
    Column("reason", Text),
    Column("ta1", String(3)),
    Column("sender", String(40), nullable=False, comment="qualifier:id"),
    Column("receiver", String(40), nullable=False),
    Column("control", String(32), nullable=False),
    Column("version", String(12), nullable=False),
    Column("usage", String(4), nullable=False),
    Column("date", String(8), nullable=False),
    Column("time", String(8), nullable=False),
    Column("byte_start", BigInteger, nullable=False),
    Column("byte_end", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("duplicate_of", String(26)),
)
Index("interchanges_by_control", interchanges.c.control, interchanges.c.message)

STUCK = text("state in ('held', 'rejected')")
Index("interchanges_stuck", interchanges.c.message, sqlite_where=STUCK, postgresql_where=STUCK)

interchanges_seen = Table(
    "interchanges_seen",
    metadata,
    Column("partner", String(64), primary_key=True),
    Column("stream", String(10), primary_key=True),
    Column("sender", String(40), primary_key=True),
    Column("receiver", String(40), primary_key=True),
    Column("control", String(32), primary_key=True),
    Column("message", String(26), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("at", Instant, nullable=False),
)

groups = Table(
    "groups",
    metadata,
    Column("message", String(26), primary_key=True),
    Column("interchange", Integer, primary_key=True),
    Column("ordinal", Integer, primary_key=True),
    Column("partner", String(64), nullable=False),
    Column("functional", String(4), nullable=False),
    Column("control", String(32), nullable=False),
    Column("version", String(32), nullable=False),
    Column("sender", String(40), nullable=False),
    Column("receiver", String(40), nullable=False),
    Column("codes", String(40), nullable=False, comment="AK905 to AK909, parted by blanks"),
    Column("claimed", Integer, nullable=False, comment="GE01 as sent; -1 where it was unreadable"),
    Column("found", Integer, nullable=False),
    Column("accepted", Integer, nullable=False, server_default=text("0")),
    Column("verdict", String(1), comment="AK901, once all its sets are read"),
    Column("acknowledgment", String(26), comment="the message that carries our 997"),
)

documents = Table(
    "documents",
    metadata,
    Column("id", String(60), primary_key=True, comment="message.interchange.group.ordinal"),
    Column("message", String(26), nullable=False),
    Column("interchange", Integer, nullable=False),
    Column("grp", Integer, nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("partner", String(64), nullable=False),
    Column("stream", String(10), nullable=False),
    Column("set_id", String(64), nullable=False),
    Column("control", String(32), nullable=False),
    Column("state", String(12), nullable=False),
    Column("reason", Text),
    Column("verdict", String(1), nullable=False),
    Column("codes", String(40), nullable=False),
    Column("release", String(12), nullable=False),
    Column("byte_start", BigInteger, nullable=False),
    Column("byte_end", BigInteger, nullable=False),
    Column("mapping", String(120)),
    Column("profile_revision", Integer, nullable=False),
    Column("content_hash", String(64)),
    Column("duplicate_of", String(60)),
    Column("unmapped", Text, comment="JSON: what the mapping did not carry over"),
    Column("at", Instant, nullable=False),
)
Index("documents_by_message", documents.c.message, documents.c.interchange, documents.c.grp, documents.c.ordinal)
Index("documents_by_partner", documents.c.partner, documents.c.id)
Index("documents_by_change", documents.c.at, documents.c.id)
Index("documents_stuck", documents.c.at, sqlite_where=STUCK, postgresql_where=STUCK)

findings = Table(
    "findings",
    metadata,
    Column("message", String(26), primary_key=True),
    Column("interchange", Integer, primary_key=True),
    Column("grp", Integer, primary_key=True, comment="0 for the interchange itself"),
    Column("ordinal", Integer, primary_key=True, comment="0 for the group itself"),
    Column("number", Integer, primary_key=True),
    Column("partner", String(64), nullable=False),
    Column("finding", Text, nullable=False, comment="JSON of translators.document.Finding"),
)

document_references = Table(
    "document_references",
    metadata,
    Column("value", BY_BYTES, primary_key=True, comment="normalised"),
    Column("at", Instant, primary_key=True, comment="when the document's message came; a replay leaves it"),
    Column("document", String(60), primary_key=True),
    Column("type", String(24), primary_key=True),
    Column("partner", String(64), primary_key=True, comment="in the key with the set, so that a search looks at nothing but the key"),
    Column("set_id", String(64), primary_key=True),
    sqlite_with_rowid=False,
)
Index("document_references_by_document", document_references.c.document)

contents = Table(
    "contents",
    metadata,
    Column("partner", String(64), primary_key=True),
    Column("stream", String(10), primary_key=True),
    Column("set_id", String(64), primary_key=True),
    Column("content_hash", String(64), primary_key=True),
    Column("document", String(60), nullable=False),
    Column("message", String(26), nullable=False),
    Column("at", Instant, nullable=False),
)

counters = Table(
    "counters",
    metadata,
    Column("partner", String(64), primary_key=True),
    Column("scope", String(120), primary_key=True, comment="level, sender and receiver, such as interchange ZZ:CROSSDOCK 02:NWFX"),
    Column("value", BigInteger, nullable=False),
)
