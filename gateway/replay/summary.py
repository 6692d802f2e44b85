"""What a replay found different, added up within bounds: counts for everything, samples of a few.

Knows no store: it is a JSON value that grows by what it is told, and stays small however much that is.
"""

import json
from typing import Any

from translators.events.differences import differences, same_meaning

MOST_PATHS = 200
SAMPLES = 3
SAMPLE = 120
"""Characters of a value that are shown."""


class Summary:
    """The diff of a job: `value` is what is kept.

    fields: "TYPE PATH" -> {added, removed, changed, samples: [{event, before, after}]}; events: "added TYPE" or "removed TYPE" -> {count, samples};
    documents: "BEFORE > AFTER" or "verdict BEFORE > AFTER" -> {count, samples: [{document, reason}]}; more: differences of fields beyond MOST_PATHS.
    """

    def __init__(self, value: dict[str, Any]) -> None:
        self.value: dict[str, Any] = json.loads(json.dumps(value))
        self.counts: dict[str, int] = {}
        """What was counted since it was made."""

    def count(self, name: str, number: int = 1) -> None:
        if number:
            self.counts[name] = self.counts.get(name, 0) + number

    def event(self, event: str, type_: str, before: bytes, after: bytes) -> None:
        """One event told twice: the same, changed (a new revision would be made), or only told otherwise (evidence, quality)."""
        if before == after:
            self.count("same")
            return
        old, new = json.loads(before), json.loads(after)
        found = differences(old, new)
        if not found:
            self.count("same")
            return
        self.count("restated" if same_meaning(old, new) else "changed")
        for one in found:
            self._field(f"{_short(type_)} {one.path}", one.kind, {"event": event, "before": _cut(one.before), "after": _cut(one.after)})

    def appeared(self, event: str, type_: str, subject: str) -> None:
        self.count("added")
        self._add("events", f"added {_short(type_)}", {"event": event, "subject": subject[:SAMPLE]})

    def vanished(self, event: str, type_: str, subject: str) -> None:
        self.count("removed")
        self._add("events", f"removed {_short(type_)}", {"event": event, "subject": subject[:SAMPLE]})

    def document(self, document: str, before: str, after: str, reason: str | None) -> None:
        """A document that comes to another state than it has."""
        if before != after:
            self._add("documents", f"{before} > {after}", {"document": document, "reason": (reason or "")[: 2 * SAMPLE]})

    def verdict(self, document: str, before: str, after: str) -> None:
        """A document of which the 997 would say something else, though it comes to the same state. The one that was sent stands."""
        if before != after:
            self._add("documents", f"verdict {before} > {after}", {"document": document, "reason": ""})

    def unread(self, document: str, why: str) -> None:
        """No worker could read it, or its bytes are damaged."""
        self.count("unread")
        self._add("documents", "not read", {"document": document, "reason": why[: 2 * SAMPLE]})

    def _field(self, key: str, kind: str, sample: dict[str, Any]) -> None:
        fields = self.value["fields"]
        if key not in fields and len(fields) >= MOST_PATHS:
            self.value["more"] += 1
            return
        field = fields.setdefault(key, {"added": 0, "removed": 0, "changed": 0, "samples": []})
        field[kind] += 1
        if len(field["samples"]) < SAMPLES:
            field["samples"].append(sample)

    def _add(self, group: str, key: str, sample: dict[str, Any]) -> None:
        entry = self.value[group].setdefault(key, {"count": 0, "samples": []})
        entry["count"] += 1
        if len(entry["samples"]) < SAMPLES:
            entry["samples"].append(sample)


def _short(type_: str) -> str:
    """ "shipment.status" of "org.crossdock.shipment.status.v1"."""
    return type_.removeprefix("org.crossdock.").rpartition(".v")[0] or type_


def _cut(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SAMPLE else f"{text[:SAMPLE]}…"
