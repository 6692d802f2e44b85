"""Three layers, four verdicts: the same, changed, corrected, new. What follows is the profile's to say, layer by layer."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.clock import DAY
from gateway.store.store import Store
from partners.profile import ProfileError, read_profile
from tests.running import ROOT, Running, running
from tests.standing_running import Teller, event_row, moment, status
from tests.test_pipeline import notice_with, the_set

PURPOSE = ("BSN*00*", "BSN*05*")
DESTINATION = ("TACOMA", "OLYMPIA")
HOLD_SAME, HOLD_CHANGED = "duplicates: {interchange: {same: hold}}", "duplicates: {interchange: {changed: hold}}"
REVISE = "duplicates: {meaning: {changed: revise}}"
AGREED_HOLD = ('- receive: "856"', '- receive: "856"\n    on_conflict: hold')
AGREED_REVISE = ('- receive: "856"', '- receive: "856"\n    on_conflict: revise')

VERDICTS: dict[str, tuple[str, list[tuple[str, str]], bool, list[tuple[str, str]], dict[str, Any]]] = {
    # terms, changes of the profile, whether the control number is the first one's, what is changed in the document -> what becomes of it
    "envelope, same": ("", [], True, [], {"message": "duplicate", "interchange": "duplicate", "answers": 1}),
    "envelope, same, held": (HOLD_SAME, [], True, [], {"message": "held", "interchange": "held", "answers": 0, "then": ("duplicate", 1)}),
    "envelope, changed": ("", [], True, [DESTINATION], {"message": "translated", "interchange": "rejected", "ta1": "025"}),
    "envelope, changed, held": (
        HOLD_CHANGED,
        [],
        True,
        [DESTINATION],
        {"message": "held", "interchange": "held", "answers": 0, "then": ("translated", 1)},
    ),
    "envelope, changed, held terms of the same": (
        HOLD_SAME,
        [],
        True,
        [DESTINATION],
        {"message": "translated", "interchange": "rejected", "ta1": "025"},
    ),
    "meaning, same": ("", [], False, [], {"message": "translated", "set": "duplicate", "answers": 1}),
    "meaning, changed": ("", [], False, [DESTINATION], {"message": "translated", "set": "held", "answers": 1}),
    "meaning, changed, revised": (REVISE, [], False, [DESTINATION], {"message": "translated", "set": "translated", "answers": 1}),
    "meaning, changed, the agreement holds": (REVISE, [AGREED_HOLD], False, [DESTINATION], {"message": "translated", "set": "held", "answers": 1}),
    "meaning, changed, the agreement revises": (
        "",
        [AGREED_REVISE],
        False,
        [DESTINATION],
        {"message": "translated", "set": "translated", "answers": 1},
    ),
    "meaning, corrected": ("", [], False, [PURPOSE, DESTINATION], {"message": "translated", "set": "translated", "answers": 1}),
}


def test_each_verdict_of_each_layer_has_its_policy(tmp_path: Path):
    async def act() -> None:
        async with running(tmp_path) as gateway:
            for number, (name, (terms, changes, same_control, changed, expected)) in enumerate(VERDICTS.items()):
                await gateway.apply("northway", ("throttle:", f"{terms}\nthrottle:"), *changes)
                first, second = 1000 + 2 * number, 1000 + 2 * number + (0 if same_control else 1)
                own = ("ASN-88120", f"ASN-{number}")
                assert the_set(await gateway.sent("northway", notice_with(first, own), key=f"{number} first"))["state"] == "translated"
                value = await gateway.sent("northway", notice_with(second, own, *changed), key=f"{number} second")
                assert _told(value, expected) == {key: one for key, one in expected.items() if key != "then"}, f"{name}: {value}"
                if "then" in expected:
                    await _goes_on(gateway, value["id"], *expected["then"])

    asyncio.run(act())


def _told(value: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    (interchange,) = value["interchanges"]
    found = {
        "message": value["state"], "interchange": interchange["state"], "ta1": interchange["ta1"], "answers": len(value["acknowledgments"]),
        "set": interchange["groups"][0]["sets"][0]["state"] if interchange["groups"] else None,
    }  # fmt: skip
    return {key: found[key] for key in expected if key != "then"}


async def _goes_on(gateway: Running, message: str, state: str, answers: int) -> None:
    """A person says that what is held goes on."""
    await gateway.operate("replay", id=message, override="repeat", reason="their counter was set back")
    value = await gateway.decided("northway", message)
    assert (value["state"], len(value["acknowledgments"])) == (state, answers), value


NORTHWAY = (ROOT / "partners" / "profiles" / "northway.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("channels", "expected"),
    [
        ("", {"http": 2}),
        ("channels: {http: {duplicate_window: 3h}}", {"http": 3}),
        (
            "channels: {sftp: {keys: []}, sftp_poll: [{host: h, user: u, hostkeys: ['SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'], folder: a, name: a}, {host: h, user: u,"
            " hostkeys: ['SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'], folder: b, name: b, duplicate_window: 5h}]}",
            {"http": 2, "sftp": 2, "a": 2, "b": 5},
        ),
    ],
)
def test_one_window_stands_for_every_channel_that_has_none(channels: str, expected: dict[str, int]):
    profile = read_profile(f"{NORTHWAY}{channels}\nduplicates: {{transport: {{window: 2h}}}}\n")
    found = {"http": profile.channels.http.duplicate_window}
    if profile.channels.sftp is not None:
        found["sftp"] = profile.channels.sftp.duplicate_window
    found |= {one.name: one.duplicate_window for one in profile.channels.sftp_poll}
    assert found == {name: timedelta(hours=hours) for name, hours in expected.items()}


@pytest.mark.parametrize(
    ("terms", "told"),
    [
        ("duplicates: {interchange: {same: reject}}", "duplicates.interchange.same: must be 'answer' or 'hold', got 'reject'"),
        ("duplicates: {meaning: {within: 0d}}", "duplicates.meaning.within"),
        ("duplicates: {envelope: {}}", "duplicates.envelope: is not a term of a profile"),
        ("duplicates: {transport: {window: soon}}", "must be a span"),
        ("duplicates: 7", "duplicates: "),
    ],
)
def test_mistakes_are_told_with_their_place(terms: str, told: str):
    with pytest.raises(ProfileError, match=told.replace("[", "\\[")):
        read_profile(f"{NORTHWAY}{terms}\n")


@pytest.mark.parametrize(("days", "revisions"), [(6, 1), (8, 2)])
def test_past_its_window_an_equal_key_is_another_thing(store: Store, days: int, revisions: int):
    """Under an original purpose: within a week it is a conflict, and held; after it, it is told, and replaces nothing."""
    teller = Teller(store)
    for number, stop in enumerate(("1", "2")):
        row = event_row("i", "shipment.status", "shipment/1", status("delivery.unloaded", "delivery", moment("2026-11-16T10:00"), stop=stop))
        teller.tell(row, within=7 * DAY, later=number * days * DAY)
    from sqlalchemy import text

    rows = store.read(lambda tx: tx.execute(text("SELECT revision, supersedes FROM events ORDER BY revision")).all()).result()
    assert [tuple(row) for row in rows] == [(revision, None) for revision in range(1, revisions + 1)]


def test_one_interchange_of_a_file_again_gets_its_own_answers_alone(tmp_path: Path):
    """Of two in a file the second comes again; then both; then one that is decided in one commit with its repeat. ISA14 asks for a TA1."""
    one, other, third = (notice_with(number).replace(b"*0*P*", b"*1*P*") for number in (71, 72, 73))

    async def act() -> None:
        async with running(tmp_path) as gateway:

            async def answers(message: str) -> Any:
                value = await gateway.partner("northway").status(gateway.session, message)
                return sorted((answer["set"], answer["content"]) for answer in value["acknowledgments"])

            async def come(message: str, number: int) -> None:
                for _ in range(200):
                    if len(await answers(message)) == number:
                        return
                    await asyncio.sleep(0.05)
                raise AssertionError(await answers(message))

            both = (await gateway.sent("northway", one + other, key="both"))["id"]
            await come(both, 4)
            second = (await gateway.sent("northway", other, key="second"))["id"]
            await come(second, 2)
            assert {form for form, _ in await answers(second)} == {"997", "TA1"}
            assert set(await answers(second)) < set(await answers(both))
            again = (await gateway.sent("northway", other + one, key="again"))["id"]
            await come(again, 4)
            assert set(await answers(again)) == set(await answers(both))
            box = gateway.partner("northway")
            await gateway.node.translate.stop()
            soon = [(await box.send(gateway.session, "s", third, key=f"soon {number}"))[1]["id"] for number in range(2)]
            gateway.node.translate.start()
            for message in soon:
                await gateway.decided("northway", message)
                await come(message, 2)

    asyncio.run(act())
