"""`crossdock translate FILE`: the canonical events of a file, for a person or as CloudEvents, without a server.

Keeps and sends nothing. With a profile it reads as that partner's documents are read; without one, with the shipped mappings.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from gateway.commands.files import chosen, complain, translate_file
from gateway.commands.story import tell
from gateway.exits import BAD_DATA, FAILED, GOOD, USAGE
from partners.files import NotAgreed
from partners.guides import shipped_guides
from partners.mappings import MappingLibrary, shipped, zone_offset
from partners.profile import Profile
from translators.document import Control, Finding, TranslationError, Verdict
from translators.events.cloud import cloud_event
from translators.events.identity import event_id
from translators.mapping import Context, Mapped, MappingError, MappingProblem
from translators.x12.envelope import outline
from translators.x12.interchange import Group, Interchange
from translators.x12.options import LENIENCIES, Options, ReadAt
from translators.x12.reader import SetReading, read_sets

UNKNOWN = "unknown"
"""Stands for the partner in ids and sources where no profile names one."""
READABLE = frozenset(LENIENCIES) - {"comma-decimal"}
"""Without a profile every quirk is let pass that loses nothing, and named; a comma can be a thousand as well as a decimal."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How the file is read: a partner's terms, or the shipped ones."""

    partner: str
    options: Options
    mappings: MappingLibrary
    profile: Profile | None

    @classmethod
    def of(cls, profile: Profile | None) -> "Terms":
        options = Options(profile.strictness, profile.allowed) if profile else Options("tolerant", READABLE)
        return cls(profile.partner if profile else UNKNOWN, options, shipped(), profile)

    def mapping_of(self, set_id: str) -> tuple[str, tuple[str, ...], str | None]:
        """(mapping, overlays, default zone) for a set. Raises MappingError if there is none."""
        if self.profile is not None:
            agreement = self.profile.agreement(set_id)
            if agreement is None:
                raise MappingError(f"{self.partner} has no agreement for {set_id}")
            return agreement.mapping_name, tuple(agreement.overlays), agreement.default_zone
        name = self.mappings.for_set(set_id)
        if name is None:
            raise MappingError(f"no mapping for {set_id} ships; there are {', '.join(self.mappings.names())}")
        return name, (), None


@dataclass(frozen=True, slots=True)
class Translated:
    """One transaction set and what became of it."""

    interchange: Interchange
    group: Group
    reading: SetReading
    mapped: Mapped | None
    reason: str | None
    """Why there are no events."""

    @property
    def clean(self) -> bool:
        """True if it was read, mapped, and nothing was found wrong with it."""
        return self.mapped is not None and not self.mapped.findings and not any(found.severity == "error" for found in self.reading.findings)


def translate(path: Path, *, partner: Profile | None = None, mapping: str | None = None, as_json: bool = False, out: TextIO) -> int:
    """Prints the events of a file, and what was not carried over. 0 all clean, 1 findings or held, 2 no such file, 65 no interchange in it.

    `as_json`: one CloudEvent a line on `out`; what could not be told goes to standard error.
    """
    try:
        file_of_its_own = chosen(path, partner=partner, mapping=mapping)
        if file_of_its_own is not None:
            return translate_file(file_of_its_own, as_json=as_json, out=out)
    except (NotAgreed, MappingError, TranslationError) as error:
        return complain("translate", error)
    except OSError as error:
        print(f"crossdock translate: {path}: {error.strerror or error}", file=sys.stderr)
        return USAGE
    terms = Terms.of(partner)
    received_at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    try:
        with path.open("rb") as file:

            def read(offset: int, length: int) -> bytes:
                file.seek(offset)
                return file.read(length)

            return _translate(read, file.seek(0, 2), terms, received_at, as_json=as_json, out=out)
    except OSError as error:
        print(f"crossdock translate: {path}: {error.strerror or error}", file=sys.stderr)
        return USAGE


def _translate(read: ReadAt, size: int, terms: Terms, received_at: str, *, as_json: bool, out: TextIO) -> int:
    found = outline(read, size, terms.options)
    complaints = sys.stderr if as_json else out
    if not found.interchanges:
        print(_words(found.findings) or "there is no interchange in it", file=complaints)
        return BAD_DATA
    clean = not found.findings
    for interchange in found.interchanges:
        if interchange.warnings and not as_json:
            print(f"interchange {interchange.control}: let pass: {', '.join(interchange.warnings)}", file=out)
        if interchange.rejected:
            print(f"interchange {interchange.control or '?'} cannot be read (TA1 {interchange.ta1}): {_words(interchange.findings)}", file=complaints)
        clean = clean and not interchange.rejected and not interchange.findings
        for group in interchange.groups:
            clean = clean and not group.findings
            for one in _sets(read, interchange, group, terms, received_at):
                clean = clean and one.clean
                if as_json:
                    _print_json(one, terms.partner, received_at, out)
                else:
                    out.writelines(f"{line}\n" for line in tell(one.reading, one.mapped, one.reason))
    return GOOD if clean else FAILED


def _sets(read: ReadAt, interchange: Interchange, group: Group, terms: Terms, received_at: str) -> Iterator[Translated]:
    for reading in read_sets(read, interchange, group, shipped_guides(), terms.options):
        mapped, reason = _map(interchange, group, reading, terms, received_at)
        yield Translated(interchange, group, reading, mapped, reason)


def _map(interchange: Interchange, group: Group, reading: SetReading, terms: Terms, received_at: str) -> tuple[Mapped | None, str | None]:
    """(the events, None), or (None, why there are none)."""
    if group.codes or reading.verdict is Verdict.REJECTED:
        return None, f"rejected: {_words([*group.findings, *reading.findings]) or 'its group is rejected'}"
    document = reading.document()
    if document is None:
        return None, "held: it is larger than one set may be" if reading.oversize else "held: there is no grammar to read it with"
    try:
        name, overlays, zone = terms.mapping_of(reading.set_id)
        context = Context(
            control=Control(
                interchange.control,
                group.control,
                reading.control,
                group.functional,
                group.version,
                f"{interchange.sender_qualifier}:{interchange.sender}",
                f"{interchange.receiver_qualifier}:{interchange.receiver}",
                interchange.usage,
            ),
            partner=terms.partner,
            received_at=received_at,
            zone_offset=zone_offset,
            default_zone=zone,
            written=(group.date, group.time),
            byte_start=reading.byte_start,
            byte_end=reading.byte_end,
        )
        return terms.mappings.mapping(name, overlays).read(document, context), None
    except (MappingError, MappingProblem) as error:
        return None, f"held: {error}"


def _print_json(one: Translated, partner: str, received_at: str, out: TextIO) -> None:
    where = f"{one.interchange.control}/{one.group.control}/{one.reading.control}"
    if one.mapped is None:
        print(f"{one.reading.set_id} {where}: {one.reason}", file=sys.stderr)
        return
    stream = "test" if one.interchange.usage == "T" else "production"
    for draft in one.mapped.events:
        identity = event_id(stream, partner, one.reading.set_id, draft.business_key, draft.event_key, draft.ordinal)
        event = cloud_event(draft, id=identity, source=f"/partners/{partner}", recorded_time=received_at)
        out.write(json.dumps(event, ensure_ascii=False, separators=(",", ":")) + "\n")
    if one.mapped.unmapped:
        paths = ", ".join(f"{entry.path} ({entry.values})" for entry in one.mapped.unmapped)
        print(f"{one.reading.set_id} {where}: not carried over: {paths}", file=sys.stderr)


def _words(findings: list[Finding], most: int = 3) -> str:
    shown = "; ".join(finding.text for finding in findings[:most])
    return f"{shown}; and {len(findings) - most} more" if len(findings) > most else shown


def main(arguments: list[str]) -> int:
    """python -m gateway.commands.translate [--json] FILE"""
    import argparse

    parser = argparse.ArgumentParser(prog="translate", description="Shows the canonical events of an X12 file.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    return translate(given.file, as_json=given.json, out=sys.stdout)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
