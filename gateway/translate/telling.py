"""What one document tells: its events under the partner's mapping, as rows ready to be kept. The same for every format.

Knows neither envelopes nor the store.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from gateway.clock import span
from partners.mappings import MappingLibrary, zone_offset
from partners.priority import priority_of
from partners.profile import Agreement, Profile
from translators.document import Control, Document, Finding
from translators.events.identity import content_hash, event_id, ordered_data_json
from translators.events.standing import standing_of, stock_of
from translators.mapping import Context, MappingError, MappingProblem

CHUNK_BYTES = 4 * 2**20
CHUNK_DOCUMENTS = 400
CHUNK_EVENTS = 2_000

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Job:
    """One message, or the rest of one, as the parent asks for it."""

    message: str
    size: int
    received_at: str
    resume: Row | None
    """{"i", "g", "s", "o"}: interchange, group and set ordinals from 0, and the byte offset where that set begins; or {"replay": [these]}: only
    these sets are read again."""
    earlier: list[Row] = field(default_factory=list)
    """Verdicts of the present group's sets that earlier chunks committed; in a replay, of all sets of the groups that were never answered."""
    hold: bool = False
    """The set at the resume point has cost three workers: step over it and hold it."""
    override: str | None = None
    file_name: str | None = None
    stream: str | None = None
    """A replay's own stream, whatever the document says of itself."""
    target: str | None = None
    """A replay's own target, in place of the agreement's."""


def repeats_of(profile: Profile) -> Row:
    """What is done with an interchange whose control number was used before, as the store reads it."""
    terms = profile.duplicates.interchange
    return {"within": span(terms.within), "same": terms.same, "changed": terms.changed}


class Telling:
    """One message's way from documents to events."""

    def __init__(self, job: Job, profile: Profile, mappings: MappingLibrary) -> None:
        self._job, self._profile, self._mappings = job, profile, mappings

    def tell(
        self, document: Document, control: Control, agreement: Agreement, row: Row, *, faults: int = 0, written: tuple[str, str] = ("", "")
    ) -> str:
        """Adds the document's events to its row, or holds it and says why; its business key, "" where it has none. `faults`: findings that did not reject it."""
        row["mapping"] = agreement.mapping_name
        meaning = self._profile.duplicates.meaning
        row["on_conflict"] = agreement.on_conflict or meaning.changed
        row["within"] = span(meaning.within)
        row["advice"] = agreement.duties.application_advice
        context = Context(
            control=control,
            partner=self._profile.partner,
            received_at=self._job.received_at,
            zone_offset=zone_offset,
            default_zone=agreement.default_zone,
            written=written,
            byte_start=row["byte_start"],
            byte_end=row["byte_end"],
        )
        try:
            mapped = self._mappings.mapping(agreement.mapping_name, tuple(agreement.overlays)).read(document, context)
        except (MappingProblem, MappingError) as error:
            row["state"], row["reason"] = "held", self._why(agreement, error)
            # A mapping of ours that is missing or wrong is no fault of the partner's document.
            row["refusal"] = str(error) if isinstance(error, MappingProblem) else None
            return ""
        row["content_hash"] = content_hash(document)
        row["unmapped"] = json.dumps([one._asdict() for one in mapped.unmapped], separators=(",", ":")) if mapped.unmapped else None
        row["findings"] += [finding_json(finding) for finding in mapped.findings]
        target = self._job.target or (agreement.test_target if row["stream"] == "test" else agreement.target)
        references = set(map(tuple, row["references"]))
        for draft in mapped.events:
            if faults:
                draft.add_quality(findings=faults)
            evidence = draft.data.get("evidence")
            if isinstance(evidence, dict):
                evidence["message"] = self._job.message
            references |= set(draft.references)
            on_dead = agreement.on_dead or ("pass" if draft.pass_on_dead else "block")
            identity = event_id(row["stream"], self._profile.partner, agreement.set_id, draft.business_key, draft.event_key, draft.ordinal)
            row["events"].append(
                {
                    "identity": identity, "type": draft.type, "subject": draft.subject, "time": draft.time, "purpose": draft.purpose,
                    "meaning_hash": draft.meaning_hash, "correlation": draft.correlation or "", "data": ordered_data_json(draft.data).decode(),
                    "destination": f"target:{target}", "on_dead": on_dead, "priority": priority_of(draft.type, agreement.priority),
                    "fallback": f"target:{agreement.fallback}" if agreement.fallback and row["stream"] != "test" else None,
                    "fallback_after": round(agreement.fallback_after.total_seconds() * 1_000_000),
                    "standing": standing_of(draft.type, draft.subject, draft.time, draft.data, draft.references),
                    "stock": stock_of(draft.type, draft.data),
                }
            )  # fmt: skip
        row["references"] = sorted(references)
        return mapped.events[0].business_key

    def _why(self, agreement: Agreement, error: Exception) -> str:
        if agreement.mapping is None and agreement.mapping_name not in self._mappings.names():
            return (
                f"no mapping ships for {agreement.set_id}: it was checked and answered, and makes no event; "
                "name a mapping in the agreement, apply the profile, then replay it"
            )
        return f"the mapping {agreement.mapping_name} cannot make an event of it: {error}"


def resume_text(position: Row | None) -> str | None:
    """Where translation goes on, as the message's row has it."""
    return None if position is None else json.dumps(position, separators=(",", ":"), sort_keys=True)


def finding_json(finding: Finding) -> str:
    """A finding as it is kept: without what it does not say."""
    return json.dumps({key: value for key, value in finding._asdict().items() if value not in (None, "")}, ensure_ascii=False, separators=(",", ":"))


def finding_of(stored: str) -> Finding:
    """The same, back from what is kept."""
    return Finding(**({"code": ""} | json.loads(stored)))
