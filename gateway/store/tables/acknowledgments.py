"""The tables of acknowledgments: those that we owe, and those that partners owe us.

Knows nothing of receipts on the wire, such as MDNs; those are in as2.py.
"""

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text, text

from gateway.store.schema import Instant, metadata

owed = Table(
    "owed",
    metadata,
    Column("id", String(120), primary_key=True, comment="TA1:message.interchange or 824:document: each is written once"),
    Column("partner", String(64), nullable=False),
    Column("kind", String(4), nullable=False, comment="TA1, 824"),
    Column("message", String(26), nullable=False, comment="the message that is answered"),
    Column("interchange", Integer, nullable=False),
    Column("document", String(60)),
    Column("mode", String(6), comment="of an 824: errors, all"),
    Column("state", String(10), nullable=False, comment="waiting for what the ERP says; due, written, withheld"),
    Column("verdict", String(1), comment="A, E, R"),
    Column("note", String(3), comment="TA105 or TED01"),
    Column("text", Text),
    Column("profile_revision", Integer, nullable=False),
    Column("at", Instant, nullable=False),
    Column("answer", String(26), comment="the message of ours that tells it"),
)
Index("owed_by_message", owed.c.message)
DUE = text("state = 'due'")
Index("owed_due", owed.c.at, sqlite_where=DUE, postgresql_where=DUE)

awaited = Table(
    "awaited",
    metadata,
    Column("id", String(120), primary_key=True, comment="kind:message.interchange.group.set of ours"),
    Column("partner", String(64), nullable=False),
    Column("stream", String(10), nullable=False),
    Column("kind", String(4), nullable=False, comment="TA1; 997, which a 999 settles, too; 824"),
    Column("message", String(26), nullable=False, comment="the message of ours"),
    Column("document", String(60), comment="the document of ours; null for a TA1"),
    Column("interchange_control", String(9), nullable=False, comment="our ISA13"),
    Column("functional", String(4), nullable=False, comment="our GS01"),
    Column("group_control", BigInteger, nullable=False, comment="our GS06"),
    Column("set_id", String(64), nullable=False, comment="our ST01"),
    Column("set_control", String(9), nullable=False, comment="our ST02"),
    Column("destination", String(80), comment="who is told what comes of it, such as target:erp"),
    Column("correlation", String(200), nullable=False),
    Column("state", String(24), nullable=False, comment="waiting, accepted, accepted with errors, partly accepted, rejected, disputed"),
    Column("opened_at", Instant, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("overdue_at", Instant, comment="when it was found to be overdue"),
    Column("settled_at", Instant),
    Column("late_at", Instant, comment="when it was settled after its time"),
    Column("settled_by", String(26), comment="the partner's message"),
    Column("disputed_at", Instant, comment="when another answer said otherwise; the first stands"),
    Column("detail", Text, comment="JSON: what the partner told, its faults, and other answers"),
    Column("steps", Text, comment="JSON: what is done while it is overdue, those to come: alarm, remind, resend; null: one alarm"),
    Column("step_every", Instant, comment="microseconds between them"),
    Column("step_at", Instant, comment="when the next one is due, once it is overdue"),
)
STEPS = text("step_at IS NOT NULL")
Index("awaited_steps", awaited.c.step_at, sqlite_where=STEPS, postgresql_where=STEPS)
WAITING = text("state = 'waiting' AND overdue_at IS NULL")
Index("awaited_by_group", awaited.c.group_control)
Index("awaited_by_message", awaited.c.message)
Index("awaited_by_document", awaited.c.document)
Index("awaited_by_time", awaited.c.partner, awaited.c.opened_at)
Index("awaited_waiting", awaited.c.due_at, sqlite_where=WAITING, postgresql_where=WAITING)
