"""The tables of deliveries: the duty and each try of it, the lanes that keep them in order, and the destinations with their breakers and quotas.

Knows nothing of what is delivered, but its payload's name.
"""

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, LargeBinary, String, Table, Text, text

from gateway.store.schema import Instant, metadata

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
