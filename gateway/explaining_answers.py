"""What a partner said of a document of ours, against our own bytes and the fields of the event that the ERP released.

Changes nothing and sends nothing. Knows the store's rows and the pure readers; knows no terminal.
"""

import json
from dataclasses import asdict
from typing import Any

from gateway.clock import as_text
from gateway.errors import Refused
from gateway.store import awaited, outgoing, profiles
from gateway.store.payloads import PayloadDamaged, checked
from gateway.store.store import Store
from partners.guides import shipped_guides
from partners.mappings import shipped, zone_offset
from partners.profile import Agreement, read_profile
from translators.document import Control
from translators.mapping import Context, MappingError
from translators.mapping.rejection import Located, ToldFault, found_again, locate, located_in_envelope
from translators.x12.envelope import outline
from translators.x12.guide import Guide
from translators.x12.options import Options
from translators.x12.reader import SetReading, read_sets

WAIT = 30
"""Seconds for a query."""
REFUSING = ("rejected", "partly accepted", "accepted with errors", "disputed")


def explain_answers(store: Store, wanted: str) -> dict[str, Any] | None:
    """{"document", "set", "partner", "acknowledgments": [{"kind", "state", "form", "faults": […], "recheck"}]}; None if it is no document of ours.

    Raises Refused where its bytes or its profile are gone.
    """
    source = store.read(lambda tx: outgoing.source_of(tx, wanted)).result(WAIT)
    if source is None:
        return None
    rows = store.read(lambda tx: awaited.of_message(tx, source.message)).result(WAIT)
    told = [_answer(store, source, row) for row in rows]
    return {
        "document": source.document, "message": source.message, "partner": source.partner, "set": source.set_id, "control": source.control,
        "acknowledgments": told,
    }  # fmt: skip


def _answer(store: Store, source: Any, row: dict[str, Any]) -> dict[str, Any]:
    detail = row["detail"] or {}
    answer = {"kind": row["kind"], "state": row["state"], "form": detail.get("form"), "by": detail.get("by"), "faults": [], "recheck": None}
    if row["state"] not in REFUSING:
        return answer
    if detail.get("form") == "TA1":
        told = [(str(one.get("code", "")), str(one.get("text", ""))) for one in detail.get("faults", [])]
        answer["faults"] = [_shown(one) for one in located_in_envelope(told, _bytes(store, source.data, source.sha256)[:200])]
        return answer
    faults = [_fault(one) for one in detail.get("faults", [])]
    reading, guide, agreement = _again(store, source)
    if not any(fault.position or fault.value for fault in faults):
        again = found_again(reading.findings)
        answer["recheck"] = (
            "the partner did not say where; checked again under its guide, these are the faults"
            if again
            else "the partner did not say where, and under the guide we have of it nothing is wrong: ask which of its own rules was broken"
        )
        faults += again
    answer["faults"] = [_shown(one) for one in _located(store, source, faults, reading, guide, agreement)]
    return answer


def _fault(told: dict[str, Any]) -> ToldFault:
    return ToldFault(
        str(told.get("text", "")),
        str(told.get("segment") or ""),
        told.get("position"),
        told.get("element"),
        told.get("component"),
        str(told.get("value") or ""),
    )


def _shown(one: Located) -> dict[str, Any]:
    return {key: value for key, value in asdict(one).items() if value not in (None, "")}


def _bytes(store: Store, data: Any, sha256: str) -> bytes:
    """A payload's bytes, from its row or its file. Raises Refused where they are gone or damaged."""
    try:
        return checked(bytes(data), sha256) if data is not None else store.files.read(sha256)
    except PayloadDamaged as error:
        raise Refused(409, "bad-request", str(error)) from None


def _located(store: Store, source: Any, faults: list[ToldFault], reading: SetReading, guide: Guide, agreement: Agreement) -> list[Located]:
    document = reading.document()
    if document is None:
        raise Refused(409, "bad-request", "our own document cannot be read under today's guides any more")
    try:
        mapping = shipped().mapping(agreement.mapping_name, tuple(agreement.overlays))
    except MappingError as error:
        raise Refused(409, "bad-request", f"the mapping {agreement.mapping_name} cannot be used any more: {error}") from None
    control = Control("000000001", "1", source.control, guide.functional, guide.release, "", "", "P")
    context = Context(control, source.partner, as_text(source.arrival), zone_offset, default_zone=agreement.default_zone)
    event = json.loads(_bytes(store, source.event, source.event_sha256))
    return locate(faults, document, mapping, event.get("data", {}), guide=guide, context=context)


def _again(store: Store, source: Any) -> tuple[SetReading, Guide, Agreement]:
    """Our own document, read strictly under the guide that the agreement names."""
    text = store.read(lambda tx: profiles.text_of(tx, source.partner, source.profile_revision)).result(WAIT)
    agreements = read_profile(text, source.partner).agreements if text else []
    agreement = next((one for one in agreements if one.send == source.set_id), None)
    guide = shipped_guides().guide(source.set_id, source.release)
    if agreement is None or guide is None:
        raise Refused(409, "bad-request", "what it was written with is gone")
    data = _bytes(store, source.data, source.sha256)

    def read(offset: int, length: int) -> bytes:
        return data[offset : offset + length]

    options = Options("strict")
    interchange = outline(read, len(data), options).interchanges[0]
    return next(iter(read_sets(read, interchange, interchange.groups[0], shipped_guides(), options))), guide, agreement
