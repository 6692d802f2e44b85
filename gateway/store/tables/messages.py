"""The tables of messages: their bytes, the answers that they were given, the lanes in which they wait for translation, their lives.

Knows nothing of what stands in them; that is documents.py.
"""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, Text, text

from gateway.store.schema import Instant, metadata

payloads = Table(
    "payloads",
    metadata,
    Column("id", String(120), primary_key=True),
    Column("partner", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("data", LargeBinary, comment="the bytes, up to the inline limit"),
    Column("location", String(200), comment="sha256 of the content-addressed file, for larger ones"),
)
IN_A_FILE = text("location IS NOT NULL")
Index("payloads_by_location", payloads.c.location, sqlite_where=IN_A_FILE, postgresql_where=IN_A_FILE)

messages = Table(
    "messages",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("partner", String(64), nullable=False),
    Column("direction", String(3), nullable=False, comment="in, out"),
    Column("channel", String(40), nullable=False),
    Column("state", String(12), nullable=False, comment="kept, received, translated, duplicate, held, skipped; for ours: composed"),
    Column("reason", Text),
    Column("payload", String(120), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("media_type", String(120), nullable=False),
    Column("file_name", String(255)),
    Column("profile_revision", Integer, nullable=False),
    Column("arrival", Instant, nullable=False, comment="when COMMIT 1 took it; unique in its channel, never going back"),
    Column("decided_at", Instant),
    Column("duplicate_of", String(26)),
    Column("traceparent", String(55)),
    Column("losses", Integer, nullable=False, server_default=text("0"), comment="workers lost on it at the present resume point"),
    Column("resume", Text, comment="JSON: where translation goes on"),
    Column("override", Text, comment="JSON: the named override and its reason, when a person replayed it with one"),
    Column("answers", String(120), comment="ours: the message.interchange.group that this acknowledgment answers"),
    Column("control", String(9), comment="ours: ISA13, by which a TA1 names it"),
)
OURS = text("control IS NOT NULL")
Index("messages_by_control", messages.c.control, sqlite_where=OURS, postgresql_where=OURS)
NAMED = text("file_name IS NOT NULL")
Index("messages_by_file_name", messages.c.file_name, messages.c.arrival, sqlite_where=NAMED, postgresql_where=NAMED)
Index("messages_by_time", messages.c.arrival)
Index("messages_by_partner", messages.c.partner, messages.c.arrival)
Index(
    "messages_to_translate",
    messages.c.partner,
    messages.c.channel,
    messages.c.arrival,
    sqlite_where=messages.c.state == "received",
    postgresql_where=messages.c.state == "received",
)
Index(
    "messages_stuck",
    messages.c.state,
    messages.c.arrival,
    sqlite_where=messages.c.state == "held",
    postgresql_where=messages.c.state == "held",
)

answers = Table(
    "answers",
    metadata,
    Column("partner", String(64), primary_key=True),
    Column("channel", String(40), primary_key=True),
    Column("key", String(255), primary_key=True, comment="Idempotency-Key, or sha256:… of the body where none was given"),
    Column("sha256", String(64), nullable=False),
    Column("message", String(26), nullable=False),
    Column("at", Instant, nullable=False),
)
Index("answers_by_message", answers.c.message)

translate_lanes = Table(
    "translate_lanes",
    metadata,
    Column("partner", String(64), primary_key=True),
    Column("channel", String(40), primary_key=True),
    Column("next_due", Instant, comment="null when nothing waits"),
    Column("lease_until", Instant, nullable=False, server_default=text("0")),
    Column("node", String(40)),
    Column("fence", BigInteger, nullable=False, server_default=text("0")),
    Column("last_arrival", Instant, nullable=False, server_default=text("0"), comment="of the message that came last, by whichever node"),
)
Index("translate_lanes_due", translate_lanes.c.next_due)

life = Table(
    "life",
    metadata,
    Column("message", String(26), primary_key=True),
    Column("at", Instant, primary_key=True),
    Column("partner", String(64), nullable=False),
    Column("step", String(40), nullable=False),
    Column("who", String(80), nullable=False),
    Column("text", Text, nullable=False),
)
