"""What `check` says of a message, as JSON values: envelope, sets, every fault with its place and code.

Knows nothing of terminals (explain.py). The shape is that of the torture set, with byte ranges and words.
"""

from typing import Any

from translators.document import Finding, Verdict
from translators.x12.acknowledge import count, group_code
from translators.x12.envelope import outline
from translators.x12.guide import GuideBook
from translators.x12.interchange import Group, Interchange
from translators.x12.options import Options, ReadAt
from translators.x12.reader import SetReading, read_sets

Report = dict[str, Any]


def check_report(read: ReadAt, size: int, guides: GuideBook, options: Options) -> Report:
    """Everything found in a message. Verdicts are those of the options' strictness, `ack_tolerant` those of the tolerant profile.

    Never raises for what the message holds.
    """
    found = outline(read, size, options)
    return {
        "interchanges": [_interchange(read, one, guides, options) for one in found.interchanges],
        "leftover_bytes": found.leftover_bytes,
        "warnings": found.warnings,
        "faults": [_fault(finding) for finding in found.findings],
    }


def _interchange(read: ReadAt, interchange: Interchange, guides: GuideBook, options: Options) -> Report:
    report: Report = {
        "control": interchange.control,
        "sender": interchange.sender,
        "receiver": interchange.receiver,
        "usage": interchange.usage,
        "delimiters": {name: value.decode("latin-1") for name, value in interchange.delimiters._asdict().items()},
        "byte_start": interchange.byte_start,
        "byte_end": interchange.byte_end,
        "ta1": interchange.ta1,
        "groups": [_group(read, interchange, group, guides, options) for group in interchange.groups],
        "warnings": interchange.warnings,
        "faults": [_fault(finding) for finding in interchange.findings],
    }
    if interchange.rejected:
        report["ta1_ack"] = "R"
    return report


def _group(read: ReadAt, interchange: Interchange, group: Group, guides: GuideBook, options: Options) -> Report:
    sets: list[Report] = []
    verdicts: list[tuple[Verdict, Verdict]] = []
    for reading in read_sets(read, interchange, group, guides, options):
        sets.append(_set(reading, group))
        verdicts.append((reading.verdict, reading.verdict_tolerant))
    answered = not group.unanswerable
    return {
        "functional": group.functional,
        "control": group.control,
        "version": group.version,
        "ack": group_code(group.codes, count(verdict for verdict, _ in verdicts)) if answered else None,
        "ack_tolerant": group_code(group.codes, count(verdict for _, verdict in verdicts)) if answered else None,
        "codes": group.codes,
        "sets": sets,
        "faults": [_fault(finding) for finding in group.findings],
        "byte_start": group.byte_start,
        "byte_end": group.byte_end,
    }


def _set(reading: SetReading, group: Group) -> Report:
    answered = not group.unanswerable
    return {
        "id": reading.set_id,
        "control": reading.control,
        "ack": reading.verdict.value if answered else None,
        "ack_tolerant": reading.verdict_tolerant.value if answered else None,
        "codes": reading.codes,
        "errors": [_error(finding) for finding in reading.findings if finding.position and finding.severity == "error"],
        "notes": [_error(finding) for finding in reading.findings if finding.position and finding.severity == "warning"],
        "faults": [_fault(finding) for finding in reading.findings if not finding.position],
        "warnings": reading.warnings,
        "release": reading.release,
        "note": reading.note,
        "segments": reading.segments,
        "byte_start": reading.byte_start,
        "byte_end": reading.byte_end,
    }


def _error(finding: Finding) -> Report:
    error: Report = {
        "segment": finding.segment,
        "position": finding.position,
        "code997": "8" if finding.level == "element" else finding.code,
        "byte_start": finding.byte_start,
        "byte_end": finding.byte_end,
        "text": finding.text,
    }
    if finding.level == "element":
        error["element"] = finding.element
        error["code_element"] = finding.code
        error["data_element"] = finding.data_element
        error["value"] = finding.value
    for key, value in (("component", finding.component), ("repetition", finding.repetition), ("kind", finding.kind)):
        if value is not None:
            error[key] = value
    if finding.leniency:
        error["leniency"] = finding.leniency
    return error


def _fault(finding: Finding) -> Report:
    """A fault of the message, an interchange, a group or a set as a whole."""
    places = {"byte_start": finding.byte_start, "byte_end": finding.byte_end}
    told = {"leniency": finding.leniency} if finding.leniency else {}
    return {"code": finding.code, "severity": finding.severity, "text": finding.text, **places, **told}
