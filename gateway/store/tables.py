"""Every table, once. The migrations are tested to arrive at exactly this.

Instants are integers (gateway.clock). Every row carries its partner, so that the tables can be spread by it later.
"""

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, LargeBinary, String, Table, Text, text

from gateway.store import consumer_tables, node_tables
from gateway.store.schema import Instant, metadata

__all__ = ["consumer_tables", "metadata", "node_tables"]

BY_BYTES = String(80).with_variant(String(80, collation="C"), "postgresql")
"""Text in the order of its bytes, as SQLite has it, so that what begins alike is a range of an index."""

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

interchanges = Table(
    "interchanges",
    metadata,
    Column("message", String(26), primary_key=True),
    Column("ordinal", Integer, primary_key=True),
    Column("partner", String(64), nullable=False),
    Column("stream", String(10), nullable=False, comment="production, test"),
    Column("state", String(12), nullable=False, comment="open while its sets are read; then translated, rejected, duplicate, held, skipped"),
    Column("reason", Text),
    Column("ta1", String(3)),
    Column("sender", String(40), nullable=False, comment="qualifier:id"),
    Column("receiver", String(40), nullable=False),
    Column("control", String(32), nullable=False),
    Column("version", String(12), nullable=False),
    Column("usage", String(4), nullable=False),
    Column("date", String(8), nullable=False),
    Column("time", String(8), nullable=False),
    Column("byte_start", BigInteger, nullable=False),
    Column("byte_end", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("duplicate_of", String(26)),
)
Index("interchanges_by_control", interchanges.c.control, interchanges.c.message)

STUCK = text("state in ('held', 'rejected')")
Index("interchanges_stuck", interchanges.c.message, sqlite_where=STUCK, postgresql_where=STUCK)

interchanges_seen = Table(
    "interchanges_seen",
    metadata,
    Column("partner", String(64), primary_key=True),
    Column("stream", String(10), primary_key=True),
    Column("sender", String(40), primary_key=True),
    Column("receiver", String(40), primary_key=True),
    Column("control", String(32), primary_key=True),
    Column("message", String(26), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("at", Instant, nullable=False),
)

groups = Table(
    "groups",
    metadata,
    Column("message", String(26), primary_key=True),
    Column("interchange", Integer, primary_key=True),
    Column("ordinal", Integer, primary_key=True),
    Column("partner", String(64), nullable=False),
    Column("functional", String(4), nullable=False),
    Column("control", String(32), nullable=False),
    Column("version", String(32), nullable=False),
    Column("sender", String(40), nullable=False),
    Column("receiver", String(40), nullable=False),
    Column("codes", String(40), nullable=False, comment="AK905 to AK909, parted by blanks"),
    Column("claimed", Integer, nullable=False, comment="GE01 as sent; -1 where it was unreadable"),
    Column("found", Integer, nullable=False),
    Column("accepted", Integer, nullable=False, server_default=text("0")),
    Column("verdict", String(1), comment="AK901, once all its sets are read"),
    Column("acknowledgment", String(26), comment="the message that carries our 997"),
)

documents = Table(
    "documents",
    metadata,
    Column("id", String(60), primary_key=True, comment="message.interchange.group.ordinal"),
    Column("message", String(26), nullable=False),
    Column("interchange", Integer, nullable=False),
    Column("grp", Integer, nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("partner", String(64), nullable=False),
    Column("stream", String(10), nullable=False),
    Column("set_id", String(64), nullable=False),
    Column("control", String(32), nullable=False),
    Column("state", String(12), nullable=False),
    Column("reason", Text),
    Column("verdict", String(1), nullable=False),
    Column("codes", String(40), nullable=False),
    Column("release", String(12), nullable=False),
    Column("byte_start", BigInteger, nullable=False),
    Column("byte_end", BigInteger, nullable=False),
    Column("mapping", String(120)),
    Column("profile_revision", Integer, nullable=False),
    Column("content_hash", String(64)),
    Column("duplicate_of", String(60)),
    Column("unmapped", Text, comment="JSON: what the mapping did not carry over"),
    Column("at", Instant, nullable=False),
)
Index("documents_by_message", documents.c.message, documents.c.interchange, documents.c.grp, documents.c.ordinal)
Index("documents_by_partner", documents.c.partner, documents.c.id)
Index("documents_by_change", documents.c.at, documents.c.id)
Index("documents_stuck", documents.c.at, sqlite_where=STUCK, postgresql_where=STUCK)

findings = Table(
    "findings",
    metadata,
    Column("message", String(26), primary_key=True),
    Column("interchange", Integer, primary_key=True),
    Column("grp", Integer, primary_key=True, comment="0 for the interchange itself"),
    Column("ordinal", Integer, primary_key=True, comment="0 for the group itself"),
    Column("number", Integer, primary_key=True),
    Column("partner", String(64), nullable=False),
    Column("finding", Text, nullable=False, comment="JSON of translators.document.Finding"),
)

document_references = Table(
    "document_references",
    metadata,
    Column("value", BY_BYTES, primary_key=True, comment="normalised"),
    Column("at", Instant, primary_key=True, comment="when the document's message came; a replay leaves it"),
    Column("document", String(60), primary_key=True),
    Column("type", String(24), primary_key=True),
    Column("partner", String(64), primary_key=True, comment="in the key with the set, so that a search looks at nothing but the key"),
    Column("set_id", String(64), primary_key=True),
    sqlite_with_rowid=False,
)
Index("document_references_by_document", document_references.c.document)

contents = Table(
    "contents",
    metadata,
    Column("partner", String(64), primary_key=True),
    Column("stream", String(10), primary_key=True),
    Column("set_id", String(64), primary_key=True),
    Column("content_hash", String(64), primary_key=True),
    Column("document", String(60), nullable=False),
    Column("message", String(26), nullable=False),
    Column("at", Instant, nullable=False),
)

identities = Table(
    "identities",
    metadata,
    Column("id", String(64), primary_key=True, comment="hash of stream, partner, set, business key, event key, ordinal"),
    Column("partner", String(64), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("meaning_hash", String(64), nullable=False),
    Column("event", String(80), nullable=False),
    Column("document", String(60), nullable=False),
    Column("at", Instant, nullable=False),
    Column("stream", String(10), comment="with subject: whose standing its latest revision speaks of"),
    Column("subject", String(200)),
    Column("stands", String(80), comment="the rank of the step that it says was reached"),
    Column("expects", String(80), comment="the rank of the moment that it says to expect"),
)
STANDS, EXPECTS = text("stands IS NOT NULL"), text("expects IS NOT NULL")
Index(
    "identities_standing",
    identities.c.subject,
    identities.c.partner,
    identities.c.stream,
    identities.c.stands,
    sqlite_where=STANDS,
    postgresql_where=STANDS,
)
Index(
    "identities_expecting",
    identities.c.subject,
    identities.c.partner,
    identities.c.stream,
    identities.c.expects,
    sqlite_where=EXPECTS,
    postgresql_where=EXPECTS,
)

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

events = Table(
    "events",
    metadata,
    Column("id", String(80), primary_key=True, comment="identity-rN: also the Idempotency-Key"),
    Column("identity", String(64), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("partner", String(64), nullable=False),
    Column("stream", String(10), nullable=False),
    Column("document", String(60), nullable=False),
    Column("message", String(26), nullable=False),
    Column("type", String(80), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("time", String(40), nullable=False),
    Column("correlation", String(200), nullable=False),
    Column("supersedes", String(80)),
    Column("payload", String(120), nullable=False),
    Column("at", Instant, nullable=False),
)
Index("events_by_document", events.c.document)
Index("events_by_message", events.c.message)

lanes = Table(
    "lanes",
    metadata,
    Column("id", String(64), primary_key=True, comment="hash of destination, partner and subject"),
    Column("destination", String(80), nullable=False),
    Column("partner", String(64), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("head", String(120), comment="the delivery that is next; null when nothing waits"),
    Column("next_due", Instant, comment="null when nothing waits or the lane is blocked"),
    Column("lease_until", Instant, nullable=False, server_default=text("0")),
    Column("node", String(40)),
    Column("fence", BigInteger, nullable=False, server_default=text("0")),
    Column("blocked", Boolean, nullable=False, server_default=text("false"), comment="its head is a dead letter that later ones must not pass"),
    Column(
        "priority", Integer, nullable=False, server_default=text("1"), comment="the most urgent of what waits in it: 0 release to 3 reconciliation"
    ),
)
WAITS = text("next_due IS NOT NULL")
Index(
    "lanes_waiting",
    lanes.c.destination,
    lanes.c.priority,
    lanes.c.partner,
    lanes.c.next_due,
    sqlite_where=WAITS,
    postgresql_where=WAITS,
)
LEASED = text("lease_until > 0")
Index("lanes_leased", lanes.c.destination, lanes.c.partner, sqlite_where=LEASED, postgresql_where=LEASED)
BLOCKED = text("blocked")
Index("lanes_blocked", lanes.c.destination, sqlite_where=BLOCKED, postgresql_where=BLOCKED)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String(120), primary_key=True),
    Column("lane", String(64), nullable=False),
    Column("position", BigInteger, nullable=False, comment="its place in the lane"),
    Column("partner", String(64), nullable=False),
    Column("destination", String(80), nullable=False, comment="target:NAME, outbox:PARTNER, push:PARTNER"),
    Column("kind", String(12), nullable=False, comment="event, receipt"),
    Column("state", String(10), nullable=False, comment="due, sending, delivered, dead, skipped"),
    Column("reason", Text),
    Column("message", String(26), nullable=False, comment="the message it came from"),
    Column("document", String(60)),
    Column("event", String(80)),
    Column("outgoing", String(26), comment="the message of ours that it carries"),
    Column("payload", String(120), nullable=False),
    Column("attributes", Text, nullable=False, comment="JSON: CloudEvents attributes, or the media type and name of a document"),
    Column("on_dead", String(5), nullable=False, comment="block, pass"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("unknown_outcome", Boolean, nullable=False, server_default=text("false"), comment="an attempt may have had its effect unseen"),
    Column("created_at", Instant, nullable=False),
    Column("next_due", Instant, nullable=False),
    Column("done_at", Instant),
    Column("confirmation", Text, comment="the destination's own answer, cut to 2,000 characters"),
    Column("fallback", String(80), comment="where it goes when its destination has been open for too long, or will not take it"),
    Column("fallback_after", Instant, comment="microseconds that the destination may be open before that"),
    Column("fell_from", String(80), comment="its first destination, once it has gone to the fallback"),
    Column("accepted", Text, comment="its destination has it, and is asked by this what became of it"),
    Column("confirmed", String(200), comment="the id under which the destination has it"),
    Column("tried_from", Instant, comment="when its schedule began, if not with its row: a person's retry, a fallback"),
)
Index(
    "deliveries_in_lane",
    deliveries.c.lane,
    deliveries.c.position,
    sqlite_where=deliveries.c.state == "due",
    postgresql_where=deliveries.c.state == "due",
)
Index("deliveries_by_message", deliveries.c.message)
Index("deliveries_by_event", deliveries.c.event)
FALLS = text("state = 'due' AND fallback IS NOT NULL")
Index(
    "deliveries_fallback",
    deliveries.c.destination,
    deliveries.c.fallback_after,
    deliveries.c.position,
    sqlite_where=FALLS,
    postgresql_where=FALLS,
)
TAKEN = text("state = 'delivered' AND event IS NULL")
Index("deliveries_taken", deliveries.c.destination, deliveries.c.done_at, sqlite_where=TAKEN, postgresql_where=TAKEN)
OPEN_DELIVERY = text("state IN ('due', 'dead')")
Index("deliveries_open_payload", deliveries.c.payload, sqlite_where=OPEN_DELIVERY, postgresql_where=OPEN_DELIVERY)
Index("deliveries_dead", deliveries.c.created_at, sqlite_where=deliveries.c.state == "dead", postgresql_where=deliveries.c.state == "dead")

attempts = Table(
    "attempts",
    metadata,
    Column("delivery", String(120), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("partner", String(64), nullable=False),
    Column("node", String(40), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("duration", BigInteger, nullable=False, comment="microseconds"),
    Column("outcome", String(12), nullable=False, comment="delivered, temporary, unknown, permanent, destination"),
    Column("status", Integer),
    Column("text", Text),
    Column("answer", LargeBinary, comment="the answer's body, cut to 64 KiB"),
)

destinations = Table(
    "destinations",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("parked_until", Instant, nullable=False, server_default=text("0"), comment="open: when the next probe may go"),
    Column("failures", Integer, nullable=False, server_default=text("0"), comment="more failures than successes, while closed"),
    Column("reason", Text),
    Column("partner", String(64), nullable=False, server_default=text("'-'"), comment="whose it is; - for a target"),
    Column("state", String(10), nullable=False, server_default=text("'closed'"), comment="closed, open, half-open, ramping, paused"),
    Column("since", Instant, nullable=False, server_default=text("0")),
    Column("probing_until", Instant, nullable=False, server_default=text("0"), comment="half-open: a probe is under way until then at most"),
    Column("allowance", Integer, nullable=False, server_default=text("0"), comment="ramping: how many may be in flight"),
    Column("who", String(80), comment="who brought it into its state"),
)

outages = Table(
    "outages",
    metadata,
    Column("destination", String(80), primary_key=True),
    Column("opened_at", Instant, primary_key=True),
    Column("partner", String(64), nullable=False),
    Column("closed_at", Instant, comment="null while it lasts"),
    Column("reason", Text, nullable=False),
)
LASTS = text("closed_at IS NULL")
Index("outages_lasting", outages.c.destination, sqlite_where=LASTS, postgresql_where=LASTS)

destination_life = Table(
    "destination_life",
    metadata,
    Column("destination", String(80), primary_key=True),
    Column("at", Instant, primary_key=True),
    Column("partner", String(64), nullable=False),
    Column("step", String(40), nullable=False),
    Column("who", String(80), nullable=False),
    Column("text", Text, nullable=False),
)

throttles = Table(
    "throttles",
    metadata,
    Column("id", String(120), primary_key=True, comment="partner:P or target:NAME"),
    Column("tokens", Float, nullable=False),
    Column("at", Instant, nullable=False),
    Column("day", Integer, nullable=False, server_default=text("0"), comment="the day of UTC that `used` counts, from 1970-01-01"),
    Column("used", BigInteger, nullable=False, server_default=text("0"), comment="deliveries begun on that day"),
    Column("claimed", BigInteger, nullable=False, server_default=text("0"), comment="lanes claimed ever; says whose turn a guaranteed place is"),
    Column("per_second", Float, comment="the rate that was in force last; null for none"),
    Column("daily", BigInteger, comment="likewise the daily volume"),
)

turns = Table(
    "turns",
    metadata,
    Column("destination", String(80), primary_key=True),
    Column("priority", Integer, primary_key=True),
    Column("partner", String(64), nullable=False, comment="who had the last turn"),
    Column("remaining", Integer, nullable=False, comment="lanes that it may still take in that turn"),
)

counters = Table(
    "counters",
    metadata,
    Column("partner", String(64), primary_key=True),
    Column("scope", String(120), primary_key=True, comment="level, sender and receiver, such as interchange ZZ:CROSSDOCK 02:NWFX"),
    Column("value", BigInteger, nullable=False),
)

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

alarms = Table(
    "alarms",
    metadata,
    Column("id", String(120), primary_key=True, comment="kind and subject: the same trouble again only counts up"),
    Column("kind", String(40), nullable=False),
    Column("partner", String(64), nullable=False),
    Column("message", String(26)),
    Column("text", Text, nullable=False),
    Column("count", Integer, nullable=False),
    Column("first_at", Instant, nullable=False),
    Column("last_at", Instant, nullable=False),
    Column("tell_at", Instant, comment="since when there is something to tell of it; null when nobody needs to hear more"),
    Column("told_at", Instant, comment="when people were last told of it"),
    Column("closed_at", Instant, comment="when it was over"),
    Column("closed_by", String(80)),
    Column("closed_because", Text),
)
NEWS = text("tell_at IS NOT NULL")
Index("alarms_to_tell", alarms.c.tell_at, sqlite_where=NEWS, postgresql_where=NEWS)
OPEN = text("closed_at IS NULL")
Index("alarms_open", alarms.c.last_at, sqlite_where=OPEN, postgresql_where=OPEN)

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

certificates = Table(
    "certificates",
    metadata,
    Column("id", String(140), primary_key=True, comment="owner:fingerprint:use"),
    Column("owner", String(64), nullable=False, comment="a partner, or - for us"),
    Column("name", String(64), nullable=False),
    Column("use", String(8), nullable=False, comment="sign, encrypt, both, tls"),
    Column("fingerprint", String(64), nullable=False, comment="SHA-256"),
    Column("subject", Text, nullable=False),
    Column("issuer", Text, nullable=False),
    Column("serial", String(80), nullable=False),
    Column("strength", String(24), nullable=False),
    Column("der", LargeBinary, nullable=False),
    Column("private", LargeBinary, comment="ours: sealed"),
    Column("not_before", Instant, nullable=False),
    Column("not_after", Instant, nullable=False),
    Column("from_at", Instant, nullable=False, comment="from when it is used"),
    Column("until_at", Instant, comment="until when it is used"),
    Column("state", String(8), nullable=False, comment="active, retired, proposed"),
    Column("changed_at", Instant, nullable=False),
    Column("who", String(80), nullable=False),
    Column("used_at", Instant, comment="when it last proved or opened a message"),
)

audit = Table(
    "audit",
    metadata,
    Column("partner", String(64), primary_key=True),
    Column("number", BigInteger, primary_key=True, comment="1, 2, 3 … without a gap"),
    Column("at", Instant, nullable=False),
    Column("subject", String(26), nullable=False, comment="the AS2 message"),
    Column("record", Text, nullable=False, comment="JSON on one line"),
    Column("hash", String(64), nullable=False, comment="SHA-256 of the hash before it, a line end, and the record"),
)
Index("audit_by_subject", audit.c.subject)

audit_heads = Table(
    "audit_heads",
    metadata,
    Column("partner", String(64), primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
)

profile_revisions = Table(
    "profile_revisions",
    metadata,
    Column("partner", String(64), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("state", String(8), nullable=False, comment="draft, live, retired"),
    Column("text", Text, nullable=False, comment="the YAML as it was applied"),
    Column("sha256", String(64), nullable=False),
    Column("at", Instant, nullable=False),
    Column("who", String(80), nullable=False),
)

sftp_files = Table(
    "sftp_files",
    metadata,
    Column("id", String(26), primary_key=True, comment="also the name of its part, where its bytes are a file"),
    Column("partner", String(64), nullable=False),
    Column("folder", String(320), nullable=False),
    Column("name", String(255), nullable=False),
    Column("state", String(10), nullable=False, comment="partial, waiting, taken, empty, marker, refused, replaced, removed, expired"),
    Column("size", BigInteger, nullable=False),
    Column("mtime", Instant, nullable=False),
    Column("sha256", String(64)),
    Column("payload", String(120), comment="of a small one that is not whole yet"),
    Column("message", String(26), comment="what it became; of a repeat, the message that had the same bytes first"),
    Column("duplicate", Boolean, nullable=False, server_default=text("false")),
    Column("reason", Text),
    Column("at", Instant, nullable=False),
    Column("who", String(80), nullable=False),
)
UNFINISHED = text("state IN ('partial', 'waiting')")
Index("sftp_files_by_name", sftp_files.c.partner, sftp_files.c.folder, sftp_files.c.name)
Index("sftp_files_by_time", sftp_files.c.at)
Index("sftp_files_unfinished", sftp_files.c.partner, sftp_files.c.at, sqlite_where=UNFINISHED, postgresql_where=UNFINISHED)

ssh_keys = Table(
    "ssh_keys",
    metadata,
    Column("id", String(80), primary_key=True, comment="fingerprint: SHA256:…, or secret:NAME"),
    Column("use", String(8), nullable=False, comment="host, client, secret"),
    Column("name", String(64), nullable=False),
    Column("kind", String(24), nullable=False),
    Column("public", Text, nullable=False, comment="a line of authorized_keys"),
    Column("private", LargeBinary, nullable=False, comment="sealed"),
    Column("state", String(8), nullable=False, comment="active, retired"),
    Column("at", Instant, nullable=False),
    Column("who", String(80), nullable=False),
)

sftp_polls = Table(
    "sftp_polls",
    metadata,
    Column("id", String(100), primary_key=True, comment="partner:name of the poll"),
    Column("partner", String(64), nullable=False),
    Column("next_due", Instant, nullable=False),
    Column("lease_until", Instant, nullable=False, server_default=text("0")),
    Column("node", String(40)),
    Column("fence", BigInteger, nullable=False, server_default=text("0")),
    Column("failures", Integer, nullable=False, server_default=text("0"), comment="in a row"),
    Column("told", Text, comment="what came of the last time"),
    Column("at", Instant, nullable=False, server_default=text("0")),
)

sftp_polled = Table(
    "sftp_polled",
    metadata,
    Column("poll", String(100), primary_key=True),
    Column("name", String(255), primary_key=True),
    Column("size", BigInteger, primary_key=True),
    Column("mtime", BigInteger, primary_key=True, comment="seconds, as the server says"),
    Column("partner", String(64), nullable=False),
    Column("state", String(6), nullable=False, comment="seen, stored"),
    Column("seen_at", Instant, nullable=False, comment="first, with this size and time"),
    Column("listed_at", Instant, nullable=False, comment="last"),
    Column("sha256", String(64)),
    Column("message", String(26)),
    Column("moved", String(320), comment="what we renamed it to there, before we take it away"),
)
Index("sftp_polled_by_time", sftp_polled.c.poll, sftp_polled.c.listed_at)

replay_jobs = Table(
    "replay_jobs",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("partner", String(64), nullable=False, comment="- for those of all partners"),
    Column("act", String(10), nullable=False, comment="reprocess, redeliver; of dead letters: retry, skip"),
    Column("destination", String(8), nullable=False, comment="live, test, nowhere"),
    Column("target", String(64), comment="the target that takes the place of the agreement's test target"),
    Column("revision", String(10), nullable=False, comment="original, live, or a number"),
    Column("query", Text, nullable=False, comment="JSON: from when to when, which set, values or ids; the live revisions when it was asked for"),
    Column("who", String(80), nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", String(10), nullable=False, comment="running, paused, done, failed, cancelled"),
    Column("told", Text, comment="why it failed"),
    Column("cursor", Text, nullable=False, comment="JSON: up to where it is done, and what of it is not decided yet"),
    Column("counts", Text, nullable=False, comment="JSON"),
    Column("diff", Text, nullable=False, comment="JSON: what differs, counted, with samples"),
    Column("total", BigInteger, comment="messages in its range; null until they are counted"),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("lease_until", Instant, nullable=False, server_default=text("0")),
    Column("node", String(40)),
    Column("fence", BigInteger, nullable=False, server_default=text("0")),
)
RUNNING = text("state = 'running'")
Index("replay_jobs_running", replay_jobs.c.lease_until, sqlite_where=RUNNING, postgresql_where=RUNNING)
Index("replay_jobs_by_time", replay_jobs.c.created_at)
Index("replay_jobs_by_partner", replay_jobs.c.partner, replay_jobs.c.created_at)

edits = Table(
    "edits",
    metadata,
    Column("id", String(80), primary_key=True, comment="the document or event that a person made"),
    Column("partner", String(64), nullable=False),
    Column("edited_from", String(80), nullable=False, comment="the document or event that it takes the place of"),
    Column("identity", String(64), comment="of an event"),
    Column("meaning_before", String(64), comment="of an event: what a reading of its document would say again"),
    Column("who", String(80), nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Instant, nullable=False),
)
Index("edits_by_origin", edits.c.edited_from)
Index("edits_by_identity", edits.c.identity)
