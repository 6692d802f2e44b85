"""How rows of AS2 look: of a message that came or leaves, of the receipt that is owed, of the audit log. Values in, rows out."""

import json
from typing import Any

from gateway.as2.records import Answered, Arrived, As2Row, Decided, Frozen, as_json, key_of
from gateway.clock import as_text
from gateway.store.writes import AWAITED

MDN = "MDN"
"""The kind under which receipts stand among the acknowledgments that we are owed."""
ROW = (
    "id", "partner", "direction", "message_id", "as2_from", "as2_to", "message", "delivery", "state", "reason", "headers", "payload", "size",
    "sha256", "source", "report", "mic", "mic_algorithm", "disposition", "receipt", "receipt_signed", "receipt_url", "receipt_headers",
    "receipt_payload", "receipt_at", "profile_revision", "at", "resends",
)  # fmt: skip
STATES = {
    "delivered": "accepted",
    "delivered-with-warning": "accepted with errors",
    "failed": "rejected",
    "mic-mismatch": "disputed",
    "mic-algorithm-mismatch": "disputed",
    "mic-missing": "disputed",
}
"""What a judged receipt makes of the acknowledgment that we are owed."""


def row_of(row: As2Row) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ROW}


def key_of_row(row: As2Row) -> str:
    return key_of(row.direction, row.as2_from, row.as2_to, row.message_id)


def arrived(item: Arrived, state: str) -> As2Row:
    return As2Row(
        id=item.id, partner=item.partner, direction="in", message_id=item.message_id, as2_from=item.as2_from, as2_to=item.as2_to, message=None,
        delivery=None, state=state, reason=None, headers=as_json(item.headers), payload=item.payload.id, size=item.payload.size,
        sha256=item.payload.sha256, source=item.source[:64], report=None, mic=None, mic_algorithm=None, disposition=None, receipt=item.receipt,
        receipt_signed=item.receipt_signed, receipt_url=item.receipt_url, receipt_headers=None, receipt_payload=None, receipt_at=None,
        profile_revision=item.profile_revision, at=item.at, resends=0,
    )  # fmt: skip


def decision(item: Decided) -> dict[str, Any]:
    receipt = item.receipt
    return {
        "id": item.arrived.id, "state": "refused" if item.refusal else "processed", "reason": item.refusal,
        "message": item.documents[0].id if item.documents else None, "report": json.dumps(item.report, ensure_ascii=False, separators=(",", ":")),
        "mic": item.mic, "mic_algorithm": item.mic_algorithm, "disposition": receipt.disposition if receipt else None,
        "receipt_headers": as_json(receipt.headers) if receipt else None, "receipt_payload": receipt.payload.id if receipt else None,
        "receipt_at": item.at if receipt else None,
    }  # fmt: skip


def story(item: Decided) -> tuple[str, str]:
    if item.refusal:
        return "refused", item.refusal
    layers = ", ".join(item.report.get("layers") or []) or "neither signed nor encrypted"
    what = f"{layers}; {len(item.documents)} document" + ("s" if len(item.documents) != 1 else "")
    return "opened", what + (f"; receipt {item.receipt.disposition}, MIC {item.mic}" if item.receipt else "; no receipt was asked for")


def refused(item: Decided) -> dict[str, Any]:
    arrived = item.arrived
    what = f"AS2 message {arrived.message_id} of {arrived.partner} was refused: {item.refusal}"
    key = f"as2.refused:{arrived.partner}:{(item.receipt.disposition if item.receipt else '')[-60:]}"
    return {"id": key[:120], "kind": "as2.refused", "partner": arrived.partner, "message": arrived.id, "text": what, "at": item.at}


def record_of(item: Decided) -> dict[str, Any]:
    arrived, receipt = item.arrived, item.receipt
    return {
        "what": "refused" if item.refusal else "received", "message_id": arrived.message_id, "from": arrived.as2_from,
        "body_sha256": arrived.payload.sha256, "documents_sha256": [one.payload.sha256 for one in item.documents], "mic": item.mic,
        "mic_algorithm": item.mic_algorithm, "disposition": receipt.disposition if receipt else None,
        "receipt_sha256": receipt.payload.sha256 if receipt else None,
    }  # fmt: skip


def frozen(item: Frozen, message: str) -> As2Row:
    return As2Row(
        id=item.id, partner=item.partner, direction="out", message_id=item.message_id, as2_from=item.as2_from, as2_to=item.as2_to, message=message,
        delivery=item.delivery, state="written", reason=None, headers=as_json(item.headers), payload=item.payload.id, size=item.payload.size,
        sha256=item.payload.sha256, source=None, report=json.dumps(item.report, separators=(",", ":")), mic=item.mic, mic_algorithm=item.mic_algorithm,
        disposition=None, receipt=item.receipt, receipt_signed=item.receipt_signed, receipt_url=None, receipt_headers=None, receipt_payload=None,
        receipt_at=None, profile_revision=item.profile_revision, at=item.at, resends=0,
    )  # fmt: skip


def owed(item: Frozen, about: Any, message: str) -> dict[str, Any]:
    attributes = json.loads(about.attributes or "{}")
    control = about.interchange_control or ""
    base: dict[str, Any] = dict.fromkeys(AWAITED)
    return base | {
        "id": f"{MDN}:{item.id}", "partner": item.partner, "stream": about.stream or "production", "kind": MDN, "message": message,
        "document": about.document if about.set_id else None, "interchange_control": control, "functional": "", "group_control": 0,
        "set_id": about.set_id or str(attributes.get("set") or "")[:64], "set_control": about.control or "", "destination": None,
        "correlation": str(attributes.get("correlation") or about.document or message)[:200], "state": "waiting", "opened_at": item.at,
        "due_at": item.at + item.receipt_span,
    }  # fmt: skip


def settled(row: Any, item: Answered) -> dict[str, Any]:
    state = STATES[item.judgment]
    detail = json.loads(row.detail) if row.detail else {}
    detail |= {
        "form": MDN,
        "at": as_text(item.at),
        "faults": [] if state.startswith("accepted") else [{"level": "message", "code": item.judgment, "text": item.text}],
    }
    return {
        "id": row.id, "state": state, "at": item.at, "late_at": item.at if item.at > row.due_at else None,
        "disputed_at": item.at if state == "disputed" else None, "detail": json.dumps(detail, ensure_ascii=False, separators=(",", ":")),
    }  # fmt: skip


def record_of_answer(item: Answered) -> dict[str, Any]:
    return {
        "what": "receipt" if item.payload is not None else "sent", "judgment": item.judgment, "disposition": item.disposition,
        "receipt_sha256": item.payload.sha256 if item.payload is not None else None, "signed_by": item.by or None,
    }  # fmt: skip
