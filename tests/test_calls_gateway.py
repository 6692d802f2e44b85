"""A whole gateway whose ERP is a pretend Odoo: from an 856 to a validated receipt, a refusal to the partner's 824, a wrong key to a target that rests."""

import asyncio
from pathlib import Path
from typing import Any

from tests.pretend_odoo import KEY, PretendOdoo, serving
from tests.running import document, running
from tests.test_acknowledgments import told
from tests.test_rest_answers import delivery_of

NOTICE = document("856-notice.edi")
TABLES = {
    "suppliers": "default: {northway: NORTHWAY}\n",
    "items": "northway: {NF-2200: WIDGET, NF-2300: GADGET}\n",
    "units": "default: {CA: Units}\n",
}
TARGET = ('receive: "856"', 'receive: "856"\n    target: odoo')


def target(folder: Path, url: str, **more: Any) -> dict[str, Any]:
    for name, text in TABLES.items():
        (folder / f"{name}.yaml").write_text(text)
    lookups = {name: str(folder / f"{name}.yaml") for name in TABLES}
    return {"odoo": {"kind": "calls", "mapping": "erp/odoo", "url": url, "token": KEY, "lookups": lookups, "timeout": "5s"} | more}


def with_the_order() -> PretendOdoo:
    odoo = PretendOdoo()
    odoo.order("4500881", ("WIDGET", 48), ("GADGET", 60))
    return odoo


def test_an_856_becomes_a_receipt_and_its_name_is_the_confirmation(tmp_path: Path):
    odoo = with_the_order()

    async def act() -> None:
        async with serving(odoo) as url, running(tmp_path, targets=target(tmp_path, url)) as gateway:
            await gateway.apply("northway", TARGET)
            taken = await gateway.sent("northway", NOTICE)
            assert (await delivery_of(gateway, taken["id"], "delivered"))["confirmed"] == "WH/IN/00001"

    asyncio.run(act())
    mark = "4500881 ASN-88120"
    assert odoo.moves("4500881") == [("WIDGET", 48, "done", mark), ("GADGET", 55, "done", mark), ("GADGET", 5, "assigned", mark)]


def test_an_unknown_item_is_a_dead_letter_with_table_and_mend_and_the_partner_hears_of_the_item(tmp_path: Path):
    odoo = with_the_order()

    async def act() -> None:
        async with serving(odoo) as url, running(tmp_path, targets=target(tmp_path, url)) as gateway:
            await gateway.apply("northway", (TARGET[0], TARGET[1] + "\n    duties: {application_advice: errors}"))
            taken = await gateway.sent("northway", NOTICE.replace(b"NF-2300", b"NF-9").replace(b"614141007356", b"614141007300"))
            dead = await delivery_of(gateway, taken["id"], "dead")
            assert "the table items has no entry for 614141007300 or NF-9 of northway; add it to" in dead["reason"]
            (found,) = (await gateway.operate("dead"))["deliveries"]
            assert found["cause"] == "delivery-lookup"
            (sent, *_) = await told(gateway, "northway", taken["id"], 2)
            assert "~TED*ZZZ*614141007300 or NF-9 is not known to us (items)~" in sent[1]
            with (tmp_path / "items.yaml").open("a") as file:
                file.write("default: {NF-9: GADGET}\n")
            await gateway.operate("replay", id=dead["id"])
            await delivery_of(gateway, taken["id"], "delivered")

    asyncio.run(act())
    assert {state for _, _, state, _ in odoo.moves("4500881")[:2]} == {"done"}


def test_a_wrong_key_rests_the_target_and_nothing_dies(tmp_path: Path):
    odoo = with_the_order()

    async def act() -> None:
        async with serving(odoo) as url, running(tmp_path, targets=target(tmp_path, url, token="wrong")) as gateway:
            await gateway.apply("northway", TARGET)
            taken = await gateway.sent("northway", NOTICE)

            for _ in range(100):
                if "destination.parked" in {one["kind"] for one in await gateway.operate("alarms")}:
                    break
                await asyncio.sleep(0.05)
            else:
                raise AssertionError("no alarm")
            await delivery_of(gateway, taken["id"], "due")

    asyncio.run(act())
    assert not odoo.asked
