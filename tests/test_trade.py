"""What simulated partners send: without faults each file is right under the shipped guides and becomes its events; with them, each fault is what it says."""

import io
import itertools
import json
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.commands.translate import translate
from gateway.simulators.trade import FAULTS, ROLES, UNKNOWN_ITEM, Fault, OrderSet, Role, orders_of, sendings
from partners.profile import read_profile
from tests.running import ROOT

DAY = date(2026, 11, 16)
PROFILES = {"customer": "harbor", "3pl": "lake3pl", "carrier": "northway"}
TYPES = {
    "940": "fulfilment.requested",
    "850": "fulfilment.requested",
    "945": "fulfilment.shipped",
    "856": "shipment.notified",
    "214": "shipment.status",
    "210": "freight.billed",
}


def events(body: bytes, folder: Path, partner: str | None = None) -> tuple[int, list[dict[str, Any]]]:
    """(exit code of `translate`, the events)."""
    file = folder / "one.edi"
    file.write_bytes(body)
    profile = read_profile((ROOT / "partners" / "profiles" / f"{partner}.yaml").read_text()) if partner else None
    told = io.StringIO()
    code = translate(file, partner=profile, as_json=True, out=told)
    return code, [json.loads(line) for line in told.getvalue().splitlines()]


@pytest.mark.parametrize("role", ROLES)
def test_without_faults_every_file_is_right_and_tells_its_event(role: Role, tmp_path: Path):
    by_850 = sendings(role, seed=5, orders=4, day=DAY, order_set="850") if role == "customer" else []
    for one in [*sendings(role, seed=5, orders=4, day=DAY, bill=True), *by_850]:
        code, told = events(one.body, tmp_path, None if one.name.startswith("210") else PROFILES[role])
        assert code == 0, (one.name, one.body)
        assert [event["type"] for event in told] == [f"org.crossdock.{TYPES[one.name[:3]]}.v1"]


@given(st.sampled_from(list(ROLES)), st.integers(0, 10**6), st.integers(1, 4), st.sets(st.sampled_from(list(FAULTS))))
@settings(max_examples=40, deadline=None)
def test_the_same_seed_sends_the_same(role: Role, seed: int, orders: int, faults: set[Fault]):
    first = sendings(role, seed=seed, orders=orders, day=DAY, faults=faults)
    assert first == sendings(role, seed=seed, orders=orders, day=DAY, faults=faults)
    controls = Counter(one.body[90:99] for one in first if "doubled" not in one.faults)
    assert max(controls.values()) == 1, "no control number twice"


def test_a_customer_may_order_by_850(tmp_path: Path):
    """The same orders under the same purchase order, by which the warehouse's advice and the carrier's notice are tied to it."""
    ordered = [events(one.body, tmp_path, "harbor")[1][0] for one in sendings("customer", seed=3, orders=2, day=DAY, order_set="850")]
    by_940 = [events(one.body, tmp_path, "harbor")[1][0] for one in sendings("customer", seed=3, orders=2, day=DAY)]
    shipped = [events(one.body, tmp_path, "lake3pl")[1][0] for one in sendings("3pl", seed=3, orders=2, day=DAY)]
    for one, other, advice in zip(ordered, by_940, shipped, strict=True):
        assert one["type"] == "org.crossdock.fulfilment.requested.v1"
        assert one["data"]["purchase_order"] == other["data"]["purchase_order"] == advice["data"]["purchase_order"]
        assert [line["ordered"] for line in one["data"]["lines"]] == [line["ordered"] for line in other["data"]["lines"]]
        assert {"type": "customer_order", "code": "CO", "value": advice["data"]["order_id"]} in one["data"]["references"]


def test_roles_of_one_seed_speak_of_the_same_orders(tmp_path: Path):
    (ordered,) = events(sendings("customer", seed=3, orders=1, day=DAY)[0].body, tmp_path, "harbor")[1]
    (shipped,) = events(sendings("3pl", seed=3, orders=1, day=DAY)[0].body, tmp_path, "lake3pl")[1]
    (notified,) = events(sendings("carrier", seed=3, orders=1, day=DAY)[0].body, tmp_path, "northway")[1]
    assert ordered["data"]["order_id"] == shipped["data"]["order_id"]
    assert [line["shipped"]["value"] for line in notified["data"]["lines"]] == [line["shipped"]["value"] for line in shipped["data"]["lines"]]


def test_the_last_status_is_the_proof_of_delivery(tmp_path: Path):
    statuses = [events(one.body, tmp_path, "northway")[1][0]["data"] for one in sendings("carrier", seed=3, orders=1, day=DAY)[1:]]
    assert [(one["event"], one.get("signed_by")) for one in statuses][-2:] == [("delivery.arrived", None), ("delivery.unloaded", "J. DOE")]
    *_, bill = sendings("carrier", seed=3, orders=1, day=DAY, bill=True)
    assert events(bill.body, tmp_path)[1][0]["data"]["lines"][0]["signed_by"] == "J. DOE"


def those_with(fault: Fault, role: Role = "carrier") -> list[Any]:
    found = [one for one in sendings(role, seed=8, orders=40, day=DAY, faults=[fault]) if fault in one.faults]
    assert found, fault
    return found


def test_wrong_parents_are_found(tmp_path: Path):
    assert all(events(one.body, tmp_path)[0] == 1 for one in those_with("wrong-parents")[:3])


def test_short_means_less_than_ordered(tmp_path: Path):
    for one in those_with("short", "3pl")[:3]:
        lines = events(one.body, tmp_path, "lake3pl")[1][0]["data"]["lines"]
        assert any(float(line["shipped"]["value"]) < float(line["ordered"]["value"]) for line in lines)
    assert sum(line.shipped < line.ordered for order in orders_of(8, 400, DAY, short=0.3) for line in order.lines) in range(80, 160)


@pytest.mark.parametrize("order_set", ["940", "850"])
def test_an_unknown_item_is_ordered(tmp_path: Path, order_set: OrderSet):
    whole = sendings("customer", seed=8, orders=40, day=DAY, faults=["unknown-item"], order_set=order_set)
    found = [one for one in whole if "unknown-item" in one.faults]
    assert 0 < len(found) < 40
    for one in whole[:8]:
        (event,) = events(one.body, tmp_path, "harbor")[1]
        items = {each["value"] for line in event["data"]["lines"] for each in line["item"]["ids"]}
        assert (UNKNOWN_ITEM in items) == (one in found)


def test_doubled_is_the_same_bytes_or_the_same_content(tmp_path: Path):
    whole = sendings("carrier", seed=8, orders=40, day=DAY, faults=["doubled"])
    bodies = Counter(one.body for one in whole)
    assert any(count == 2 for count in bodies.values())
    again = [one for one in whole if one.name.startswith("again-")]
    assert again
    first = {one.name: one for one in whole if not one.name.startswith("again-")}
    for one in again[:5]:
        assert events(one.body, tmp_path, "northway")[1][0]["data"] | {"evidence": 0} == events(first[one.name[6:]].body, tmp_path, "northway")[1][0][
            "data"
        ] | {"evidence": 0}


def test_late_ones_come_last_and_a_later_status_may_come_first():
    whole = sendings("carrier", seed=8, orders=40, day=DAY, faults=["late"])
    flags = ["late" in one.faults for one in whole]
    assert flags == sorted(flags)
    whole = sendings("carrier", seed=8, orders=40, day=DAY, faults=["out-of-order"])
    places = [(one.order, int(one.name.rpartition("-")[2].removesuffix(".edi"))) for one in whole]
    early = [one for (one, at), (_, after) in itertools.pairwise(zip(whole, places, strict=True)) if at[0] == after[0] and at > after]
    assert early
    assert all("out-of-order" in one.faults for one in early)
