"""What an answer decides about what we sent, as tables: by set, partial, late, twice, unknown, recurring numbers."""

import dataclasses
from typing import Any

import pytest

from gateway.clock import DAY, HOUR
from gateway.store.settling import Awaited, decide_advice, decide_group, decide_interchange, number_of, same_control

NOW = 1_000 * DAY


def row(
    control: str = "0001", *, message: str = "M1", kind: str = "997", state: str = "waiting", opened: int = NOW - HOUR, set_id: str = "940"
) -> Awaited:
    return Awaited(
        f"{kind}:{message}.1.1.{int(control)}", "lake3pl", "production", kind, message, f"{message}.1.1.{int(control)}", "000000017", "OW", 17, set_id,
        control, "target:erp", "order/H-1", state, opened, opened + 24 * HOUR,
    )  # fmt: skip


def answer(
    verdict: str, *sets: tuple[str, str], received: int | None = None, accepted: int | None = None, codes: list[str] | None = None
) -> dict[str, Any]:
    told = [
        {"set_id": "940", "control": control, "verdict": one, "errors": [], "codes": [], "level": "set", "references": []} for control, one in sets
    ]
    return {
        "form": "997", "functional": "OW", "control": "17", "verdict": verdict, "codes": codes or [], "received": received, "accepted": accepted,
        "sets": told, "trouble": [], "date": "", "time": "",
    }  # fmt: skip


A, E, P, R = "accepted", "accepted with errors", "partly accepted", "rejected"
GROUPS = [
    ("accepted, none listed", answer(A), [A, A, A], []),
    ("accepted, all listed", answer(A, ("0001", A), ("0002", A), ("0003", A)), [A, A, A], []),
    ("with errors, one listed", answer(E, ("0002", E)), [A, E, A], []),
    ("partly, the bad one listed", answer(P, ("0002", R)), [A, R, A], ["acknowledgment.rejected"]),
    ("partly, none named", answer(P), [P, P, P], []),
    ("rejected, none listed", answer(R), [R, R, R], ["acknowledgment.rejected"] * 3),
    ("rejected, one listed", answer(R, ("0002", R)), [R, R, R], ["acknowledgment.rejected"] * 3),
    ("rejected as a whole, good sets listed", answer(R, ("0001", A), accepted=0), [R, R, R], ["acknowledgment.rejected"] * 3),
    (
        "rejected and accepted",
        answer(R, ("0001", A), ("0002", R), ("0003", R), accepted=1),
        ["disputed", R, R],
        ["acknowledgment.disputed", *["acknowledgment.rejected"] * 2],
    ),
    ("accepted and rejected", answer(A, ("0001", R)), ["disputed", A, A], ["acknowledgment.disputed"]),
    ("zeros dropped", answer(P, ("2", R)), [A, R, A], ["acknowledgment.rejected"]),
    ("one without a verdict", answer(A, ("0002", "")), [A, "waiting", A], ["acknowledgment.unclear"]),
    ("no verdict on the group", answer("", ("0002", A)), ["waiting", A, "waiting"], ["acknowledgment.unclear"] * 2),
    ("fewer received than sent", answer(A, received=2), [A, A, A], ["acknowledgment.loss"]),
    ("a set that we did not send", answer(A, ("0009", A)), [A, A, A], ["acknowledgment.unknown"]),
]


def states(rows: list[Awaited], decision) -> list[str]:
    told = {word.row.id: word.state for word in decision.words}
    return [told.get(one.id, one.state) for one in rows]


@pytest.mark.parametrize(("told", "expected", "alarms"), [case[1:] for case in GROUPS], ids=[case[0] for case in GROUPS])
def test_a_group_is_answered_set_by_set(told: dict[str, Any], expected: list[str], alarms: list[str]):
    rows = [row("0001"), row("0002"), row("0003")]
    decision = decide_group(told, rows)
    assert states(rows, decision) == expected
    assert [kind for kind, _ in decision.alarms] == alarms
    assert decision.state == "translated"


def test_faults_of_the_set_and_of_the_group_are_told():
    told = answer(R, ("0001", R), codes=["4"])
    told["sets"][0]["errors"] = [{"level": "element", "text": "N104: it is too long"}]
    (word,) = decide_group(told, [row()]).words
    assert [fault["text"] for fault in word.faults] == ["N104: it is too long", "GE02 is not GS06"]


def test_what_we_never_sent_is_flagged_and_settles_nothing():
    decision = decide_group(answer(A), [])
    assert (decision.words, [kind for kind, _ in decision.alarms], decision.state) == ([], ["acknowledgment.unknown"], "translated")


@pytest.mark.parametrize(("before", "now", "alarm"), [(A, A, None), (A, R, "acknowledgment.disputed"), (R, A, "acknowledgment.disputed")])
def test_a_second_word_never_changes_the_first(before: str, now: str, alarm: str | None):
    ours = row(state=before)
    decision = decide_group(answer(now), [ours])
    assert ours.state == before
    assert [(word.state, word.contradiction) for word in decision.words] == ([(before, now)] if alarm else [])
    assert [kind for kind, _ in decision.alarms] == ([alarm] if alarm else [])


def test_numbers_that_came_again_mean_the_latest_that_waits():
    old, new = row(message="M1", opened=NOW - 30 * DAY), row(message="M2")
    answered = dataclasses.replace(old, state=A)
    assert [word.row.message for word in decide_group(answer(A), [answered, new]).words] == ["M2"]
    both = decide_group(answer(A), [old, new])
    assert (both.state, both.words) == ("held", [])
    assert "override 'latest'" in both.reason
    assert [word.row.message for word in decide_group(answer(A), [old, new], latest=True).words] == ["M2"]
    earlier_waits = decide_group(answer(A), [old, dataclasses.replace(new, state=A)])
    assert earlier_waits.state == "held", "a repetition for the later one, or a first word on the earlier"


def test_a_ta1_settles_the_envelope_and_a_rejection_all_that_was_in_it():
    rows = [row(kind="TA1"), row(), row(kind="824")]
    told = {"form": "TA1", "control": "000000017", "date": "261116", "time": "0905", "codes": ["000"], "verdict": A}
    assert states(rows, decide_interchange(told, rows, "M1")) == [A, "waiting", "waiting"]
    refused = decide_interchange(told | {"verdict": R, "codes": ["021"]}, rows, "M1")
    assert states(rows, refused) == [R, R, R]
    assert refused.words[0].faults == [{"level": "interchange", "code": "021", "text": "IEA01 is not the number of groups"}]
    assert [kind for kind, _ in decide_interchange(told, rows, None).alarms] == ["acknowledgment.unknown"]
    late = decide_interchange(told | {"verdict": R}, [row(state=A)], "M1")
    assert [kind for kind, _ in late.alarms] == ["acknowledgment.disputed"]


def part(verdict: str, level: str = "set") -> dict[str, Any]:
    return {"set_id": "940", "control": "0001", "verdict": verdict, "errors": [], "level": level, "references": [("PO", "4711")]}


@pytest.mark.parametrize(
    ("parts", "state"),
    [
        ([part(A)], A),
        ([part(R)], R),
        ([part(E)], E),
        ([part(P)], P),
        ([part(A), part(R)], "disputed"),
        ([part(A), part(R, "item")], A),
        ([part(R, "item")], R),
        ([part(A, "item"), part(R, "item")], P),
        ([part(A, "item"), part(E, "item")], E),
    ],
)
def test_an_824_settles_by_the_whole_or_by_its_items(parts: list[dict[str, Any]], state: str):
    ours = row(kind="824")
    decision = decide_advice({"form": "824", "control": "77", "sets": parts}, [(one, [ours]) for one in parts])
    assert [word.state for word in decision.words] == [state]


def test_an_824_about_nothing_of_ours_is_flagged():
    decision = decide_advice({"form": "824", "control": "77"}, [(part(R), [])])
    assert [kind for kind, _ in decision.alarms] == ["acknowledgment.unknown"]
    assert "PO 4711" in decision.alarms[0][1]


@pytest.mark.parametrize(
    ("ours", "theirs", "same"), [("0001", "0001", True), ("0001", "1", True), ("0001", "0002", False), ("A001", "a001", False), ("A1", "A1", True)]
)
def test_set_control_numbers_are_compared_as_text_then_as_numbers(ours: str, theirs: str, same: bool):
    assert same_control(ours, theirs) is same


def test_group_control_numbers_are_numbers():
    assert [number_of(text) for text in ("17", "0017", "000000017", "x", "", "1234567890")] == [17, 17, 17, None, None, None]
