"""CSV and XML files: a document's kind may be a name such as csv/ship-confirm."""

import sqlalchemy as sa
from alembic import op

revision = "0003_files"
down_revision = "0002_acknowledgments"

NAMED = ("documents", "contents", "awaited")


def upgrade() -> None:
    for table in NAMED:
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.alter_column("set_id", existing_type=sa.String(length=12), type_=sa.String(length=64), existing_nullable=False)
