"""What a partner is told, end to end: 997 or 999, TA1 and 824, each once, as its profile wants it."""

import asyncio
from pathlib import Path

import pytest

from partners.guides import shipped_guides
from tests.kill.documents import envelope, status
from tests.running import Running, document, running
from translators.x12.own import faults_of_own

NOTICE = document("856-notice.edi")


async def told(gateway: Running, partner: str, message: str, count: int) -> list[tuple[str, str]]:
    """(form, content) of what the partner gets about a message, once it is all there; every one is right."""
    box = gateway.partner(partner)

    async def there() -> list[dict]:
        return (await box.status(gateway.session, message))["acknowledgments"]

    for _ in range(500):
        found = await there()
        if len(found) >= count:
            break
        await asyncio.sleep(0.02)
    assert all(faults_of_own(one["content"].encode("latin-1"), shipped_guides()) == [] for one in found)
    return sorted((one["set"], one["content"]) for one in found)


def run(act, tmp_path: Path, database: str | None = None, **settings) -> None:
    async def whole() -> None:
        async with running(tmp_path, database, **settings) as gateway:
            await act(gateway)

    asyncio.run(whole())


def test_a_999_is_a_choice_and_older_groups_get_a_997(tmp_path: Path):
    async def act(gateway: Running) -> None:
        await gateway.apply("northway", ('  - receive: "214"', '  - receive: "214"\n    duties: {functional_acknowledgment_form: "999"}'))
        old = await gateway.sent("northway", status(7).body)
        new = await gateway.sent("northway", status(8).body.replace(b"*X*004010", b"*X*005010"))
        ((form, text),) = await told(gateway, "northway", old["id"], 1)
        assert (form, "ST*997*0001" in text) == ("997", True)
        assert any("a 999 is agreed" in step["text"] for step in old["life"])
        ((form, text),) = await told(gateway, "northway", new["id"], 1)
        assert (form, "ST*999*0001~AK1*QM*8*005010" in text) == ("999", True)

    run(act, tmp_path)


@pytest.mark.parametrize(("duty", "plain", "asked", "broken"), [("asked", 0, 1, 1), ("always", 1, 1, 1), ("errors", 0, 0, 1), ("none", 0, 0, 0)])
def test_a_ta1_as_the_partner_wants_it(tmp_path: Path, duty: str, plain: int, asked: int, broken: int):
    async def act(gateway: Running) -> None:
        await gateway.apply("northway", ("agreements:", f"duties: {{interchange_acknowledgment: {duty}}}\nagreements:"))
        bodies = [status(7).body, status(8).body.replace(b"*0*P*:", b"*1*P*:"), status(9).body.replace(b"IEA*1*", b"IEA*3*")]
        for body, groups, count in zip(bodies, (1, 1, 0), (plain, asked, broken), strict=True):
            value = await gateway.sent("northway", body)
            found = await told(gateway, "northway", value["id"], groups + count)
            await asyncio.sleep(0.1)
            ta1s = [text for form, text in found if form == "TA1"]
            assert (len(ta1s), len(found)) == (count, groups + count)
            if ta1s:
                assert ("*R*021~" if groups == 0 else "*A*000~") in ta1s[0]

    run(act, tmp_path)


def test_a_repeated_number_gets_ta1_025_and_the_same_bytes_the_same_answers(tmp_path: Path, database_url: str):
    async def act(gateway: Running) -> None:
        asks = NOTICE.replace(b"*0*P*", b"*1*P*")
        first = await gateway.sent("northway", asks, key="1")
        before = await told(gateway, "northway", first["id"], 2)
        again = await gateway.sent("northway", asks, key="2")
        assert await told(gateway, "northway", again["id"], 2) == before, "byte for byte"
        other = await gateway.sent("northway", NOTICE.replace(b"ASN-88120", b"ASN-99999"))
        ((form, text),) = await told(gateway, "northway", other["id"], 1)
        assert form == "TA1"
        assert "*R*025~IEA*0*" in text
        controls = [text[text.index("IEA*") + 6 : -1] for _, text in [*before, (form, text)]]
        assert len(set(controls)) == 3, "one counter for all that goes to a partner"

    run(act, tmp_path, database_url)


def test_ta1s_from_a_partner_are_never_answered(tmp_path: Path):
    async def act(gateway: Running) -> None:
        await gateway.apply("northway", ("agreements:", "duties: {interchange_acknowledgment: always}\nagreements:"))
        head = status(7).body.split(b"~")[0].replace(b"*0*P*:", b"*1*P*:")
        value = await gateway.sent("northway", head + b"~TA1*000000042*261116*1204*A*000~IEA*0*000000007~")
        assert value["state"] == "translated"
        await asyncio.sleep(0.6)
        assert await told(gateway, "northway", value["id"], 0) == []

    run(act, tmp_path)


ADVICE = ('  - receive: "214"', '  - receive: "214"\n    duties: {application_advice: %s}')
NO_STATUS = envelope("northway", "QM", 5, ["ST*214*0001", "B10*PRO5**NWFX", "LX*1", "AT8*G*L*10"])


@pytest.mark.parametrize(("mode", "forms"), [("none", ["997"]), ("errors", ["824", "997"]), ("all", ["824", "997"])])
def test_what_the_mapping_refuses_is_told_by_an_824(tmp_path: Path, mode: str, forms: list[str]):
    async def act(gateway: Running) -> None:
        await gateway.apply("northway", (ADVICE[0], ADVICE[1] % mode))
        value = await gateway.sent("northway", NO_STATUS)
        found = await told(gateway, "northway", value["id"], len(forms))
        assert [form for form, _ in found] == forms
        if "824" in forms:
            assert "~OTI*TR*TN*0001*****5*0001*214*004010~TED*848*" in found[0][1]
        await asyncio.sleep(0.6)
        assert len(await told(gateway, "northway", value["id"], 0)) == len(forms), "and once"

    run(act, tmp_path)


def test_what_the_erp_says_is_told_by_an_824(tmp_path: Path, database_url: str):
    """A refusal in the ERP's own words, if it has a field for them; an acceptance only when it has taken every event."""

    async def act(gateway: Running) -> None:
        await gateway.apply("northway", (ADVICE[0], ADVICE[1] % "all"))
        taken = await gateway.sent("northway", document("214-status.edi"))
        assert "~OTI*TA*" in (await told(gateway, "northway", taken["id"], 2))[0][1]
        gateway.erp.behaviour.refuse_types = ["org.crossdock.shipment.status.v1"]
        refused = await gateway.sent("northway", status(8).body)
        text = (await told(gateway, "northway", refused["id"], 2))[0][1]
        assert "~OTI*TR*SI*SHP8*****8*0001*214*004010~TED*ZZZ*we do not take org.crossdock.shipment.status.v1~" in text

    run(act, tmp_path, database_url)


def test_a_duplicate_is_told_only_where_all_is_told(tmp_path: Path):
    async def act(gateway: Running) -> None:
        await gateway.apply("northway", ('  - receive: "856"', '  - receive: "856"\n    duties: {application_advice: all}'))
        await gateway.sent("northway", NOTICE)
        again = await gateway.sent("northway", document("856-notice-again.edi"))
        assert "~OTI*TE*SI*ASN-88120" in (await told(gateway, "northway", again["id"], 2))[0][1]

    run(act, tmp_path)
