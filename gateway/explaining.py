"""Why an event says what it says: its document is read again from the stored bytes, under the revision that treated it, with a notebook.

Changes nothing and sends nothing. Knows the store's rows and the pure readers; knows no terminal.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

from gateway.clock import as_text
from gateway.errors import Refused
from gateway.explaining_answers import explain_answers
from gateway.store import lives, profiles
from gateway.store.edits import edits_of
from gateway.store.payloads import checked
from gateway.store.store import Store
from partners.guides import shipped_guides
from partners.mappings import shipped, zone_offset
from partners.profile import Profile, read_profile
from translators.document import Control, Document
from translators.events.identity import event_id
from translators.formats import read_file
from translators.mapping import CompiledMapping, Context, MappingError, MappingProblem
from translators.mapping.explain import Explanation, events_of, explain
from translators.x12.envelope import outline
from translators.x12.interchange import Group, Interchange
from translators.x12.options import Options, ReadAt
from translators.x12.reader import read_sets

WAIT = 30
"""Seconds for a query."""


def explain_event(store: Store, given: dict[str, Any]) -> dict[str, Any]:
    """Where the fields of an event come from, or what a partner said of a document of ours: {"event", "document", "mapping", "revision", "fields": [...]}; `field` narrows it.

    Raises Refused if there is no such event or field, or if its bytes cannot be read under that revision any more.
    """
    wanted, narrowed = str(given["id"]), str(given.get("field") or "")
    source = store.read(lambda tx: lives.source_of(tx, wanted)).result(WAIT)
    if source is None:
        answers = explain_answers(store, wanted)
        if answers is not None:
            return answers
        raise Refused(404, "not-found", f"no event and no document of ours is called {wanted}; `crossdock show ID` lists the events of a message")
    text = store.read(lambda tx: profiles.text_of(tx, source.partner, source.profile_revision)).result(WAIT)
    if text is None:
        raise Refused(409, "bad-request", f"revision {source.profile_revision} of {source.partner}'s profile is gone")
    profile = read_profile(text, source.partner)
    agreement = profile.agreement(source.set_id)
    if agreement is None:
        raise Refused(409, "bad-request", f"revision {source.profile_revision} of {source.partner}'s profile has no agreement for {source.set_id}")
    try:
        mapping = shipped().traced(agreement.mapping_name, tuple(agreement.overlays))
        again = _again if agreement.format == "x12" else partial(_again_of_a_file, mapping)
        document, context = again(store, source, profile, agreement.default_zone)
        number = _which(mapping, document, context, source)
        draft, found = explain(mapping, document, context, wanted=number)
    except (MappingError, MappingProblem) as problem:
        raise Refused(409, "bad-request", f"the mapping of today makes no such event of it any more: {problem}") from None
    fields = [_shown(one) for one in found if _meant(one.name, narrowed)]
    if not fields:
        raise Refused(404, "not-found", f"the event has no field {narrowed}; it has {', '.join(sorted({one.name for one in found})[:40])}")
    return {
        "event": wanted, "type": draft.type, "subject": draft.subject, "partner": source.partner, "message": source.message, "document": source.document,
        "set": source.set_id, "mapping": mapping.name, "revision": source.profile_revision, "fields": fields,
        "edited": _edited(store, [wanted, source.document, source.message]),
    }  # fmt: skip


def _edited(store: Store, ids: list[str]) -> list[dict[str, Any]]:
    """What of these a person made: the event itself, its document, or the message that holds it."""
    return [one for one in store.read(lambda tx: edits_of(tx, ids)).result(WAIT) if one["id"] in ids]


def _meant(name: str, narrowed: str) -> bool:
    """Whether a field is asked for: by its own name, one above it, or without its indexes."""
    plain = "".join(part.split("]")[-1] for part in name.split("["))
    return not narrowed or any(one == narrowed or one.startswith((f"{narrowed}.", f"{narrowed}[")) for one in (name, plain))


def _shown(one: Explanation) -> dict[str, Any]:
    place = {"file": one.place.file, "line": one.place.line, "column": one.place.column} if one.place else None
    return {"field": one.name, "value": one.value, "rule": one.rule, "place": place, "from": list(_spots(one))}


def _spots(one: Explanation) -> Iterator[dict[str, Any]]:
    for spot in one.spots:
        yield {
            "path": spot.path, "role": spot.role, "segment": spot.position, "byte_start": spot.byte_start, "byte_end": spot.byte_end, "text": spot.text,
        }  # fmt: skip


def _again(store: Store, source: Any, profile: Profile, zone: str | None) -> tuple[Document, Context]:
    """The document as it was read, from the stored bytes."""
    read = _reader(store, source)
    options = Options(strictness=profile.strictness, allow=profile.allowed)
    interchange = outline(read, source.size, options).interchanges[source.interchange - 1]
    group = interchange.groups[source.grp - 1]
    sets = read_sets(read, interchange, group, shipped_guides(), options, offset=source.byte_start, ordinal=source.ordinal - 1)
    reading = next(iter(sets), None)
    document = reading.document() if reading is not None else None
    if reading is None or document is None:
        raise Refused(409, "bad-request", "its document cannot be read under today's guides any more")
    return document, _context(source, interchange, group, reading.control, zone)


def _again_of_a_file(mapping: CompiledMapping, store: Store, source: Any, profile: Profile, zone: str | None) -> tuple[Document, Context]:
    """The same of a CSV or XML file."""
    reading = read_file(_reader(store, source)(0, source.size), mapping.form)
    found = next(reading.documents(source.ordinal - 1), None)
    if found is None or found.document is None or found.ordinal != source.ordinal - 1:
        raise Refused(409, "bad-request", "its document cannot be read under today's mapping any more")
    control = Control("", "", "", "", "", profile.partner, "", "P")
    context = Context(
        control=control, partner=source.partner, received_at=as_text(source.arrival), zone_offset=zone_offset, default_zone=zone,
        byte_start=source.byte_start, byte_end=source.byte_end,
    )  # fmt: skip
    return found.document, context


def _context(source: Any, interchange: Interchange, group: Group, control: str, zone: str | None) -> Context:
    sender, receiver = f"{interchange.sender_qualifier}:{interchange.sender}", f"{interchange.receiver_qualifier}:{interchange.receiver}"
    return Context(
        control=Control(interchange.control, group.control, control, group.functional, group.version, sender, receiver, interchange.usage),
        partner=source.partner,
        received_at=as_text(source.arrival),
        zone_offset=zone_offset,
        default_zone=zone,
        written=(group.date, group.time),
        byte_start=source.byte_start,
        byte_end=source.byte_end,
    )


def _reader(store: Store, source: Any) -> ReadAt:
    if source.data is not None:
        data = checked(bytes(source.data), source.sha256)
        return lambda offset, length: data[offset : offset + length]
    store.files.verify(source.sha256)
    path = store.files.local(source.sha256)

    def read(offset: int, length: int) -> bytes:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(length)

    return read


def _which(mapping: CompiledMapping, document: Document, context: Context, source: Any) -> int:
    """Which of a document's events it is, by its identity."""
    ordinals: dict[tuple[str, str], int] = {}
    for number, draft in events_of(mapping, document, context):
        key = (draft.business_key, draft.event_key)
        ordinal = ordinals.get(key, 0)
        ordinals[key] = ordinal + 1
        if event_id(source.stream, source.partner, source.set_id, draft.business_key, draft.event_key, ordinal) == source.identity:
            return number
    raise Refused(409, "bad-request", "the mapping of today gives this event another identity; replay the document to see what it makes of it")
