"""Acknowledgments whole: the TA1s and 824s that we owe, the answers that we are owed, and our own control numbers."""

import sqlalchemy as sa
from alembic import op

revision = "0002_acknowledgments"
down_revision = "0001_first"

NEW_SCOPE = "UPDATE counters SET scope = 'interchange ' || substr(scope, 5) WHERE scope LIKE '997 %'"
"""One counter for all that goes from one identity to another; it counts on where the 997's own had come to."""


def upgrade() -> None:
    with op.batch_alter_table("messages", schema=None) as batch_op:
        batch_op.add_column(sa.Column("control", sa.String(length=9), nullable=True, comment="ours: ISA13, by which a TA1 names it"))
        ours = sa.text("control IS NOT NULL")
        batch_op.create_index("messages_by_control", ["control"], unique=False, sqlite_where=ours, postgresql_where=ours)
    op.execute(NEW_SCOPE)
    op.create_table(
        "owed",
        sa.Column("id", sa.String(length=120), nullable=False, comment="TA1:message.interchange or 824:document: each is written once"),
        sa.Column("partner", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=4), nullable=False, comment="TA1, 824"),
        sa.Column("message", sa.String(length=26), nullable=False, comment="the message that is answered"),
        sa.Column("interchange", sa.Integer(), nullable=False),
        sa.Column("document", sa.String(length=60), nullable=True),
        sa.Column("mode", sa.String(length=6), nullable=True, comment="of an 824: errors, all"),
        sa.Column("state", sa.String(length=10), nullable=False, comment="waiting for what the ERP says; due, written, withheld"),
        sa.Column("verdict", sa.String(length=1), nullable=True, comment="A, E, R"),
        sa.Column("note", sa.String(length=3), nullable=True, comment="TA105 or TED01"),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("profile_revision", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("answer", sa.String(length=26), nullable=True, comment="the message of ours that tells it"),
        sa.PrimaryKeyConstraint("id"),
    )
    due = sa.text("state = 'due'")
    with op.batch_alter_table("owed", schema=None) as batch_op:
        batch_op.create_index("owed_due", ["at"], unique=False, sqlite_where=due, postgresql_where=due)
    op.create_table(
        "awaited",
        sa.Column("id", sa.String(length=120), nullable=False, comment="kind:message.interchange.group.set of ours"),
        sa.Column("partner", sa.String(length=64), nullable=False),
        sa.Column("stream", sa.String(length=10), nullable=False),
        sa.Column("kind", sa.String(length=4), nullable=False, comment="TA1; 997, which a 999 settles, too; 824"),
        sa.Column("message", sa.String(length=26), nullable=False, comment="the message of ours"),
        sa.Column("document", sa.String(length=60), nullable=True, comment="the document of ours; null for a TA1"),
        sa.Column("interchange_control", sa.String(length=9), nullable=False, comment="our ISA13"),
        sa.Column("functional", sa.String(length=4), nullable=False, comment="our GS01"),
        sa.Column("group_control", sa.BigInteger(), nullable=False, comment="our GS06"),
        sa.Column("set_id", sa.String(length=12), nullable=False, comment="our ST01"),
        sa.Column("set_control", sa.String(length=9), nullable=False, comment="our ST02"),
        sa.Column("destination", sa.String(length=80), nullable=True, comment="who is told what comes of it, such as target:erp"),
        sa.Column("correlation", sa.String(length=200), nullable=False),
        sa.Column(
            "state", sa.String(length=24), nullable=False, comment="waiting, accepted, accepted with errors, partly accepted, rejected, disputed"
        ),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("overdue_at", sa.BigInteger(), nullable=True, comment="when it was found to be overdue"),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.Column("late_at", sa.BigInteger(), nullable=True, comment="when it was settled after its time"),
        sa.Column("settled_by", sa.String(length=26), nullable=True, comment="the partner's message"),
        sa.Column("disputed_at", sa.BigInteger(), nullable=True, comment="when another answer said otherwise; the first stands"),
        sa.Column("detail", sa.Text(), nullable=True, comment="JSON: what the partner told, its faults, and other answers"),
        sa.PrimaryKeyConstraint("id"),
    )
    waiting = sa.text("state = 'waiting' AND overdue_at IS NULL")
    with op.batch_alter_table("awaited", schema=None) as batch_op:
        batch_op.create_index("awaited_by_group", ["group_control"], unique=False)
        batch_op.create_index("awaited_by_message", ["message"], unique=False)
        batch_op.create_index("awaited_by_document", ["document"], unique=False)
        batch_op.create_index("awaited_by_time", ["partner", "opened_at"], unique=False)
        batch_op.create_index("awaited_waiting", ["due_at"], unique=False, sqlite_where=waiting, postgresql_where=waiting)
