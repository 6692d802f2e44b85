"""The value that a mapping hands to the pipeline: one canonical event before the store gave it an id and a revision.

Knows nothing of X12 and nothing of the store.
"""

from dataclasses import dataclass
from typing import Any, Literal

Purpose = Literal["original", "correct", "cancel"]


@dataclass(slots=True)
class EventDraft:
    """One canonical event, complete but for its id, its revision and what only the gateway knows (message, late)."""

    type: str
    """The CloudEvents type, such as "org.crossdock.shipment.status.v1"."""
    subject: str
    """What it is about: "shipment/…" or "order/…"; also the CloudEvents partitionkey."""
    time: str
    """When it happened (or, for plans and estimates, when it was said), RFC 3339 with offset."""
    data: dict[str, Any]
    """The content as JSON values, valid against the family's schema; holds `evidence` and, where anything is doubtful, `quality`."""
    business_key: str
    """The partner's own number of the thing: BSN02, W0602 + W0604, W0502, carrier + B1002."""
    event_key: str
    """What tells two events of one business key apart; "" where a document says one thing only."""
    ordinal: int
    """0 for the first event of this business and event key in the document, then 1, 2 …"""
    purpose: Purpose
    """What the sender meant by it: the first telling, a correction of an earlier one, or its cancellation."""
    meaning_hash: str
    """Hash of the data without evidence, quality, purpose and recorded times: equal means nothing new was said."""
    references: list[tuple[str, str]]
    """(type, normalised value) of every number a person may search by, each once."""
    correlation: str | None
    """The order's or shipment's reference that ties documents together, such as "purchase_order/4400021"; None if there is none."""
    lane: str
    """Deliveries of one lane leave in order; the subject."""
    quality: dict[str, Any]
    """The same dict as data["quality"] (empty: nothing doubtful); `add_quality` keeps the two one."""
    pass_on_dead: bool
    """True where a dead delivery does not block those behind it (statuses: each stands alone)."""

    def add_quality(self, **notes: Any) -> None:
        """Says more about how far the event can be trusted (late, findings …); does not change its meaning hash."""
        self.quality.update(notes)
        if self.quality:
            self.data["quality"] = self.quality
