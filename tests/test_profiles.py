"""Profiles: what ships can be used, and every mistake is told with line, column, path and mend."""

from datetime import timedelta
from pathlib import Path

import pytest

from partners.book import Book, Revision
from partners.checks import problems
from partners.profile import ProfileError, digest, read_profile

SHIPPED = sorted((Path(__file__).parent.parent / "partners" / "profiles").glob("*.yaml"))
GOOD = """\
partner: acme
name: Acme Freight
identities:
  isa:
    - {qualifier: "02", id: ACME}
agreements:
  - receive: "214"
    mapping: x12/214
"""


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_what_ships_can_be_used(path: Path):
    profile = read_profile(path.read_text(encoding="utf-8"), path.name)
    assert profile.partner == path.stem
    assert problems(profile) == []
    assert profile.identities.tokens == [], "no token ships"


MISTAKES = [
    ("partner: acme", "partner: Acme Inc", "line 1, column 10: partner: 'Acme Inc' does not fit the pattern"),
    ("name: Acme Freight\n", "", "line 1, column 1: name: is missing; add it"),
    ("name: Acme", "nmae: Acme", "line 2, column 7: nmae: is not a term of a profile"),
    ('qualifier: "02"', "qualifier: 2", "line 5, column 19: identities.isa[0].qualifier: '2' does not fit"),
    ('"214"', '"21"', "line 7, column 14: agreements[0].receive: '21' does not fit the pattern"),
    ("mapping: x12/214", "fallback: erp", "fallback is erp, which is the target itself"),
    ("mapping: x12/214", "priority: urgent", "line 8, column 15: agreements[0].priority: must be 'release', 'normal', 'status' or 'reconciliation'"),
    ("mapping: x12/214", "on_conflict: maybe", "line 8, column 18: agreements[0].on_conflict: must be 'hold' or 'revise', got 'maybe'"),
    (
        "agreements:",
        "channels: {http: {max_body: huge}}\nagreements:",
        "line 6, column 29: channels.http.max_body: must be a size such as 500 KiB, 100 MiB or 1 GiB, got 'huge'",
    ),
    ("agreements:", "channels: {http: {way_back: push}}\nagreements:", "line 6, column 18: channels.http: way_back: push needs push_url"),
    ("agreements:", "leniency: {nonsense: {because: why not}}\nagreements:", "leniency 'nonsense' is not known; there are: "),
    ("agreements:", "throttle: {rate: lots}\nagreements:", "line 6, column 18: throttle.rate: "),
    ("mapping: x12/214", 'mapping: x12/214\n  - receive: "214"', "agreements name 214 more than once"),
    ('receive: "214"', "target: erp", "agreements[0]: an agreement has either receive, the set that we take, or send"),
    ('receive: "214"', 'receive: "214"\n    send: "214"', "agreements[0]: an agreement has either receive"),
    ('receive: "214"', 'receive: "214"\n    upper_case: true', "agreements[0]: upper_case is a term of agreements with send; this one has receive"),
    ('receive: "214"', 'send: "214"\n    test_target: erp', "agreements[0]: test_target is a term of agreements with receive; this one has send"),
    ("mapping: x12/214", 'mapping: x12/214\n  - send: "940"\n  - send: "940"', "agreements name 940 more than once"),
    ('receive: "214"', 'send: "940"\n    separators: {element: A}', "separators.element: must be one character that is no letter"),
    ('receive: "214"', 'send: "940"\n    separators: {element: ":"}', "separators: the four separators must be four different characters"),
    ('receive: "214"', 'send: "940"\n    version: "4010"', "version: '4010' does not fit the pattern"),
    ('receive: "214"', 'send: "940"\n    owed: {functional_acknowledgment: soon}', "functional_acknowledgment: must be a span such as 30s"),
    (
        "agreements:",
        "duties: {interchange_acknowledgment: maybe}\nagreements:",
        "interchange_acknowledgment: must be 'asked', 'always', 'errors' or 'none'",
    ),
    ('receive: "214"', 'receive: "214"\n    duties: {functional_acknowledgment_form: "998"}', "must be '997' or '999', got '998'"),
    ("agreements:", "partner: again\nagreements:", "line 6, column 1: 'partner' is given twice"),
]


@pytest.mark.parametrize(("old", "new", "told"), MISTAKES, ids=[case[1][:40] or "left out" for case in MISTAKES])
def test_a_mistake_is_told_with_its_place_and_mend(old: str, new: str, told: str):
    assert old in GOOD
    with pytest.raises(ProfileError) as mistake:
        read_profile(GOOD.replace(old, new, 1), "acme.yaml")
    assert str(mistake.value).startswith("acme.yaml: line ")
    assert told in str(mistake.value)


def test_what_no_model_can_judge_is_checked_too():
    text = GOOD.replace("x12/214", "x12/999").replace("    mapping", "    default_zone: Mars/Olympus\n    mapping")
    found = problems(read_profile(text))
    assert len(found) == 2
    assert "x12/999" in found[0]
    assert "Mars/Olympus" in found[1]


@pytest.mark.parametrize(
    ("terms", "told"),
    [
        ('receive: "855"', None),
        ('send: "940"', None),
        ('send: "855"', "there is no mapping 'x12/855'"),
        ('receive: "824"', None),
        ('receive: "832"', "there is no mapping 'x12/832'"),
        ('receive: "855"\n    mapping: x12/855', "there is no mapping 'x12/855'"),
        ('receive: "855"\n    overlays: [extra]', "there is no mapping 'x12/855'"),
    ],
)
def test_a_set_with_a_guide_alone_may_be_agreed(terms: str, told: str | None):
    found = problems(read_profile(GOOD.replace('receive: "214"\n    mapping: x12/214', terms)))
    assert len(found) == (told is not None)
    assert told is None or told in found[0]


def test_spans_and_sizes_read_as_people_write_them():
    text = GOOD + "channels: {http: {duplicate_window: 36h, max_body: 5 MiB}}\n"
    channel = read_profile(text).channels.http
    assert channel.duplicate_window == timedelta(hours=36)
    assert channel.max_body == 5 * 2**20


def test_a_book_finds_a_partner_by_any_of_its_tokens():
    tokens = ", ".join(f"{{sha256: {digest(token)}}}" for token in ("old", "new"))
    text = GOOD.replace("agreements:", f"  tokens: [{tokens}]\nagreements:")
    book = Book([Revision(read_profile(text), 3, text)])
    for token in ("old", "new"):
        found = book.by_token(token)
        assert found is not None
        assert (found.profile.partner, found.number) == ("acme", 3)
    for token in ("", "olds", "OLD", "\udcff"):
        assert book.by_token(token) is None
