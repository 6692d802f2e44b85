"""Canonical events: what the ERP is told, free of any format."""

from translators.events.draft import EventDraft, Purpose
from translators.events.identity import content_hash, data_json, event_id, meaning_hash, normalise_reference

__all__ = ["EventDraft", "Purpose", "content_hash", "data_json", "event_id", "meaning_hash", "normalise_reference"]
