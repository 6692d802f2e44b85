"""The calls' language: what does not compile says where and what would mend it; what compiles is strict, bounded, and keeps strangers' words in their place."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from partners.calls import LookupFiles, read_table, shipped_calls
from partners.positioned import load
from tests.notices import advice, notice
from translators.calls import (
    Answer,
    CallFault,
    CallLater,
    CallRefused,
    Calls,
    CallUnclear,
    CallUnexplained,
    Done,
    Given,
    Request,
    compile_calls,
    flow,
)
from translators.calls.lookups import LookupTable
from translators.calls.transforms import TRANSFORMS
from translators.mapping.errors import MappingError
from translators.mapping.written import Written

LOOK = """
steps:
  look:
    guard: yes
    get: things
    query: {ref: "{notice_id}"}
    rows: at most one
    as: thing
    otherwise: "there are {found}"
    example: "[]"
"""


def compiled(text: str) -> Calls:
    value, places = load(f"event: shipment.notified\n{text}")
    return compile_calls(Written.of(value, places, "f.yaml"), name="erp/test/shipment.notified")


def asked(
    calls: Calls, answers: list[Any], *, tables: Any = None, values: Any = None, revision: int = 1, data: Any = None
) -> tuple[list[Request], Done]:
    """The requests, when answered by these: JSON values, or (status, text)."""
    attributes = {"id": "e-r1", "type": "t", "source": "/partners/northway", "sequence": f"{revision:010d}"}
    steps = flow(calls, Given(data or notice("ASN-1", ("PO1", "A", "2"), ("PO2", "B", "3.5")), attributes, "northway", values or {}, tables or {}))
    requests: list[Request] = []
    try:
        requests.append(next(steps))
        for one in answers:
            status, body = one if isinstance(one, tuple) else (200, json.dumps(one))
            requests.append(steps.send(Answer(status, "application/json", body.encode())))
    except StopIteration as ended:
        return requests, ended.value
    raise AssertionError(f"it wanted more: {requests[-1]}")


# ---- what does not compile

STEP = "steps:\n  look: {guard: yes, get: a}\n"
WRONG = [
    ("steps: {}\n", "f.yaml: line 2, column 8: steps: is missing"),
    ("stps: {}\n", "f.yaml: line 2, column 7: stps: is not known here; did you mean 'steps'?"),
    (
        STEP + "  act: {post: b, body: {x: '{notice_ids}'}}\n",
        "line 4, column 28: steps.act.body.x: nothing is called 'notice_ids' here; did you mean 'notice_id'?",
    ),
    (STEP + "  act: {post: b, body: {x: '{lines.id}'}}\n", "lines is a list; write lines[] for all of it"),
    (STEP + "  act: {post: b, body: {x: '{lines[].itm}'}}\n", "lines has no field 'itm'; did you mean 'item'?"),
    (STEP + "  act: {post: b, body: {x: '{notice_id.x}'}}\n", "notice_id has no fields"),
    (STEP + "  act: {post: b, body: {x: '{notice_id | lookup(items)}'}}\n", "there is no lookup table 'items'; declare it under lookups"),
    (STEP + "  act: {post: b, body: {x: '{notice_id | uper}'}}\n", "there is no transform 'uper'"),
    (STEP + "  act: {post: b, body: {x: '{notice_id'}}\n", "a brace is alone"),
    (STEP + "  act: {post: b, body: {x: '{}'}}\n", "an expression is missing between the braces"),
    (STEP + "  act: {post: b, body: {x: '{@idd}'}}\n", "there is no @idd; did you mean 'id'?"),
    (STEP + "  act: {post: b, body: {each: lines, give: x}}\n", "each needs as"),
    (STEP + "  act: {post: 'https://evil.example/x'}\n", "is a path below the target's url"),
    (STEP + "  act: {post: '//evil.example/x'}\n", "is a path below the target's url"),
    (STEP + "  act: {post: b, headers: {Authorization: x}}\n", "credentials stand in the target's settings"),
    (STEP + "  act: {get: b, body: {}}\n", "a get has none; use query"),
    (STEP + "  act: {get: b, post: c}\n", "one step is one request, or one loop"),
    (STEP + "  act: {get: b, as: x}\n", "needs example"),
    (STEP + "  act: {get: b, as: x, example: '[}'}\n", "is no JSON"),
    (STEP + "  act: {get: b, rows: one, as: x, example: '[]'}\n", "needs otherwise"),
    (STEP + "  act: {get: b, rows: two, example: '[]', otherwise: x}\n", "must be one of one, at most one"),
    (STEP + "  act: {guard: yes, post: b}\n", "must only look"),
    (STEP + "  act: {when: 'lines >'}\n", "steps.act"),
    (STEP + "  act: {each: notice_id, as: x, steps: {}}\n", "notice_id is no list to go through"),
    (STEP + "  act: {each: lines, as: X, steps: {a: {get: b}}}\n", "'X' is no name"),
    (STEP + "  act: {each: lines, as: l, collect: {c: {by: [q]}}}\n", "nothing is called 'q' here"),
    (STEP + "  act: {each: lines, as: l, collect: {c: {}}}\n", "needs by (and sum), or give"),
    (STEP + "  act: {}\n", "does nothing"),
    ("steps:\n  act: {post: b}\n", "changes something before any step has looked whether the event is in already"),
    ("lookups: {items: x}\n" + STEP, "is asked by nothing"),
    ("values: {x: {}}\n" + STEP, "needs about"),
    ("answers: [{status: x, means: refuse}]\n" + STEP, "must be an HTTP status"),
    ("answers: [{status: 400, means: refused}]\n" + STEP, "must be one of refuse, later, fault, nothing, good"),
    ("answers: [{status: 400, is: x, means: refuse}]\n" + STEP, "needs at"),
    ("refuse: [{when: cancelled}]\n" + STEP, "needs when and words"),
]


@pytest.mark.parametrize(("text", "told"), WRONG, ids=[told for _, told in WRONG])
def test_what_does_not_compile_says_where_and_what_would_mend_it(text: str, told: str):
    with pytest.raises(MappingError) as refused:
        compiled(text)
    assert told in str(refused.value)
    assert all(line.startswith("f.yaml: line ") for line in str(refused.value).splitlines())


def test_every_fault_is_told_at_once():
    with pytest.raises(MappingError) as refused:
        compiled(STEP + "  act: {post: b, body: {x: '{a}', y: ['{b}', {z: '{c}'}]}}\n")
    assert len(str(refused.value).splitlines()) == 3


def test_an_event_that_is_none_is_told_with_those_there_are():
    with pytest.raises(MappingError, match=r"there is no event 'shipment'; there are .*shipment.notified"):
        compile_calls(Written.of(*load("event: shipment\nsteps: {}\n"), "f.yaml"), name="x")


# ---- what ships

EXAMPLES = {"shipment.notified": notice("ASN-1", ("PO1", "A", "2")), "fulfilment.shipped": advice("7", "W-1", ("A", "2"))}
SHIPPED = [(name, event) for name in shipped_calls().names() for event in shipped_calls().events(name)]


@pytest.mark.parametrize(("name", "event"), SHIPPED)
def test_what_ships_compiles_and_can_be_rehearsed(name: str, event: str):
    calls = shipped_calls().calls(name, event)
    assert calls is not None
    same = {table: LookupTable(table, "x", {"default": {"A": "WIDGET", "*": "="}}) for table, one in calls.lookups.items() if one.default is None}
    steps = flow(calls, Given(EXAMPLES[event], {"id": "e-r1"}, "northway", {}, same), doubts=[])
    seen: list[Request] = []
    try:
        seen.append(next(steps))
        while True:
            seen.append(steps.send(Answer(200, "application/json", json.dumps(seen[-1].example).encode())))
    except StopIteration as ended:
        done = ended.value
    assert done.did
    assert next(number for number, one in enumerate(seen) if one.guard) < next(number for number, one in enumerate(seen) if not one.reads)


# ---- what it does


def test_a_value_is_typed_a_text_is_text_and_nothing_is_refused():
    calls = compiled(
        LOOK
        + """
  act:
    post: things
    body:
      text: "{notice_id} by {@partner}"
      whole: "{lines[].shipped.value | sum}"
      number: "{=2.50 | number}"
      flag: "{=yes | boolean}"
      nothing: null
      gone: "{totals.lines | optional}"
      plain: "a {{brace}}"
      first: "{orders[id=o1].purchase_order}"
      joined: "{orders[id == lines.order].purchase_order | optional}"
      list: [x, "{totals.lines | optional}", {each: lines, as: line, when: "line.shipped.value > {=3}", give: "{line.number | number}"}]
""".replace("orders[id == lines.order].purchase_order | optional", "=x")
    )
    requests, done = asked(calls, [[], {}])
    assert json.loads(requests[1].body or b"") == {
        "text": "ASN-1 by northway", "whole": 5.5, "number": 2.5, "flag": True, "nothing": None, "plain": "a {brace}", "first": "PO2", "joined": "x",
        "list": ["x", 2],
    }  # fmt: skip
    assert done.did == ("act",)


def test_a_missing_value_refuses_and_is_named():
    with pytest.raises(CallRefused, match=r"act: there is no value for totals\.lines"):
        asked(compiled(LOOK + "  act: {post: x, body: {n: '{totals.lines}'}}\n"), [[], {}])


def test_what_was_done_before_a_refusal_is_told():
    with pytest.raises(CallRefused, match=r"no \(done before: act\)$"):
        asked(compiled(LOOK + "  act: {post: x}\n  then: {check: [{that: thing, otherwise: no}]}\n"), [[], {}])


@pytest.mark.parametrize(
    "answer", [{"error": "session timed out"}, {"d": [{"number": "R-1"}]}, None, [], {"d": {"results": None}}, {"d": {"results": "none"}}]
)
def test_a_guard_that_got_no_list_does_not_know_that_it_is_not_there(answer: Any):
    """Or it would be created a second time, after an answer that was lost."""
    calls = compiled(LOOK.replace("rows:", "in: /d/results\n    rows:") + "  act: {when: not thing, post: things, body: {ref: '{notice_id}'}}\n")
    with pytest.raises(CallUnclear, match="a list was due at /d/results"):
        asked(calls, [answer])
    assert asked(calls, [{"d": {"results": []}}, {}])[0][1].method == "POST"


@pytest.mark.parametrize(
    ("rows", "answer", "told"),
    [
        ("one", [], CallRefused), ("one", [{}], None), ("one", [{}, {}], CallRefused), ("at most one", [], None), ("at most one", [{}, {}], CallRefused),
        ("some", [], CallRefused), ("any", [], None), ("none", [{}], CallRefused), ("none", [], None), ("any", {"x": 1}, CallUnclear),
        ("any", (200, "<html>"), CallUnclear), ("any", (418, "[]"), CallUnexplained),
    ],
)  # fmt: skip
def test_how_many_rows_there_may_be(rows: str, answer: Any, told: Any):
    calls = compiled(LOOK.replace("at most one", rows).replace("as: thing", "as: things"))
    if told is None:
        asked(calls, [answer])
        return
    with pytest.raises(told):
        asked(calls, [answer])


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("{status: 400, means: refuse, words: /message}", CallRefused), ("{status: 400-499, means: later}", CallLater), ("{status: 400, means: fault}", CallFault),
        ("{status: 400, means: nothing}", None), ("{status: 400, at: /message, is: not this, means: later}", CallUnexplained),
        ("{status: 400, at: /message, has: closed, means: later}", CallLater), ("{status: 400, type: text/html, means: later}", CallUnexplained),
    ],
)  # fmt: skip
def test_a_mapping_says_what_an_answer_means(rule: str, told: Any):
    calls = compiled(f"answers: [{rule}]\n{LOOK}")
    answer = (400, json.dumps({"message": "the period is closed"}))
    if told is None:
        asked(calls, [answer])
        return
    with pytest.raises(told) as problem:
        asked(calls, [answer])
    assert told is not CallRefused or problem.value.words == "the period is closed"


def test_words_of_strangers_stay_values():
    """Slashes, braces, ampersands and line ends of a partner's number add nothing to an address, a query, a header or a body."""
    calls = compiled(
        LOOK + "  act: {put: 'things/{notice_id}/x', query: {q: '{notice_id}'}, headers: {X-Ref: '{notice_id}'}, body: {a: '{notice_id}'}}\n"
    )
    wild = '../../a?b&c=d#e"{x}'
    requests, _ = asked(calls, [[], {}], data=notice(wild, ("PO1", "A", "1")))
    assert requests[1].path == "things/..%2F..%2Fa%3Fb%26c%3Dd%23e%22%7Bx%7D/x"
    assert requests[1].query == (("q", wild),)
    assert json.loads(requests[1].body or b"") == {"a": wild}
    with pytest.raises(CallRefused, match="the header X-Ref would have letters that no header may have"):
        asked(calls, [[], {}], data=notice("a\r\nX: y", ("PO1", "A", "1")))


@settings(max_examples=200, deadline=None)
@given(some.text(max_size=40) | some.sampled_from(["", ".", "..", "...", "%2e%2e", "a/../b", "\\..\\"]))
def test_no_text_leaves_its_step_of_a_path(text: str):
    calls = compiled("steps:\n  look: {guard: yes, get: 'a/{notice_id}/b'}\n")
    data = notice("x", ("PO1", "A", "1")) | {"notice_id": text}
    if not text.strip("."):
        with pytest.raises(CallRefused, match="can be no part of an address"):
            asked(calls, [{}], data=data)
        return
    first, inner, last = asked(calls, [{}], data=data)[0][0].path.split("/")
    assert (first, last) == ("a", "b")
    assert set(inner) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~,%")


def test_loops_are_bounded():
    lines = [("PO1", "A", "1")] * 6
    calls = compiled(LOOK + "  act: {each: lines, as: line, limit: 5, steps: {x: {get: a}}}\n")
    with pytest.raises(CallRefused, match="act: more than 5 of them"):
        asked(calls, [[], *[{}] * 5], data=notice("A", *lines))


def test_sums_are_exact():
    calls = compiled(
        LOOK
        + "  count: {each: lines, as: line, names: {q: '{line.shipped.value}', k: '{=k}'}, collect: {all: {by: [k], sum: q}}}\n  act: {post: x, body: '{all[].q | first}'}\n"
    )
    requests, _ = asked(calls, [[], {}], data=notice("A", *[("PO1", "A", "0.1")] * 3))
    assert requests[1].body == b"0.3"


def test_a_value_that_the_settings_owe_is_asked_for():
    with pytest.raises(CallFault, match="needs the value depot in the target's settings: where it goes"):
        asked(compiled("values: {depot: {about: where it goes}}\n" + LOOK), [[]])


def test_the_documented_transforms_are_those_there_are():
    page = (Path(__file__).parent.parent / "docs" / "reference" / "calls.md").read_text(encoding="utf-8")
    assert not [name for name in TRANSFORMS if f"| `{name}" not in page]


# ---- lookup tables


def test_a_partners_own_entry_comes_before_the_default_and_the_default_before_all_others():
    table = LookupTable("items", "x", {"default": {"A": "a", "B": "b"}, "northway": {"A": "own", "*": "="}})
    assert [table.find("northway", [key]) for key in "ABC"] == ["own", "b", "C"]
    assert [table.find("harbor", [key]) for key in "ABC"] == ["a", "b", None]
    assert table.find("northway", ["C", "B"]) == "b", "what is listed before what is not"
    assert table.find("northway", []) is None


TABLES = [
    ("t.yaml", "default:\n  A: a\nnorthway: {A: b}\n", None),
    ("t.csv", "partner,key,word\n,A,a\nnorthway,A,b\n\n", None),
    ("t.yaml", "- A\n", r"t\.yaml: line 1, column 1: is no lookup table"),
    ("t.yaml", "default:\n  A: [a]\n", r"t\.yaml: line 2, column 6: default\.A: must be a word"),
    ("t.yaml", "default:\n  A: a\n  A: b\n", "line 3, column 3: 'A' is given twice"),
    ("t.csv", "key,word\nA,a\n", "line 1, column 1: the heading must be partner,key,word"),
    ("t.csv", "partner,key,word\n,A\n", "line 2, column 1: three cells are due"),
    ("t.csv", "partner,key,word\n,A,a\n,A,b\n", "line 3, column 1: 'A' of default is given twice"),
    ("t.csv", "partner,key,word\n,\xff", "no CSV in UTF-8"),
]


@pytest.mark.parametrize(("name", "text", "told"), TABLES)
def test_a_table_is_yaml_or_csv_and_a_fault_has_its_place(tmp_path: Path, name: str, text: str, told: str | None):
    (tmp_path / name).write_bytes(text.encode("latin-1"))
    if told is None:
        assert dict(read_table(tmp_path / name, "t").rows) == {"default": {"A": "a"}, "northway": {"A": "b"}}
        return
    with pytest.raises(MappingError, match=told):
        read_table(tmp_path / name, "t")


def test_a_table_that_is_named_and_not_there_is_told(tmp_path: Path):
    with pytest.raises(MappingError, match="the lookup table items cannot be read: No such file"):
        LookupFiles({"items": tmp_path / "items.yaml"}).tables(["items"])
