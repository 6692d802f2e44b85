"""The first schema: receive, translate, deliver, and what people look for."""

import sqlalchemy as sa
from alembic import op

revision = "0001_first"
down_revision = None


def upgrade() -> None:

    op.create_table(
        "alarms",
        sa.Column("id", sa.String(length=120), nullable=False, comment="kind and subject: the same trouble again only counts up"),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("partner", sa.String(length=64), nullable=False),
        sa.Column("message", sa.String(length=26), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "answers",
        sa.Column("partner", sa.String(length=64), nullable=False),
        sa.Column("channel", sa.String(length=40), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False, comment="Idempotency-Key, or sha256:… of the body where none was given"),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("message", sa.String(length=26), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("partner", "channel", "key"),
    )
    op.create_table(
        "attempts",
        sa.Column("delivery", sa.String(length=120), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("partner", sa.String(length=64), nullable=False),
        sa.Column("node", sa.String(length=40), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("duration", sa.BigInteger(), nullable=False, comment="microseconds"),
        sa.Column("outcome", sa.String(length=12), nullable=False, comment="delivered, temporary, unknown, permanent, destination"),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=True, comment="the answer's body, cut to 64 KiB"),
        sa.PrimaryKeyConstraint("delivery", "number"),
    )
    op.create_table(
        "contents",
        sa.Column("partner", sa.String(length=64), nullable=False),
        sa.Column("stream", sa.String(length=10), nullable=False),
        sa.Column("set_id", sa.String(length=12), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("document", sa.String(length=60), nullable=False),
        sa.Column("message", sa.String(length=26), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("partner", "stream", "set_id", "content_hash"),
    )
    op.create_table(
        "counters",
        sa.Column("partner", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.String(length=120), nullable=False, comment="level, sender and receiver, such as interchange ZZ:CROSSDOCK 02:NWFX"),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("partner", "scope"),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(length=120), nullable=False),
        sa.Column("lane", sa.String(length=64), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False, comment="its place in the lane"),
        sa.Column("partner", sa.String(length=64), nullable=False),
        sa.Column("destination", sa.String(length=80), nullable=False, comment="target:NAME, outbox:PARTNER, push:PARTNER"),
        sa.Column("kind", sa.String(length=12), nullable=False, comment="event, receipt"),
        sa.Column("state", sa.String(length=10), nullable=False, comment="due, sending, delivered, dead, skipped"),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("message", sa.String(length=26), nullable=False, comment="the message it came from"),
        sa.Column("document", sa.String(length=60), nullable=True),
        sa.Column("event", sa.String(length=80), nullable=True),
        sa.Column("outgoing", sa.String(length=26), nullable=True, comment="the message of ours that it carries"),
        sa.Column("payload", sa.String(length=120), nullable=False),
        sa.Column("attributes", sa.Text(), nullable=False, comment="JSON: CloudEvents attributes, or the media type and name of a document"),
        sa.Column("on_dead", sa.String(length=5), nullable=False, comment="block, pass"),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "unknown_outcome", sa.Boolean(), server_default=sa.text("(false)"), nullable=False, comment="an attempt may have had its effect unseen"
        ),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("next_due", sa.BigInteger(), nullable=False),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.Column("confirmation", sa.Text(), nullable=True, comment="the destination's own answer, cut to 2,000 characters"),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.create_index("deliveries_by_event", ["event"], unique=False)
        batch_op.create_index("deliveries_by_message", ["message"], unique=False)
        batch_op.create_index(
            "deliveries_dead", ["created_at"], unique=False, sqlite_where=sa.text("state = 'dead'"), postgresql_where=sa.text("state = 'dead'")
        )
        batch_op.create_index(
            "deliveries_in_lane", ["lane", "position"], unique=False, sqlite_where=sa.text("state = 'due'"), postgresql_where=sa.text("state = 'due'")
        )

    op.create_table(
        "destinations",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("parked_until", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "document_references",
        sa.Column("value", sa.String(length=80), nullable=False, comment="normalised"),
        sa.Column("type", sa.String(length=24), nullable=False),
        sa.Column("document", sa.String(length=60), nullable=False),
        sa.Column("partner", sa.String(length=64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("value", "type", "document"),
    )
    with op.batch_alter_table("document_references", schema=None) as batch_op:
        batch_op.create_index("document_references_by_document", ["document"], unique=False)

    op.create_table(
        "documents",
        sa.Column("id", sa.String(length=60), nullable=False, comment="message.interchange.group.ordinal"),
        sa.Column("message", sa.String(length=26), nullable=False),
        sa.Column("interchange", sa.Integer(), nullable=False),
        sa.Column("grp", sa.Integer(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("partner", sa.String(length=64), nullable=False),
        sa.Column("stream", sa.String(length=10), nullable=False),
        sa.Column("set_id", sa.String(length=12), nullable=False),
        sa.Column("control", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("verdict", sa.String(length=1), nullable=False),
        sa.Column("codes", sa.String(length=40), nullable=False),
        sa.Column("release", sa.String(length=12), nullable=False),
        sa.Column("byte_start", sa.BigInteger(), nullable=False),
        sa.Column("byte_end", sa.BigInteger(), nullable=False),
        sa.Column("mapping", sa.String(length=120), nullable=True),
        sa.Column("profile_revision", sa.Integer(), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=True),
        sa.Column("duplicate_of", sa.String(length=60), nullable=True),
        sa.Column("unmapped", sa.Text(), nullable=True, comment="JSON: what the mapping did not carry over"),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("documents", schema=None) as batch_op:
        batch_op.create_index("documents_by_message", ["message", "interchange", "grp", "ordinal"], unique=False)
        batch_op.create_index(
            "documents_stuck",
            ["at"],
            unique=False,
            sqlite_where=sa.text("state in ('held', 'rejected')"),
            postgresql_where=sa.text("state in ('held', 'rejected')"),
        )

    op.create_table(
        "events",
        sa.Column("id", sa.String(length=80), nullable=False, comment="identity-rN: also the Idempotency-Key"),
        sa.Column("identity", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("partner", sa.String(length=64), nullable=False),
        sa.Column("stream", sa.String(length=10), nullable=False),
        sa.Column("document", sa.String(length=60), nullable=False),
        sa.Column("message", sa.String(length=26), nullable=False),
        sa.Column("type", sa.String(length=80), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("time", sa.String(length=40), nullable=False),
        sa.Column("correlation", sa.String(length=200), nullable=False),
        sa.Column("supersedes", sa.String(length=80), nullable=True),
        sa.Column("payload", sa.String(length=120), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("events", schema=None) as batch_op:
        batch_op.create_index("events_by_document", ["document"], unique=False)
        batch_op.create_index("events_by_message", ["message"], unique=False)

    op.create_table(
        "findings",
        sa.Column("message", sa.String(length=26), nullable=False),
        sa.Column("interchange", sa.Integer(), nullable=False),
        sa.Column("grp", sa.Integer(), nullable=False, comment="0 for the interchange itself"),
        sa.Column("ordinal", sa.Integer(), nullable=False, comment="0 for the group itself"),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("partner", sa.String(length=64), nullable=False),
        sa.Column("finding", sa.Text(), nullable=False, comment="JSON of translators.document.Finding"),
        sa.PrimaryKeyConstraint("message", "interchange", "grp", "ordinal", "number"),
    )
    op.create_table(
        "groups",
        sa.Column("message", sa.String(length=26), nullable=False),
        sa.Column("interchange", sa.Integer(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("partner", sa.String(length=64), nullable=False),
        sa.Column("functional", sa.String(length=4), nullable=False),
        sa.Column("control", sa.String(length=32), nullable=False),
        sa.Column("version", sa.String(length=32), nullable=False),
        sa.Column("sender", sa.String(length=40), nullable=False),
        sa.Column("receiver", sa.String(length=40), nullable=False),
        sa.Column("codes", sa.String(length=40), nullable=False, comment="AK905 to AK909, parted by blanks"),
        sa.Column("claimed", sa.Integer(), nullable=False, comment="GE01 as sent; -1 where it was unreadable"),
        sa.Column("found", sa.Integer(), nullable=False),
        sa.Column("accepted", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("verdict", sa.String(length=1), nullable=True, comment="AK901, once all its sets are read"),
        sa.Column("acknowledgment", sa.String(length=26), nullable=True, comment="the message that carries our 997"),
        sa.PrimaryKeyConstraint("message", "interchange", "ordinal"),
    )
    op.create_table(
        "identities",
        sa.Column("id", sa.String(length=64), nullable=False, comment="hash of stream, partner, set, business key, event key, ordinal"),
        sa.Column("partner", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("meaning_hash", sa.String(length=64), nullable=False),
        sa.Column("event", sa.String(length=80), nullable=False),
        sa.Column("document", sa.String(length=60), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "interchanges",
        sa.Column("message", sa.String(length=26), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("partner", sa.String(length=64), nullable=False),
        sa.Column("stream", sa.String(length=10), nullable=False, comment="production, test"),
        sa.Column(
            "state", sa.String(length=12), nullable=False, comment="open while its sets are read; then translated, rejected, duplicate, held, skipped"
        ),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("ta1", sa.String(length=3), nullable=True),
        sa.Column("sender", sa.String(length=40), nullable=False, comment="qualifier:id"),
        sa.Column("receiver", sa.String(length=40), nullable=False),
        sa.Column("control", sa.String(length=32), nullable=False),
        sa.Column("version", sa.String(length=12), nullable=False),
        sa.Column("usage", sa.String(length=4), nullable=False),
        sa.Column("date", sa.String(length=8), nullable=False),
        sa.Column("time", sa.String(length=8), nullable=False),
        sa.Column("byte_start", sa.BigInteger(), nullable=False),
        sa.Column("byte_end", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("duplicate_of", sa.String(length=26), nullable=True),
        sa.PrimaryKeyConstraint("message", "ordinal"),
    )
    op.create_table(
        "interchanges_seen",
        sa.Column("partner", sa.String(length=64), nullable=False),
        sa.Column("stream", sa.String(length=10), nullable=False),
        sa.Column("sender", sa.String(length=40), nullable=False),
        sa.Column("receiver", sa.String(length=40), nullable=False),
        sa.Column("control", sa.String(length=32), nullable=False),
        sa.Column("message", sa.String(length=26), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("partner", "stream", "sender", "receiver", "control"),
    )
    op.create_table(
        "lanes",
        sa.Column("id", sa.String(length=64), nullable=False, comment="hash of destination, partner and subject"),
        sa.Column("destination", sa.String(length=80), nullable=False),
        sa.Column("partner", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("head", sa.String(length=120), nullable=True, comment="the delivery that is next; null when nothing waits"),
        sa.Column("next_due", sa.BigInteger(), nullable=True, comment="null when nothing waits or the lane is blocked"),
        sa.Column("lease_until", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("node", sa.String(length=40), nullable=True),
        sa.Column("fence", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "blocked",
            sa.Boolean(),
            server_default=sa.text("(false)"),
            nullable=False,
            comment="its head is a dead letter that later ones must not pass",
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("lanes", schema=None) as batch_op:
        batch_op.create_index("lanes_blocked", ["destination"], unique=False, sqlite_where=sa.text("blocked"), postgresql_where=sa.text("blocked"))
        batch_op.create_index(
            "lanes_due",
            ["destination", "next_due"],
            unique=False,
            sqlite_where=sa.text("next_due IS NOT NULL"),
            postgresql_where=sa.text("next_due IS NOT NULL"),
        )

    op.create_table(
        "life",
        sa.Column("message", sa.String(length=26), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("partner", sa.String(length=64), nullable=False),
        sa.Column("step", sa.String(length=40), nullable=False),
        sa.Column("who", sa.String(length=80), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("message", "at"),
    )
    op.create_table(
        "messages",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("partner", sa.String(length=64), nullable=False),
        sa.Column("direction", sa.String(length=3), nullable=False, comment="in, out"),
        sa.Column("channel", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False, comment="kept, received, translated, duplicate, held, skipped; for ours: composed"),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("payload", sa.String(length=120), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("media_type", sa.String(length=120), nullable=False),
        sa.Column("file_name", sa.String(length=255), nullable=True),
        sa.Column("profile_revision", sa.Integer(), nullable=False),
        sa.Column("arrival", sa.BigInteger(), nullable=False, comment="when COMMIT 1 took it; unique in its channel, never going back"),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("duplicate_of", sa.String(length=26), nullable=True),
        sa.Column("traceparent", sa.String(length=55), nullable=True),
        sa.Column("losses", sa.Integer(), server_default=sa.text("0"), nullable=False, comment="workers lost on it at the present resume point"),
        sa.Column("resume", sa.Text(), nullable=True, comment="JSON: where translation goes on"),
        sa.Column("override", sa.Text(), nullable=True, comment="JSON: the named override and its reason, when a person replayed it with one"),
        sa.Column("answers", sa.String(length=120), nullable=True, comment="ours: the message.interchange.group that this acknowledgment answers"),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("messages", schema=None) as batch_op:
        batch_op.create_index("messages_by_partner", ["partner", "arrival"], unique=False)
        batch_op.create_index("messages_by_time", ["arrival"], unique=False)
        batch_op.create_index(
            "messages_stuck", ["state", "arrival"], unique=False, sqlite_where=sa.text("state = 'held'"), postgresql_where=sa.text("state = 'held'")
        )
        batch_op.create_index(
            "messages_to_translate",
            ["partner", "channel", "arrival"],
            unique=False,
            sqlite_where=sa.text("state = 'received'"),
            postgresql_where=sa.text("state = 'received'"),
        )

    op.create_table(
        "payloads",
        sa.Column("id", sa.String(length=120), nullable=False),
        sa.Column("partner", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=True, comment="the bytes, up to the inline limit"),
        sa.Column("location", sa.String(length=200), nullable=True, comment="sha256 of the content-addressed file, for larger ones"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "profile_revisions",
        sa.Column("partner", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False, comment="live, retired; draft and test follow"),
        sa.Column("text", sa.Text(), nullable=False, comment="the YAML as it was applied"),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("partner", "revision"),
    )
    op.create_table(
        "throttles",
        sa.Column("id", sa.String(length=120), nullable=False, comment="partner:P or target:NAME"),
        sa.Column("tokens", sa.Float(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "translate_lanes",
        sa.Column("partner", sa.String(length=64), nullable=False),
        sa.Column("channel", sa.String(length=40), nullable=False),
        sa.Column("next_due", sa.BigInteger(), nullable=True, comment="null when nothing waits"),
        sa.Column("lease_until", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("node", sa.String(length=40), nullable=True),
        sa.Column("fence", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("partner", "channel"),
    )
    with op.batch_alter_table("translate_lanes", schema=None) as batch_op:
        batch_op.create_index("translate_lanes_due", ["next_due"], unique=False)
