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
        sa.Column("id", sa.String(length=80), nullable=False, comment="fingerprint: SHA256:…"),
        sa.Column("use", sa.String(length=8), nullable=False, comment="host, client"),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("public", sa.Text(), nullable=False, comment="a line of authorized_keys"),
        sa.Column("private", sa.LargeBinary(), nullable=False, comment="sealed"),
        sa.Column("state", sa.String(length=8), nullable=False, comment="active, retired"),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
