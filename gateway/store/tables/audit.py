"""The tables of the audit log: a chain of records for each partner and consumer, and where each chain ends.

Knows nothing of what the records say. A trigger of the migrations keeps them append-only.
"""

from sqlalchemy import BigInteger, Column, Index, String, Table, Text

from gateway.store.schema import Instant, metadata

audit = Table(
    "audit",
    metadata,
    Column("partner", String(64), primary_key=True),
    Column("number", BigInteger, primary_key=True, comment="1, 2, 3 … without a gap"),
    Column("at", Instant, nullable=False),
    Column("subject", String(26), nullable=False, comment="the AS2 message"),
    Column("record", Text, nullable=False, comment="JSON on one line"),
    Column("hash", String(64), nullable=False, comment="SHA-256 of the hash before it, a line end, and the record"),
)
Index("audit_by_subject", audit.c.subject)

audit_heads = Table(
    "audit_heads",
    metadata,
    Column("partner", String(64), primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
)
