"""Every table, once: this is where migrations and backups find them all. The migrations are tested to arrive at exactly this.

Instants are integers (gateway.clock). Every row that is about a partner's traffic carries the partner, so that those tables can be spread by it later.
Knows nothing of what is done with rows.
"""

from gateway.store.schema import metadata
from gateway.store.tables import (
    acknowledgments,
    alarms,
    as2,
    audit,
    consumers,
    deliveries,
    documents,
    events,
    keys,
    messages,
    nodes,
    profiles,
    replays,
    sftp,
    views,
)

__all__ = [
    "acknowledgments", "alarms", "as2", "audit", "consumers", "deliveries", "documents", "events", "keys", "messages", "metadata", "nodes", "profiles",
    "replays", "sftp", "views",
]  # fmt: skip
