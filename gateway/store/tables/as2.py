"""The table of AS2 messages, in and out, each with its receipt.

Knows nothing of keys; those are in keys.py.
"""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table, Text, text

from gateway.store.schema import Instant, metadata

as2_messages = Table(
    "as2_messages",
    metadata,
    Column("id", String(26), primary_key=True, comment="of one received: that of the message it became, if it became one"),
    Column("partner", String(64), nullable=False),
    Column("direction", String(3), nullable=False, comment="in, out"),
    Column("key", String(64), comment="hash of direction, names and Message-ID; null once another has taken its place"),
    Column("message_id", Text, nullable=False),
    Column("as2_from", String(128), nullable=False),
    Column("as2_to", String(128), nullable=False),
    Column("message", String(26), comment="ours: the message that it carries"),
    Column("delivery", String(120), comment="ours: the delivery that it is for"),
    Column(
        "state", String(12), nullable=False, comment="in: kept, processed, refused; out: written, awaiting, delivered, failed, disputed, unproven"
    ),
    Column("reason", Text),
    Column("headers", Text, nullable=False, comment="JSON: the HTTP headers, in order"),
    Column("payload", String(120), nullable=False, comment="the HTTP body"),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("source", String(64), comment="the address it came from"),
    Column("report", Text, comment="JSON: layers, algorithms, certificates, file names"),
    Column("mic", String(100)),
    Column("mic_algorithm", String(10)),
    Column("disposition", String(200), comment="in: what our receipt says; out: what the partner's does"),
    Column("receipt", String(10), nullable=False, comment="sync, async, none: which was asked for"),
    Column("receipt_signed", Boolean, nullable=False, server_default=text("false")),
    Column("receipt_url", Text, comment="in: where an asynchronous one goes"),
    Column("receipt_headers", Text, comment="JSON"),
    Column("receipt_payload", String(120)),
    Column("receipt_at", Instant),
    Column("profile_revision", Integer, nullable=False),
    Column("at", Instant, nullable=False),
    Column("resends", Integer, nullable=False, server_default=text("0")),
    Column("resends_left", Integer, nullable=False, server_default=text("0")),
    Column("receipt_span", BigInteger, nullable=False, server_default=text("0"), comment="out: microseconds within which the receipt is owed"),
    Column("lease_until", Instant, nullable=False, server_default=text("0")),
    Column("node", String(40)),
)
KEPT = text("state = 'kept'")
Index("as2_messages_by_key", as2_messages.c.key, unique=True)
Index("as2_messages_by_delivery", as2_messages.c.delivery)
Index("as2_messages_by_message", as2_messages.c.message)
Index("as2_messages_by_time", as2_messages.c.at)
Index("as2_messages_kept", as2_messages.c.at, sqlite_where=KEPT, postgresql_where=KEPT)
