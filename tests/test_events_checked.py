"""The plain check of an event's data takes and refuses what pydantic's models do, and puts all names in order."""

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.mapping_fixtures import FIXTURES, golden_path
from translators.events.checked import checker
from translators.events.families import FAMILIES
from translators.events.family import Family
from translators.events.identity import data_json, meaning_hash, ordered_data_json, ordered_meaning_hash

LAW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
KEPT: dict[str, list[dict[str, Any]]] = {family.type: [] for family in FAMILIES.values()}
for _file in FIXTURES:
    for _one in json.loads(golden_path(_file).read_text(encoding="utf-8"))["sets"]:
        for _event in _one["events"]:
            KEPT[_event["type"]].append(_event["data"])

VALUES = st.sampled_from(
    [None, "", " ", "x", "0", "-0", "1.5", "1.50", "01", "1e3", "١", "1\n", "actual", "planned", "cancel", "\x00\x7f\u2028", 0, 3, 1.5]
)
VALUES |= st.sampled_from([True, False, b"x", [], {}, [""], ["x"], [{}], {"local": "x"}, {"value": "1"}, ("x",), [{"type": "x", "value": "y"}]])
VALUES |= st.text(max_size=5)


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every object and list in the data, as the way to it."""
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else None
    return [] if inner is None else [path, *(found for key, value in inner for found in places(value, (*path, key)))]


@st.composite
def spoilt(draw: st.DrawFn, family: Family) -> dict[str, Any]:
    """The data of a kept event with a few values changed, lost, added or moved."""
    data = copy.deepcopy(draw(st.sampled_from(KEPT[family.type])))
    for _ in range(draw(st.integers(0, 3))):
        there: Any = data
        for step in draw(st.sampled_from(places(data))):
            there = there[step]
        value = copy.deepcopy(draw(VALUES))
        if isinstance(there, list):
            there.insert(0, value)
        elif draw(st.booleans()) and there:
            there[draw(st.sampled_from(sorted(there)))] = value
        elif draw(st.booleans()) and there:
            del there[draw(st.sampled_from(sorted(there)))]
        else:
            names = sorted({*family.model.model_fields, "value", "kind", "zone", "late", "surplus"})
            there[draw(st.sampled_from(names))] = value
    return data


def taken(check: Any, data: dict[str, Any]) -> bool:
    try:
        check(data)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("family", FAMILIES.values(), ids=list(FAMILIES))
@given(st.data())
@LAW
def test_it_takes_what_the_model_takes(family: Family, data: st.DataObject):
    given_data = data.draw(spoilt(family))
    before = copy.deepcopy(given_data)
    sound = taken(family.model.model_validate, given_data)
    assert taken(checker(family.model), given_data) is sound
    assert given_data == before


@pytest.mark.parametrize("family", FAMILIES.values(), ids=list(FAMILIES))
@given(st.data())
@LAW
def test_what_it_gives_back_is_the_same_in_order(family: Family, data: st.DataObject):
    """Also for what a gateway adds to the evidence and the quality before it is written."""
    checked = checker(family.model)(copy.deepcopy(data.draw(st.sampled_from(KEPT[family.type]))))
    text = data.draw(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
    checked["notes"] = [{"text": text}]
    checked = checker(family.model)(checked)
    assert list(checked) == sorted(checked)
    assert ordered_meaning_hash(checked) == meaning_hash(checked)
    assert ordered_data_json(checked) == data_json(checked)
    checked["evidence"]["message"] = text
    checked["quality"] = {"late": True, **checked.get("quality", {}), "findings": 1}
    assert ordered_data_json(checked) == data_json(checked)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=list(FAMILIES))
def test_rules_between_fields_hold(family: Family):
    data = copy.deepcopy(KEPT[family.type][0])
    if "classifier" in data:
        data["classifier"] = "planned" if "occurred_at" in data else "actual"
        data.setdefault("expected_at", {"local": "2026-11-16"})
    else:
        for name in ("lines", "packs", "stops", "answer_code", "totals", "cancelled"):
            data.pop(name, None)
    with pytest.raises(ValidationError):
        family.model.model_validate(data)
    with pytest.raises(ValidationError):
        checker(family.model)(data)
