"""SFTP: files that partners put, and key pairs of ours."""

import sqlalchemy as sa
from alembic import op

revision = "0005_sftp"
down_revision = "0004_as2"


def upgrade() -> None:
    op.create_table(
        "sftp_files",
        sa.Column("id", sa.String(length=26), nullable=False, comment="also the name of its part, where its bytes are a file"),
        sa.Column("partner", sa.String(length=64), nullable=False),
        sa.Column("folder", sa.String(length=320), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column(
            "state", sa.String(length=10), nullable=False, comment="partial, waiting, taken, empty, marker, refused, replaced, removed, expired"
        ),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("mtime", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("payload", sa.String(length=120), nullable=True, comment="of a small one that is not whole yet"),
        sa.Column("message", sa.String(length=26), nullable=True, comment="what it became; of a repeat, the message that had the same bytes first"),
        sa.Column("duplicate", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    unfinished = sa.text("state IN ('partial', 'waiting')")
    with op.batch_alter_table("sftp_files", schema=None) as batch_op:
        batch_op.create_index("sftp_files_by_name", ["partner", "folder", "name"], unique=False)
        batch_op.create_index("sftp_files_by_time", ["at"], unique=False)
        batch_op.create_index("sftp_files_unfinished", ["partner", "at"], unique=False, sqlite_where=unfinished, postgresql_where=unfinished)
    op.create_table(
        "ssh_keys",
        sa.Column("id", sa.String(length=80), nullable=False, comment="fingerprint: SHA256:…, or secret:NAME"),
        sa.Column("use", sa.String(length=8), nullable=False, comment="host, client, secret"),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("public", sa.Text(), nullable=False, comment="a line of authorized_keys"),
        sa.Column("private", sa.LargeBinary(), nullable=False, comment="sealed"),
        sa.Column("state", sa.String(length=8), nullable=False, comment="active, retired"),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "sftp_polls",
        sa.Column("id", sa.String(length=100), nullable=False, comment="partner:name of the poll"),
        sa.Column("partner", sa.String(length=64), nullable=False),
        sa.Column("next_due", sa.BigInteger(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("node", sa.String(length=40), nullable=True),
        sa.Column("fence", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False, comment="in a row"),
        sa.Column("told", sa.Text(), nullable=True, comment="what came of the last time"),
        sa.Column("at", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "sftp_polled",
        sa.Column("poll", sa.String(length=100), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("mtime", sa.BigInteger(), nullable=False, comment="seconds, as the server says"),
        sa.Column("partner", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=6), nullable=False, comment="seen, stored"),
        sa.Column("seen_at", sa.BigInteger(), nullable=False, comment="first, with this size and time"),
        sa.Column("listed_at", sa.BigInteger(), nullable=False, comment="last"),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("message", sa.String(length=26), nullable=True),
        sa.Column("moved", sa.String(length=320), nullable=True, comment="what we renamed it to there, before we take it away"),
        sa.PrimaryKeyConstraint("poll", "name", "size", "mtime"),
    )
    with op.batch_alter_table("sftp_polled", schema=None) as batch_op:
        batch_op.create_index("sftp_polled_by_time", ["poll", "listed_at"], unique=False)
    taken = sa.text("state = 'delivered' AND event IS NULL")
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.create_index("deliveries_taken", ["destination", "done_at"], unique=False, sqlite_where=taken, postgresql_where=taken)
