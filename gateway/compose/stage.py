"""Compose, the way out: an event of the ERP becomes a partner's document, is proved, and one commit takes its numbers and queues it.

Knows the mapping as a pure function and the store's rows; the next stage finds the delivery by itself.
"""

import asyncio
import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from gateway import journal, traces, ways
from gateway.clock import SECOND, Clock, Instant, as_datetime, as_text, new_id, span
from gateway.compose.request import ReleaseRequest
from gateway.errors import Refused
from gateway.records.outgoing import Outgoing, OutgoingKept
from gateway.store import outgoing
from gateway.store.store import Store, promised
from partners.book import Book, Revision
from partners.calendar import deadline
from partners.guides import shipped_guides
from partners.mappings import shipped, zone_offset
from partners.priority import priority_of
from partners.profile import AFTER, Agreement, Profile
from translators.document import Control, Delimiters
from translators.mapping import CompiledMapping, Context, MappingError
from translators.mapping.compose import Composed, ComposeProblem, Medium, compose
from translators.mapping.compose_x12 import X12Medium
from translators.mapping.media import medium_of
from translators.x12.guide import Guide
from translators.x12.write import Terms

CHANNEL = "erp"
"""Under which its keys are kept."""
WINDOW = timedelta(hours=24)
"""Identical bytes without a key within it are the same request."""
TOGETHER = 4
"""Events that are composed at once; others wait their turn."""


class ComposeStage:
    def __init__(self, store: Store, *, clock: Clock, on_kept: Callable[[], None] = lambda: None) -> None:
        self._store = store
        self._clock = clock
        self._on_kept = on_kept
        self._room = asyncio.Semaphore(TOGETHER)
        self._in_flight: set[tuple[str, str]] = set()
        self.book = Book([])
        """Replaced as a whole when a profile is applied."""

    async def release(
        self, request: ReleaseRequest, body: bytes, *, key: str | None, traceparent: str | None, owner: str | None = None,
    ) -> tuple[dict[str, Any], bool]:  # fmt: skip
        """(the answer, whether the same was released before). Raises Refused for what cannot be sent, with the event's fields.

        `owner` is whose key it is; None for the ERP of the settings.
        """
        (key, before), digest = request.keys(key, owner), hashlib.sha256(body).hexdigest()
        claim = (request.partner, key or digest)
        if claim in self._in_flight:
            raise Refused(409, "in-flight", "the same document is being written right now", retry_after=timedelta(seconds=1))
        self._in_flight.add(claim)
        try:
            kept = await self._known(request.partner, key, before, digest) or await self._write(
                request, body, key=key, digest=digest, traceparent=traceparent
            )
        finally:
            self._in_flight.discard(claim)
        if kept.outcome == "conflict":
            raise Refused(422, "key-reused", f"the key came with document {kept.id} and another body")
        if kept.outcome == "new":
            self._on_kept()
        answer = await promised(self._store.read(lambda tx: outgoing.released(tx, kept.id)))
        return answer, kept.outcome == "duplicate"

    async def _known(self, partner: str, key: str | None, before: str | None, digest: str) -> OutgoingKept | None:
        """What was released before under the key, or as the same bytes, whatever the profile says today. Under a key of `before` only the same bytes are it."""
        oldest = self._clock() - span(WINDOW)
        found = await promised(self._store.read(lambda tx: outgoing.known(tx, partner, CHANNEL, key, digest, oldest)))
        if found is not None or before is None:
            return found
        found = await promised(self._store.read(lambda tx: outgoing.known(tx, partner, CHANNEL, before, digest, oldest)))
        return found if found is not None and found.outcome == "duplicate" else None

    async def _write(self, request: ReleaseRequest, body: bytes, *, key: str | None, digest: str, traceparent: str | None) -> OutgoingKept:
        revision = self.book.by_name(request.partner)
        if revision is None:
            raise Refused(422, "not-agreed", f"no partner is called {request.partner[:64]}; there are: {', '.join(self.book.names) or 'none'}")
        agreement = _agreement(revision.profile, request)
        async with self._room:
            composed = await asyncio.to_thread(_composed, revision.profile, agreement, request, as_text(self._clock()))
        began, own = self._clock(), traces.begin(traceparent)
        item = self._outgoing(revision, agreement, request, composed, body=body, key=key, digest=digest, traceparent=own)
        kept = await promised(self._store.keep_outgoing(item))
        traces.tell(
            "release", own, traceparent, began, self._clock(), kind="server", message=kept.id, partner=request.partner, set=composed.set_id,
            outcome=kept.outcome,
        )  # fmt: skip
        journal.composed(kept.id, request.partner, composed.set_id, composed.subject, kept.outcome)
        return kept

    def _outgoing(
        self,
        revision: Revision,
        agreement: Agreement,
        request: ReleaseRequest,
        composed: Composed,
        *,
        body: bytes,
        key: str | None,
        digest: str,
        traceparent: str | None,
    ) -> Outgoing:
        profile, now = revision.profile, self._clock()
        owed = {
            "997": agreement.owed.functional_acknowledgment,
            "TA1": agreement.owed.interchange_acknowledgment,
            "824": agreement.owed.application_advice,
        }
        if agreement.format != "x12":
            return self._file(revision, agreement, request, composed, body=body, key=key, digest=digest, traceparent=traceparent)
        us, them = profile.us.isa, profile.identities.isa[0]
        guide = _guide(agreement)
        return Outgoing(
            id=new_id(now), partner=profile.partner, key=key, digest=digest, window=span(WINDOW), at=now, who=f"the ERP by {CHANNEL}",
            traceparent=traceparent, profile_revision=revision.number, stream=request.stream, event=body, set_id=composed.set_id,
            functional=guide.functional, release=guide.release, version=agreement.version, sender=str(us), receiver=str(them),
            sender_code=profile.us.gs, receiver_code=_their_code(profile), envelope_version=agreement.isa_version, usage=_usage(request),
            parts=composed.parts, scope=ways.scope(str(us), str(them)), destination=ways.destination(profile),
            file_name=ways.file_name(composed.set_id, composed.business_key), subject=composed.subject, correlation=composed.correlation or "",
            references=composed.references, not_written=[*composed.not_written, *((name, "a separator in it was replaced") for name in composed.replaced)],
            mapping=" + ".join((agreement.mapping_name, *agreement.overlays)), on_dead=agreement.on_dead or "block",
            awaited={kind: _within(now, due, agreement, profile) for kind, due in owed.items() if due is not None}, tell=f"target:{agreement.target}",
            when_overdue=_steps(profile, agreement), then_every=span(agreement.owed.then_every),
            priority=priority_of(request.family, agreement.priority),
        )  # fmt: skip

    def _file(
        self,
        revision: Revision,
        agreement: Agreement,
        request: ReleaseRequest,
        composed: Composed,
        *,
        body: bytes,
        key: str | None,
        digest: str,
        traceparent: str | None,
    ) -> Outgoing:
        """CSV or XML: a document without an envelope, numbered in a row of its own, for which nothing is owed."""
        profile, now = revision.profile, self._clock()
        form = composed_release(agreement)
        return Outgoing(
            id=new_id(now), partner=profile.partner, key=key, digest=digest, window=span(WINDOW), at=now, who=f"the ERP by {CHANNEL}",
            traceparent=traceparent, profile_revision=revision.number, stream=request.stream, event=body, set_id=agreement.set_id, functional="",
            release=form, version="", sender=profile.us.gs, receiver=profile.partner[:40], sender_code="", receiver_code="", envelope_version="",
            usage=_usage(request), parts=composed.parts, scope=f"files {profile.partner}", destination=ways.destination(profile),
            file_name=ways.file_name(agreement.set_id.partition("/")[2], composed.business_key, ending=agreement.format), subject=composed.subject,
            correlation=composed.correlation or "", references=composed.references,
            not_written=[*composed.not_written, *((name, "a separator in it was replaced") for name in composed.replaced)],
            mapping=" + ".join((agreement.mapping_name, *agreement.overlays)), on_dead=agreement.on_dead or "block", awaited={},
            tell=f"target:{agreement.target}", priority=priority_of(request.family, agreement.priority), format=agreement.format,
        )  # fmt: skip


def composed_release(agreement: Agreement) -> str:
    """Of the partner's layout, as the mapping counts."""
    return str(getattr(_mapping(agreement).form, "release", "1"))


def _agreement(profile: Profile, request: ReleaseRequest) -> Agreement:
    """The one agreement to send what the event says. Raises Refused that names what there is."""
    fitting = [one for one in profile.agreements if one.send and request.set_id in (None, one.send) and _mapping(one).family.name == request.family]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise Refused(422, "not-agreed", f"{request.family} could be sent as {' or '.join(one.set_id for one in fitting)}; say which as `set`")
    what = f"the set {request.set_id[:12]} for {request.family}" if request.set_id else request.family
    raise Refused(
        422, "not-agreed", f"nothing is agreed with {profile.partner} to send {what}; its agreements send: {', '.join(profile.sends) or 'nothing'}"
    )


def _mapping(agreement: Agreement) -> CompiledMapping:
    try:
        return shipped().mapping(agreement.mapping_name, tuple(agreement.overlays))
    except MappingError as error:
        raise Refused(422, "not-agreed", f"the mapping {agreement.mapping_name} cannot be used: {error}") from None


def _guide(agreement: Agreement) -> Guide:
    guide = shipped_guides().guide(agreement.set_id, agreement.version)
    if guide is None:
        raise Refused(422, "not-agreed", f"there is no guide of the set {agreement.set_id}")
    return guide


def _composed(profile: Profile, agreement: Agreement, request: ReleaseRequest, now: str) -> Composed:
    medium, control = _medium(profile, agreement, request)
    context = Context(
        control=control,
        partner=profile.partner,
        received_at=now,
        zone_offset=zone_offset,
        default_zone=agreement.default_zone,
    )
    try:
        return compose(_mapping(agreement), request.data, medium, context)
    except ComposeProblem as error:
        told = [{"field": name, "text": text} for name, text in error.problems]
        detail = f"{told[0]['field'] or 'the event'}: {told[0]['text']}" + (f"; and {len(told) - 1} more" if len(told) > 1 else "")
        raise Refused(422, "cannot-be-written", detail, more={"problems": told}) from None


def _medium(profile: Profile, agreement: Agreement, request: ReleaseRequest) -> tuple[Medium, Control]:
    """How the agreement's format is written, and what stands in for its envelope while it is proved."""
    if agreement.format != "x12":
        return medium_of(_mapping(agreement).form), Control("", "", "", "", "", profile.us.gs, profile.partner, _usage(request))
    us, them, guide = profile.us.isa, profile.identities.isa[0], _guide(agreement)
    control = Control("000000001", "1", "0001", guide.functional, agreement.version, str(us), str(them), _usage(request))
    return X12Medium(guide, _terms(profile, agreement, request)), control


def _terms(profile: Profile, agreement: Agreement, request: ReleaseRequest) -> Terms:
    us, them, separators = profile.us, profile.identities.isa[0], agreement.separators
    signs = (separators.element, separators.component, separators.repetition, separators.segment)
    return Terms(
        us.isa.qualifier, us.isa.id, them.qualifier, them.id, us.gs, _their_code(profile), version=agreement.version,
        envelope_version=agreement.isa_version, usage=_usage(request), acknowledgment_requested=agreement.owed.interchange_acknowledgment is not None,
        delimiters=Delimiters(*(sign.encode("latin-1") for sign in signs)), tail=AFTER[separators.after], on_delimiter=agreement.on_delimiter,
        replacement=agreement.replacement, upper_case=agreement.upper_case,
    )  # fmt: skip


def _their_code(profile: Profile) -> str:
    return profile.identities.gs or profile.identities.isa[0].id


def _usage(request: ReleaseRequest) -> str:
    return "T" if request.stream == "test" else "P"


def _within(now: Instant, due: timedelta, agreement: Agreement, profile: Profile) -> Instant:
    """The span until the deadline; in business hours, where that is agreed."""
    if agreement.owed.counts == "all" or profile.calendar is None:
        return span(due)
    until = deadline(as_datetime(now), due, profile.calendar)
    return round((until - as_datetime(now)).total_seconds() * SECOND)


def _steps(profile: Profile, agreement: Agreement) -> tuple[str, ...]:
    """The agreement's, where a reminder to a partner without a webhook goes by mail."""
    by_mail = profile.channels.http.webhook is None
    return tuple("mail" if step == "remind" and by_mail else step for step in agreement.owed.when_overdue)
