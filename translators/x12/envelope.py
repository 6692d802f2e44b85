"""The cheap envelope pass: where interchanges and groups lie and what is wrong with the envelope, before any set is read.

Knows nothing of guides, nor of what stands inside a set. Memory does not grow with the number of sets.
"""

import hashlib

from translators.document import Finding
from translators.x12.controls import Controls
from translators.x12.envelope_scan import CHUNK, FIRST_CHUNK, ControlSegment, control_segments, tail_bytes
from translators.x12.groups import add_code, judge_group_header
from translators.x12.header import Header, header_at
from translators.x12.interchange import MOST_ACKNOWLEDGMENTS, Group, Interchange, Outline
from translators.x12.options import Options, ReadAt
from translators.x12.recognize import unreadable

__all__ = ["Group", "Interchange", "Outline", "outline"]


def outline(read: ReadAt, size: int, options: Options) -> Outline:
    """Where the interchanges and groups of a message lie, and what their envelopes deserve.

    Never raises for what the message holds. Memory grows with interchanges and groups, not with sets.
    """
    result = Outline([], 0)
    seen: dict[tuple[str, str, str, str, str], Interchange] = {}
    at = 0
    while True:
        header = _next_header(read, at, size, options)
        gap_end = header.byte_start if header else size
        _count_leftover(read, at, gap_end, result)
        if header is None or len(result.interchanges) >= options.limits.interchanges:
            break
        interchange = _Walk(read, size, header, options, ordinal=len(result.interchanges)).walk()
        interchange.sha256 = _digest(read, interchange.byte_start, interchange.byte_end)
        _judge_repeat(interchange, seen, options)
        result.interchanges.append(interchange)
        at = interchange.byte_end
    if header is not None:
        text = f"more than {options.limits.interchanges} interchanges; the rest was not read: send them in several messages"
        result.findings.append(Finding("interchange", "022", text, header.byte_start, size))
    if not result.interchanges:
        result.findings.append(Finding("interchange", "022", unreadable(read(0, HEAD), size), 0, min(size, 64)))
    return result


class _Walk:
    """Follows the control segments of one interchange."""

    def __init__(self, read: ReadAt, size: int, header: Header, options: Options, *, ordinal: int) -> None:
        self.read, self.size, self.header, self.options = read, size, header, options
        self.interchange = _interchange(header, ordinal)
        self.group: Group | None = None
        self.controls = Controls()
        self.in_set = False
        self.after = header.byte_end - len(header.delimiters.segment)
        self.groups_seen: set[int] = set()
        self.groups = 0

    def walk(self) -> Interchange:
        interchange = self.interchange
        for note, element, text, leniency in self.header.faults:
            self._fault(note, text, *self.header.range_of(element), element=element, leniency=leniency)
        if not self.header.scannable:
            interchange.byte_end = self._next_isa(self.header.byte_end)
            return self._closed()
        for segment in control_segments(self.read, self.after, self.size, self.header.delimiters, self.options):
            if not self.in_set and segment.terminator_before > self.after and segment.tag:
                self._check_gap(segment)
            if segment.tag in ("", "ISA"):
                self._broken_off(segment)
                break
            self.after = segment.byte_end - len(self.header.delimiters.segment)
            for leniency in segment.needs:
                self._need(leniency, segment)
            TREATMENTS[segment.tag](self, segment)
            interchange.byte_end = segment.byte_end
            if segment.tag == "IEA":
                break
        return self._closed()

    def _closed(self) -> Interchange:
        interchange = self.interchange
        if interchange.ta1 is None and interchange.ack_requested:
            interchange.ta1 = "000"
        interchange.found_groups = self.groups
        if interchange.rejected:
            interchange.groups = []
        return interchange

    def _next_isa(self, start: int) -> int:
        following = _next_header(self.read, start, self.size, self.options)
        return following.byte_start if following else self.size

    def _check_gap(self, segment: ControlSegment) -> None:
        """Outside a set, control segments follow each other directly; empty segments are no fault of the structure."""
        length = segment.terminator_before - self.after
        between = self.read(self.after, min(length, CHUNK))
        between = between.translate(None, tail_bytes(self.header.delimiters, self.options))
        terminator = self.header.delimiters.segment
        if length > CHUNK or between.replace(terminator, b""):
            start = self.after + len(terminator)
            text = f"segments stand between the envelope's own, where none may be, before {segment.tag}"
            self._fault("022", text, start, segment.terminator_before + len(terminator))
        elif segment.tag != "ISA":
            self._warn("empty-segment")

    def _broken_off(self, segment: ControlSegment) -> None:
        if segment.fault == "022":
            text = "the length of binary data (BIN, BDS) is wrong: no segment terminator stands after it"
        elif segment.fault == "024":
            text = f"a segment is longer than {self.options.limits.segment_bytes} bytes"
        else:
            text = f"IEA is missing: {'the message ends' if segment.tag == '' else 'the next ISA comes'} before it; send the interchange whole"
        self._fault(segment.fault or "023", text, max(self.interchange.byte_start, segment.byte_start - 1), segment.byte_start)
        self.interchange.byte_end = segment.byte_start if segment.tag == "ISA" else self._next_isa(segment.byte_start)

    def acknowledgment(self, segment: ControlSegment) -> None:
        text = "a TA1 belongs between ISA and the first GS"
        if self.group is not None:
            self._fault("022", text, segment.byte_start, segment.byte_end)
        elif self.groups:
            self._note("022", text, segment)
        if len(self.interchange.acknowledgments) < MOST_ACKNOWLEDGMENTS:
            fields = [element.decode("latin-1").strip() for element in segment.elements[1:6]]
            self.interchange.acknowledgments.append(fields + [""] * (5 - len(fields)))

    def network_service(self, segment: ControlSegment) -> None:
        """ISB, ISE and TA3 are between sender and network; they ask nothing of us (X12.5)."""
        if self.group is not None or self.groups:
            self._fault("022", f"{segment.tag} belongs between ISA and the first GS", segment.byte_start, segment.byte_end)
        else:
            self._note("022", f"{segment.tag} is meant for the network that carries the interchange, and was read past", segment)

    def group_begins(self, segment: ControlSegment) -> None:
        if self.group is not None:
            self._end_group(segment.byte_start, segment.byte_start, "3", "GE is missing: the next GS comes before it")
        self.groups += 1
        self.in_set = False
        if self.groups > self.options.limits.groups:
            self._fault("024", f"more than {self.options.limits.groups} groups", segment.byte_start, segment.byte_end)
            return
        fields = [element.decode("latin-1").strip() for element in segment.elements]
        missing = [f"GS{number:02}" for number in range(1, 9) if number >= len(fields) or not fields[number]]
        if missing:
            self._fault("024", f"{', '.join(missing)} missing in GS", segment.byte_start, segment.byte_end)
        if any(fields[9:]):
            self._note("024", f"GS has {len(fields) - 1} elements, eight are due: one of its ids may hold the element separator", segment)
        fields += [""] * 9
        start, end = segment.byte_start, segment.byte_end
        self.group = _group(self.groups - 1, fields, start, end)
        self.group.unanswerable = fields[1] == "FA"
        judge_group_header(self.group, self.groups_seen, self.options)
        self.controls = Controls()

    def set_begins(self, segment: ControlSegment) -> None:
        if self.group is None:
            self._fault("022", "ST stands outside any group; a GS must come first", segment.byte_start, segment.byte_end)
            return
        control = segment.elements[2] if len(segment.elements) > 2 else b""
        self.controls.take(self.group.found_sets, control)
        self.group.found_sets += 1
        self.in_set = True

    def set_ends(self, segment: ControlSegment) -> None:
        if not self.in_set:
            self._fault("022", "SE stands where no set is open", segment.byte_start, segment.byte_end)
        self.in_set = False

    def group_ends(self, segment: ControlSegment) -> None:
        if self.group is None:
            self._fault("022", "GE stands where no group is open", segment.byte_start, segment.byte_end)
            return
        group = self.group
        self._end_group(segment.byte_start, segment.byte_end)
        count, control = _field(segment, 1), _field(segment, 2)
        group.claimed_sets = count
        if not _counts(count, group.found_sets, self.options):
            text = f"GE01 says {count or 'nothing'}, the group has {group.found_sets} sets"
            add_code(group, "5", text, segment.byte_start, segment.byte_end)
        elif count != str(group.found_sets) and count.lstrip("0") != str(group.found_sets):
            self._warn("count-off")
        if _number(control) != _number(group.control):
            add_code(group, "4", f"GE02 is {control or 'missing'}, GS06 is {group.control}", segment.byte_start, segment.byte_end)
        elif control != group.control:
            self._warn("number-padding")

    def interchange_ends(self, segment: ControlSegment) -> None:
        if self.group is not None:
            self._end_group(segment.byte_start, segment.byte_start, "3", "GE is missing: IEA comes before it")
        count, control = _field(segment, 1), segment.elements[2].decode("latin-1") if len(segment.elements) > 2 else ""
        same = control == self.interchange.control
        if not same and "number-padding" in self.options.allow and _number(control) == _number(self.interchange.control):
            self._warn("number-padding")
            same = True
        cut = segment.fault and self.interchange.control.startswith(control)
        if cut and not same:
            self._fault(segment.fault, "the message ends inside IEA; send the interchange whole", segment.byte_start, segment.byte_end)
        elif segment.fault:
            self._note(segment.fault, "the last segment terminator is missing", segment)
        if not same and not cut:
            text = f"IEA02 is {control or 'missing'}, ISA13 is {self.interchange.control}"
            self._fault("001", text, segment.byte_start, segment.byte_end)
        if not _counts(count, self.groups, self.options):
            text = f"IEA01 says {count or 'nothing'}, the interchange has {self.groups} groups"
            self._fault("021", text, segment.byte_start, segment.byte_end)
        elif _number(count) != self.groups:
            self._warn("count-off")

    def _end_group(self, body_end: int, byte_end: int, code: str = "", text: str = "") -> None:
        assert self.group is not None
        group, self.group, self.in_set = self.group, None, False
        group.body_end, group.byte_end = body_end, byte_end
        group.duplicate_sets = frozenset(self.controls.duplicates)
        if code:
            add_code(group, code, text, group.byte_start, group.body_start)
        self.interchange.groups.append(group)

    def _need(self, leniency: str, segment: ControlSegment) -> None:
        """A leniency without which the segment, and so the interchange, cannot be read."""
        if leniency in self.options.allow:
            self._warn(leniency)
        elif not any(finding.leniency == leniency and finding.code == "022" for finding in self.interchange.findings):
            text = NEEDS[leniency].format(segment.tag)
            self._fault("022", text, segment.byte_start, segment.byte_end, leniency=leniency)

    def _warn(self, name: str) -> None:
        if name not in self.interchange.warnings:
            self.interchange.warnings.append(name)

    def _note(self, note: str, text: str, segment: ControlSegment) -> None:
        """Tells what lowers no verdict."""
        self.interchange.findings.append(Finding("interchange", note, text, segment.byte_start, segment.byte_end, severity="warning"))

    def _fault(self, note: str, text: str, start: int, end: int, *, element: int = 0, leniency: str = "") -> None:
        interchange = self.interchange
        if interchange.ta1 is None:
            interchange.ta1 = note
        interchange.rejected = True
        if len(interchange.findings) < 100:
            interchange.findings.append(Finding("interchange", note, text, start, end, element=element or None, leniency=leniency or None))


NEEDS = {
    "mixed-tails": "blanks stand before {}; only line ends may stand between a terminator and the next segment",
    "wrapped-lines": "a line break stands inside {}; send the interchange without line breaks inside segments",
}
"""What is told of a control segment that a leniency would let us read."""

TREATMENTS = {
    "TA1": _Walk.acknowledgment,
    "ISB": _Walk.network_service,
    "ISE": _Walk.network_service,
    "TA3": _Walk.network_service,
    "GS": _Walk.group_begins,
    "ST": _Walk.set_begins,
    "SE": _Walk.set_ends,
    "GE": _Walk.group_ends,
    "IEA": _Walk.interchange_ends,
}


def _interchange(header: Header, ordinal: int) -> Interchange:
    text = header.text
    return Interchange(
        ordinal,
        header.byte_start,
        header.byte_end,
        header.delimiters,
        text(5),
        text(6),
        text(7),
        text(8),
        text(9),
        text(10),
        header.elements[13].decode("latin-1"),
        text(12),
        ack_requested=text(14) == "1",
        usage=text(15),
        warnings=list(header.warnings),
    )


def _group(ordinal: int, fields: list[str], start: int, end: int) -> Group:
    _, functional, sender, receiver, date, time, control, _, version, *_ = fields
    return Group(ordinal, functional, sender, receiver, date, time, control, version, start, end, end, end)


def _next_header(read: ReadAt, start: int, size: int, options: Options) -> Header | None:
    """The first provable ISA from `start` on: bare letters in a text do not count."""
    at, chunk = start, min(FIRST_CHUNK, CHUNK)
    while at < size:
        data, chunk = read(at, chunk), CHUNK
        found = data.find(b"ISA")
        while found >= 0:
            if header := header_at(read, at + found, options):
                return header
            found = data.find(b"ISA", found + 1)
        at += max(len(data) - 2, 1) if at + len(data) < size else len(data) or size
    return None


HEAD = 400
"""Bytes looked at to say what a message without an interchange is."""

PADDING = b"\r\n\t \x00\x1a"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def _count_leftover(read: ReadAt, start: int, end: int, result: Outline) -> None:
    """Counts what stands outside the interchanges; padding and a byte order mark are none of it."""
    count = 0
    for at in range(start, end, CHUNK):
        data = read(at, min(CHUNK, end - at))
        if data.startswith(BYTE_ORDER_MARK):
            data = data[len(BYTE_ORDER_MARK) :]
            if "byte-order-mark" not in result.warnings:
                result.warnings.append("byte-order-mark")
        count += len(data.translate(None, PADDING))
    if count and "leftover-bytes" not in result.warnings:
        result.warnings.append("leftover-bytes")
    result.leftover_bytes += count


def _digest(read: ReadAt, start: int, end: int) -> str:
    digest = hashlib.sha256()
    for at in range(start, end, CHUNK):
        digest.update(read(at, min(CHUNK, end - at)))
    return digest.hexdigest()


def _judge_repeat(interchange: Interchange, seen: dict[tuple[str, str, str, str, str], Interchange], options: Options) -> None:
    """ISA13 twice from one sender in one message (TA1 025); only what stood counts as seen."""
    i = interchange
    key = (i.sender_qualifier, i.sender, i.receiver_qualifier, i.receiver, i.control)
    before = seen.get(key)
    header_stands = not any(finding.element or finding.code in ("004", "026", "027") for finding in i.findings)
    if before is not None and header_stands:
        i.repeats = before.ordinal
        if not ("same-again" in options.allow and before.sha256 == i.sha256):
            i.ta1, i.rejected, i.groups = "025", True, []
            text = f"ISA13 {i.control} stood in interchange {before.ordinal + 1} of this message already"
            i.findings.insert(0, Finding("interchange", "025", text, i.byte_start, i.byte_start + 106))
        elif "same-again" not in i.warnings:
            i.warnings.append("same-again")
    if not i.rejected:
        seen.setdefault(key, i)


def _field(segment: ControlSegment, number: int) -> str:
    return segment.elements[number].decode("latin-1").strip() if number < len(segment.elements) else ""


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else None


def _counts(claimed: str, found: int, options: Options) -> bool:
    number = _number(claimed)
    if number is None:
        return False
    return number == found or ("count-off" in options.allow and abs(number - found) <= 2)
