"""What a translation worker does with one message: envelope pass, then sets read, checked and mapped, in chunks of bounded size.

Everything it gives back is JSON values: rows ready to be kept. It never opens the database and never sends anything.
"""

from collections.abc import Iterator
from dataclasses import replace

from gateway.translate.answering import Answering
from gateway.translate.telling import CHUNK_BYTES, CHUNK_DOCUMENTS, CHUNK_EVENTS, Job, Row, Telling, finding_json, finding_of, repeats_of, resume_text
from partners.mappings import MappingLibrary
from partners.profile import Agreement, Profile
from translators.document import Control, Finding
from translators.x12.acknowledge import SetVerdict
from translators.x12.answers import ANSWERS, as_json, read_acknowledgment, read_ta1
from translators.x12.envelope import Group, Interchange, outline
from translators.x12.envelope_scan import control_segments
from translators.x12.groups import SETS_OF
from translators.x12.guide import GuideBook
from translators.x12.options import Options, ReadAt
from translators.x12.reader import SetReading, read_sets

SHOWN_REASONS = 3


class MessageWork:
    """One message on its way through a worker; `chunk()` again and again until its `resume` is None."""

    def __init__(self, job: Job, profile: Profile, read: ReadAt, *, guides: GuideBook, mappings: MappingLibrary) -> None:
        self.job = job
        self.profile = profile
        self.guides = guides
        self.mappings = mappings
        self.read = read
        self.answering = Answering(profile, guides)
        self.telling = Telling(job, profile, mappings)
        self.options = Options(strictness=profile.strictness, allow=profile.allowed)
        self.dropped: set[int] = set()
        """Ordinals (from 1) of interchanges that the store decided against after the first chunk."""
        self.outline = outline(read, job.size, self.options)
        self.position = job.resume
        self._first = job.resume is None
        self._hold = job.hold
        self._replays = job.resume is not None and "replay" in job.resume
        self._steps = self._walk_again(job.resume["replay"]) if job.resume and self._replays else self._walk()

    def go_on(self, resume: Row, earlier: list[Row]) -> None:
        """Other sets of the same message, of which the envelopes are known by now."""
        self.job = replace(self.job, resume=resume, earlier=earlier)
        self.position = resume
        self._steps = self._walk_again(resume["replay"])

    def chunk(self, dropped: list[int], *, alone: bool = False) -> Row:
        """The next rows. `alone`: of one document, so that one that ends its worker is what the next chunk begins with."""
        most = 1 if alone else CHUNK_DOCUMENTS
        self.dropped |= set(dropped)
        out: Row = {
            "expected_resume": resume_text(self.position), "interchanges": [], "groups": [], "documents": [], "acknowledgments": [],
            "ta1s": [], "envelope_findings": [], "held": None,
        }  # fmt: skip
        if self._first:
            self._first = False
            if not self.outline.interchanges:
                out["held"] = "; ".join(finding.text for finding in self.outline.findings) or "there is no interchange in it"
                out["resume"] = None
                return out
            self._tell_envelopes(out)
        size = events = 0
        for kind, row in self._steps:
            out[kind].append(row)
            if kind == "documents":
                size += row["byte_end"] - row["byte_start"]
                events += len(row["events"])
                if self._replays:
                    continue  # a replay is bounded by what was asked for, and lands in one commit
                if size >= CHUNK_BYTES or len(out["documents"]) >= most or events >= CHUNK_EVENTS:
                    out["resume"] = resume_text(self.position)
                    return out
        self.position = None
        out["resume"] = None
        return out

    # ---- envelopes

    def _state(self, interchange: Interchange) -> tuple[str, str | None]:
        """open, rejected or held, with the reason; nothing of a rejected or held one is read further."""
        if interchange.rejected:
            words = "; ".join(finding.text for finding in interchange.findings) or "its envelope cannot be accepted"
            return "rejected", f"TA1 {interchange.ta1}: {words}"
        sender = f"{interchange.sender_qualifier}:{interchange.sender}"
        if sender not in self.profile.senders and self.job.override != "foreign-sender":
            known = ", ".join(sorted(self.profile.senders))
            return "held", (
                f"its sender {sender} is none of {self.profile.partner}'s identities ({known}); no 997 is sent. Add it to identities.isa and replay"
                " the message, or skip it with a reason"
            )
        return "open", None

    def _stream(self, interchange: Interchange) -> str:
        if self.job.stream is not None:
            return self.job.stream
        return "test" if interchange.usage == "T" else "production"

    def _tell_envelopes(self, out: Row) -> None:
        for interchange in self.outline.interchanges:
            state, reason = self._state(interchange)
            if_accepted, if_rejected = self.answering.owes_ta1(interchange)
            out["interchanges"].append(
                {
                    "ordinal": interchange.ordinal + 1, "stream": self._stream(interchange), "state": state, "reason": reason, "ta1": interchange.ta1,
                    "sender": f"{interchange.sender_qualifier}:{interchange.sender}"[:40],
                    "receiver": f"{interchange.receiver_qualifier}:{interchange.receiver}"[:40], "control": interchange.control[:32],
                    "version": interchange.version[:12], "usage": interchange.usage[:4], "date": interchange.date[:8], "time": interchange.time[:8],
                    "byte_start": interchange.byte_start, "byte_end": interchange.byte_end, "sha256": interchange.sha256,
                    "ta1_if_accepted": if_accepted, "ta1_if_rejected": if_rejected, "repeats": repeats_of(self.profile),
                }
            )  # fmt: skip
            self._keep_findings(out, interchange.findings, interchange.ordinal + 1, 0)
            if state != "open":
                continue
            out["ta1s"] += [as_json(read_ta1(fields)) | {"interchange": interchange.ordinal + 1} for fields in interchange.acknowledgments]
            for group in interchange.groups:
                out["groups"].append(
                    {
                        "interchange": interchange.ordinal + 1, "ordinal": group.ordinal + 1, "functional": group.functional[:4],
                        "control": group.control[:32], "version": group.version[:32], "sender": group.sender[:40], "receiver": group.receiver[:40],
                        "codes": " ".join(group.codes), "claimed": _count(group.claimed_sets), "found": group.found_sets,
                    }
                )  # fmt: skip
                self._keep_findings(out, group.findings, interchange.ordinal + 1, group.ordinal + 1)

    def _keep_findings(self, out: Row, findings: list[Finding], interchange: int, group: int) -> None:
        out["envelope_findings"] += [
            {"interchange": interchange, "grp": group, "ordinal": 0, "finding": finding_json(finding)} for finding in findings
        ]

    # ---- sets

    def _walk(self) -> Iterator[tuple[str, Row]]:
        begin = self.position or {"i": 0, "g": 0, "s": 0, "o": None}
        for interchange in self.outline.interchanges[begin["i"] :]:
            if self._state(interchange)[0] != "open" or interchange.ordinal + 1 in self.dropped:
                continue
            resumed = interchange.ordinal == begin["i"]
            for group in interchange.groups[begin["g"] if resumed else 0 :]:
                mine = resumed and group.ordinal == begin["g"]
                yield from self._walk_group(interchange, group, begin["s"] if mine else 0, begin["o"] if mine else None)
                if interchange.ordinal + 1 in self.dropped:
                    break

    def _walk_again(self, places: list[Row]) -> Iterator[tuple[str, Row]]:
        """A person's replay: these sets once more, under the profile of today; no envelope is judged and no answer is made again.

        A group that waited for a set that nobody could read gets its answer as soon as that set has a verdict.
        """
        earlier = {(row["interchange"], row["group"], row["ordinal"]): row for row in self.job.earlier}
        verdicts: dict[tuple[int, int], dict[int, SetVerdict]] = {}
        for run in _runs(places):
            interchange = self.outline.interchanges[run[0]["i"]]
            group = interchange.groups[run[0]["g"]]
            sets = read_sets(
                self.read, interchange, group, self.guides, self.options, offset=run[0]["o"], ordinal=run[0]["s"], agreed=self._agreed(group)
            )
            for place, reading in zip(run, sets, strict=False):
                row = self._document(interchange, group, reading)
                before = earlier.get((row["interchange"], row["group"], row["ordinal"]))
                if before is not None and before["unread"]:
                    row["first_reading"] = True
                    verdicts.setdefault((place["i"], place["g"]), {})[row["ordinal"]] = _verdict_of(reading)
                yield "documents", row
        for (i, g), fresh in sorted(verdicts.items()):
            stored = [row for row in self.job.earlier if (row["interchange"], row["group"]) == (i + 1, g + 1)]
            group = self.outline.interchanges[i].groups[g]
            if not self._never_answered(group) and all(row["ordinal"] in fresh or not row["unread"] for row in stored):
                whole = [fresh.get(row["ordinal"]) or _verdict_from(row) for row in stored]
                yield "acknowledgments", self.answering.group(self.outline.interchanges[i], group, whole)

    def _walk_group(self, interchange: Interchange, group: Group, ordinal: int, offset: int | None) -> Iterator[tuple[str, Row]]:
        verdicts = [_verdict_from(row) for row in self.job.earlier] if ordinal else []
        held = 0
        if self._hold:
            row, end = self._step_over(interchange, group, ordinal, offset)
            if row is not None:  # else all sets of this group are read, and the next one's first is meant
                self._hold = False
                offset, ordinal, held = end, ordinal + 1, 1
                self.position = {"i": interchange.ordinal, "g": group.ordinal, "s": ordinal, "o": offset}
                yield "documents", row
        if not group.unreadable:
            sets = read_sets(self.read, interchange, group, self.guides, self.options, offset=offset, ordinal=ordinal, agreed=self._agreed(group))
            for reading in sets:
                if interchange.ordinal + 1 in self.dropped:
                    return
                row = self._document(interchange, group, reading)
                verdicts.append(_verdict_of(reading))
                self.position = {"i": interchange.ordinal, "g": group.ordinal, "s": reading.ordinal + 1, "o": reading.byte_end}
                yield "documents", row
        if self._never_answered(group):
            return
        if held or any(row.get("unread") for row in self.job.earlier):
            # A set that nobody could read has no verdict, so its group's 997 waits for a person.
            return
        yield "acknowledgments", self.answering.group(interchange, group, verdicts)

    def _never_answered(self, group: Group) -> bool:
        """A 997 or 999 is never answered by a 997; an 824 only where it is agreed."""
        return group.unanswerable or (group.functional == SETS_OF["824"] and self.profile.agreement("824") is None)

    def _agreed(self, group: Group) -> frozenset[str]:
        """The sets that are read in a group: what is agreed, and the answers to what we sent, which need no agreement."""
        answers = frozenset(name for name in ANSWERS if SETS_OF[name] == group.functional)
        return answers or frozenset(self.profile.receives)

    def _step_over(self, interchange: Interchange, group: Group, ordinal: int, offset: int | None) -> tuple[Row | None, int]:
        """The bounds of a set that may not be read: from its ST to SE, or to what stands in SE's place. None where no set is left."""
        start = offset if offset is not None else group.body_start
        end, set_id, control = group.body_end, "", ""
        begun = False
        for segment in control_segments(
            self.read, max(0, start - len(interchange.delimiters.segment)), group.byte_end, interchange.delimiters, self.options
        ):
            if segment.tag == "ST" and not begun:
                begun = True
                fields = [element.decode("latin-1") for element in segment.elements] + ["", "", ""]
                start, set_id, control = segment.byte_start, fields[1], fields[2]
            elif segment.tag == "SE":
                end = segment.byte_end
                break
            elif begun:
                end = segment.byte_start
                break
        if not begun:
            return None, end
        row = self._row(interchange, group, ordinal + 1, set_id, control, start, end)
        row |= {
            "state": "held",
            "reason": "reading this set has ended three worker processes; it is held, its siblings go on, and its group's 997 waits",
        }
        return row | {"verdict": "R", "codes": "", "release": ""}, end

    def _row(self, interchange: Interchange, group: Group, ordinal: int, set_id: str, control: str, start: int, end: int) -> Row:
        return {
            "interchange": interchange.ordinal + 1, "group": group.ordinal + 1, "ordinal": ordinal, "stream": self._stream(interchange),
            "set_id": set_id[:12], "control": control[:32], "byte_start": start, "byte_end": end, "mapping": None, "content_hash": None,
            "unmapped": None, "on_conflict": "hold", "findings": [], "references": [], "events": [], "state": "mapped", "reason": None,
        }  # fmt: skip

    def _document(self, interchange: Interchange, group: Group, reading: SetReading) -> Row:
        row = self._row(interchange, group, reading.ordinal + 1, reading.set_id, reading.control, reading.byte_start, reading.byte_end)
        row |= {
            "verdict": reading.verdict.value, "codes": " ".join(reading.codes), "release": reading.release[:12],
            "findings": [finding_json(finding) for finding in reading.findings],
            "references": [("control", value) for value in (interchange.control.lstrip("0"), reading.control) if value],
        }  # fmt: skip
        agreement = self.profile.agreement(reading.set_id)
        rejected = reading.verdict.value == "R" or bool(group.codes)
        if rejected and self.job.override != "rejected":
            row["state"], row["reason"] = "rejected", _why_rejected(group, reading)
        elif reading.set_id in ANSWERS:
            self._read_answer(reading, row)
        elif agreement is None:
            row["state"], row["reason"] = (
                "held",
                f"there is no agreement for {reading.set_id}; add one to the profile, then replay it with the override",
            )
        elif reading.oversize:
            row["state"], row["reason"] = "held", f"the set is larger than {self.options.limits.set_bytes} bytes, the most that is mapped"
        elif row["stream"] == "test" and agreement.test_target is None and self.job.target is None:
            row["state"], row["reason"] = "skipped", "it is marked as a test (ISA15 T) and the agreement names no test_target"
        else:
            self._map(interchange, group, reading, agreement, row)
        return row

    def _read_answer(self, reading: SetReading, row: Row) -> None:
        """A 997, 999 or 824: verdicts on what we sent, in place of events. Which of ours they mean is for the store to find."""
        document = reading.document()
        if document is None:
            row["state"], row["reason"] = "held", f"the set is larger than {self.options.limits.set_bytes} bytes, the most that is read as an answer"
            return
        row["answer"] = as_json(read_acknowledgment(document))

    def _map(self, interchange: Interchange, group: Group, reading: SetReading, agreement: Agreement, row: Row) -> None:
        document = reading.document()
        if document is None:
            row["state"], row["reason"] = "held", f"there is no grammar to read a {reading.set_id} with"
            return
        control = Control(
            interchange.control, group.control, reading.control, group.functional, group.version,
            f"{interchange.sender_qualifier}:{interchange.sender}", f"{interchange.receiver_qualifier}:{interchange.receiver}", interchange.usage,
        )  # fmt: skip
        faults = sum(1 for finding in reading.findings if finding.severity == "error")
        self.telling.tell(document, control, agreement, row, faults=faults, written=(group.date, group.time))


def _runs(places: list[Row]) -> list[list[Row]]:
    """Places in runs of sets that follow each other, so that a stretch is split once for all of them."""
    runs: list[list[Row]] = []
    for place in places:
        last = runs[-1][-1] if runs else None
        if last is not None and (last["i"], last["g"], last["s"] + 1) == (place["i"], place["g"], place["s"]):
            runs[-1].append(place)
        else:
            runs.append([place])
    return runs


def _verdict_of(reading: SetReading) -> SetVerdict:
    return SetVerdict(reading.set_id, reading.control, reading.verdict, reading.codes, reading.findings, reading.implementation)


def _verdict_from(row: Row) -> SetVerdict:
    findings = [finding_of(one) for one in row["findings"]]
    return SetVerdict(row["id"], row["control"], row["verdict"], row["codes"].split(), findings)


def _why_rejected(group: Group, reading: SetReading) -> str:
    if group.codes:
        words = "; ".join(finding.text for finding in group.findings[:SHOWN_REASONS])
        return f"its group is rejected (code {', '.join(group.codes)}): {words}"
    errors = [finding.text for finding in reading.findings if finding.severity == "error"]
    more = f"; and {len(errors) - SHOWN_REASONS} more" if len(errors) > SHOWN_REASONS else ""
    return ("; ".join(errors[:SHOWN_REASONS]) + more) or f"set code {' '.join(reading.codes)}"


def _count(text: str) -> int:
    return int(text) if text.isdigit() and len(text) < 9 else -1
