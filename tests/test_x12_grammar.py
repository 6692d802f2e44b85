"""Sets made from the guides: every place and element of every guide is reached, and no right set has a finding.

How far the making reached is printed (pytest -rP).
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.x12 import only_set
from tests.x12_strategies import SHIPPED, Terms, by_chance, guide_of, made_set, path_of, reachable, valid_sets, written
from translators.x12.layout import places

ODD = Terms(odd=True)
NAMES = [f"{set_id}-{release}" for set_id, release in SHIPPED]


@pytest.mark.parametrize(("set_id", "release"), SHIPPED, ids=NAMES)
def test_every_place_and_element_is_reached_and_right(set_id: str, release: str):
    guide = guide_of(set_id, release)
    due, reached = reachable(guide), set[tuple[str, int]]()
    for place in places(guide.layout.root):
        for turn in range(200):
            made = made_set(guide, by_chance((place.number, turn)), ODD, wanted=[place])
            reading = only_set(written([made]))
            assert [finding.text for finding in reading.findings] == []
            assert reading.verdict == "A"
            reached.update(made.reached())
            if turn > 1 and {one for one in due if one[0] == path_of(place)} <= reached:
                break
    print(f"{set_id} {release}: {len(reached & due)} of {len(due)} places and elements reached")
    assert reached == due


@pytest.mark.parametrize(("set_id", "release"), SHIPPED, ids=NAMES)
@given(st.data())
@settings(max_examples=15, deadline=None)
def test_a_right_set_has_no_finding(set_id: str, release: str, data: st.DataObject):
    made = data.draw(valid_sets(guide_of(set_id, release), ODD))
    reading = only_set(written([made]))
    assert ([finding.text for finding in reading.findings], reading.codes, reading.verdict) == ([], [], "A")
    assert reading.segments == len(made.segments)
    assert reading.release == release
