"""The way out: the ERP releases an event, the partner gets a right document once, its answers are awaited, refusals name the field."""

import asyncio
import copy
import json
from pathlib import Path
from typing import Any

from gateway.clock import now
from gateway.commands.screen import console
from gateway.commands.shown import shown
from gateway.simulators.partner import acknowledged
from partners.guides import shipped_guides
from tests.kill.documents import advice, envelope
from tests.mapping_fixtures import ROOT, documents
from tests.running import ERP_TOKEN, Running, document, running
from translators.mapping.rejection import ToldFault, _found_by_value
from translators.x12.own import faults_of_own

ORDER: dict[str, Any] = {
    "order_id": "H-77120",
    "purchase_order": "4500881",
    "purpose": "original",
    "parties": [{"role": "ship_to", "name": "HARBOR STORE 12", "ids": [{"type": "given_by_buyer", "value": "0012"}]}],
    "lines": [
        {
            "id": "1",
            "number": "1",
            "item": {"ids": [{"type": "upc_case", "value": "614141007349"}]},
            "ordered": {"value": "48", "unit": "case"},
        }
    ],
}


def asked(number: int = 77120, **changes: Any) -> dict[str, Any]:
    data = copy.deepcopy(ORDER) | {"order_id": f"H-{number}"}
    return {"partner": "lake3pl", "type": "fulfilment.requested", "data": data} | changes


def run(act, tmp_path: Path, database: str | None = None, **settings: Any) -> None:
    async def whole() -> None:
        async with running(tmp_path, database, **settings) as gateway:
            await act(gateway)

    asyncio.run(whole())


async def picked_up(gateway: Running, count: int) -> dict[str, bytes]:
    """What lake3pl has fetched, once it is so many documents."""
    box = gateway.partner("lake3pl")
    for _ in range(500):
        await box.pick_up(gateway.session)
        if len(box.picked_up) >= count:
            break
        await asyncio.sleep(0.02)
    assert len(box.picked_up) == count
    return box.picked_up


def test_an_order_goes_out_is_answered_and_comes_back(tmp_path: Path, database_url: str):
    async def act(gateway: Running) -> None:
        status, answer = await gateway.release(asked(), key="order-77120")
        assert status == 202, answer
        assert (answer["set"], answer["partner"], answer["stream"]) == ("940", "lake3pl", "production")
        assert answer["control_numbers"] == {"interchange": "000000001", "group": "1", "set": "0001"}
        ((key, body),) = (await picked_up(gateway, 1)).items()
        assert key == f"940:{answer['id']}"
        assert faults_of_own(body, shipped_guides()) == []
        text = body.decode()
        assert "*ZZ*CROSSDOCK      *ZZ*LAKE3PL        *" in text
        assert "~W05*N*H-77120*4500881~" in text
        value = await gateway.document(answer["id"])
        assert (value["state"], [(one["kind"], one["state"]) for one in value["acknowledgments"]]) == ("delivered", [("997", "waiting")])
        assert ["order", "H77120"] in value["references"]
        await gateway.sent("lake3pl", acknowledged(body, 5))
        value = await gateway.document(answer["document"])
        assert [(one["kind"], one["state"]) for one in value["acknowledgments"]] == [("997", "accepted")]
        await gateway.settle(lambda: gateway.effects(f"document/{answer['document']}"), "the ERP is told")
        (told,) = gateway.effects(f"document/{answer['document']}")
        assert told.data["verdict"] == "accepted"
        await gateway.sent("lake3pl", document("945-shipped.edi"))
        await gateway.settle(lambda: gateway.effects("order/H-77120"))
        (shipped,) = gateway.effects("order/H-77120")
        assert shipped.attributes["correlationid"] == told.attributes["correlationid"] == value["correlation"], "tied to the order"
        found = {(one["set"], one["state"]) for one in await gateway.operate("find", value="H-77120")}
        assert found == {("940", "composed"), ("945", "translated")}

    run(act, tmp_path, database_url)


def test_the_same_key_is_the_same_document(tmp_path: Path, database_url: str):
    async def act(gateway: Running) -> None:
        first, again = await gateway.release(asked(), key="K"), await gateway.release(asked(), key="K")
        assert first == again, "byte for byte the same answer"
        status, refused = await gateway.release(asked(5), key="K")
        assert (status, refused["type"]) == (422, "/problems/key-reused")
        other = await gateway.release(asked(), key="L")
        assert other[1]["id"] != first[1]["id"]
        without, twice = await gateway.release(asked(7)), await gateway.release(asked(7))
        assert without == twice, "without a key the bytes are the key for a day"
        cloud = {"specversion": "1.0", "id": "e1", "source": "/erp", "type": "org.crossdock.fulfilment.requested.v1", "partner": "lake3pl"}
        one, two = await gateway.release(cloud | {"data": asked(8)["data"]}), await gateway.release(cloud | {"data": asked(8)["data"]})
        assert (one[0], one) == (202, two), "a CloudEvent is known by its source and id"
        clash = await gateway.release(cloud | {"data": asked(9)["data"]})
        assert clash[1]["type"] == "/problems/key-reused"
        await gateway.apply("lake3pl", ('  - send: "940"\n    default_zone: America/New_York\n', ""))
        assert await gateway.release(asked(), key="K") == first, "what was answered stays answered"
        assert len(await picked_up(gateway, 4)) == 4
        answers = await asyncio.gather(*(gateway.release(asked(), key="K") for _ in range(5)))
        assert {status for status, _ in answers} <= {202, 409}

    run(act, tmp_path, database_url)


UNSENDABLE = [
    (b"not json", 400, "no JSON"),
    (b"[" * 100_000, 400, "no JSON"),
    (b"[1]", 400, "must be a JSON object"),
    ({"partner": "lake3pl", "type": "fulfilment.requested"}, 400, "data is missing"),
    (asked(colour="red"), 400, "colour is not known"),
    (asked(data=[]), 400, "data must be an object"),
    (asked(partner=5), 400, "partner must be text"),
    (asked(stream="trial"), 400, "production or test"),
    ({"specversion": "0.3", "id": "1", "source": "/", "type": "x", "data": {}, "partner": "lake3pl"}, 400, "1.0 is taken"),
    (asked(partner="nobody"), 422, "no partner is called nobody; there are: harbor, lake3pl, northway"),
    (asked(partner="harbor"), 422, "nothing is agreed with harbor to send fulfilment.requested; its agreements send: nothing"),
    (asked(type="order.made"), 422, "no event is called order.made"),
    (asked(set="943"), 422, "nothing is agreed with lake3pl to send the set 943"),
    (b"", 422, "0 bytes"),
]


def test_refusals_say_what_would_mend_them_and_use_no_number(tmp_path: Path):
    async def act(gateway: Running) -> None:
        for value, status, words in UNSENDABLE:
            found, problem = await gateway.release(value)
            assert (found, words in problem["detail"]) == (status, True), problem
        broken = asked()
        del broken["data"]["order_id"]
        broken["data"]["lines"][0]["ordered"]["value"] = "many"
        status, problem = await gateway.release(broken)
        assert (status, problem["type"]) == (422, "/problems/cannot-be-written")
        assert {one["field"] for one in problem["problems"]} == {"order_id", "lines[0].ordered.value"}
        long = asked()
        long["data"]["parties"][0]["name"] = "A" * 200
        status, problem = await gateway.release(long)
        assert [one["field"] for one in problem["problems"]] == ["parties[0].name"]
        assert "60" in problem["problems"][0]["text"], "the guide's element says how much fits"
        assert await gateway.operate("messages", sent=True) == []
        _, answer = await gateway.release(asked())
        assert answer["control_numbers"]["interchange"] == "000000001"

    run(act, tmp_path)


def test_only_the_erp_comes_in(tmp_path: Path):
    async def act(gateway: Running) -> None:
        address = gateway.node.addresses["erp"]
        for token in ("", "wrong", "lake3pl", gateway.node.admin_token):
            status, problem = await gateway.release(asked(), token=token)
            assert (status, problem["type"]) == (401, "/problems/not-authenticated")
        async with gateway.session.get(f"{address}/v1/documents/x") as response:
            assert response.status == 401
        async with gateway.session.get(f"{address}/v1/inbox", headers={"Authorization": f"Bearer {ERP_TOKEN}"}) as response:
            assert response.status == 404
        async with gateway.session.post(f"{gateway.url}/v1/documents", headers={"Authorization": "Bearer lake3pl"}) as response:
            assert response.status == 404, "partners have no such address"
        assert (await gateway.document("nothing"))["type"] == "/problems/not-found"

    run(act, tmp_path)


def test_without_a_token_the_listener_is_not_opened(tmp_path: Path):
    async def act(gateway: Running) -> None:
        assert sorted(gateway.node.addresses) == ["admin", "partners"]

    run(act, tmp_path, erp_listener={"token": None})


TERMS = """  - send: "940"
    default_zone: America/New_York
    version: 005010VICS
    separators: {element: "|", component: ">", repetition: "!", segment: "0x1E", after: LF}
    upper_case: true
    owed: {functional_acknowledgment: none, interchange_acknowledgment: 2h, application_advice: 48h}
"""


def test_a_document_is_written_as_the_partner_wants_it(tmp_path: Path):
    async def act(gateway: Running) -> None:
        await gateway.apply("lake3pl", ('  - send: "940"\n    default_zone: America/New_York\n', TERMS))
        _, answer = await gateway.release(asked(stream="test"))
        (body,) = (await picked_up(gateway, 1)).values()
        text = body.decode()
        assert text.startswith("ISA|00|")
        assert "|!|00501|000000001|1|T|>\x1e\nGS|OW|CROSSDOCK|LAKE3PL|" in text
        assert "|X|005010VICS\x1e\nST|940|0001\x1e\nW05|N|H-77120|" in text
        assert faults_of_own(body, shipped_guides()) == []
        shown = await gateway.operate("show", id=answer["id"])
        assert {one["kind"]: (one["stream"], one["state"]) for one in shown["awaited"]} == {"TA1": ("test", "waiting"), "824": ("test", "waiting")}
        assert shown["documents"][0]["byte_start"] == text.index("ST|940")
        assert shown["message"]["direction"] == "out"

    run(act, tmp_path)


def test_an_824_reaches_the_erp_though_nothing_at_all_is_awaited(tmp_path: Path):
    async def act(gateway: Running) -> None:
        await gateway.apply("lake3pl", ('  - send: "940"\n', '  - send: "940"\n    owed: {functional_acknowledgment: none}\n'))
        _, answer = await gateway.release(asked())
        group = answer["control_numbers"]["group"]
        body = ["ST*824*0001", "BGN*11*1*20261116", f"OTI*TR*OQ*H-77120*****{group}*0001*940", "TED*QTY*more than there is"]
        await gateway.sent("lake3pl", envelope("lake3pl", "AG", 5, body))
        await gateway.settle(lambda: gateway.effects(f"document/{answer['document']}"), "the ERP is told")
        (told,) = gateway.effects(f"document/{answer['document']}")
        assert (told.data["verdict"], told.attributes["correlationid"]) == ("rejected", "purchase_order/4500881")

    run(act, tmp_path)


def test_documents_about_one_thing_leave_in_order_and_are_pushed_where_agreed(tmp_path: Path):
    async def act(gateway: Running) -> None:
        sent = [await gateway.release(asked(1, data=ORDER | {"order_id": "H-1", "purchase_order": f"PO{n}"})) for n in range(3)]
        box = gateway.partner("lake3pl")
        seen = []
        for _ in range(3):
            await box.pick_up(gateway.session, limit=1)
            seen.append(next(reversed(box.picked_up)))
        assert seen == [f"940:{answer['id']}" for _, answer in sent]

    run(act, tmp_path)


def test_a_rejected_order_reaches_the_erp_in_words(tmp_path: Path):
    async def act(gateway: Running) -> None:
        _, answer = await gateway.release(asked())
        group = answer["control_numbers"]["group"]
        notes = ["ST*997*0001", f"AK1*OW*{group}", "AK2*940*0001", "AK3*N1*3**8", "AK4*4*67*7*0012", "AK5*R*5", "AK9*R*1*1*0"]
        await gateway.sent("lake3pl", envelope("lake3pl", "FA", 5, notes))
        value = await gateway.document(answer["id"])
        (one,) = value["acknowledgments"]
        assert (one["state"], [fault["text"] for fault in one["faults"]]) == ("rejected", ["N104: its code is not valid ('0012')"])
        await gateway.settle(lambda: gateway.effects(f"document/{answer['document']}"))
        assert "acknowledgment.rejected" in [alarm["kind"] for alarm in await gateway.operate("alarms")]

    run(act, tmp_path)


def test_what_goes_out_and_what_answers_share_one_counter(tmp_path: Path):
    async def act(gateway: Running) -> None:
        await gateway.release(asked(1))
        await gateway.sent("lake3pl", advice(5).body)
        await gateway.release(asked(2))
        bodies = (await picked_up(gateway, 3)).values()
        assert sorted(body[body.index(b"IEA*1*") + 6 :][:9] for body in bodies) == [b"000000001", b"000000002", b"000000003"]

    run(act, tmp_path)


def test_an_overdue_997_of_a_document_raises_an_alarm(tmp_path: Path):
    async def act(gateway: Running) -> None:
        _, answer = await gateway.release(asked())
        later = now() + 25 * 3_600_000_000
        assert await asyncio.to_thread(lambda: gateway.node.store.mark_overdue(later).result()) == 1
        assert (await gateway.document(answer["id"]))["acknowledgments"][0]["overdue_at"]

    run(act, tmp_path)


def test_the_answer_is_json_that_survives_a_round_trip(tmp_path: Path):
    async def act(gateway: Running) -> None:
        extra = asked()
        extra["data"]["notes"] = [{"text": "CALL * BEFORE ~ UNLOADING", "kind_code": "WHI"}]
        _, answer = await gateway.release(extra)
        assert json.loads(json.dumps(answer)) == answer
        assert any("separator" in one["why"] for one in answer["not_written"]), "a separator in the data was replaced, and that is told"

    run(act, tmp_path)


REFUSED = "AK3*{segment}*{position}**8~AK4*{element}**7*{value}~AK5*R*5~AK9*R*1*1*0"
SILENT = "AK5*R~AK9*R*1*1*0"


def segment_at(body: bytes, tag: str) -> tuple[int, str]:
    """(position in its set, ST being 1, and the text) of the first segment of a tag."""
    segments = body.decode().split("~")
    begin = next(number for number, text in enumerate(segments) if text.startswith("ST*"))
    found = next(number for number, text in enumerate(segments) if text.startswith(f"{tag}*"))
    return found - begin + 1, segments[found]


def test_a_rejection_is_explained_down_to_our_own_byte_and_field(tmp_path: Path):
    async def act(gateway: Running) -> None:
        status, answer = await gateway.release(asked(5001), key="a")
        assert status == 202, answer
        ((_, body),) = (await picked_up(gateway, 1)).items()
        position, text = segment_at(body, "W01")
        verdict = REFUSED.format(segment="W01", position=position, element=2, value=text.split("*")[2])
        await gateway.sent("lake3pl", acknowledged(body, 5001).decode().replace("AK5*A~AK9*A*1*1*1", verdict).replace("SE*6*", "SE*8*").encode())
        value = await gateway.operate("explain", id=answer["id"])
        [one] = [one for one in value["acknowledgments"] if one["kind"] == "997"]
        assert (one["state"], one["recheck"]) == ("rejected", None)
        element = next(fault for fault in one["faults"] if fault["path"] == "W01/02")
        assert element["field"] == "lines[0].ordered"
        assert body[element["byte_start"] : element["byte_end"]].decode() == element["ours"] == "CA"
        with console.capture() as capture:
            shown("explain", value)
        assert "the event's field: lines[0].ordered" in capture.get()

    run(act, tmp_path)


def test_a_rejection_without_details_is_checked_again(tmp_path: Path):
    async def act(gateway: Running) -> None:
        status, answer = await gateway.release(asked(5002), key="b")
        assert status == 202, answer
        ((_, body),) = (await picked_up(gateway, 1)).items()
        await gateway.sent("lake3pl", acknowledged(body, 5002).decode().replace("AK5*A~AK9*A*1*1*1", SILENT).encode())
        value = await gateway.operate("explain", id=answer["id"])
        [one] = [one for one in value["acknowledgments"] if one["kind"] == "997"]
        assert one["state"] == "rejected"
        assert "under the guide we have of it nothing is wrong" in one["recheck"]

    run(act, tmp_path)


def test_a_ta1_is_explained_at_the_element_of_our_isa(tmp_path: Path):
    async def act(gateway: Running) -> None:
        await gateway.apply("lake3pl", ('send: "940"', 'send: "940"\n    owed: {interchange_acknowledgment: 1h}'))
        status, answer = await gateway.release(asked(5003), key="c")
        assert status == 202, answer
        ((_, body),) = (await picked_up(gateway, 1)).items()
        isa = body.decode().split("*")
        await gateway.sent("lake3pl", ta1_on(isa, "R", "007"))
        value = await gateway.operate("explain", id=answer["id"])
        [one] = [one for one in value["acknowledgments"] if one["kind"] == "TA1"]
        [fault] = one["faults"]
        assert (one["state"], fault["path"]) == ("rejected", "ISA/07")
        assert body[fault["byte_start"] : fault["byte_end"]].decode() == fault["ours"] == isa[7]

    run(act, tmp_path)


def ta1_on(isa: list[str], verdict: str, note: str) -> bytes:
    """A TA1 of the receiver of an interchange of ours."""
    head = ["ISA", *isa[1:5], isa[7], isa[8], isa[5], isa[6], "261116", "0900", isa[11], isa[12], "000000901", "0", "P", ":~"]
    return ("*".join(head) + f"TA1*{isa[13]}*{isa[9]}*{isa[10]}*{verdict}*{note}~IEA*0*000000901~").encode()


def test_a_large_document_of_ours_is_explained_from_its_file(tmp_path: Path):
    async def act(gateway: Running) -> None:
        large = asked(5004)
        line = large["data"]["lines"][0]
        large["data"]["lines"] = [line | {"id": str(number)} for number in range(1, 4000)]
        status, answer = await gateway.release(large, key="d")
        assert status == 202, answer
        ((_, body),) = (await picked_up(gateway, 1)).items()
        assert len(body) > 64 * 1024
        await gateway.sent("lake3pl", acknowledged(body, 5004).decode().replace("AK5*A~AK9*A*1*1*1", SILENT).encode())
        value = await gateway.operate("explain", id=answer["id"])
        [one] = [one for one in value["acknowledgments"] if one["kind"] == "997"]
        assert "nothing is wrong" in one["recheck"]

    run(act, tmp_path)


def test_a_fault_that_only_repeats_a_value_lies_where_that_stands_alone():
    [(document, _)] = documents((ROOT / "mappings/x12/990/fixtures/accepted-004010.edi").read_bytes())
    assert (_found_by_value(ToldFault("?", value="SHP90017"), document).segment, _found_by_value(ToldFault("?", value="NRDK"), document).element) == (
        "B1",
        1,
    )
    for fault in (ToldFault("?", value="nowhere"), ToldFault("?"), ToldFault("?", "N9", value="SHP90017")):
        assert _found_by_value(fault, document) == fault
