"""What a translation worker does with a CSV or XML file: finds its agreement, reads its documents, maps them, in chunks of bounded size.

The file takes the interchange's place and has one group; there is no receipt but a report of its faults. Everything it gives back is JSON values.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from gateway import ways
from gateway.translate.telling import CHUNK_BYTES, CHUNK_DOCUMENTS, CHUNK_EVENTS, Job, Row, Telling, finding_json, finding_of, repeats_of, resume_text
from partners.files import Agreed, NotAgreed, agreement_for
from partners.mappings import MappingLibrary
from partners.profile import Profile
from partners.schemas import schema_of
from translators.document import Control, Finding
from translators.error_report import MEDIA_TYPE, error_report
from translators.formats import FileDocument, FileReading, Format, read_file
from translators.x12.options import ReadAt

MOST_BYTES = 100 * 2**20
"""A file is read whole."""
SHOWN_FAULTS = 3
GROUP = 1
REPORT = "report"


class FileWork:
    """One file on its way through a worker; `chunk()` again and again until its `resume` is None."""

    def __init__(self, job: Job, profile: Profile, read: ReadAt, *, format: Format, mappings: MappingLibrary) -> None:
        self.job, self.profile, self.format = job, profile, format
        self.dropped: set[int] = set()
        """[1] once the store has decided against the file."""
        self.telling = Telling(job, profile, mappings)
        self.position = job.resume
        self.reason = ""
        """Why nothing of it can be read."""
        self._first = job.resume is None
        self._agreed: Agreed | None = None
        self._reading: FileReading | None = None
        self._rest: Iterator[FileDocument] | None = None
        """Of a replay: the documents from `_next` on."""
        self._next = 0
        if job.size > MOST_BYTES:
            self.reason = f"the file has {job.size:,} bytes, and {MOST_BYTES:,} may be; ask the partner for it in parts"
        else:
            self.data = read(0, job.size)
            try:
                self._agreed = agreement_for(self.data, job.file_name or "", format=format, profile=profile, mappings=mappings)
            except NotAgreed as error:
                self.reason = str(error)
        self._steps = self._walk(self._agreed) if self._agreed else iter(())

    def chunk(self, dropped: list[int], *, alone: bool = False) -> Row:
        """The next rows. `alone`: of one document, so that one that ends its worker is what the next chunk begins with."""
        most = 1 if alone else CHUNK_DOCUMENTS
        self.dropped |= set(dropped)
        out: Row = {
            "expected_resume": resume_text(self.position), "interchanges": [], "groups": [], "documents": [], "acknowledgments": [],
            "ta1s": [], "envelope_findings": [], "held": None, "resume": None,
        }  # fmt: skip
        if self._agreed is None:
            out["held"] = self.reason
            return out
        if self._first:
            self._first = False
            out["interchanges"].append(self._file_row())
            group = dict.fromkeys(("functional", "control", "version", "sender", "receiver", "codes"), "")
            out["groups"].append({"interchange": 1, "ordinal": GROUP, **group, "claimed": -1, "found": 0})
        size = events = 0
        for kind, row in self._steps:
            out[kind].append(row)
            if kind == "documents":
                size += row["byte_end"] - row["byte_start"]
                events += len(row["events"])
                if "replay" in (self.job.resume or {}):
                    continue  # a replay is bounded by what was asked for, and lands in one commit
                if size >= CHUNK_BYTES or len(out["documents"]) >= most or events >= CHUNK_EVENTS:
                    out["resume"] = resume_text(self.position)
                    return out
        self.position = None
        return out

    def _file_row(self) -> Row:
        """The file, in an interchange's place; its own bytes are its control number, so that the same file again is a duplicate."""
        sha256 = hashlib.sha256(self.data).hexdigest()
        return {
            "ordinal": 1, "stream": "production", "state": "open", "reason": None, "ta1": None, "sender": self.profile.partner[:40],
            "receiver": self.format, "control": sha256[:32], "version": "", "usage": "P", "date": "", "time": "", "byte_start": 0,
            "byte_end": len(self.data), "sha256": sha256, "ta1_if_accepted": False, "ta1_if_rejected": False,
            "repeats": repeats_of(self.profile),
        }  # fmt: skip

    # ---- its documents

    def go_on(self, resume: Row, earlier: list[Row]) -> None:
        """Other documents of the same file, which is not read anew where they follow those before."""
        self.job = replace(self.job, resume=resume, earlier=earlier)
        self.position = resume
        self._steps = self._walk_again(self._agreed, {place["s"] for place in resume["replay"]}) if self._agreed else iter(())

    def _read(self, found: Agreed) -> FileReading:
        if self._reading is None:
            name = found.agreement.schema_file
            self._reading = read_file(self.data, found.form, schema_of(name) if name else None)
        return self._reading

    def _walk(self, found: Agreed) -> Iterator[tuple[str, Row]]:
        resume = self.job.resume or {"s": 0}
        if "replay" in resume:
            yield from self._walk_again(found, {place["s"] for place in resume["replay"]})
            return
        reading = self._read(found)
        told = _Told.of(self.job.earlier)
        begin = resume["s"]
        if self.job.hold:
            row = self._held(found, begin)
            begin += 1
            self.position = {"i": 0, "g": 0, "s": begin, "o": row["byte_end"]}
            yield "documents", row
        for one in self._documents(reading, begin):
            if 1 in self.dropped:
                return
            row = self._document(found, one)
            told.add(row)
            self.position = {"i": 0, "g": 0, "s": one.ordinal + 1, "o": one.byte_end}
            yield "documents", row
        yield "acknowledgments", self._answer(found, told)

    def _walk_again(self, found: Agreed, wanted: set[int]) -> Iterator[tuple[str, Row]]:
        if self._rest is None or min(wanted) < self._next:
            self._rest, self._next = self._documents(self._read(found), min(wanted)), min(wanted)
        for one in self._rest:
            self._next = one.ordinal + 1
            if one.ordinal in wanted:
                yield "documents", self._document(found, one)
            if one.ordinal >= max(wanted):
                return

    def _documents(self, reading: FileReading, begin: int) -> Iterator[FileDocument]:
        faults = reading.findings
        if any(fault.severity == "error" for fault in faults):
            if begin == 0:
                yield FileDocument(0, 0, len(self.data), 1, faults, None)
            return
        yield from reading.documents(begin)

    def _row(self, found: Agreed, ordinal: int, start: int, end: int) -> Row:
        return {
            "interchange": 1, "group": GROUP, "ordinal": ordinal + 1, "stream": self.job.stream or "production", "set_id": found.agreement.set_id, "control": "",
            "byte_start": start, "byte_end": end, "mapping": None, "content_hash": None, "unmapped": None, "on_conflict": "hold", "findings": [],
            "references": [], "events": [], "state": "mapped", "reason": None, "verdict": "A", "codes": "", "release": getattr(found.form, "release", "1"),
        }  # fmt: skip

    def _held(self, found: Agreed, ordinal: int) -> Row:
        row = self._row(found, ordinal, 0, len(self.data))
        reason = "reading this document has ended three worker processes; it is held, its siblings go on"
        return row | {"state": "held", "reason": reason, "verdict": "R", "release": ""}

    def _document(self, found: Agreed, one: FileDocument) -> Row:
        row = self._row(found, one.ordinal, one.byte_start, one.byte_end)
        row["verdict"] = one.verdict.value
        row["findings"] = [finding_json(finding) for finding in one.findings]
        row["control"] = f"line {one.line}"
        if one.document is None or (one.verdict == "R" and self.job.override != "rejected"):
            errors = [finding.text for finding in one.findings if finding.severity == "error"]
            more = f"; and {len(errors) - SHOWN_FAULTS} more" if len(errors) > SHOWN_FAULTS else ""
            row["state"], row["reason"] = "rejected", "; ".join(errors[:SHOWN_FAULTS]) + more
            return row
        control = Control("", "", "", "", "", self.profile.partner, "", "P")
        faults = sum(1 for finding in one.findings if finding.severity == "error")
        row["control"] = (self.telling.tell(one.document, control, found.agreement, row, faults=faults) or row["control"])[:32]
        if row.get("refusal"):
            refused = Finding("set", "mapping", f"line {one.line}: {row['refusal']}", one.byte_start, one.byte_end, kind="mapping", line=one.line)
            row["findings"].append(finding_json(refused))
        row["advice"] = "none"  # an 824 answers X12; here the report does
        return row

    # ---- the answer

    def _answer(self, found: Agreed, told: "_Told") -> Row:
        verdict = "A" if not told.bad else "P" if told.good else "R"
        row: Row = {"interchange": 1, "group": GROUP, "accepted": told.good, "verdict": verdict, "receipt": None}
        duty = found.agreement.duties.error_report
        if duty == "none" or (duty == "errors" and not told.bad):
            return row
        parts = [error_report(told.faults).decode("latin-1")]
        name = (self.job.file_name or self.job.message).rpartition(".")[0] or self.job.message
        receipt = {
            "form": REPORT, "parts": parts, "scope": f"reports {self.profile.partner}", "destination": ways.destination(self.profile),
            "file_name": ways.file_name(name, REPORT, ending="csv"), "media_type": MEDIA_TYPE,
        }  # fmt: skip
        return row | {"receipt": receipt}


@dataclass(slots=True)
class _Told:
    """What the report will say."""

    good: int = 0
    bad: int = 0
    faults: list[tuple[str, Finding]] = field(default_factory=list)

    @classmethod
    def of(cls, earlier: list[Row]) -> "_Told":
        """From the rows that earlier chunks committed."""
        told = cls()
        for row in earlier:
            told.add(row)
        return told

    def add(self, row: Row) -> None:
        found = [finding_of(one) for one in row["findings"]]
        errors = [finding for finding in found if finding.severity == "error"]
        if errors:
            self.bad += 1
        else:
            self.good += 1
        self.faults += [(row["control"], finding) for finding in errors]
