"""`crossdock check` and `crossdock translate` for CSV and XML files: whose form a file has, its faults line by line, its events.

Needs no server; keeps and sends nothing.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from gateway.commands.story import tell_mapped
from gateway.exits import BAD_DATA, FAILED, GOOD, USAGE
from partners.files import NotAgreed, agreement_for, mapping_for
from partners.mappings import shipped, zone_offset
from partners.profile import Profile
from partners.schemas import schema_at, schema_of
from translators.document import Control, Finding
from translators.events.cloud import cloud_event
from translators.events.identity import event_id
from translators.formats import FileDocument, FileReading, Format, read_file, recognise
from translators.mapping import CompiledMapping, Context, Mapped, MappingError, MappingProblem
from translators.xml.schema import Schema

UNKNOWN = "unknown"
"""Stands for the partner in ids and sources where no profile names one."""
MOST_SHOWN = 50
HEAD = 4_096
TABLES = (".csv", ".tsv")
"""File names that promise CSV."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A file, and the terms that it is read under."""

    data: bytes
    format: Format
    set_id: str
    """What it is agreed as; without a profile the mapping's name."""
    mapping: CompiledMapping
    zone: str | None
    partner: str
    schema: Schema | None = None
    """XML: what it is judged by."""


def chosen(path: Path, *, partner: Profile | None, mapping: str | None, schema: Path | None = None) -> Chosen | None:
    """As `_chosen`, with the schema that a person names, or the agreement does. Raises TranslationError for one that cannot be used, too."""
    found = _chosen(path, partner=partner, mapping=mapping)
    if found is None or found.format != "xml":
        return found
    agreement = partner.agreement(found.set_id) if partner is not None else None
    if schema is not None:
        return replace(found, schema=schema_at(schema))
    return replace(found, schema=schema_of(agreement.schema_file)) if agreement is not None and agreement.schema_file else found


def _chosen(path: Path, *, partner: Profile | None, mapping: str | None) -> Chosen | None:
    """The file, if it is CSV or XML; None for X12, and for what has the form of no mapping and is not said to have one.

    Raises NotAgreed, MappingError and OSError.
    """
    with path.open("rb") as file:
        format = recognise(file.read(HEAD))
        if mapping is None and (format == "x12" or (partner is not None and format == "csv" and not partner.files("csv"))):
            return None
        file.seek(0)
        data = file.read()
    if mapping is not None:
        return Chosen(data, format, mapping, _form(mapping), None, partner.partner if partner else UNKNOWN)
    if partner is not None:
        found = agreement_for(data, path.name, format=format, profile=partner, mappings=shipped())
        compiled = shipped().mapping(found.agreement.mapping_name, tuple(found.agreement.overlays))
        return Chosen(data, format, found.agreement.set_id, compiled, found.agreement.default_zone, partner.partner)
    try:
        name = mapping_for(data, format=format, mappings=shipped())
    except NotAgreed:
        if format == "csv" and path.suffix.lower() not in TABLES:
            return None  # it may be anything; X12's reader says what it is not
        raise
    return Chosen(data, format, name, shipped().mapping(name), None, UNKNOWN)


def _form(name: str) -> CompiledMapping:
    found = shipped().mapping(name)
    if found.form is None:
        raise MappingError(f"{name} is a mapping of X12 sets, which say by themselves what they are; leave --mapping out")
    return found


def check_file(file: Chosen, path: Path, *, as_json: bool, out: TextIO) -> int:
    """Prints what is wrong with a file. 0 clean, 1 findings, 65 it cannot be read at all."""
    reading = read_file(file.data, file.mapping.form, file.schema)
    documents = list(reading.documents(0))
    if as_json:
        report = {
            "file": str(path), "format": file.format, "mapping": file.mapping.name, "faults": [_fault(one) for one in reading.findings],
            "documents": [
                {
                    "ordinal": one.ordinal + 1, "line": one.line, "byte_start": one.byte_start, "byte_end": one.byte_end, "verdict": one.verdict.value,
                    "faults": [_fault(finding) for finding in one.findings],
                }
                for one in documents
            ],
        }  # fmt: skip
        json.dump(report, out, indent=1, ensure_ascii=False)
        out.write("\n")
    else:
        out.writelines(f"{line}\n" for line in _told(path, file, reading, documents))
    if reading.findings:
        return BAD_DATA if not documents else FAILED
    return FAILED if any(one.findings for one in documents) else GOOD


def _told(path: Path, file: Chosen, reading: FileReading, documents: list[FileDocument]) -> Iterator[str]:
    yield f"{path}: {file.format.upper()}, read as {file.mapping.name}"
    yield from (f"  {finding.text}" for finding in reading.findings)
    bad = [one for one in documents if one.findings]
    for one in bad[:MOST_SHOWN]:
        yield f"  document {one.ordinal + 1}, line {one.line}: {'rejected' if one.verdict == 'R' else 'accepted'}"
        yield from (f"    {finding.text}" for finding in one.findings[:MOST_SHOWN])
    if len(bad) > MOST_SHOWN:
        yield f"  and {len(bad) - MOST_SHOWN} documents more with faults"
    if documents:
        yield f"  {len(documents)} document{'s' if len(documents) > 1 else ''}, {len(bad)} with faults"


def translate_file(file: Chosen, *, as_json: bool, out: TextIO) -> int:
    """Prints the events of a file, and what was not carried over. 0 all clean, 1 findings or held, 65 it cannot be read at all."""
    reading = read_file(file.data, file.mapping.form, file.schema)
    complaints = sys.stderr if as_json else out
    for finding in reading.findings:
        print(finding.text, file=complaints)
    if any(finding.severity == "error" for finding in reading.findings):
        return BAD_DATA
    received_at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    clean = True
    for one in reading.documents(0):
        mapped, reason = _mapped(one, file, received_at)
        clean = clean and mapped is not None and not mapped.findings and not one.findings
        if as_json:
            _print_json(one, file, mapped, reason, received_at, out)
        else:
            heading = f"{file.set_id}, document {one.ordinal + 1}, line {one.line}, bytes {one.byte_start} to {one.byte_end}"
            out.writelines(f"{line}\n" for line in tell_mapped(heading, one.findings, mapped, reason))
    return GOOD if clean else FAILED


def _mapped(one: FileDocument, file: Chosen, received_at: str) -> tuple[Mapped | None, str | None]:
    if one.document is None or one.verdict == "R":
        return None, "rejected: " + "; ".join(finding.text for finding in one.findings if finding.severity == "error")
    context = Context(
        control=Control("", "", "", "", "", file.partner, "", "P"),
        partner=file.partner,
        received_at=received_at,
        zone_offset=zone_offset,
        default_zone=file.zone,
        byte_start=one.byte_start,
        byte_end=one.byte_end,
    )
    try:
        return file.mapping.read(one.document, context), None
    except MappingProblem as problem:
        return None, f"held: {problem}"


def _print_json(one: FileDocument, file: Chosen, mapped: Mapped | None, reason: str | None, received_at: str, out: TextIO) -> None:
    where = f"{file.set_id}, line {one.line}"
    if mapped is None:
        print(f"{where}: {reason}", file=sys.stderr)
        return
    for draft in mapped.events:
        identity = event_id("production", file.partner, file.set_id, draft.business_key, draft.event_key, draft.ordinal)
        event = cloud_event(draft, id=identity, source=f"/partners/{file.partner}", recorded_time=received_at)
        out.write(json.dumps(event, ensure_ascii=False, separators=(",", ":")) + "\n")
    if mapped.unmapped:
        print(f"{where}: not carried over: {', '.join(f'{entry.path} ({entry.values})' for entry in mapped.unmapped)}", file=sys.stderr)


def _fault(finding: Finding) -> dict[str, Any]:
    return {key: value for key, value in finding._asdict().items() if value not in (None, "")}


def complain(command: str, error: Exception) -> int:
    """Says why a file cannot be read under any terms."""
    print(f"crossdock {command}: {error}", file=sys.stderr)
    return USAGE
