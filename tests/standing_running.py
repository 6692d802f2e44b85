"""Events as COMMIT 2 takes them, made by hand: statuses, notices, orders, counts and changes of a partner, each a message of its own."""

from dataclasses import replace
from typing import Any

from gateway.clock import DAY, SECOND
from gateway.records.documents import DocumentRow, EventRow
from gateway.records.translation import Chunk
from gateway.store.store import Store
from tests.test_store_writer import incoming
from translators.events.identity import data_json, meaning_hash
from translators.events.standing import standing_of, stock_of

AT = 1_900_000_000 * SECOND
BASE = "org.crossdock."


def moment(local: str, *, zone: str = "UTC", offset: str = "+00:00", certainty: str = "stated") -> dict[str, Any]:
    """A moment as mappings give it; without a time of day it has no instant."""
    if "T" not in local or certainty == "none":
        return {"local": local}
    return {"local": local, "instant": f"{local}:00{offset}", "zone": zone, "certainty": certainty}


def status(what: str, milestone: str, when: dict[str, Any], classifier: str = "actual", **more: Any) -> dict[str, Any]:
    return {"event": what, "milestone": milestone, "classifier": classifier, "occurred_at" if classifier == "actual" else "expected_at": when} | more


def event_row(
    identity: str,
    family: str,
    subject: str,
    data: dict[str, Any],
    *,
    told: str = "2026-11-16T08:00:00Z",
    purpose: str = "original",
    references: Any = (),
) -> EventRow:
    type_ = f"{BASE}{family}.v1"
    when = (data.get("occurred_at") or {}).get("instant") or told
    return EventRow(
        identity, type_, subject, when, purpose, meaning_hash(data), "", data_json(data), "target:erp", "pass",  # type: ignore[arg-type]
        standing=standing_of(type_, subject, when, data, references), stock=stock_of(type_, data),
    )  # fmt: skip


class Teller:
    """Brings events into a store, one document a message or several in one."""

    def __init__(self, store: Store, partner: str = "northway") -> None:
        self.store, self.partner, self.number = store, partner, 0

    def tell(
        self, *events: EventRow, set_id: str = "214", references: Any = (), file_name: str | None = None, within: int = 400 * DAY, later: int = 0
    ) -> str:
        """One message with one document for each event; the message's id."""
        Teller.messages += 1
        self.number = number = Teller.messages
        message, at = f"{number:026d}", AT + number * SECOND + later
        item = incoming(number, at=at)
        self.store.keep_message(_of(item, self.partner, file_name)).result(20)
        documents = [
            DocumentRow(
                1, 1, ordinal, "production", set_id, f"{ordinal:04}", "mapped", None, "A", "", "004010", 0, 9, "x12/214", f"c{number}.{ordinal}", None,
                "hold", [], list(references), [event], within=within,
            )
            for ordinal, event in enumerate(events, start=1)
        ]  # fmt: skip
        envelope = {
            "ordinal": 1, "stream": "production", "state": "open", "reason": None, "ta1": None, "sender": "02:A", "receiver": "ZZ:B",
            "control": str(number), "version": "00401", "usage": "P", "date": "261116", "time": "0930", "byte_start": 0, "byte_end": 9,
            "sha256": str(number),
        }  # fmt: skip
        chunk = Chunk(message, self.partner, "http", 1, at, None, None, at, "node", interchanges=[envelope], documents=documents)
        assert not self.store.keep_chunk(chunk).result(20).stale
        return message

    messages = 0


def _of(item: Any, partner: str, file_name: str | None) -> Any:
    return replace(item, partner=partner, file_name=file_name, payload=replace(item.payload, partner=partner))
