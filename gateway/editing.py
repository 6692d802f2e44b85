"""A person edits what is dead: a document's or message's bytes, or an event's data; it is checked as if it came today, and sent with its provenance.

What is given is read by a translation worker of its own, so that it can hurt nobody.
"""

import base64
import binascii
import json
import struct
import subprocess
import sys
from typing import Any

from pydantic import ValidationError

from gateway.clock import Instant, as_text, new_id, now
from gateway.errors import Refused
from gateway.records.documents import document_row
from gateway.records.incoming import Incoming
from gateway.records.translation import Chunk
from gateway.store import lives, profiles
from gateway.store.edits import Edited, EditedEvent
from gateway.store.payloads import Payload, checked
from gateway.store.store import Store
from gateway.translate.frames import HEAD, pack, sizes
from gateway.translate.pool import environment
from partners.profile import read_profile
from translators.events.families import FAMILIES
from translators.events.identity import data_json, meaning_hash
from translators.formats import recognise
from translators.x12.envelope import outline
from translators.x12.options import Options

WAIT = 30
"""Seconds for a query, and for the worker."""
WORKER_MEMORY = 2**30
MOST_BYTES = 2_500_000
"""What fits an operation's body, once it is spelled in base64."""
OVERRIDES = ("conflict",)
OURS = (
    "it is a document of ours: have the ERP release the mended event again under a new Idempotency-Key, which composes it anew with control numbers"
    " of its own; then skip this one"
)

Arguments = dict[str, Any]


def edit(store: Store, given: Arguments) -> Any:
    """What `id` (a dead delivery or event, a held or rejected document, a held message) says, as {"kind", "data" (base64), "name"}; with `data`, the same
    edited: read, checked and mapped again, or held against the event's schema; kept beside the original, and sent in its place.

    Raises Refused, with everything that is wrong with it.
    """
    wanted, at = str(given["id"]), now()
    what = store.read(lambda tx: lives.what_is(tx, wanted)).result(WAIT)
    if what is None:
        raise Refused(404, "not-found", f"nothing is called {wanted}; `crossdock dead` lists what waits")
    if given.get("data") is None:
        kind, data, name = _current(store, wanted, what)
        return {"id": wanted, "kind": kind, "data": base64.b64encode(data).decode(), "name": name}
    reason, who = str(given.get("reason") or ""), str(given.get("who") or "operator")
    if not reason:
        raise _bad("an edit needs a reason (--because); it stays with what is made of it")
    try:
        data = base64.b64decode(str(given["data"]), validate=True)
    except (binascii.Error, ValueError):
        raise _bad("data is no base64") from None
    if len(data) > MOST_BYTES:
        raise _bad(f"it has {len(data):,} bytes, and at most {MOST_BYTES:,} are edited by hand; have the partner send it again")
    if given.get("override") not in (None, *OVERRIDES):
        raise _bad(f"no override of an edit is called {given['override']}; there are: {', '.join(OVERRIDES)}")
    if what["kind"] in ("delivery", "event"):
        return _edit_event(store, _event_of(store, wanted, what), data, who, reason, at)
    return _edit_document(store, wanted, what, data, who, reason, at, given.get("override"))


def _current(store: Store, wanted: str, what: dict[str, Any]) -> tuple[str, bytes, str]:
    """(event, document or message; its bytes; a name for a file of it)."""
    if what["kind"] in ("delivery", "event"):
        event = _event_of(store, wanted, what)
        row = store.read(lambda tx: lives.event_of(tx, event)).result(WAIT)
        value = json.loads(store.files.bytes_of(row))
        return "event", json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n", f"{event}.json"
    source = _source(store, what)
    data = _bytes(store, source)
    if what["document"] is None:
        return "message", data, source.file_name or f"{wanted}.edi"
    return "document", data[source.byte_start : source.byte_end], f"{wanted}.edi"


def _event_of(store: Store, wanted: str, what: dict[str, Any]) -> str:
    if what["kind"] == "event":
        return wanted
    event = store.read(lambda tx: lives.event_of_delivery(tx, wanted)).result(WAIT)
    if event is None:
        raise _bad(OURS)
    return str(event)


def _source(store: Store, what: dict[str, Any]) -> Any:
    source = store.read(lambda tx: lives.bytes_of(tx, what["message"], what["document"])).result(WAIT)
    if source is None or source.direction != "in":
        raise _bad(OURS)
    return source


def _bytes(store: Store, source: Any) -> bytes:
    data: bytes = checked(store.files.bytes_of(source), source.sha256)
    return data


# ---- events


def _edit_event(store: Store, event: str, data: bytes, who: str, reason: str, at: Instant) -> Any:
    row = store.read(lambda tx: lives.event_of(tx, event)).result(WAIT)
    before = json.loads(store.files.bytes_of(row))
    try:
        value = json.loads(data)
    except ValueError as error:
        raise _wrong([f"it is no JSON: {error}"]) from None
    family = next((one for one in FAMILIES.values() if one.type == row.type), None)
    if family is None:
        raise _bad(f"{row.type} is told by us and of us; it is not edited")
    try:
        family.model.model_validate(value)
    except ValidationError as error:
        raise _wrong([f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]) from None
    if value.get("evidence") != before.get("evidence"):
        raise _wrong(["evidence: says where the event was read, and stays as it is"])
    kept = store.edit_event(EditedEvent(event, data_json(value), meaning_hash(value), who, reason, at)).result(WAIT)
    if kept.why_not:
        raise Refused(409, "bad-request", kept.why_not)
    return {"id": kept.id, "edited_from": event, "kind": "event"}


# ---- documents and messages


def _edit_document(store: Store, wanted: str, what: dict[str, Any], given: bytes, who: str, reason: str, at: Instant, override: str | None) -> Any:
    source = _source(store, what)
    live = next((row for row in store.read(profiles.live).result(WAIT) if row.partner == source.partner), None)
    if live is None:
        raise _bad(f"{source.partner} has no live profile to read it under")
    profile = read_profile(live.text, source.partner)
    original = _bytes(store, source)
    data = given
    if what["document"] is not None:
        data = _wrapped(original, given, source, Options(strictness=profile.strictness, allow=profile.allowed))
    message = new_id(at)
    rows = _read(message, data, source, live)
    alone = what["document"] is not None
    _hold_to(rows, alone=alone)
    payload = store.files.keep(Payload.inline(f"message:{message}", source.partner, data))
    incoming = Incoming(
        message, source.partner, source.channel, payload, source.media_type, source.file_name, live.revision, None, 0, at, who,
    )  # fmt: skip
    documents = [document_row(row | {"advice": "none"}) for row in rows["documents"]]
    chunk = Chunk(
        message=message, partner=source.partner, channel=source.channel, profile_revision=live.revision, arrival=source.arrival, expected_resume=None,
        resume=None, at=at, node="", interchanges=rows["interchanges"], groups=rows["groups"], documents=documents,
        envelope_findings=rows["envelope_findings"], override=override, who=who, edited_from=what["document"] or what["message"],
    )  # fmt: skip
    origin = what["document"] or what["message"]
    kept = store.edit_document(Edited(origin, what["document"], what["message"], incoming, chunk, who, reason, at)).result(WAIT)
    if kept.why_not:
        raise Refused(409, "bad-request", kept.why_not)
    return {"id": kept.id, "edited_from": origin, "kind": "document" if alone else "message", "message": message}


def _wrapped(original: bytes, given: bytes, source: Any, options: Options) -> bytes:
    """A message that holds the edited document alone, in the envelope of the original: of X12 its ISA and GS, of a file what stands before its documents."""
    if recognise(original[:4096]) != "x12":
        return original[: source.first_start] + given
    interchange = outline(lambda start, length: original[start : start + length], len(original), options).interchanges[source.interchange - 1]
    group = interchange.groups[source.grp - 1]
    element, segment = interchange.delimiters.element, interchange.delimiters.segment
    head: bytes = original[interchange.byte_start : interchange.groups[0].byte_start] + original[group.byte_start : group.body_start]
    ends = [element.join([b"GE", b"1", group.control.encode("latin-1")]), element.join([b"IEA", b"1", interchange.control.encode("latin-1")])]
    body = given.strip(b"\r\n")
    tail: bytes = (b"" if body.endswith(segment) else segment) + segment.join(ends) + segment
    return head + body + tail


def _read(message: str, data: bytes, source: Any, live: Any) -> dict[str, Any]:
    """The rows of a worker that reads it, under the live profile. Raises Refused where it cannot."""
    job = {
        "message": message, "partner": source.partner, "revision": live.revision, "profile": live.text, "size": len(data), "path": None, "blob_start": 0,
        "received_at": as_text(source.arrival), "resume": None, "resume_text": None, "dropped": [], "earlier": [], "hold": False, "override": None,
        "file_name": source.file_name,
    }  # fmt: skip
    command = [sys.executable, "-m", "gateway.translate.worker", str(WORKER_MEMORY)]
    try:
        done = subprocess.run(command, input=pack({"jobs": [job]}, data), capture_output=True, timeout=WAIT, env=environment(), check=False)  # noqa: S603 - our own worker
        size, _ = sizes(done.stdout[: HEAD.size])
        (result,) = json.loads(done.stdout[HEAD.size : HEAD.size + size])["results"]
    except (subprocess.TimeoutExpired, struct.error, ValueError, OSError) as error:
        raise _wrong([f"reading it ended the worker, or took too long ({type(error).__name__})"]) from None
    if "error" in result:
        raise _wrong([result["error"]])
    chunk: dict[str, Any] = result["chunk"]
    if chunk["resume"] is not None:
        raise _wrong(["it holds more documents than are edited by hand at once"])
    return chunk


def _hold_to(rows: dict[str, Any], *, alone: bool) -> None:
    """Raises Refused unless everything in it would be told."""
    wrong = [rows["held"]] if rows["held"] else []
    wrong += [f"interchange {one['control']}: {one['reason']}" for one in rows["interchanges"] if one["state"] != "open"]
    for one in rows["documents"]:
        if one["state"] != "mapped":
            wrong.append(f"{one['set_id']} {one['control']} would be {one['state']}: {one['reason']}")
        elif not one["events"]:
            wrong.append(f"{one['set_id']} {one['control']} tells no event")
    if not wrong and (not rows["documents"] or (alone and len(rows["documents"]) != 1)):
        wrong.append(f"it holds {len(rows['documents'])} documents, and must hold {'one' if alone else 'some'}")
    if wrong:
        raise _wrong(wrong)


def _wrong(faults: list[str]) -> Refused:
    return Refused(422, "bad-request", "the edited text cannot be taken:\n" + "\n".join(f"  {fault}" for fault in faults[:50]))


def _bad(words: str) -> Refused:
    return Refused(400, "bad-request", words)


OPERATIONS = {"dead.edit": edit}
CHANGING = frozenset({"dead.edit"})
