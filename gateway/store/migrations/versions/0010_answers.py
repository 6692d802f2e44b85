"""What a destination's answer says: the id under which it has the thing, and by what it is asked later."""

import sqlalchemy as sa
from alembic import op

revision = "0010_answers"
down_revision = "0009_views"


def upgrade() -> None:
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.add_column(sa.Column("accepted", sa.Text(), nullable=True, comment="its destination has it, and is asked by this what became of it"))
        batch_op.add_column(sa.Column("confirmed", sa.String(length=200), nullable=True, comment="the id under which the destination has it"))
