"""AS2: messages with their receipts, certificates and keys, and the chain of the audit log."""

import sqlalchemy as sa
from alembic import op

revision = "0004_as2"
down_revision = "0003_files"


def upgrade() -> None:
    op.create_table(
        "as2_messages",
        sa.Column("id", sa.String(length=26), nullable=False, comment="of one received: that of the message it became, if it became one"),
        sa.Column("partner", sa.String(length=64), nullable=False),
        sa.Column("direction", sa.String(length=3), nullable=False, comment="in, out"),
        sa.Column(
            "key", sa.String(length=64), nullable=True, comment="hash of direction, names and Message-ID; null once another has taken its place"
        ),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("as2_from", sa.String(length=128), nullable=False),
        sa.Column("as2_to", sa.String(length=128), nullable=False),
        sa.Column("message", sa.String(length=26), nullable=True, comment="ours: the message that it carries"),
        sa.Column("delivery", sa.String(length=120), nullable=True, comment="ours: the delivery that it is for"),
        sa.Column(
            "state",
            sa.String(length=12),
            nullable=False,
            comment="in: kept, processed, refused; out: written, awaiting, delivered, failed, disputed, unproven",
        ),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("headers", sa.Text(), nullable=False, comment="JSON: the HTTP headers, in order"),
        sa.Column("payload", sa.String(length=120), nullable=False, comment="the HTTP body"),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=True, comment="the address it came from"),
        sa.Column("report", sa.Text(), nullable=True, comment="JSON: layers, algorithms, certificates, file names"),
        sa.Column("mic", sa.String(length=100), nullable=True),
        sa.Column("mic_algorithm", sa.String(length=10), nullable=True),
        sa.Column("disposition", sa.String(length=200), nullable=True, comment="in: what our receipt says; out: what the partner's does"),
        sa.Column("receipt", sa.String(length=10), nullable=False, comment="sync, async, none: which was asked for"),
        sa.Column("receipt_signed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("receipt_url", sa.Text(), nullable=True, comment="in: where an asynchronous one goes"),
        sa.Column("receipt_headers", sa.Text(), nullable=True, comment="JSON"),
        sa.Column("receipt_payload", sa.String(length=120), nullable=True),
        sa.Column("receipt_at", sa.BigInteger(), nullable=True),
        sa.Column("profile_revision", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("resends", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("resends_left", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "receipt_span", sa.BigInteger(), server_default=sa.text("0"), nullable=False, comment="out: microseconds within which the receipt is owed"
        ),
        sa.Column("lease_until", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("node", sa.String(length=40), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("as2_messages", schema=None) as batch_op:
        batch_op.create_index("as2_messages_by_delivery", ["delivery"], unique=False)
        batch_op.create_index("as2_messages_by_key", ["key"], unique=True)
        batch_op.create_index("as2_messages_by_message", ["message"], unique=False)
        batch_op.create_index("as2_messages_by_time", ["at"], unique=False)
        batch_op.create_index(
            "as2_messages_kept", ["at"], unique=False, sqlite_where=sa.text("state = 'kept'"), postgresql_where=sa.text("state = 'kept'")
        )

    op.create_table(
        "audit",
        sa.Column("partner", sa.String(length=64), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False, comment="1, 2, 3 … without a gap"),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.String(length=26), nullable=False, comment="the AS2 message"),
        sa.Column("record", sa.Text(), nullable=False, comment="JSON on one line"),
        sa.Column("hash", sa.String(length=64), nullable=False, comment="SHA-256 of the hash before it, a line end, and the record"),
        sa.PrimaryKeyConstraint("partner", "number"),
    )
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.create_index("audit_by_subject", ["subject"], unique=False)

    op.create_table(
        "audit_heads",
        sa.Column("partner", sa.String(length=64), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("partner"),
    )
    op.create_table(
        "certificates",
        sa.Column("id", sa.String(length=140), nullable=False, comment="owner:fingerprint:use"),
        sa.Column("owner", sa.String(length=64), nullable=False, comment="a partner, or - for us"),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("use", sa.String(length=8), nullable=False, comment="sign, encrypt, both, tls"),
        sa.Column("fingerprint", sa.String(length=64), nullable=False, comment="SHA-256"),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("serial", sa.String(length=80), nullable=False),
        sa.Column("strength", sa.String(length=24), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.Column("private", sa.LargeBinary(), nullable=True, comment="ours: sealed"),
        sa.Column("not_before", sa.BigInteger(), nullable=False),
        sa.Column("not_after", sa.BigInteger(), nullable=False),
        sa.Column("from_at", sa.BigInteger(), nullable=False, comment="from when it is used"),
        sa.Column("until_at", sa.BigInteger(), nullable=True, comment="until when it is used"),
        sa.Column("state", sa.String(length=8), nullable=False, comment="active, retired, proposed"),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.String(length=80), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True, comment="when it last proved or opened a message"),
        sa.PrimaryKeyConstraint("id"),
    )
