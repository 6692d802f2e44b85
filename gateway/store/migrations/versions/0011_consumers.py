"""Consumers with tokens, quotas and cursors; the feed of events that they read; an audit log that no statement alters."""

import sqlalchemy as sa
from alembic import op

revision = "0011_consumers"
down_revision = "0010_answers"

APPEND_ONLY = "the audit log is append-only"


def upgrade() -> None:
    op.create_table(
        "consumers",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False, comment="JSON: what it may ask for"),
        sa.Column("partners", sa.Text(), nullable=True, comment="JSON: whose rows it sees; null: all"),
        sa.Column("types", sa.Text(), nullable=True, comment="JSON: which types of events it reads; null: all"),
        sa.Column("stream", sa.String(length=10), nullable=True, comment="production or test; null: both"),
        sa.Column("rate", sa.Integer(), nullable=True, comment="requests a minute; null: no bound"),
        sa.Column("contract", sa.String(length=20), nullable=False, comment="the version of the contract that it was written for"),
        sa.Column(
            "audit_reads", sa.Boolean(), server_default=sa.text("false"), nullable=False, comment="whether each of its reads is in the audit log"
        ),
        sa.Column("position", sa.BigInteger(), server_default=sa.text("0"), nullable=False, comment="of the feed: up to where it is done"),
        sa.Column(
            "epoch",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="how often its cursor was set anew; cursors of an earlier one do not count",
        ),
        sa.Column("committed_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.String(length=80), nullable=False),
        sa.Column("retired_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "consumer_tokens",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("consumer", sa.String(length=40), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("until_at", sa.BigInteger(), nullable=True, comment="until when it opens; null: no end is set"),
        sa.PrimaryKeyConstraint("sha256"),
    )
    op.create_index("consumer_tokens_by_consumer", "consumer_tokens", ["consumer"], unique=False)
    op.create_table(
        "consumer_quotas",
        sa.Column("consumer", sa.String(length=40), nullable=False),
        sa.Column("minute", sa.BigInteger(), nullable=False, comment="the minute of UTC that `taken` counts, from 1970-01-01"),
        sa.Column("taken", sa.Integer(), nullable=False, comment="requests that were given out for it, to whichever node"),
        sa.PrimaryKeyConstraint("consumer"),
    )
    op.create_table(
        "feed",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False, comment="1, 2, 3 … in the order in which they can be seen"),
        sa.Column("event", sa.String(length=80), nullable=False),
        sa.Column("partner", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=80), nullable=False),
        sa.Column("stream", sa.String(length=10), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False, comment="when it was placed; never before the one before it"),
        sa.PrimaryKeyConstraint("position"),
        sqlite_with_rowid=False,
    )
    op.create_index("feed_by_time", "feed", ["at"], unique=False)
    op.create_table(
        "feed_waiting",
        sa.Column("event", sa.String(length=80), nullable=False),
        sa.Column("partner", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=80), nullable=False),
        sa.Column("stream", sa.String(length=10), nullable=False),
        sa.Column("tick", sa.BigInteger(), nullable=False, comment="its turn among those that wait"),
        sa.PrimaryKeyConstraint("event"),
    )
    op.create_index("feed_waiting_by_turn", "feed_waiting", ["tick", "event"], unique=False)
    op.create_table(
        "feed_heads",
        sa.Column("id", sa.String(length=10), nullable=False, comment="events"),
        sa.Column("position", sa.BigInteger(), nullable=False, comment="the last that was given"),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.execute("INSERT INTO feed_waiting (event, partner, type, stream, tick) SELECT id, partner, type, stream, at FROM events")
    op.add_column("stock", sa.Column("told_at", sa.BigInteger(), nullable=True, comment="when we last altered the row; null: before that was noted"))
    op.create_index("stock_by_change", "stock", ["told_at", "id"], unique=False)
    op.create_index("standings_by_partner", "standings", ["partner", "subject", "stream"], unique=False)
    op.create_index("standings_by_change", "standings", ["changed_at", "subject", "partner", "stream"], unique=False)
    op.create_index("documents_by_partner", "documents", ["partner", "id"], unique=False)
    op.create_index("documents_by_change", "documents", ["at", "id"], unique=False)
    _forbid_changes()


def _forbid_changes() -> None:
    """Nobody alters or removes a record, whatever program asks; who is the database's owner can take the trigger away, and the chain tells."""
    if op.get_bind().dialect.name == "sqlite":
        for act in ("UPDATE", "DELETE"):
            op.execute(f"CREATE TRIGGER audit_no_{act.lower()} BEFORE {act} ON audit BEGIN SELECT RAISE(ABORT, '{APPEND_ONLY}'); END")
        return
    op.execute(f"CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '{APPEND_ONLY}'; END $$")
    op.execute("CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_is_append_only()")
    op.execute("CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()")
