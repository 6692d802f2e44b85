"""Tells a report to a person: what the file holds, what the 997 would say, and each fault with its bytes underlined and the mend.

Knows nothing of where it is shown, but whether colour is wanted.
"""

from collections.abc import Iterator
from typing import Any

from translators.x12.options import ReadAt

WIDTH = 120
"""Characters of a segment that are shown around a fault."""

MARGIN = 70
"""Characters shown before the fault in a long segment."""

MAX_FAULTS_A_SET = 40

VERDICTS = {
    "A": "accepted",
    "E": "accepted with errors",
    "P": "partly accepted",
    "R": "rejected",
    None: "not answered: it carries acknowledgments",
}

RED, BOLD, DIM, PLAIN = "\x1b[31m", "\x1b[1m", "\x1b[2m", "\x1b[0m"


def explain_report(report: dict[str, Any], read: ReadAt, colour: bool) -> str:
    """The report as text, a summary line first."""
    teller = _Teller(read, colour)
    return "\n".join([teller.summary(report), *teller.body(report)]) + "\n"


class _Teller:
    def __init__(self, read: ReadAt, colour: bool) -> None:
        self.read, self.colour = read, colour
        self.terminator = b"~"

    def paint(self, style: str, text: str) -> str:
        return f"{style}{text}{PLAIN}" if self.colour else text

    def summary(self, report: dict[str, Any]) -> str:
        groups = [group for interchange in report["interchanges"] for group in interchange["groups"]]
        sets = [one for group in groups for one in group["sets"]]
        rejected = sum("ta1_ack" in interchange for interchange in report["interchanges"])
        parts = [_many(len(report["interchanges"]), "interchange"), _many(len(groups), "group"), _many(len(sets), "set")]
        for verdict in ("A", "E", "R"):
            if count := sum(one["ack"] == verdict for one in sets):
                parts.append(f"{count} {VERDICTS[verdict]}")
        if rejected:
            parts.append(f"{_many(rejected, 'interchange')} rejected whole")
        return self.paint(BOLD, f"{report.get('file', 'message')}: {', '.join(parts)}")

    def body(self, report: dict[str, Any]) -> Iterator[str]:
        for fault in report["faults"]:
            yield self.paint(RED, f"  {fault['text']}")
        if report["leftover_bytes"]:
            yield f"  {_many(report['leftover_bytes'], 'byte')} outside the interchanges, kept and left alone"
        for number, interchange in enumerate(report["interchanges"], start=1):
            yield from self.interchange(interchange, number)

    def interchange(self, interchange: dict[str, Any], number: int) -> Iterator[str]:
        self.terminator = interchange["delimiters"]["segment"].encode("latin-1")
        head = f"interchange {number}: {interchange['control'].strip()} from {interchange['sender']} to {interchange['receiver']}"
        if "ta1_ack" in interchange:
            yield f"{head}: {self.paint(RED, 'rejected, TA1 ' + interchange['ta1'])}"
        else:
            yield head + (": a TA1 000 is owed" if interchange["ta1"] else "")
        for fault in interchange["faults"]:
            yield from self.fault(fault, "  ", f"TA1 {fault['code']}")
        yield from self.used(interchange["warnings"], "  ")
        for group in interchange["groups"]:
            yield from self.group(group)

    def group(self, group: dict[str, Any]) -> Iterator[str]:
        answer = VERDICTS[group["ack"]]
        if group["ack"]:
            answer = f"997 says {group['ack']}, {answer}"
        yield f"  group {group['functional']} {group['control']} ({group['version']}): {answer}"
        for fault in group["faults"]:
            yield from self.fault(fault, "    ", f"AK9 {fault['code']}")
        clean = [one for one in group["sets"] if not (one["errors"] or one["faults"] or one["notes"] or one["warnings"] or one["note"])]
        if len(clean) > 3:
            yield f"    {len(clean)} sets without a fault"
        for one in group["sets"]:
            if len(clean) <= 3 or one not in clean:
                yield from self.set(one)

    def set(self, one: dict[str, Any]) -> Iterator[str]:
        verdict = VERDICTS[one["ack"]] if one["ack"] else "read, not answered"
        styled = self.paint(RED, verdict) if one["ack"] == "R" else verdict
        yield f"    set {one['id']} {one['control']}: {styled}, {_many(one['segments'], 'segment')}" + (f" ({one['note']})" if one["note"] else "")
        for fault in one["faults"]:
            yield from self.fault(fault, "      ", f"AK5 {fault['code']}")
        for error in one["errors"][:MAX_FAULTS_A_SET]:
            yield from self.error(error, RED)
        if len(one["errors"]) > MAX_FAULTS_A_SET:
            yield f"      and {len(one['errors']) - MAX_FAULTS_A_SET} more; --json lists them all"
        for note in one["notes"][:MAX_FAULTS_A_SET]:
            yield from self.error(note, DIM)
        yield from self.used(one["warnings"], "      ")

    def used(self, warnings: list[str], margin: str) -> Iterator[str]:
        if warnings:
            yield self.paint(DIM, f"{margin}let pass: {', '.join(warnings)}")

    def error(self, error: dict[str, Any], style: str) -> Iterator[str]:
        code = f"AK3 {error['code997']}" + (f", AK4 {error['code_element']}" if "code_element" in error else "")
        yield f"      {self.paint(style, error['text'])} [{code}]"
        yield from self.shown(error, "        ", f"segment {error['position']}, byte {error['byte_start']}")
        if leniency := error.get("leniency"):
            yield self.paint(DIM, f"        a leniency for this: {leniency}")

    def fault(self, fault: dict[str, Any], margin: str, code: str) -> Iterator[str]:
        style = RED if fault["severity"] == "error" else DIM
        yield f"{margin}{self.paint(style, fault['text'])} [{code}]"
        yield from self.shown(fault, margin + "  ", f"byte {fault['byte_start']}")
        if leniency := fault.get("leniency"):
            yield self.paint(DIM, f"{margin}  a leniency for this: {leniency}")

    def shown(self, fault: dict[str, Any], margin: str, place: str) -> Iterator[str]:
        """The segment with the fault on one line, and below it the marks."""
        start, end = fault["byte_start"], fault["byte_end"]
        lead = min(start, WIDTH)
        data = self.read(start - lead, lead + min(end - start, WIDTH) + WIDTH)
        before, faulty, after = data[:lead], data[lead : lead + end - start][:WIDTH], data[lead + end - start :]
        before = before[before.rfind(self.terminator) + len(self.terminator) :].lstrip(b"\r\n")[-MARGIN:]
        after = b"" if faulty.endswith(self.terminator) else after.split(self.terminator, 1)[0]
        left, middle, right = (_printable(part) for part in (before, faulty, after))
        if left or middle or right:
            marks = "^" * max(len(middle), 1)
            yield f"{margin}{left}{middle}{right[: max(WIDTH - len(left) - len(middle), 0)]}"
            yield f"{margin}{' ' * len(left)}{self.paint(RED, marks)} {self.paint(DIM, place)}"


def _printable(data: bytes) -> str:
    """Bytes as characters of one column each; what cannot be shown as a middle dot."""
    text = data.decode("utf-8", errors="replace")
    return "".join(character if character.isprintable() and character != "\ufffd" else "·" for character in text)


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
