"""YAML that people wrote: every value has its place, nothing changes its type, nothing hurts."""

import pytest

from partners.positioned import PositionedError, load


def test_scalars_stay_text_and_have_places():
    value, places = load("country: NO\nid: 0123\nat: 12:30\nlist:\n  - a\n  - b: c\nnone:\n")
    assert value == {"country": "NO", "id": "0123", "at": "12:30", "list": ["a", {"b": "c"}], "none": None}
    assert places[("id",)] == (2, 5)
    assert places[("list", 1, "b")] == (6, 8)


REFUSED = [
    ("a: 1\na: 2\n", "line 2, column 1: 'a' is given twice"),
    ("a: &x 1\nb: *x\n", "line 2, column 4: aliases are not allowed; write the value out"),
    ("a: 1\n---\nb: 2\n", "line 2, column 1: one document only; remove the second '---'"),
    ("[" * 50_000, "line 1, column 41: nested deeper than 40 levels"),
    ("a: [1\nb: 2\n", "line 2, column 2: did not find expected ',' or ']'"),
    ("? [a]\n: b\n", "line 1, column 3: a key must be plain text"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_is_refused_says_where(text, message):
    with pytest.raises(PositionedError) as refused:
        load(text)
    assert str(refused.value) == message
