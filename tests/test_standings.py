"""How shipments and orders stand: whatever order events come in, the row is the join of what their latest revisions say; late ones are told as such."""

import asyncio
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from gateway.operations import OPERATIONS
from gateway.store.store import Store
from tests.running import ROOT, document, running
from tests.standing_running import Teller, event_row, moment, status
from translators.events.standing import MILESTONES, standing_of

_numbers = itertools.count()


@pytest.fixture(scope="module")
def one_store(tmp_path_factory: pytest.TempPathFactory):
    """A store for many examples, each with a subject of its own."""
    folder = tmp_path_factory.mktemp("standings")
    opened = Store(f"sqlite:///{folder / 'crossdock.db'}", folder / "payloads")
    yield opened
    opened.close()


def rows(store: Store, subject: str) -> list[dict[str, Any]]:
    query = text("SELECT * FROM standings WHERE subject = :subject ORDER BY partner")
    return store.read(lambda tx: [dict(row._mapping) for row in tx.execute(query, {"subject": subject})]).result()


def told(store: Store, identity: str) -> list[dict[str, Any]]:
    """The data of each revision of an event, as the ERP gets it."""
    query = text("SELECT p.data FROM events e JOIN payloads p ON p.id = e.payload WHERE e.identity = :identity ORDER BY e.revision")
    return store.read(lambda tx: [json.loads(bytes(row.data)) for row in tx.execute(query, {"identity": identity})]).result()


# ---- the law


HOURS = st.integers(0, 5)
CLOCKS = st.sampled_from([("UTC", "+00:00", "stated"), ("America/Chicago", "-06:00", "profile"), ("America/Denver", "-07:00", "profile")])


@st.composite
def said(draw: st.DrawFn) -> dict[str, Any]:
    """One thing that may be said of a shipment: a status that happened, one that is expected, or a withdrawal."""
    zone, offset, certainty = draw(CLOCKS)
    when = moment(f"2026-11-16T0{draw(HOURS)}:00", zone=zone, offset=offset, certainty=certainty)
    kind = draw(st.sampled_from(["actual", "actual", "actual", "estimated", "withdrawn"]))
    if kind == "withdrawn":
        return status("pickup.departed", "pickup", when, cancelled=True)
    milestone = draw(st.sampled_from([*MILESTONES, "info"]))
    return status(f"{milestone}.happened" if kind == "actual" else draw(st.sampled_from(["delivery.eta", "terminal.eta"])), milestone, when, kind)


@given(
    things=st.lists(st.lists(said(), min_size=1, max_size=3, unique_by=lambda one: json.dumps(one)), min_size=1, max_size=5),
    chance=st.randoms(use_true_random=False),
)
@settings(max_examples=25, deadline=None)
def test_whatever_order_events_come_in_the_row_is_the_same(one_store: Store, things: list[list[dict[str, Any]]], chance: Any):
    """`things`: for each event its revisions. Each partner hears them in an order of its own; revisions of one event stay in theirs."""
    subject = f"shipment/LAW-{next(_numbers)}"
    for partner in ("first", "second"):
        teller = Teller(one_store, partner)
        queues = [list(enumerate(revisions)) for revisions in things]
        batch = []
        while any(queues):
            which = chance.choice([number for number, queue in enumerate(queues) if queue])
            revision, data = queues[which].pop(0)
            family_told = f"2026-11-15T{which:02}:0{revision}:00Z"
            batch.append(
                event_row(
                    f"{which}.{subject}.{partner}", "shipment.status", subject, data, told=family_told, purpose="correct" if revision else "original"
                )
            )
            if chance.random() < 0.5:
                teller.tell(*batch)
                batch = []
        if batch:
            teller.tell(*batch)
    first, second = (_comparable(row) for row in rows(one_store, subject))
    assert first == second
    assert first["step"] == _expected_step(things), "the highest rank of what stands"
    assert first["expected"] == _expected_moment(things)


def _comparable(row: dict[str, Any]) -> dict[str, Any]:
    """Without what names the partner, its messages and when they came."""
    plain = {name: value for name, value in row.items() if name not in ("partner", "document", "changed_at")}
    return {name: value.replace(row["partner"], "") if isinstance(value, str) else value for name, value in plain.items()}


def _expected_step(things: list[list[dict[str, Any]]]) -> str | None:
    """The model: of what each event says last, the latest that happened; of the same instant the later milestone, then the later event."""
    found = []
    for number, revisions in enumerate(things):
        data = revisions[-1]
        if not data.get("cancelled") and data["classifier"] == "actual" and data["milestone"] != "info":
            found.append((_instant(data["occurred_at"]), MILESTONES.index(data["milestone"]), number, data["event"]))
    return max(found)[-1] if found else None


def _instant(when: dict[str, Any]) -> int:
    said = standing_of("org.crossdock.shipment.status.v1", "shipment/1", when["instant"], status("x", "pickup", when))
    assert said is not None
    return int(said["actual"][0])


def _expected_moment(things: list[list[dict[str, Any]]]) -> str | None:
    """The model: of the last words, what was told last of the delivery, else of the way."""
    found = []
    for number, revisions in enumerate(things):
        data = revisions[-1]
        if not data.get("cancelled") and data["classifier"] != "actual":
            found.append(("delivery" in data["event"], number, len(revisions), data["event"]))
    return max(found)[-1] if found else None


# ---- cases


DEPARTED = status("pickup.departed", "pickup", moment("2026-11-16T10:00"))
DELIVERED = status("delivery.unloaded", "delivery", moment("2026-11-16T15:00"))


def test_a_late_status_does_not_move_the_view_back_and_says_that_it_is_late(store: Store):
    teller = Teller(store)
    teller.tell(event_row("d", "shipment.status", "shipment/1", DELIVERED), event_row("p", "shipment.status", "shipment/1", DEPARTED))
    (row,) = rows(store, "shipment/1")
    assert (row["step"], row["milestone"], row["event"], row["certainty"]) == ("delivery.unloaded", "delivery", "d-r1", "stated")
    assert "quality" not in told(store, "d")[0]
    assert told(store, "p")[0]["quality"] == {"late": True}


CHICAGO = {"zone": "America/Chicago", "offset": "-06:00", "certainty": "profile"}
DENVER = {"zone": "America/Denver", "offset": "-07:00", "certainty": "profile"}
PLACE = {"zone": "America/Denver", "offset": "-07:00", "certainty": "place"}
LATE = {
    "earlier, both stated": (moment("2026-11-16T15:00"), moment("2026-11-16T10:00"), True),
    "later": (moment("2026-11-16T10:00"), moment("2026-11-16T15:00"), False),
    "the same instant": (moment("2026-11-16T10:00"), moment("2026-11-16T10:00"), False),
    "the place's zone is known": (moment("2026-11-16T23:00"), moment("2026-11-16T10:00", **PLACE), True),
    "assumed against stated": (moment("2026-11-16T23:00"), moment("2026-11-16T10:00", **CHICAGO), False),
    "stated against assumed": (moment("2026-11-16T23:00", **CHICAGO), moment("2026-11-16T10:00"), False),
    "the same assumed zone": (moment("2026-11-16T15:00", **CHICAGO), moment("2026-11-16T10:00", **CHICAGO), True),
    "two assumed zones": (moment("2026-11-16T15:00", **CHICAGO), moment("2026-11-16T10:00", **DENVER), False),
    "a day alone": (moment("2026-11-16T15:00"), moment("2026-11-15"), False),
    "no zone at all": (moment("2026-11-16T15:00"), moment("2026-11-15T10:00", certainty="none"), False),
}


@pytest.mark.parametrize("name", LATE)
def test_lateness_compares_actuals_by_clocks_that_can_be_compared(one_store: Store, name: str):
    before, now, late = LATE[name]
    subject = f"shipment/{name}"
    teller = Teller(one_store)
    teller.tell(event_row(f"before {name}", "shipment.status", subject, status("a", "transit", before)))
    teller.tell(event_row(f"now {name}", "shipment.status", subject, status("b", "transit", now)))
    assert told(one_store, f"now {name}")[0].get("quality", {}).get("late", False) == late


NOT_LATE = {
    "estimates are not late": (DELIVERED, status("delivery.eta", "info", moment("2026-11-16T09:00"), "estimated"), "shipment/{}", "northway"),
    "and nothing is late after one": (status("delivery.eta", "info", moment("2026-11-16T23:00"), "estimated"), DEPARTED, "shipment/{}", "northway"),
    "another subject": (DELIVERED, DEPARTED, "shipment/other {}", "northway"),
    "another partner": (DELIVERED, DEPARTED, "shipment/{}", "harbor"),
}


@pytest.mark.parametrize("name", NOT_LATE)
def test_only_actuals_of_one_subject_of_one_partner_are_compared(one_store: Store, name: str):
    before, now, subject, partner = NOT_LATE[name]
    Teller(one_store).tell(event_row(f"before {name}", "shipment.status", f"shipment/{name}", before))
    Teller(one_store, partner).tell(event_row(f"now {name}", "shipment.status", subject.format(name), now))
    assert "quality" not in told(one_store, f"now {name}")[0]


def test_a_correction_may_move_the_view_back_and_is_not_late(store: Store):
    teller = Teller(store)
    teller.tell(event_row("p", "shipment.status", "shipment/1", DEPARTED))
    teller.tell(event_row("d", "shipment.status", "shipment/1", DELIVERED))
    wrong = status("delivery.unloaded", "delivery", moment("2026-11-16T09:00"))
    teller.tell(event_row("d", "shipment.status", "shipment/1", wrong, purpose="correct"))
    (row,) = rows(store, "shipment/1")
    assert (row["step"], row["event"], row["revision"]) == ("pickup.departed", "p-r1", 1)
    assert "quality" not in told(store, "d")[1]
    teller.tell(event_row("d", "shipment.status", "shipment/1", DELIVERED | {"cancelled": True}, purpose="cancel"))
    teller.tell(event_row("p", "shipment.status", "shipment/1", DEPARTED | {"cancelled": True}, purpose="cancel"))
    (row,) = rows(store, "shipment/1")
    assert (row["step"], row["event"], row["stands"]) == (None, None, None), "nothing stands any more"


def test_a_correction_that_names_another_subject_leaves_the_first(store: Store):
    teller = Teller(store)
    teller.tell(event_row("d", "shipment.status", "shipment/1", DELIVERED))
    teller.tell(event_row("d", "shipment.status", "shipment/2", DELIVERED | {"stop": "2"}, purpose="correct"))
    (left,), (named,) = rows(store, "shipment/1"), rows(store, "shipment/2")
    assert (left["step"], named["step"]) == (None, "delivery.unloaded")
    assert left["changed_at"] == named["changed_at"], "who follows changes hears of the one that was left, too"


NOTICE = {"shipped_at": moment("2026-11-15T08:00"), "delivery_expected_at": moment("2026-11-17T09:00")}
ORDER = {"deliver_at": moment("2026-11-20")}
FAMILIES = {
    "a notice announces": ([("a", "shipment.notified", NOTICE)], ("notified", False, "2026-11-17T09:00")),
    "a status outranks a notice that came later": (
        [("b", "shipment.status", DEPARTED), ("a", "shipment.notified", NOTICE | {"shipped_at": moment("2026-12-01T08:00")})],
        ("pickup.departed", False, "2026-11-17T09:00"),
    ),
    "a carrier's estimate outranks the notice's": (
        [("b", "shipment.status", status("delivery.eta", "info", moment("2026-11-18T10:00"), "estimated")), ("a", "shipment.notified", NOTICE)],
        (None, False, "2026-11-18T10:00"),
    ),
    "a cancelled notice cancels": (
        [("a", "shipment.notified", NOTICE), ("b", "shipment.status", DEPARTED), ("a", "shipment.notified", {"cancelled": True})],
        ("cancelled", True, None),
    ),
    "a carrier cancels, and goes on": (
        [
            ("b", "shipment.status", status("shipment.cancelled", "exception", moment("2026-11-16T11:00"))),
            ("c", "shipment.status", DELIVERED),
        ],
        ("delivery.unloaded", False, None),
    ),
    "a tender is answered": (
        [("a", "load.tendered", {}), ("b", "load.answered", {"answer": "declined", "answered_on": moment("2026-11-17")})],
        ("declined", False, None),
    ),
    "an order is shipped": ([("b", "fulfilment.shipped", {"shipped_on": moment("2026-11-16")}), ("a", "fulfilment.requested", ORDER)], None),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_each_family_says_how_its_subject_stands(one_store: Store, name: str):
    events, expected = FAMILIES[name]
    subject = f"{'order' if expected is None else 'shipment'}/{name}"
    teller = Teller(one_store)
    for number, (identity, family, data) in enumerate(events):
        purpose = "cancel" if data.get("cancelled") else "original"
        when = f"2026-11-16T08:0{number}:00Z" if identity != "b" else "2026-11-16T09:00:00Z"
        teller.tell(event_row(f"{identity} {name}", family, subject, data, told=when, purpose=purpose))
    (row,) = rows(one_store, subject)
    found = (row["step"], bool(row["cancelled"]), row["expected_local"])
    if name == "a carrier's estimate outranks the notice's":
        assert found == ("notified", False, "2026-11-18T10:00")
    else:
        assert found == (expected or ("shipped", False, "2026-11-20"))


def test_other_subjects_have_no_standing(store: Store):
    Teller(store).tell(event_row("r", "receipt.confirmed", "receipt/1", {"received_on": moment("2026-11-16")}))
    assert store.read(lambda tx: tx.execute(text("SELECT count(*) FROM standings")).scalar_one()).result() == 0


def test_references_are_gathered_and_bounded(store: Store):
    teller = Teller(store)
    for number in range(30):
        references = [("purchase_order", f"PO{number:03}"), ("pro", f"PRO{number:03}")]
        teller.tell(event_row(f"s{number}", "shipment.status", "shipment/1", DEPARTED | {"stop": str(number)}, references=references))
    refs = json.loads(rows(store, "shipment/1")[0]["refs"])
    assert refs == sorted([["purchase_order", f"PO{n:03}"] for n in range(30)] + [["pro", f"PRO{n:03}"] for n in range(30)])[:40]


def test_a_chunk_that_runs_again_comes_to_the_same(store: Store):
    """The transaction dies after everything was decided: the member runs once more on the values as they are."""
    teller = Teller(store)
    teller.tell(event_row("d", "shipment.status", "shipment/1", DELIVERED))
    died = []

    def fail(connection, cursor, statement, parameters, context, executemany):
        if "INTO standings" in statement and not died:
            died.append(statement)
            raise OperationalError(statement, parameters, Exception("database or disk is full: database is locked"))

    event.listen(store.database.writing, "before_cursor_execute", fail)
    teller.tell(event_row("p", "shipment.status", "shipment/1", DEPARTED))
    event.remove(store.database.writing, "before_cursor_execute", fail)
    assert died
    assert rows(store, "shipment/1")[0]["step"] == "delivery.unloaded"
    assert [one["quality"] for one in told(store, "p")] == [{"late": True}]


FIXTURES = sorted((ROOT / "mappings").glob("*/*/fixtures/*.events.json"))


def test_every_event_of_every_fixture_has_a_standing_where_its_subject_has_one():
    found = set()
    for file in FIXTURES:
        for one in json.loads(file.read_text(encoding="utf-8"))["sets"]:
            for told_ in one["events"]:
                kind = told_["subject"].partition("/")[0]
                said = standing_of(told_["type"], told_["subject"], told_["time"], told_["data"], [tuple(ref) for ref in told_["references"]])
                assert (said is not None) == (kind in ("shipment", "order")), file
                if said and said["state"]:
                    found.add((kind, said["state"]["what"]))
    assert {
        ("shipment", "notified"),
        ("shipment", "tendered"),
        ("order", "requested"),
        ("order", "shipped"),
        ("shipment", "pickup.departed"),
    } <= found


def test_ranks_sort_as_their_instants_from_the_first_day_of_the_calendar_to_the_last():
    days = [
        "0001-01-01T00:00+14:00",
        "0001-01-01",
        "1969-12-31T23:59:59.99",
        "2026-11-16T14:05-06:00",
        "2026-11-16T14:05:30.5-06:00",
        "9999-12-31T23:59-12:00",
    ]
    ranks = []
    for day in days:
        said = standing_of("org.crossdock.shipment.status.v1", "shipment/1", "2026-11-16T00:00:00Z", status("x", "pickup", {"local": day}))
        assert said is not None
        ranks.append(said["state"]["rank"])
    assert ranks == sorted(ranks)
    assert len({len(rank) for rank in ranks}) == 1


# ---- through the gateway


def status_214(control: int, *segments: str) -> bytes:
    """The demo's status report with other statuses."""
    body = document("214-status.edi").decode()
    head, _, rest = body.partition("AT7*AF")
    tail = rest[rest.index("SE*14") :]
    lines = "".join(f"{segment}~\n" for segment in segments)
    whole = (head + lines + tail).replace("000000202", f"{control:09}").replace("*202*", f"*{control}*").replace("GE*1*202", f"GE*1*{control}")
    return whole.replace("SE*14", f"SE*{6 + len(segments)}").encode()


def test_the_erp_is_told_that_a_status_is_late_and_people_see_how_a_shipment_stands(tmp_path: Path, database_url: str):
    async def act() -> None:
        async with running(tmp_path, database_url) as gateway:
            done = await gateway.sent("northway", status_214(301, "AT7*D1*NS***20261119*0910*PT", "MS1*TACOMA*WA*US"))
            assert done["state"] == "translated", done
            await gateway.sent("northway", document("214-status.edi"))
            await gateway.settle(lambda: len(gateway.effects("shipment/ASN-88120")) == 4)
            late = {effect.data["event"]: effect.data.get("quality", {}).get("late") for effect in gateway.effects("shipment/ASN-88120")}
            assert late == {"delivery.unloaded": None, "pickup.departed": True, "transit.en_route": True, "appointment.delivery": None}
            (row,) = await gateway.operate("shipment", id="asn-88120")
            assert (row["step"], row["milestone"], row["when"]["local"]) == ("delivery.unloaded", "delivery", "2026-11-19T09:10")
            assert row["expected_at"]["what"] == "appointment.delivery"
            assert {"type": "purchase_order", "value": "4500881"} in row["references"]
            assert await gateway.operate("shipment", id="PRO-55120987") == [row], "by any reference"
            await gateway.sent("harbor", document("940-order.edi"))
            (ordered,) = await gateway.operate("order", id="H-77120")
            assert (ordered["step"], ordered["partner"]) == ("requested", "harbor")

    asyncio.run(act())


def test_what_is_not_known_is_said(store: Store):
    from gateway.errors import Refused

    with pytest.raises(Refused, match="no shipment is known as NOBODY; `crossdock find NOBODY`"):
        OPERATIONS["shipment"](store, {"id": "NOBODY"})
