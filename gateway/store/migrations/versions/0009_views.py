"""How shipments, orders and stock stand; searching by any reference and time."""

import sqlalchemy as sa
from alembic import op

revision = "0009_views"
down_revision = "0008_replays"

STANDINGS = (
    ("subject", 200, False, "shipment/… or order/…"), ("partner", 64, False, None), ("stream", 10, False, None),
    ("stands", 80, True, "the rank of its step; of two the higher stands"),
    ("step", 80, True, "what happened last, such as delivery.unloaded; null when nothing stands any more"),
    ("milestone", 24, True, "the coarse part of the way"), ("at", None, True, "when, as far as it is known"), ("local", 40, True, "as written"),
    ("zone", 64, True, None), ("certainty", 8, True, "where the zone comes from: stated, place, profile, none"),
    ("event", 80, True, "the event that said so"), ("document", 60, True, None),
)  # fmt: skip
EXPECTED = (
    ("expects", 80, True, None), ("expected", 80, True, "what is expected, such as delivery.eta"), ("expected_at", None, True, None),
    ("expected_local", 40, True, None), ("expected_zone", 64, True, None), ("expected_certainty", 8, True, None), ("expected_event", 80, True, None),
)  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "standings",
        *(_column(*one) for one in STANDINGS),
        sa.Column("revision", sa.Integer(), nullable=True, comment="of that event"),
        sa.Column("cancelled", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        *(_column(*one) for one in EXPECTED),
        sa.Column("actuals", sa.Text(), nullable=False, comment="JSON: by clock, the latest actual time that was told"),
        sa.Column("refs", sa.Text(), nullable=False, comment="JSON: numbers of it, at most 40"),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject", "partner", "stream"),
    )
    op.create_table(
        "stock",
        sa.Column("id", sa.String(length=64), nullable=False, comment="hash of stream, partner, place, numbering, item and unit"),
        sa.Column("partner", sa.String(length=64), nullable=False),
        sa.Column("stream", sa.String(length=10), nullable=False),
        sa.Column("place", sa.String(length=80), nullable=False),
        sa.Column("numbering", sa.String(length=24), nullable=False),
        sa.Column("item", sa.String(length=80), nullable=False),
        sa.Column("unit", sa.String(length=24), nullable=False),
        sa.Column("quantities", sa.Text(), nullable=False, comment="JSON: decimals as text, by condition"),
        sa.Column("as_of", sa.BigInteger(), nullable=True, comment="the moment of the count; null while only changes are known"),
        sa.Column("event", sa.String(length=80), nullable=True, comment="the count's event"),
        sa.Column("document", sa.String(length=60), nullable=True),
        sa.Column("changes", sa.Integer(), nullable=False, comment="adjustments since the count"),
        sa.Column("changed_at", sa.BigInteger(), nullable=True, comment="the moment of the latest of them"),
        sa.PrimaryKeyConstraint("id"),
    )
    for name in ("item", "place", "partner"):
        op.create_index(f"stock_by_{name}", "stock", [name, "id"], unique=False)
    op.create_table(
        "stock_told",
        sa.Column("identity", sa.String(length=64), nullable=False, comment="of the event; its latest revision alone counts"),
        sa.Column("stock", sa.String(length=64), nullable=False),
        sa.Column("partner", sa.String(length=64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("counted", sa.Boolean(), nullable=False, comment="a count; else a change"),
        sa.Column("quantities", sa.Text(), nullable=False, comment="JSON: decimals as text, by condition"),
        sa.Column("event", sa.String(length=80), nullable=False),
        sa.Column("document", sa.String(length=60), nullable=False),
        sa.PrimaryKeyConstraint("identity", "stock"),
    )
    op.create_index("stock_told_by_time", "stock_told", ["stock", "counted", "at"], unique=False)
    _identities()
    _searching()


def _column(name: str, length: int | None, nullable: bool, comment: str | None) -> sa.Column[object]:
    return sa.Column(name, sa.String(length=length) if length else sa.BigInteger(), nullable=nullable, comment=comment)


def _identities() -> None:
    comments = {
        "stream": "with subject: whose standing its latest revision speaks of",
        "stands": "the rank of the step that it says was reached",
        "expects": "the rank of the moment that it says to expect",
    }
    with op.batch_alter_table("identities", schema=None) as batch_op:
        for name, length in (("stream", 10), ("subject", 200), ("stands", 80), ("expects", 80)):
            batch_op.add_column(sa.Column(name, sa.String(length=length), nullable=True, comment=comments.get(name)))
    for index, name in (("identities_standing", "stands"), ("identities_expecting", "expects")):
        there = sa.text(f"{name} IS NOT NULL")
        op.create_index(index, "identities", ["subject", "partner", "stream", name], unique=False, sqlite_where=there, postgresql_where=there)


def _searching() -> None:
    """References get a key in the order in which they are searched. By bytes, so that the beginning of one is a range of it, whatever the
    database's own collation is."""
    by_bytes = sa.String(length=80).with_variant(sa.String(length=80, collation="C"), "postgresql")
    key = ("value", "at", "document", "type", "partner", "set_id")
    op.create_table(
        "references_by_time",
        sa.Column("value", by_bytes, nullable=False, comment="normalised"),
        sa.Column("at", sa.BigInteger(), nullable=False, comment="when the document's message came; a replay leaves it"),
        sa.Column("document", sa.String(length=60), nullable=False),
        sa.Column("type", sa.String(length=24), nullable=False),
        sa.Column("partner", sa.String(length=64), nullable=False, comment="in the key with the set, so that a search looks at nothing but the key"),
        sa.Column("set_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint(*key),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO references_by_time (value, at, document, type, partner, set_id)"
        " SELECT r.value, m.arrival, r.document, r.type, r.partner, d.set_id FROM document_references r JOIN documents d ON d.id = r.document"
        " JOIN messages m ON m.id = d.message"
    )
    op.drop_table("document_references")
    op.rename_table("references_by_time", "document_references")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER INDEX references_by_time_pkey RENAME TO document_references_pkey")
    op.create_index("document_references_by_document", "document_references", ["document"], unique=False)
    op.create_index("interchanges_by_control", "interchanges", ["control", "message"], unique=False)
    named = sa.text("file_name IS NOT NULL")
    op.create_index("messages_by_file_name", "messages", ["file_name", "arrival"], unique=False, sqlite_where=named, postgresql_where=named)
