"""Several nodes: who is there, whose turn shared work is, the order of arrival over nodes; and what pruning looks at."""

import sqlalchemy as sa
from alembic import op

revision = "0012_nodes"
down_revision = "0011_consumers"


def upgrade() -> None:
    op.create_table(
        "nodes",
        sa.Column("name", sa.String(length=40), nullable=False, comment="of its data directory: the same over restarts"),
        sa.Column("state", sa.String(length=10), nullable=False, comment="serving, draining, stopped"),
        sa.Column("version", sa.String(length=40), nullable=False),
        sa.Column("addresses", sa.Text(), nullable=False, comment="JSON: where its listeners are"),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False, comment="by its own clock, which nodes share"),
        sa.Column("database_at", sa.BigInteger(), nullable=False, comment="by the database's clock, at the same moment"),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "chores",
        sa.Column("name", sa.String(length=40), nullable=False, comment="work of the whole installation, which one node at a time does"),
        sa.Column("next_due", sa.BigInteger(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("node", sa.String(length=40), nullable=True, comment="who has it, or had it last"),
        sa.Column("fence", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("told", sa.Text(), nullable=True, comment="what came of the last time"),
        sa.Column("at", sa.BigInteger(), server_default=sa.text("0"), nullable=False, comment="when that was"),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "payload_drops",
        sa.Column("sha256", sa.String(length=64), nullable=False, comment="of a payload file that no row names any more"),
        sa.Column("state", sa.String(length=8), nullable=False, comment="waiting; going: it is being removed; gone"),
        sa.Column("at", sa.BigInteger(), nullable=False, comment="since when"),
        sa.PrimaryKeyConstraint("sha256"),
    )
    op.create_index("payload_drops_by_time", "payload_drops", ["state", "at"])
    in_a_file, is_open = sa.text("location IS NOT NULL"), sa.text("state IN ('due', 'dead')")
    op.create_index("payloads_by_location", "payloads", ["location"], sqlite_where=in_a_file, postgresql_where=in_a_file)
    op.create_index("deliveries_open_payload", "deliveries", ["payload"], sqlite_where=is_open, postgresql_where=is_open)
    op.create_index("answers_by_message", "answers", ["message"])
    op.create_index("owed_by_message", "owed", ["message"])
    with op.batch_alter_table("translate_lanes", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "last_arrival",
                sa.BigInteger(),
                server_default=sa.text("0"),
                nullable=False,
                comment="of the message that came last, by whichever node",
            )
        )
