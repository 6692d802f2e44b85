"""The torture set: each file is judged as its expectation says, under the strict and the tolerant profile."""

import json
from pathlib import Path
from typing import Any

import pytest

from partners.guides import shipped_guides
from tests.x12 import TORTURE, read_at
from translators.x12.options import Options
from translators.x12.report import check_report


def report_of(path: Path, strictness: str, *, lenient: bool) -> dict[str, Any]:
    leniency = expectation(path).get("leniency")
    options = Options(strictness, frozenset([leniency]) if leniency and lenient else frozenset())
    data = path.read_bytes()
    return check_report(read_at(data), len(data), shipped_guides(), options)


def expectation(path: Path) -> dict[str, Any]:
    return json.loads(path.with_suffix(".expect.json").read_text(encoding="utf-8"))


def verdicts(report: dict[str, Any], ack: str) -> list[Any]:
    return [
        (one["control"], [(group["functional"], group[ack], [(each["id"], each["control"], each[ack]) for each in group["sets"]]) for group in one["groups"]])
        for one in report["interchanges"]
    ]  # fmt: skip


def errors(report: dict[str, Any]) -> list[Any]:
    """All errors of a report or an expectation, in their order, with the codes that count as right."""
    return [
        [
            (
                error["segment"],
                {error["position"], error["position"] - (error["code997"] == "3")},
                {error["code997"], *error.get("code997_also", [])},
                error.get("element"),
                error.get("component"),
                error.get("code_element"),
            )
            for error in one["errors"]
        ]
        for interchange in report["interchanges"]
        for group in interchange["groups"]
        for one in group["sets"]
    ]


def test_the_torture_set_is_whole():
    assert len(TORTURE) == 30


@pytest.mark.parametrize("path", TORTURE, ids=lambda path: path.stem)
def test_torture_strict(path: Path):
    expected, found = expectation(path), report_of(path, "strict", lenient=True)
    assert found["leftover_bytes"] == expected["leftover_bytes"]
    assert verdicts(found, "ack") == verdicts(expected, "ack")
    for left, right in zip(expected["interchanges"], found["interchanges"], strict=True):
        assert right["ta1"] in {left["ta1"], *left.get("ta1_also", [])}
        assert right.get("ta1_ack") == left.get("ta1_ack")
        for wanted, got in zip(left["groups"], right["groups"], strict=True):
            assert got["codes"] == wanted.get("codes", [])
            for one, other in zip(wanted["sets"], got["sets"], strict=True):
                assert other["codes"] == one.get("codes", [])
    for wanted_errors, got_errors in zip(errors(expected), errors(found), strict=True):
        assert len(wanted_errors) == len(got_errors)
        for wanted, got in zip(wanted_errors, got_errors, strict=True):
            assert all((one & other) if isinstance(one, set) else one == other for one, other in zip(wanted, got, strict=True)), (wanted, got)


@pytest.mark.parametrize("path", TORTURE, ids=lambda path: path.stem)
def test_torture_tolerant(path: Path):
    """The tolerant verdicts; a leniency that only lowers a verdict (loose-order) is left off, as the expectation has it."""
    lenient = expectation(path).get("leniency") != "loose-order"
    assert verdicts(report_of(path, "tolerant", lenient=lenient), "ack") == verdicts(expectation(path), "ack_tolerant")


@pytest.mark.parametrize("path", TORTURE, ids=lambda path: path.stem)
def test_torture_warnings(path: Path):
    found = report_of(path, "strict", lenient=True)
    told = set(found["warnings"]) | {name for one in found["interchanges"] for name in one["warnings"]}
    told |= {name for one in found["interchanges"] for group in one["groups"] for each in group["sets"] for name in each["warnings"]}
    assert told >= set(expectation(path).get("warnings", []))


@pytest.mark.parametrize("path", [path for path in TORTURE if expectation(path).get("leniency")], ids=lambda path: path.stem)
def test_without_its_leniency_a_file_is_never_accepted_in_silence(path: Path):
    found = report_of(path, "strict", lenient=False)
    sets = [one["ack"] for each in found["interchanges"] for group in each["groups"] for one in group["sets"]]
    assert "R" in sets or any(one["ta1"] not in (None, "000") for one in found["interchanges"])


def test_every_error_names_bytes_of_its_segment():
    for path in TORTURE:
        data = path.read_bytes()
        found = report_of(path, "strict", lenient=True)
        for interchange in found["interchanges"]:
            for one in (each for group in interchange["groups"] for each in group["sets"]):
                for error in one["errors"]:
                    assert one["byte_start"] <= error["byte_start"] <= error["byte_end"] <= one["byte_end"], path.stem
                    if error.get("value"):
                        assert error["value"].encode() in data[error["byte_start"] : error["byte_end"]] or len(error["value"]) == 99
