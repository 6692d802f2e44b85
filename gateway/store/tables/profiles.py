"""The table of profiles: each revision as it was applied.

Knows nothing of what they mean; that is partners/profile.py.
"""

from sqlalchemy import Column, Integer, String, Table, Text

from gateway.store.schema import Instant, metadata

profile_revisions = Table(
    "profile_revisions",
    metadata,
    Column("partner", String(64), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("state", String(8), nullable=False, comment="draft, live, retired"),
    Column("text", Text, nullable=False, comment="the YAML as it was applied"),
    Column("sha256", String(64), nullable=False),
    Column("at", Instant, nullable=False),
    Column("who", String(80), nullable=False),
)
