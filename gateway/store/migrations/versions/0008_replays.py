"""Replays of many documents as durable jobs, and what people edited."""

import sqlalchemy as sa
from alembic import op

revision = "0008_replays"
down_revision = "0007_alarms"


def upgrade() -> None:
    op.create_table(
        "replay_jobs",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("partner", sa.String(length=64), nullable=False, comment="- for those of all partners"),
        sa.Column("act", sa.String(length=10), nullable=False, comment="reprocess, redeliver; of dead letters: retry, skip"),
        sa.Column("destination", sa.String(length=8), nullable=False, comment="live, test, nowhere"),
        sa.Column("target", sa.String(length=64), nullable=True, comment="the target that takes the place of the agreement's test target"),
        sa.Column("revision", sa.String(length=10), nullable=False, comment="original, live, or a number"),
        sa.Column(
            "query",
            sa.Text(),
            nullable=False,
            comment="JSON: from when to when, which set, values or ids; the live revisions when it was asked for",
        ),
        sa.Column("who", sa.String(length=80), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False, comment="running, paused, done, failed, cancelled"),
        sa.Column("told", sa.Text(), nullable=True, comment="why it failed"),
        sa.Column("cursor", sa.Text(), nullable=False, comment="JSON: up to where it is done, and what of it is not decided yet"),
        sa.Column("counts", sa.Text(), nullable=False, comment="JSON"),
        sa.Column("diff", sa.Text(), nullable=False, comment="JSON: what differs, counted, with samples"),
        sa.Column("total", sa.BigInteger(), nullable=True, comment="messages in its range; null until they are counted"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("node", sa.String(length=40), nullable=True),
        sa.Column("fence", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    running = sa.text("state = 'running'")
    with op.batch_alter_table("replay_jobs", schema=None) as batch_op:
        batch_op.create_index("replay_jobs_running", ["lease_until"], unique=False, sqlite_where=running, postgresql_where=running)
        batch_op.create_index("replay_jobs_by_time", ["created_at"], unique=False)
        batch_op.create_index("replay_jobs_by_partner", ["partner", "created_at"], unique=False)
    op.create_table(
        "edits",
        sa.Column("id", sa.String(length=80), nullable=False, comment="the document or event that a person made"),
        sa.Column("partner", sa.String(length=64), nullable=False),
        sa.Column("edited_from", sa.String(length=80), nullable=False, comment="the document or event that it takes the place of"),
        sa.Column("identity", sa.String(length=64), nullable=True, comment="of an event"),
        sa.Column("meaning_before", sa.String(length=64), nullable=True, comment="of an event: what a reading of its document would say again"),
        sa.Column("who", sa.String(length=80), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("edits", schema=None) as batch_op:
        batch_op.create_index("edits_by_origin", ["edited_from"], unique=False)
        batch_op.create_index("edits_by_identity", ["identity"], unique=False)
    stuck = sa.text("state in ('held', 'rejected')")
    op.create_index("interchanges_stuck", "interchanges", ["message"], unique=False, sqlite_where=stuck, postgresql_where=stuck)
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("profile_revisions", "state", existing_type=sa.String(length=8), existing_nullable=False, comment="draft, live, retired")
