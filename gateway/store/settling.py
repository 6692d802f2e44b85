"""What a partner's answer decides about what we sent: which of our sets it means, and what state each is in then.

Values in, values out: knows neither the database nor what is written. The rules are those of X12 practice: control numbers recur, partners
list all sets or the bad ones only, and a second word never changes the first.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.clock import DAY, Instant, as_text
from translators.x12.answers import ACCEPTED, PARTLY, REJECTED, WITH_ERRORS, words_of

ANSWER_WINDOW = 90 * DAY
"""Our control numbers may come again after it."""

WAITING, DISPUTED = "waiting", "disputed"
LATEST = "latest"
"""The override with which a person takes an answer that fits two of our groups for the later one."""

Json = dict[str, Any]


@dataclass(slots=True)
class Awaited:
    """One acknowledgment that we are owed, as its row stands, kept current while a commit decides."""

    id: str
    partner: str
    stream: str
    kind: str
    message: str
    document: str | None
    interchange_control: str
    functional: str
    group_control: int
    set_id: str
    set_control: str
    destination: str | None
    correlation: str
    state: str
    opened_at: Instant
    due_at: Instant
    overdue_at: Instant | None = None
    settled_at: Instant | None = None
    late_at: Instant | None = None
    settled_by: str | None = None
    disputed_at: Instant | None = None
    detail: str | None = None
    steps: str | None = None
    step_every: Instant | None = None
    step_at: Instant | None = None


@dataclass(slots=True)
class Word:
    """What is said of one awaited row."""

    row: Awaited
    state: str
    faults: list[Json] = field(default_factory=list)
    contradiction: str = ""
    """Where the row had its answer already: this one says otherwise."""


LATE = "late"
"""The override with which a person takes an answer that came after its agreement refuses it."""


@dataclass(slots=True)
class Decision:
    """What one answer comes to."""

    state: str = "translated"
    """Of the partner's document: translated, or held where a person must say what is meant."""
    reason: str = ""
    words: list[Word] = field(default_factory=list)
    alarms: list[tuple[str, str]] = field(default_factory=list)
    """(kind, text)"""


def decide_group(answer: Json, rows: Sequence[Awaited], *, latest: bool = False) -> Decision:
    """A 997 or 999 against our rows of kind 997 with its group's key, within the window."""
    name = f"group {answer['functional']} {answer['control']}"
    decision = Decision()
    if not rows:
        return _unknown(decision, f"it answers {name}, which we did not send, or not lately")
    ours = _meant(rows, latest)
    if ours is None:
        decision.state = "held"
        decision.reason = f"it fits more than one {name} of ours that waits for its answer; replay it with the override '{LATEST}' to take the later one, or skip it"
        return decision
    _compare_counts(answer, ours, name, decision)
    listed = {id(row): one for row in ours for one in answer["sets"] if _names(one, row)}
    for row in ours:
        state, faults = _verdict(answer, listed.get(id(row)))
        if state is None:
            decision.alarms.append(("acknowledgment.unclear", f"the answer to {row.set_id} {row.set_control} of {name} has no verdict; it waits on"))
            continue
        _say(decision, row, state, faults)
    _summarise(decision, name)
    return decision


def unless_too_late(decision: Decision, refused: Container[str]) -> Decision:
    """The same; or held for a person, where it settles a row whose agreement takes no answer any more."""
    late = next((word.row for word in decision.words if word.row.id in refused and not word.contradiction), None)
    if late is None:
        return decision
    what = f"it comes too late: the answer to {late.set_id} {late.set_control} of message {late.message} was due {as_text(late.due_at)[:16]}, and is refused now"
    return Decision("held", f"{what}; replay it with the override '{LATE}' to take it, or skip it")


def decide_interchange(answer: Json, rows: Sequence[Awaited], message: str | None) -> Decision:
    """A TA1 against all our rows of the interchange; `message` is ours, None if there is no such interchange of ours."""
    name = f"interchange {answer['control']}"
    decision = Decision()
    if message is None:
        return _unknown(decision, f"its TA1 answers {name} of {answer['date']} {answer['time']}, which we did not send")
    if not answer["verdict"]:
        return _unknown(decision, f"its TA1 on {name} has no verdict")
    faults = [{"level": "interchange", "code": code, "text": words_of("interchange", code)} for code in answer["codes"] if code != "000"]
    rejected = answer["verdict"] == REJECTED
    for row in rows:
        # An envelope that was read says nothing of the sets in it; one that was not takes them all with it.
        if row.kind == "TA1" or rejected:
            _say(decision, row, answer["verdict"], faults)
    if rejected and not rows:
        decision.alarms.append(("acknowledgment.rejected", f"{name} of ours (message {message}) was rejected: {_said(faults)}"))
    _summarise(decision, name)
    return decision


def decide_advice(answer: Json, found: Sequence[tuple[Json, Sequence[Awaited]]]) -> Decision:
    """An 824: each of its parts with our rows of kind 824 that it means, none where it means nothing that we sent."""
    decision = Decision()
    parts: dict[str, list[Json]] = defaultdict(list)
    meant: dict[str, Awaited] = {}
    for one, rows in found:
        if not one["verdict"]:
            decision.alarms.append(("acknowledgment.unclear", f"a part of the 824 {answer['control']} has no verdict"))
            continue
        if not rows:
            _unknown(decision, f"the 824 {answer['control']} speaks of {_called(one)}, which we did not send")
        for row in rows:
            meant[row.id] = row
            parts[row.id].append(one)
    for key, told in parts.items():
        _say(decision, meant[key], _combined(told), [fault for one in told for fault in one["errors"]])
    _summarise(decision, f"824 {answer['control']}")
    return decision


def same_control(ours: str, theirs: str) -> bool:
    """Set control numbers are text; some partners drop or add zeros."""
    return ours == theirs or (ours.isdigit() and theirs.isdigit() and int(ours) == int(theirs))


def number_of(control: str) -> int | None:
    """A group control number: padding does not count."""
    return int(control) if control.isascii() and control.isdigit() and len(control) <= 9 else None


def _meant(rows: Iterable[Awaited], latest: bool) -> list[Awaited] | None:
    """The rows of the one group that is answered: the latest, if no other waits for an answer, too. None where two fit."""
    groups: dict[str, list[Awaited]] = defaultdict(list)
    for row in rows:
        groups[row.message].append(row)
    newest = max(groups, key=lambda message: (groups[message][0].opened_at, message))
    unanswered = [message for message, own in groups.items() if any(row.state == WAITING for row in own)]
    if unanswered in ([], [newest]):
        return groups[newest]
    if latest:
        return groups[max(unanswered, key=lambda message: (groups[message][0].opened_at, message))]
    return None


def _names(one: Json, row: Awaited) -> bool:
    return same_control(row.set_control, one["control"]) and one["set_id"] in ("", row.set_id)


def _compare_counts(answer: Json, ours: list[Awaited], name: str, decision: Decision) -> None:
    received = answer["received"]
    if received is not None and received < len(ours):
        text = f"{name} of ours holds {len(ours)} sets (message {ours[0].message}); the partner received {received}"
        decision.alarms.append(("acknowledgment.loss", text))
    strange = [f"{one['set_id']} {one['control']}" for one in answer["sets"] if not any(_names(one, row) for row in ours)]
    if strange:
        decision.alarms.append(
            ("acknowledgment.unknown", f"the answer to {name} speaks of sets that we did not send in it: {', '.join(strange[:5])}")
        )


def _verdict(answer: Json, listed: Json | None) -> tuple[str | None, list[Json]]:
    """The state of one of our sets: from AK5 where it is listed, else from AK9. None where neither says anything."""
    group, faults = answer["verdict"], list(listed["errors"]) if listed else []
    faults += [{"level": "group", "code": code, "text": words_of("group", code)} for code in answer["codes"]] if group == REJECTED else []
    if listed and listed["verdict"]:
        own = listed["verdict"]
        if group == ACCEPTED and own == REJECTED:
            return DISPUTED, faults
        if group == REJECTED and own != REJECTED:
            # A group that is refused as a whole takes its good sets with it; that some were accepted in it contradicts that.
            return (DISPUTED if answer["accepted"] else REJECTED), faults
        return own, faults
    if listed:
        return None, faults
    if group == PARTLY and not any(one["verdict"] == REJECTED for one in answer["sets"]):
        return PARTLY, faults
    unlisted = {ACCEPTED: ACCEPTED, WITH_ERRORS: ACCEPTED, PARTLY: ACCEPTED, REJECTED: REJECTED}
    return unlisted.get(group), faults


def _combined(told: list[Json]) -> str:
    """One verdict on a set from the parts of an 824: what is said of the whole counts, else its items together."""
    whole = [one["verdict"] for one in told if one["level"] != "item"]
    verdicts = set(whole or [one["verdict"] for one in told])
    if len(verdicts) == 1:
        return str(verdicts.pop())
    if whole:
        return DISPUTED if {ACCEPTED, REJECTED} <= verdicts else next(one for one in (REJECTED, PARTLY, WITH_ERRORS) if one in verdicts)
    return WITH_ERRORS if verdicts == {ACCEPTED, WITH_ERRORS} else PARTLY


def _say(decision: Decision, row: Awaited, state: str, faults: list[Json]) -> None:
    """A word on a row that waits; on one that has its answer, only whether it is another one."""
    what = f"{row.kind} of {row.set_id} {row.set_control} (document {row.document})" if row.document else f"TA1 of our message {row.message}"
    if row.state != WAITING:
        if row.state != state:
            text = f"{what}: it was {row.state}, and now the partner says {state}; the first answer stands"
            decision.words.append(Word(row, row.state, faults, contradiction=state))
            decision.alarms.append(("acknowledgment.disputed", text))
        return
    decision.words.append(Word(row, state, faults))
    if state == REJECTED:
        decision.alarms.append(("acknowledgment.rejected", f"{what}: rejected: {_said(faults)}"))
    elif state == DISPUTED:
        decision.alarms.append(("acknowledgment.disputed", f"{what}: the answer contradicts itself; ask the partner"))


def _unknown(decision: Decision, text: str) -> Decision:
    decision.alarms.append(("acknowledgment.unknown", text))
    decision.reason = decision.reason or text
    return decision


def _summarise(decision: Decision, name: str) -> None:
    """The document's reason in words, unless there is one already."""
    counts: dict[str, int] = defaultdict(int)
    for word in decision.words:
        counts["disputed again" if word.contradiction else word.state] += 1
    said = ", ".join(f"{number} {state}" for state, number in sorted(counts.items()))
    decision.reason = decision.reason or (f"answers {name}: {said}" if said else f"answers {name}; nothing waits for that, or it was said before")


def _called(one: Json) -> str:
    references = ", ".join(f"{kind} {value}" for kind, value in one["references"][:3])
    return f"{one['set_id']} {one['control']} {references}".strip() or "nothing by name"


def _said(faults: list[Json]) -> str:
    texts = [str(fault["text"]) for fault in faults]
    more = f"; and {len(texts) - 3} more" if len(texts) > 3 else ""
    return ("; ".join(texts[:3]) + more) or "no fault is named"
