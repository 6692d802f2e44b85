"""Alarms are told, and end; what is overdue has steps."""

import sqlalchemy as sa
from alembic import op

revision = "0007_alarms"
down_revision = "0006_scheduling"


def upgrade() -> None:
    news, still = sa.text("tell_at IS NOT NULL"), sa.text("closed_at IS NULL")
    with op.batch_alter_table("alarms", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "tell_at", sa.BigInteger(), nullable=True, comment="since when there is something to tell of it; null when nobody needs to hear more"
            )
        )
        batch_op.add_column(sa.Column("told_at", sa.BigInteger(), nullable=True, comment="when people were last told of it"))
        batch_op.add_column(sa.Column("closed_at", sa.BigInteger(), nullable=True, comment="when it was over"))
        batch_op.add_column(sa.Column("closed_by", sa.String(length=80), nullable=True))
        batch_op.add_column(sa.Column("closed_because", sa.Text(), nullable=True))
        batch_op.create_index("alarms_to_tell", ["tell_at"], unique=False, sqlite_where=news, postgresql_where=news)
        batch_op.create_index("alarms_open", ["last_at"], unique=False, sqlite_where=still, postgresql_where=still)
    steps = sa.text("step_at IS NOT NULL")
    with op.batch_alter_table("awaited", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "steps",
                sa.Text(),
                nullable=True,
                comment="JSON: what is done while it is overdue, those to come: alarm, remind, resend; null: one alarm",
            )
        )
        batch_op.add_column(sa.Column("step_every", sa.BigInteger(), nullable=True, comment="microseconds between them"))
        batch_op.add_column(sa.Column("step_at", sa.BigInteger(), nullable=True, comment="when the next one is due, once it is overdue"))
        batch_op.create_index("awaited_steps", ["step_at"], unique=False, sqlite_where=steps, postgresql_where=steps)
