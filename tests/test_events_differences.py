"""What differs between two tellings of an event: each field once, and nothing where nothing does."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.replay.comparing import compare
from gateway.replay.reading import Reading
from gateway.replay.records import Portion, Stored
from gateway.replay.summary import MOST_PATHS, SAMPLES, Summary
from gateway.store.payloads import Payload
from gateway.store.replay_jobs import EMPTY
from translators.events.differences import differences, same_meaning

CASES: list[tuple[dict[str, Any], dict[str, Any], list[tuple[Any, ...]]]] = [
    ({"a": 1}, {"a": 1}, []),
    ({"a": 1}, {"a": 2}, [("a", "changed", 1, 2)]),
    ({"a": 1}, {"a": True}, [("a", "changed", 1, True)]),
    ({"a": "1"}, {}, [("a", "removed", "1", None)]),
    ({}, {"a": {"b": 1, "c": None}}, [("a.b", "added", None, 1), ("a.c", "added", None, None)]),
    ({"a": None}, {}, [("a", "removed", None, None)]),
    ({"a": []}, {"a": {}}, [("a", "changed", [], {})]),
    ({"a": [1, 2]}, {"a": [1, 3, 4]}, [("a[]", "changed", 2, 3), ("a[]", "added", None, 4)]),
    # Lines are paired by their ids, whatever place they stand in.
    (
        {"lines": [{"id": "1", "q": 5}, {"id": "2", "q": 6}]},
        {"lines": [{"id": "2", "q": 7}, {"id": "1", "q": 5}]},
        [("lines[].q", "changed", 6, 7)],
    ),
    ({"lines": [{"id": "1", "q": 5}]}, {"lines": [{"id": "3", "q": 5}]}, [
        ("lines[].id", "removed", "1", None), ("lines[].id", "added", None, "3"), ("lines[].q", "removed", 5, None), ("lines[].q", "added", None, 5),
    ]),
    ({"a": {"b": 1}}, {"a": 1}, [("a", "added", None, 1), ("a.b", "removed", 1, None)]),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "wanted"), CASES)
def test_each_field_that_differs_is_told_once(before: dict[str, Any], after: dict[str, Any], wanted: list[tuple[Any, ...]]):
    assert [tuple(one) for one in differences(before, after)] == wanted


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.sampled_from("ab"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "a", "b"]), inner, max_size=3),
    max_leaves=12,
)
DATA = st.dictionaries(st.sampled_from(["id", "a", "evidence"]), VALUES, max_size=3)


@settings(max_examples=200, deadline=None)
@given(DATA, DATA)
def test_nothing_differs_from_itself_and_what_differs_is_the_same_from_both_sides(one: dict[str, Any], other: dict[str, Any]):
    assert differences(one, one) == []
    there, back = differences(one, other), differences(other, one)
    turned = {"added": "removed", "removed": "added", "changed": "changed"}
    assert sorted((d.path, d.kind, repr(d.before), repr(d.after)) for d in there) == sorted(
        (d.path, turned[d.kind], repr(d.after), repr(d.before)) for d in back
    )
    if json.dumps(one, sort_keys=True) != json.dumps(other, sort_keys=True):
        assert there or _alike_but_for_order(one, other)


def _alike_but_for_order(one: Any, other: Any) -> bool:
    """Items that are known by their ids may stand in another order."""
    return json.dumps(one, sort_keys=True).count('"id"') > 1


def test_what_is_no_meaning_makes_no_revision():
    assert same_meaning({"a": 1, "evidence": {"x": 1}}, {"a": 1, "quality": {}})
    assert not same_meaning({"a": 1}, {"a": 2})


def test_a_summary_counts_everything_and_stays_small():
    summary = Summary(EMPTY)
    for number in range(1_000):
        summary.event(f"e{number}", "org.crossdock.shipment.status.v1", b'{"a":1}', json.dumps({"a": number, f"f{number}": 1}).encode())
        summary.vanished(f"v{number}", "org.crossdock.shipment.status.v1", "s" * 900)
    fields = summary.value["fields"]
    assert fields["shipment.status a"]["changed"] == 999
    assert len(fields) == MOST_PATHS
    assert summary.value["more"] == 1_000 - (MOST_PATHS - 1)
    assert summary.counts == {"changed": 1_000, "removed": 1_000}
    assert len(summary.value["events"]["removed shipment.status"]["samples"]) == SAMPLES
    assert len(json.dumps(summary.value)) < 100_000
    assert EMPTY["fields"] == {}, "it grows by itself"


@pytest.mark.parametrize(("verdict", "told"), [("A", []), ("E", ["verdict A > E"])])
def test_another_verdict_in_the_same_state_is_told(verdict: str, told: list[str]):
    stored = Stored("M.1.1.1", 1, 1, 1, "214", "translated", None, 1, "production", 0, 9, "A")
    portion = Portion("M", "acme", "http", 1, 9, Payload.inline("p", "acme", b"x"), None, "translated", 1, [stored])
    row = {"interchange": 1, "group": 1, "ordinal": 1, "state": "mapped", "reason": None, "verdict": verdict, "events": []}
    summary = Summary(EMPTY)
    compare([Reading(portion, [row])], [], lambda told: {}, summary)
    assert list(summary.value["documents"]) == told
    assert summary.counts == {"documents": 1}
