"""What all tables are made of: the one schema they belong to, and the types that columns share."""

from sqlalchemy import BigInteger, MetaData, String

metadata = MetaData()

Instant = BigInteger
BY_BYTES = String(80).with_variant(String(80, collation="C"), "postgresql")
"""Text in the order of its bytes, as SQLite has it, so that what begins alike is a range of an index."""
