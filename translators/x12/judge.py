"""Judges one set: turns what is unusual in it into findings with the codes of the 997.

Knows nothing of where bytes come from. The hot loop (reader.py) asks only where a segment is not plainly right.
"""

from typing import Any

from translators.document import Delimiters, Finding, Verdict
from translators.x12.blocks import Block
from translators.x12.check import Checker, Fault
from translators.x12.envelope_scan import break_bytes
from translators.x12.guide import Dictionary, Guide
from translators.x12.hierarchy import Hierarchy
from translators.x12.layout import Loop, Place, Step
from translators.x12.machine import ATTENTIVE, Machine, Table, machine_for
from translators.x12.options import Options

MAX_FAULTS_OF_A_SEGMENT = 99
"""AK4 under one AK3 (X12 997)."""

NO_DICTIONARY = Dictionary("", {}, frozenset(), {})


def verdicts(findings: list[Finding], codes: list[str], options: Options) -> tuple[Verdict, Verdict]:
    """AK501 under the strict and under the tolerant profile."""
    errors = [finding for finding in findings if finding.severity == "error"]
    if not errors and not codes:
        return Verdict.ACCEPTED, Verdict.ACCEPTED
    lowered = all(finding.level == "element" or finding.leniency in options.allow for finding in errors)
    return Verdict.REJECTED, Verdict.REJECTED if codes or not lowered else Verdict.ACCEPTED_WITH_ERRORS


class SetJudge:
    """The state of one set beside its place in the layout."""

    def __init__(self, guide: Guide | None, delimiters: Delimiters, options: Options, block: Block, index: int) -> None:
        self.guide, self.delimiters, self.options = guide, delimiters, options
        self.header = (block, index)
        self.machine: Machine | None = machine_for(guide, delimiters, options.closed_lists) if guide else None
        self.checker = Checker(guide.dictionary, delimiters, options) if guide else Checker(NO_DICTIONARY, delimiters, options)
        self.counts = [0] * (guide.layout.size if guide else 0)
        self._separator = delimiters.element
        self.hierarchy = Hierarchy(len(self._separator))
        self.findings: list[Finding] = []
        self.suppressed = 0
        self.codes: list[str] = []
        self.misplaced = False
        """A segment was missing, foreign or out of place: another release's shape may fit better."""
        self.ended = ""
        self.segments = 1
        self.byte_end = block.end_of(index)
        self._shift = 1 - index
        self._met: set[int] = set()
        self._lacking: set[int] = set()
        self._bounded_by = ""

    # What the hot loop calls.

    def follow(self, step: Step, block: Block, index: int, raw: bytes) -> bool:
        """Counts a loop whose first segment matched and is in its place; False if it needs a closer look."""
        if step.missing:
            return False
        tag, loop = step.place.tag, step.counted
        if tag in ATTENTIVE and tag != "HL":
            return False
        if isinstance(loop, Loop):
            count = self.counts[loop.number] + 1 if step.again else 1
            if count > (loop.maximum or 0):
                return False
            self.counts[loop.number] = count
        if tag == "HL":
            self.hierarchy.take(raw.split(self._separator), index + self._shift, block.end_of(index) - block.terminator)
        return True

    def unusual(self, block: Block, index: int, raw: bytes, get: Any, control: str) -> Any:
        """Judges one segment exactly; the bound get of the table that follows. Sets `ended` where the set ends."""
        if not raw:
            self._empty(block, index)
            return get
        if b"\n" in raw or b"\r" in raw:
            raw = self._unwrapped(raw)
        separator = self.delimiters.element
        tag = raw[:8].split(separator, 1)[0].decode("latin-1")
        if tag == "ST":
            self._stop(index - 1, block, "ST")
            self.set_fault("2", "SE is missing: the next ST comes before it", block, index)
            return get
        if tag == "SE":
            self._trailer(block, index, raw.split(separator, 20), get, control)
            return get
        return self._segment(block, index, raw, tag, get) if self.machine else get

    def leave(self, block: Block) -> None:
        """The block is used up and the set goes on."""
        last = len(block.pieces) - 1
        self.byte_end = block.end_of(last)
        self.segments = last + self._shift
        self._shift += len(block.pieces)

    def broken_off(self, why: str) -> None:
        """The set ended without SE and without a next ST."""
        block, index = self.header
        self.set_fault("2", f"SE is missing: {why} before it", block, index)

    def too_long(self, block: Block, index: int) -> None:
        """A segment over the limit was cut."""
        tag = block.pieces[index].split(self.delimiters.element, 1)[0].decode("latin-1")[:3]
        text = f"the segment has {block.size} bytes; at most {self.options.limits.segment_bytes} are read"
        self._add(self._at(block, index)._replace(level="segment", code="8", text=text, segment=tag))

    def set_fault(self, code: str, text: str, block: Block, index: int) -> None:
        """A code of the set's own (AK502)."""
        if code not in self.codes:
            self.codes.append(code)
        self.findings.append(Finding("set", code, text, block.start_of(index), block.end_of(index)))

    def sorted_findings(self) -> list[Finding]:
        """By position, then element; the set's own first."""
        name = "hl-loose"
        for fault in self.hierarchy.close():
            allowed = self.checker.allows(name)
            finding = Finding("element", "7", fault.text, fault.byte_start, fault.byte_end, "HL", fault.position, fault.element)
            number = self.guide.dictionary.segments["HL"].elements[fault.element - 1].number if self.guide else None
            self._add(
                finding._replace(
                    data_element=int(number) if number else None,
                    value=self._copied(fault.value),
                    kind="hl",
                    severity="warning" if allowed else "error",
                    leniency=name,
                )
            )
        if self.suppressed:
            text = f"{self.suppressed} more findings are not listed"
            self.findings.append(Finding("segment", "8", text, self.byte_end, self.byte_end, "SE", self.segments))
        return sorted(self.findings, key=lambda finding: (finding.position, finding.element or 0, finding.component or 0))

    # One segment.

    def _segment(self, block: Block, index: int, raw: bytes, tag: str, get: Any) -> Any:
        assert self.guide is not None
        assert self.machine is not None
        layout, dictionary = self.guide.layout, self.guide.dictionary
        if tag not in layout.tags:
            known = tag in dictionary.known_ids
            text = f"{tag} does not belong in the set {self.guide.set_id}" if known else f"{tag or 'an empty id'} is no segment of X12"
            leniency = "foreign-segment"
            meant = "".join(tag.split()).upper()
            if not known and meant in layout.tags:
                text = f"{tag!r} is no segment of X12; write {meant} in capitals, without blanks and line breaks"
                leniency = "wrapped-lines" if "\n" in tag or "\r" in tag else "mixed-tails" if tag[:1].isspace() else leniency
            self._misplaced(block, index, tag, "6" if known else "1", text, leniency)
            return get
        table = get.__self__
        step = self._step(table, tag, block, index)
        rules = dictionary.segments.get(tag)
        if self.machine.match(tag)(raw) is None:
            binary = rules is not None and rules.elements[-1].kind == "B"
            fields = raw.split(self.delimiters.element, len(rules.elements) if binary and rules else self.options.limits.elements)
            place = step.place if step else table.place
            faults = self.checker.segment(rules, fields)[:MAX_FAULTS_OF_A_SEGMENT]
            for fault in faults:
                self._add(self._finding(fault, fields, block, index, tag, place))
            if not any(fields[1:]) and not faults:
                text = f"{tag} holds no element; leave the segment out"
                self._add(self._at(block, index)._replace(level="segment", code="8", text=text, segment=tag, severity="warning"))
        if tag == "HL":
            self._hierarchy(raw.split(self.delimiters.element), block, index)
        elif tag in ("LS", "LE"):
            self._bounds(tag, raw.split(self.delimiters.element), block, index)
        if step is None:
            return get
        if not step.code:
            self.machine.learn(table, tag)
        if step.code == "7" and isinstance(step.counted, Place):
            return get
        again = step.again and step.place is table.place
        return self.machine.table(step.place, table.count + (not step.code) if again else 1).get

    def _step(self, table: Table, tag: str, block: Block, index: int) -> Step | None:
        """The step to take, its faults told; None to stay where we are."""
        assert self.guide is not None
        layout, place = self.guide.layout, table.place
        full: tuple[Place | Loop, ...] = ()
        while True:
            step = layout.forward(place, tag, full)
            if step is None:
                return self._out_of_place(place, tag, block, index)
            counted = step.counted
            if step.code or counted is None:
                break
            before = table.count if isinstance(counted, Place) else self.counts[counted.number]
            count = before + 1 if step.again else 1
            if count <= (counted.maximum or 0):
                self.counts[counted.number] = count
                break
            full = (*full, counted)
        if step.code:
            what = step.place.loop if step.code == "4" else step.place
            times = "once" if what.maximum == 1 else f"{what.maximum} times"
            text = f"the {tag} loop may come {times} here" if step.code == "4" else f"{tag} may come {times} here"
            self._add(self._at(block, index)._replace(level="segment", code=step.code, text=text, segment=tag, loop=self._loop(step.place)))
        for item in step.missing:
            if item.number not in self._met:
                self._missing(item, block, index, tag)
        return step

    def _out_of_place(self, place: Place, tag: str, block: Block, index: int) -> Step | None:
        assert self.guide is not None
        step = self.guide.layout.misplaced(place, tag, implicit="implicit-loop" in self.options.allow)
        if step is None:
            self._misplaced(block, index, tag, "2", f"{tag} has no place here", "")
            return None
        if step.code == "2":
            self._misplaced(block, index, tag, "2", f"{tag} comes without the segment that opens its loop", "implicit-loop")
            return step
        item = step.counted
        assert item is not None
        if item.required and item.maximum == 1 and item.number not in self._lacking | self._met:
            self._misplaced(block, index, tag, "5", f"{tag} may come once and stood before", "")
        else:
            text = f"{tag} comes too late: it belongs before {place.tag}"
            self._misplaced(block, index, tag, "7", text, "loose-order")
        self._met.add(item.number)
        if isinstance(item, Loop):
            self.counts[item.number] += 1
        return step

    def _missing(self, item: Place | Loop, block: Block, index: int, met: str) -> None:
        assert self.guide is not None
        self.misplaced = True
        self._lacking.add(item.number)
        rules = self.guide.dictionary.segments.get(item.tag)
        name = f"{item.tag} ({rules.title})" if rules else item.tag
        text = f"{name} is mandatory and missing before {met}"
        self._add(self._at(block, index)._replace(level="segment", code="3", text=text, segment=item.tag, loop=self._loop(item)))

    def _misplaced(self, block: Block, index: int, tag: str, code: str, text: str, leniency: str) -> None:
        self.misplaced = True
        if leniency:
            self.checker.allows(leniency)
        finding = self._at(block, index)._replace(level="segment", code=code, text=text, segment=tag[:3], leniency=leniency or None)
        self._add(finding._replace(loop=self._bounded_by or None))

    def _finding(self, fault: Fault, fields: list[bytes], block: Block, index: int, tag: str, place: Place) -> Finding:
        """A fault of an element with its place in the message."""
        base = block.start_of(index)
        start, end = base, block.end_of(index)
        element, step = fault.element, len(self.delimiters.element)
        if sum(map(len, fields)) + step * (len(fields) - 1) == end - block.terminator - base and element:
            start = base + sum(len(value) + step for value in fields[:element]) - (step if element >= len(fields) else 0)
            end = start + (len(fields[element]) if element < len(fields) else 0)
            if element >= len(fields):
                start = end = min(start, block.end_of(index) - block.terminator)
        allowed = bool(fault.leniency) and self.checker.allows(fault.leniency)
        code = "3" if fault.code in ("12", "13") and self.guide and self.guide.dictionary.release < "005010" else fault.code
        return Finding(
            "element",
            code,
            fault.text,
            start,
            end,
            tag,
            index + self._shift,
            element,
            fault.component,
            fault.repetition,
            int(fault.data_element) if fault.data_element.isdigit() else None,
            self._loop(place),
            self._copied(fault.value),
            severity="warning" if allowed or not fault.sure else "error",
            leniency=fault.leniency or None,
        )

    def _copied(self, value: bytes) -> str | None:
        """AK404: the bad value, cut to 99 characters; nothing if it holds delimiters, control characters or no text."""
        text = value.decode("utf-8", errors="replace")
        if not value or not text.isprintable() or "\ufffd" in text or any(one and one in value for one in self.delimiters):
            return None
        return text[:99]

    def _hierarchy(self, fields: list[bytes], block: Block, index: int) -> None:
        self.hierarchy.take(fields, index + self._shift, block.end_of(index) - block.terminator)

    def _bounds(self, tag: str, fields: list[bytes], block: Block, index: int) -> None:
        """LS and LE carry the same id; what stands between bears it (AK303)."""
        name = fields[1].decode("latin-1") if len(fields) > 1 else ""
        if tag == "LS":
            self._bounded_by = name[:6]
        elif name[:6] != self._bounded_by and name:
            text = f"LE01 is {name}, the LS before says {self._bounded_by or 'nothing'}"
            self._add(self._at(block, index)._replace(code="7", text=text, segment="LE", element=1, data_element=447, value=name[:99]))
        if tag == "LE":
            self._bounded_by = ""

    def _trailer(self, block: Block, index: int, fields: list[bytes], get: Any, control: str) -> None:
        """SE: what is missing before it, its count and its number."""
        self._stop(index, block, "SE")
        if self.machine is None:
            return
        self._step(get.__self__, "SE", block, index)
        said = fields[1].decode("latin-1").strip() if len(fields) > 1 else ""
        trailer = fields[2].decode("latin-1").strip() if len(fields) > 2 else ""
        off = abs(int(said) - self.segments) if said.isascii() and said.isdigit() and len(said) <= 18 else None
        if off is None or (off and not (off <= 2 and self.checker.allows("count-off"))):
            self.set_fault("4", f"SE01 says {said or 'nothing'}, the set has {self.segments} segments", block, index)
        same_number = trailer.isdigit() and control.isdigit() and int(trailer) == int(control)
        if trailer != control and not (same_number and self.checker.allows("number-padding")):
            self.set_fault("3", f"SE02 is {trailer or 'missing'}, ST02 is {control}", block, index)

    def _stop(self, last: int, block: Block, why: str) -> None:
        self.ended = why
        self.segments = last + self._shift
        if last >= 0:
            self.byte_end = block.end_of(last)

    def _empty(self, block: Block, index: int) -> None:
        self._shift -= 1
        if not self.checker.allows("empty-segment") and self.machine:
            text = "an empty segment: two terminators in a row"
            self._add(self._at(block, index)._replace(level="segment", code="1", text=text, leniency="empty-segment"))

    def _unwrapped(self, raw: bytes) -> bytes:
        """The segment without line breaks, if they are allowed to be no data."""
        breaks = break_bytes(self.delimiters)
        return raw.translate(None, breaks) if breaks and self.checker.allows("wrapped-lines") else raw

    def _loop(self, item: Place | Loop) -> str | None:
        loop = item.loop if isinstance(item, Place) else item.parent
        return (self._bounded_by or None) if loop is not None and loop.bounded else None

    def _at(self, block: Block, index: int) -> Finding:
        return Finding("element", "", "", block.start_of(index), block.end_of(index) - block.terminator, position=index + self._shift)

    def _add(self, finding: Finding) -> None:
        if len(self.findings) < self.options.limits.findings:
            self.findings.append(finding)
        else:
            self.suppressed += 1
