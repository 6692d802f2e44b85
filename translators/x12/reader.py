"""Reads, checks and hands over the sets of one group, one at a time.

Knows nothing of the envelope's faults (envelope.py) nor of answers (acknowledge.py).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from translators.document import Delimiters, Document, Finding, Verdict
from translators.x12.arrange import arrange
from translators.x12.blocks import Block, blocks
from translators.x12.envelope_scan import break_bytes
from translators.x12.groups import SETS_OF, release_of
from translators.x12.guide import Guide, GuideBook
from translators.x12.interchange import Group, Interchange
from translators.x12.judge import SetJudge, verdicts
from translators.x12.machine import UNKNOWN, Machine, Row
from translators.x12.options import Options, ReadAt

NO_TABLE: dict[bytes, Row] = {}

FIRST_WITH_LONG_YEARS = "004010"


@dataclass(slots=True, eq=False)
class SetReading:
    """One transaction set: its verdicts, its faults, and its tree on demand."""

    ordinal: int
    """From 0, within its group."""
    set_id: str
    control: str
    implementation: str
    """ST03, "" if absent."""
    byte_start: int
    byte_end: int
    """After the terminator of SE (or of the last segment that belongs to it)."""
    segments: int
    """Counted from ST through SE, empty ones left out."""
    release: str
    """The grammar it was read with, "" if there is none."""
    note: str
    """Such as "read with 005010; the file says 005030"; "" if nothing is to be said."""
    verdict: Verdict
    """Under the options' strictness."""
    verdict_strict: Verdict
    verdict_tolerant: Verdict
    codes: list[str] = field(default_factory=list)
    """The set's own codes (AK502 and following), without 5, which follows from the findings."""
    findings: list[Finding] = field(default_factory=list)
    """By position, then element; those of the set itself first, with position 0."""
    warnings: list[str] = field(default_factory=list)
    """Names of the leniencies used, each once."""
    oversize: bool = False
    """Larger than the limit: checked, but to be held; it has no document."""
    source: "Source | None" = None
    guide: Guide | None = None

    def document(self) -> Document | None:
        """The set as a tree, read again from the message; None if oversize or without a grammar."""
        if self.source is None or self.guide is None or self.oversize:
            return None
        stretch = blocks(self.source.read, self.byte_start, self.byte_end, self.source.delimiters, self.source.options)
        encoding = "latin-1" if "not-utf-8" in self.warnings else "utf-8"
        return arrange(stretch, self.guide, self.source.delimiters, encoding=encoding, unwrap="wrapped-lines" in self.warnings)


@dataclass(frozen=True, slots=True)
class Source:
    """Where sets are read from and how."""

    read: ReadAt
    delimiters: Delimiters
    options: Options


def read_sets(
    read: ReadAt,
    interchange: Interchange,
    group: Group,
    guides: GuideBook,
    options: Options,
    *,
    offset: int | None = None,
    ordinal: int = 0,
    agreed: frozenset[str] | None = None,
) -> Iterator[SetReading]:
    """The sets of a group in order, from `offset` (where a set begins: the byte_end of the one before) and `ordinal` on.

    `agreed` holds the set ids the partner has an agreement for; others are rejected with code 1. None: all whose grammar we have.
    Never raises for what the message holds. Memory: one chunk, and what is noted of one set.
    """
    if group.unreadable:
        return
    source = Source(read, interchange.delimiters, options)
    reader = _GroupReader(source, group, guides, ordinal, agreed)
    for block in blocks(read, group.body_start if offset is None else offset, group.body_end, interchange.delimiters, options):
        yield from reader.take(block)
    yield from reader.close()


class _GroupReader:
    def __init__(self, source: Source, group: Group, guides: GuideBook, ordinal: int, agreed: frozenset[str] | None) -> None:
        self.source, self.group, self.guides, self.ordinal, self.agreed = source, group, guides, ordinal, agreed
        self.set: _OpenSet | None = None
        self.header_start = (b"ST" + source.delimiters.element)[:3]
        self.breaks = break_bytes(source.delimiters) if "wrapped-lines" in source.options.allow else b""

    def take(self, block: Block) -> Iterator[SetReading]:
        """The sets that end in this block."""
        cursor = enumerate(block.pieces)
        if self.set is not None and (pending := self.set.go_on(cursor, block)) is not None:
            yield from self._finish(block, pending, cursor)
        for index, raw in cursor:
            if raw[:3] == self.header_start or (raw[:1] == b"S" and raw[:9].translate(None, self.breaks)[:3] == self.header_start):
                yield from self._begin(block, index, raw, cursor)
        if self.set is not None:
            self.set.judge.leave(block)

    def _begin(self, block: Block, index: int, raw: bytes, cursor: Iterator[tuple[int, bytes]]) -> Iterator[SetReading]:
        while True:
            self.set = self._open(block, index, raw)
            pending = self.set.go_on(cursor, block)
            if pending is None:
                return
            reading = self._close()
            yield reading
            if pending < 0:
                return
            index, raw = pending, block.pieces[pending]

    def _finish(self, block: Block, pending: int, cursor: Iterator[tuple[int, bytes]]) -> Iterator[SetReading]:
        yield self._close()
        if pending >= 0:
            yield from self._begin(block, pending, block.pieces[pending], cursor)

    def close(self) -> Iterator[SetReading]:
        """The set that was open when the group ended."""
        if self.set is not None:
            self.set.judge.broken_off("the group ends")
            yield self._close()

    def _open(self, block: Block, index: int, raw: bytes) -> "_OpenSet":
        header = raw.translate(None, self.breaks)
        fields = [value.decode("latin-1") for value in header.split(self.source.delimiters.element, 12)]
        set_id, control, implementation = (*(value.strip() for value in fields[1:4]), "", "", "")[:3]
        version = release_of(self.group.version, self.source.options) or ""
        guide = self.guides.guide(set_id, version) if self.agreed is None or set_id in self.agreed else None
        judge = SetJudge(guide, self.source.delimiters, self.source.options, block, index)
        judge.checker.short_years = "" < version < FIRST_WITH_LONG_YEARS
        if len(header) < len(raw):
            judge.checker.warn("wrapped-lines")
        judge_set_header(judge, set_id, fields[2] if len(fields) > 2 else "", self.group, self.guides, guide)
        if self.ordinal in self.group.duplicate_sets:
            judge.set_fault("23", f"ST02 {control} stood in this group before", block, index)
        return _OpenSet(set_id, control, implementation, version, judge, guide, self.source, block.start_of(index))

    def _close(self) -> SetReading:
        assert self.set is not None
        reading = self.set.result(self.ordinal)
        if reading.guide is not None and self.set.judge.misplaced and not reading.oversize:
            reading = self._other_shape(reading)
        self.set = None
        self.ordinal += 1
        return reading

    def _other_shape(self, reading: SetReading) -> SetReading:
        """The set read with another release's shape, if a leniency allows that and nothing is out of place then."""
        allow = self.source.options.allow
        if "loose-order" not in allow and "version-mismatch" not in allow:
            return reading
        assert reading.guide is not None
        for guide in self.guides.other_shapes(reading.set_id, reading.guide.dictionary.release):
            other = self._read_again(reading, guide)
            if not other.judge.misplaced:
                better = other.result(reading.ordinal)
                better.note = f"read with the shape of {guide.release}; the file says {self.group.version}"
                better.warnings.append("loose-order" if "loose-order" in allow else "version-mismatch")
                return better
        return reading

    def _read_again(self, reading: SetReading, guide: Guide) -> "_OpenSet":
        opened: _OpenSet | None = None
        for block in blocks(self.source.read, reading.byte_start, reading.byte_end, self.source.delimiters, self.source.options):
            cursor = enumerate(block.pieces)
            if opened is None:
                next(cursor)
                judge = SetJudge(guide, self.source.delimiters, self.source.options, block, 0)
                judge.findings += [finding for finding in reading.findings if finding.position == 0 and finding.code in ("7", "18", "23")]
                judge.codes += [code for code in reading.codes if code in ("7", "18", "23")]
                version = guide.dictionary.release
                opened = _OpenSet(reading.set_id, reading.control, reading.implementation, version, judge, guide, self.source, reading.byte_start)
            if opened.go_on(cursor, block) is None:
                opened.judge.leave(block)
        assert opened is not None
        return opened


def judge_set_header(judge: SetJudge, set_id: str, control: str, group: Group, guides: GuideBook, guide: Guide | None) -> None:
    """ST01 and ST02: codes 1, 6, 7 and 18 (X12 997 AK502)."""
    block, index = judge.header
    if not (len(set_id) == 3 and set_id.isascii() and set_id.isalnum()):
        judge.set_fault("6", f"ST01 is {set_id or 'missing'}; the id of a set has three characters", block, index)
    elif guide is None and not guides.knows(set_id):
        judge.set_fault("1", f"there is no grammar for the set {set_id} here", block, index)
    elif guide is None:
        judge.set_fault("1", f"nothing is agreed with this partner about the set {set_id}", block, index)
    if guide is not None and group.functional != SETS_OF.get(set_id, guide.functional):
        text = f"the set {set_id} belongs in a group {guide.functional}, not {group.functional}"
        judge.set_fault("18", text, block, index)
    if not 4 <= len(control) <= 9 and not (1 <= len(control) < 4 and judge.checker.allows("short-set-control")):
        judge.set_fault("7", f"ST02 is {control or 'missing'}; four to nine characters are due", block, index)


class _OpenSet:
    """One set while it is read. The hot loop is here; everything unusual goes to the judge."""

    def __init__(
        self,
        set_id: str,
        control: str,
        implementation: str,
        version: str,
        judge: SetJudge,
        guide: Guide | None,
        source: Source,
        byte_start: int,
    ) -> None:
        self.set_id, self.control, self.implementation, self.version = set_id, control, implementation, version
        self.judge, self.guide, self.source, self.byte_start = judge, guide, source, byte_start
        self.machine: Machine | None = judge.machine
        self.get: Any = self.machine.start().get if self.machine else NO_TABLE.get

    def go_on(self, cursor: Iterator[tuple[int, bytes]], block: Block) -> int | None:
        """Reads on. None: the block is used up; -1: SE ended the set; else the index of the ST that ended it."""
        if block.cut:
            for index, _ in cursor:
                self.judge.too_long(block, index)
            return None
        get, judge = self.get, self.judge
        for index, raw in cursor:
            match, following, step = get(raw[:3], UNKNOWN)
            if match(raw) is not None and (step is None or judge.follow(step, block, index, raw)):
                get = following
                continue
            get = judge.unusual(block, index, raw, get, self.control)
            if judge.ended:
                return -1 if judge.ended == "SE" else index
        self.get = get
        return None

    def result(self, ordinal: int) -> SetReading:
        """What is said of the set."""
        judge = self.judge
        findings = judge.sorted_findings()
        strict, tolerant = verdicts(findings, judge.codes, self.source.options)
        release = self.guide.release if self.guide else ""
        note = f"read with {release}; the file says {self.version}" if release and release != self.version else ""
        return SetReading(
            ordinal,
            self.set_id,
            self.control,
            self.implementation,
            self.byte_start,
            judge.byte_end,
            judge.segments,
            release,
            note,
            strict if self.source.options.strictness == "strict" else tolerant,
            strict,
            tolerant,
            judge.codes,
            findings,
            judge.checker.warnings,
            oversize=judge.byte_end - self.byte_start > self.source.options.limits.set_bytes,
            source=self.source,
            guide=self.guide,
        )
