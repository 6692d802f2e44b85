"""`crossdock map`, and the table of what becomes of every element of a guide."""

import io
import json

import pytest

from gateway.commands import map as commands
from gateway.exits import FAILED, GOOD, USAGE
from partners.guides import shipped_guides
from partners.mappings import shipped
from tests.mapping_fixtures import context, documents
from tests.test_mapping_write import NAMED
from tests.x12_strategies import Terms as Made
from tests.x12_strategies import by_chance, guide_of, made_set, written
from translators.mapping import MappingProblem
from translators.mapping.coverage import coverage, summed

X12 = sorted(name for name in shipped().names() if name.startswith("x12/"))
RELEASES = ("004010", "005010")


@pytest.mark.parametrize("name", X12)
def test_the_fixtures_beside_a_mapping_are_its_tests(name: str):
    out = io.StringIO()
    assert commands.test([name], out=out) == GOOD, out.getvalue()
    assert out.getvalue().count("holds, both ways") == len(shipped().fixtures(name)) or out.getvalue().count("holds") > len(shipped().fixtures(name))


def test_what_ships_can_be_used():
    out = io.StringIO()
    assert commands.check([], out=out) == GOOD
    assert "x12/945 + demo-3pl: can be used" in out.getvalue()
    assert "erp/tryton/fulfilment.shipped: can be used" in out.getvalue()
    assert commands.check(["erp/odoo", "erp/tryton/shipment.notified"], out=out) == GOOD
    for name in ("x12/000", "erp/sap", "erp/odoo/shipment.status"):
        assert commands.check([name], out=out) == FAILED


def test_an_overlay_is_told_by_its_lines_and_its_events():
    out = io.StringIO()
    assert commands.diff("x12/945", ("demo-3pl",), out=out) == FAILED
    assert "+  purchase_order: N9[01=CO]/02 else W06/06" in out.getvalue()
    assert "the events of lake-3pl-005010.edi:" in out.getvalue()
    assert commands.diff("x12/945", (), out=out) == GOOD
    assert commands.diff("x12/945", ("nobody",), out=out) == USAGE


def test_the_effective_mapping_is_shown():
    out = io.StringIO()
    assert commands.show("x12/945", overlays=("demo-3pl",), table=False, release="004010", as_json=False, out=out) == GOOD
    assert "# mappings/x12/945/overlays/demo-3pl.yaml:" in out.getvalue()
    assert commands.show("x12/000", overlays=(), table=False, release="004010", as_json=False, out=out) == USAGE


def test_the_table_says_what_becomes_of_each_element():
    out = io.StringIO()
    assert commands.show("x12/940", overlays=(), table=True, release="004010", as_json=True, out=out) == GOOD
    rows = {(row["path"], row["element"]): row for row in json.loads(out.getvalue())}
    assert rows["W05", 2]["fields"] == ["order_id"]
    assert rows["ST", 1]["kind"] == "dropped"
    assert rows["W01 > G66", 1]["kind"] == "unmapped"
    assert "lines.references.value" in rows["W01 > N9", 2]["fields"]


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("name", X12)
def test_the_table_is_true_of_right_sets(name: str, release: str):
    """Every element that a right set has and that is not carried over is unmapped or conditional in the table; what is dropped is never listed."""
    set_id = name.partition("/")[2]
    guide = shipped_guides().guide(set_id, release)
    assert guide is not None
    rows = coverage(shipped().traced(name), guide, context())
    print(name, release, summed(rows))
    every = {(row.path.split(" > ")[-1].split("[")[0], row.element): row for row in rows if row.kind == "dropped"}
    never = {(row.path.split(" > ")[-1].split("[")[0], row.element) for row in rows if row.kind == "carried"}
    open_to = {(row.path.split(" > ")[-1].split("[")[0], row.element) for row in rows if row.kind == "unmapped"}
    told = 0
    for seed in range(12):
        for document, around in documents(
            written([made_set(guide_of(set_id, release), by_chance(f"table {name} {release} {seed}"), NAMED.get(set_id, Made()))])
        ):
            try:
                mapped = shipped().mapping(name).read(document, around)
            except MappingProblem:
                continue
            for entry in mapped.unmapped:
                told += 1
                tag, number = entry.path.split(" > ")[-1].split("[")[0].split("/")[0], int(entry.path.rsplit("/", 1)[1].split("-")[0])
                assert (tag, number) in open_to | never or (tag, 0) in open_to, entry
                assert (tag, number) not in every or (tag, number) in open_to | never, entry
    assert told or summed(rows)["unmapped"] < 5
    assert len(rows) == sum(summed(rows).values())
