"""The tables of views, which events add up to: how shipments and orders stand, and how much there is of an item.

All of it can be made again from the events; nothing is decided by them but what a reader is told.
"""

from sqlalchemy import Boolean, Column, Index, Integer, String, Table, Text, text

from gateway.store.schema import Instant, metadata

standings = Table(
    "standings",
    metadata,
    Column("subject", String(200), primary_key=True, comment="shipment/… or order/…"),
    Column("partner", String(64), primary_key=True),
    Column("stream", String(10), primary_key=True),
    Column("stands", String(80), comment="the rank of its step; of two the higher stands"),
    Column("step", String(80), comment="what happened last, such as delivery.unloaded; null when nothing stands any more"),
    Column("milestone", String(24), comment="the coarse part of the way"),
    Column("at", Instant, comment="when, as far as it is known"),
    Column("local", String(40), comment="as written"),
    Column("zone", String(64)),
    Column("certainty", String(8), comment="where the zone comes from: stated, place, profile, none"),
    Column("event", String(80), comment="the event that said so"),
    Column("document", String(60)),
    Column("revision", Integer, comment="of that event"),
    Column("cancelled", Boolean, nullable=False, server_default=text("false")),
    Column("expects", String(80)),
    Column("expected", String(80), comment="what is expected, such as delivery.eta"),
    Column("expected_at", Instant),
    Column("expected_local", String(40)),
    Column("expected_zone", String(64)),
    Column("expected_certainty", String(8)),
    Column("expected_event", String(80)),
    Column("actuals", Text, nullable=False, comment="JSON: by clock, the latest actual time that was told"),
    Column("refs", Text, nullable=False, comment="JSON: numbers of it, at most 40"),
    Column("changed_at", Instant, nullable=False),
)
Index("standings_by_partner", standings.c.partner, standings.c.subject, standings.c.stream)
Index("standings_by_change", standings.c.changed_at, standings.c.subject, standings.c.partner, standings.c.stream)

stock = Table(
    "stock",
    metadata,
    Column("id", String(64), primary_key=True, comment="hash of stream, partner, place, numbering, item and unit"),
    Column("partner", String(64), nullable=False),
    Column("stream", String(10), nullable=False),
    Column("place", String(80), nullable=False),
    Column("numbering", String(24), nullable=False),
    Column("item", String(80), nullable=False),
    Column("unit", String(24), nullable=False),
    Column("quantities", Text, nullable=False, comment="JSON: decimals as text, by condition"),
    Column("as_of", Instant, comment="the moment of the count; null while only changes are known"),
    Column("event", String(80), comment="the count's event"),
    Column("document", String(60)),
    Column("changes", Integer, nullable=False, comment="adjustments since the count"),
    Column("changed_at", Instant, comment="the moment of the latest of them"),
    Column("told_at", Instant, comment="when we last altered the row; null: before that was noted"),
)
Index("stock_by_change", stock.c.told_at, stock.c.id)
Index("stock_by_item", stock.c.item, stock.c.id)
Index("stock_by_place", stock.c.place, stock.c.id)
Index("stock_by_partner", stock.c.partner, stock.c.id)

stock_told = Table(
    "stock_told",
    metadata,
    Column("identity", String(64), primary_key=True, comment="of the event; its latest revision alone counts"),
    Column("stock", String(64), primary_key=True),
    Column("partner", String(64), nullable=False),
    Column("at", Instant, nullable=False),
    Column("counted", Boolean, nullable=False, comment="a count; else a change"),
    Column("quantities", Text, nullable=False, comment="JSON: decimals as text, by condition"),
    Column("event", String(80), nullable=False),
    Column("document", String(60), nullable=False),
)
Index("stock_told_by_time", stock_told.c.stock, stock_told.c.counted, stock_told.c.at)
