"""Scheduling: classes and turns, daily volume, breakers with their outages, fallbacks."""

import sqlalchemy as sa
from alembic import op

revision = "0006_scheduling"
down_revision = "0005_sftp"


def upgrade() -> None:
    with op.batch_alter_table("lanes", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "priority",
                sa.Integer(),
                server_default=sa.text("1"),
                nullable=False,
                comment="the most urgent of what waits in it: 0 release to 3 reconciliation",
            )
        )
        batch_op.drop_index("lanes_due")
        waits, leased = sa.text("next_due IS NOT NULL"), sa.text("lease_until > 0")
        batch_op.create_index(
            "lanes_waiting", ["destination", "priority", "partner", "next_due"], unique=False, sqlite_where=waits, postgresql_where=waits
        )
        batch_op.create_index("lanes_leased", ["destination", "partner"], unique=False, sqlite_where=leased, postgresql_where=leased)
    # Receipts wait one to a lane; what else waits takes its class with the next event about its subject.
    op.execute("UPDATE lanes SET priority = 2 WHERE head LIKE '997:%' OR head LIKE '999:%' OR head LIKE 'TA1:%' OR head LIKE '824:%'")
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "fallback",
                sa.String(length=80),
                nullable=True,
                comment="where it goes when its destination has been open for too long, or will not take it",
            )
        )
        batch_op.add_column(
            sa.Column("fallback_after", sa.BigInteger(), nullable=True, comment="microseconds that the destination may be open before that")
        )
        batch_op.add_column(
            sa.Column("fell_from", sa.String(length=80), nullable=True, comment="its first destination, once it has gone to the fallback")
        )
        batch_op.add_column(
            sa.Column(
                "tried_from", sa.BigInteger(), nullable=True, comment="when its schedule began, if not with its row: a person's retry, a fallback"
            )
        )
        falls = sa.text("state = 'due' AND fallback IS NOT NULL")
        batch_op.create_index(
            "deliveries_fallback", ["destination", "fallback_after", "position"], unique=False, sqlite_where=falls, postgresql_where=falls
        )
    _breakers()
    _quotas()


def _breakers() -> None:
    with op.batch_alter_table("destinations", schema=None) as batch_op:
        batch_op.alter_column(
            "parked_until",
            existing_type=sa.BigInteger(),
            existing_nullable=False,
            existing_server_default=sa.text("0"),
            comment="open: when the next probe may go",
        )
        batch_op.alter_column(
            "failures",
            existing_type=sa.Integer(),
            existing_nullable=False,
            existing_server_default=sa.text("0"),
            comment="more failures than successes, while closed",
        )
        batch_op.add_column(
            sa.Column("partner", sa.String(length=64), server_default=sa.text("'-'"), nullable=False, comment="whose it is; - for a target")
        )
        batch_op.add_column(
            sa.Column(
                "state", sa.String(length=10), server_default=sa.text("'closed'"), nullable=False, comment="closed, open, half-open, ramping, paused"
            )
        )
        batch_op.add_column(sa.Column("since", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
        batch_op.add_column(
            sa.Column(
                "probing_until",
                sa.BigInteger(),
                server_default=sa.text("0"),
                nullable=False,
                comment="half-open: a probe is under way until then at most",
            )
        )
        batch_op.add_column(
            sa.Column("allowance", sa.Integer(), server_default=sa.text("0"), nullable=False, comment="ramping: how many may be in flight")
        )
        batch_op.add_column(sa.Column("who", sa.String(length=80), nullable=True, comment="who brought it into its state"))
    op.execute("UPDATE destinations SET state = 'open' WHERE parked_until > 0")
    op.execute("UPDATE destinations SET failures = 0")
    op.create_table(
        "outages",
        sa.Column("destination", sa.String(length=80), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("partner", sa.String(length=64), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True, comment="null while it lasts"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("destination", "opened_at"),
    )
    lasts = sa.text("closed_at IS NULL")
    with op.batch_alter_table("outages", schema=None) as batch_op:
        batch_op.create_index("outages_lasting", ["destination"], unique=False, sqlite_where=lasts, postgresql_where=lasts)
    op.create_table(
        "destination_life",
        sa.Column("destination", sa.String(length=80), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("partner", sa.String(length=64), nullable=False),
        sa.Column("step", sa.String(length=40), nullable=False),
        sa.Column("who", sa.String(length=80), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("destination", "at"),
    )


def _quotas() -> None:
    with op.batch_alter_table("throttles", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("day", sa.Integer(), server_default=sa.text("0"), nullable=False, comment="the day of UTC that `used` counts, from 1970-01-01")
        )
        batch_op.add_column(sa.Column("used", sa.BigInteger(), server_default=sa.text("0"), nullable=False, comment="deliveries begun on that day"))
        batch_op.add_column(
            sa.Column(
                "claimed",
                sa.BigInteger(),
                server_default=sa.text("0"),
                nullable=False,
                comment="lanes claimed ever; says whose turn a guaranteed place is",
            )
        )
        batch_op.add_column(sa.Column("per_second", sa.Float(), nullable=True, comment="the rate that was in force last; null for none"))
        batch_op.add_column(sa.Column("daily", sa.BigInteger(), nullable=True, comment="likewise the daily volume"))
    op.create_table(
        "turns",
        sa.Column("destination", sa.String(length=80), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("partner", sa.String(length=64), nullable=False, comment="who had the last turn"),
        sa.Column("remaining", sa.Integer(), nullable=False, comment="lanes that it may still take in that turn"),
        sa.PrimaryKeyConstraint("destination", "priority"),
    )
