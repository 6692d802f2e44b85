"""The tables of files by SFTP: those that partners have put, and those at partners' own servers, with whose turn it is to look there.

Knows nothing of documents that go out; those are deliveries.
"""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table, Text, text

from gateway.store.schema import Instant, metadata

sftp_files = Table(
    "sftp_files",
    metadata,
    Column("id", String(26), primary_key=True, comment="also the name of its part, where its bytes are a file"),
    Column("partner", String(64), nullable=False),
    Column("folder", String(320), nullable=False),
    Column("name", String(255), nullable=False),
    Column("state", String(10), nullable=False, comment="partial, waiting, taken, empty, marker, refused, replaced, removed, expired"),
    Column("size", BigInteger, nullable=False),
    Column("mtime", Instant, nullable=False),
    Column("sha256", String(64)),
    Column("payload", String(120), comment="of a small one that is not whole yet"),
    Column("message", String(26), comment="what it became; of a repeat, the message that had the same bytes first"),
    Column("duplicate", Boolean, nullable=False, server_default=text("false")),
    Column("reason", Text),
    Column("at", Instant, nullable=False),
    Column("who", String(80), nullable=False),
)
UNFINISHED = text("state IN ('partial', 'waiting')")
Index("sftp_files_by_name", sftp_files.c.partner, sftp_files.c.folder, sftp_files.c.name)
Index("sftp_files_by_time", sftp_files.c.at)
Index("sftp_files_unfinished", sftp_files.c.partner, sftp_files.c.at, sqlite_where=UNFINISHED, postgresql_where=UNFINISHED)

sftp_polls = Table(
    "sftp_polls",
    metadata,
    Column("id", String(100), primary_key=True, comment="partner:name of the poll"),
    Column("partner", String(64), nullable=False),
    Column("next_due", Instant, nullable=False),
    Column("lease_until", Instant, nullable=False, server_default=text("0")),
    Column("node", String(40)),
    Column("fence", BigInteger, nullable=False, server_default=text("0")),
    Column("failures", Integer, nullable=False, server_default=text("0"), comment="in a row"),
    Column("told", Text, comment="what came of the last time"),
    Column("at", Instant, nullable=False, server_default=text("0")),
)

sftp_polled = Table(
    "sftp_polled",
    metadata,
    Column("poll", String(100), primary_key=True),
    Column("name", String(255), primary_key=True),
    Column("size", BigInteger, primary_key=True),
    Column("mtime", BigInteger, primary_key=True, comment="seconds, as the server says"),
    Column("partner", String(64), nullable=False),
    Column("state", String(6), nullable=False, comment="seen, stored"),
    Column("seen_at", Instant, nullable=False, comment="first, with this size and time"),
    Column("listed_at", Instant, nullable=False, comment="last"),
    Column("sha256", String(64)),
    Column("message", String(26)),
    Column("moved", String(320), comment="what we renamed it to there, before we take it away"),
)
Index("sftp_polled_by_time", sftp_polled.c.poll, sftp_polled.c.listed_at)
