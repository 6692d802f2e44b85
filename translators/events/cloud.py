"""An event as a CloudEvents 1.0 message: the attributes, and the structured JSON form.

Knows neither targets nor the store; sources and ids come in as arguments.
"""

from collections.abc import Mapping
from typing import Any

from translators.events.draft import EventDraft

SPEC_VERSION = "1.0"


def cloud_event(draft: EventDraft, *, id: str, source: str, recorded_time: str, extensions: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The event in structured form (CloudEvents 1.0, JSON event format 3), with the documented extensions we use.

    `extensions`: further attributes, such as causationid, sequence, dataschema; empty values are left out.
    """
    attributes = {
        "specversion": SPEC_VERSION,
        "id": id,
        "source": source,
        "type": draft.type,
        "subject": draft.subject,
        "time": draft.time,
        "recordedtime": recorded_time,
        "partitionkey": draft.subject,
        "correlationid": draft.correlation or "",
        "datacontenttype": "application/json",
        **(extensions or {}),
    }
    return {**{name: value for name, value in attributes.items() if value}, "data": draft.data}
