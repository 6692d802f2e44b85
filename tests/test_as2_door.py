"""The corpus again through the real door: over HTTP, kept, answered, and twice."""

import asyncio
import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.as2.records import Frozen
from gateway.clock import new_id, span
from gateway.records.answers import Origin
from gateway.store.payloads import Payload
from tests import as2
from tests.as2_running import exchange, under_policy, with_corpus_partners
from tests.running import Running, running
from translators.as2.limits import Limits
from translators.as2.mime import Headers
from translators.as2.receipts import Report, read_report, receipt_inside

AT = datetime(2026, 11, 2, 8, 0, 5, tzinfo=UTC)
BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
pytestmark = [pytest.mark.corpus, pytest.mark.skipif(not as2.names(), reason="no corpus of AS2 messages beside the project")]


def report_of(headers: Headers, body: bytes) -> Report:
    found = receipt_inside(headers, memoryview(body), Limits())
    assert found is not None
    return read_report(found, Limits())


def outcome_of(status: int, headers: Headers, body: bytes) -> str:
    if status >= 400:
        return "reject"
    if not body:
        return "accept"
    report = report_of(headers, body)
    if report.positive:
        return "accept"
    return f"mdn-{report.level}:{report.modifier}"


async def stored(gateway: Running, one: as2.Case) -> list[dict[str, Any]]:
    found = await gateway.operate("as2.messages", limit=200, direction="in")
    return [row for row in found if row["message_id"] == one.expected["message_id"]]


async def settled(gateway: Running, one: as2.Case) -> list[dict[str, Any]]:
    """Its rows once none is merely kept."""
    for _ in range(200):
        found = await stored(gateway, one)
        if all(row["state"] != "kept" for row in found):
            return found
        await asyncio.sleep(0.05)
    raise AssertionError("the message was kept and never opened")


@pytest.fixture
def ticking() -> Any:
    """A clock that goes on from the corpus's own day, when its certificates are valid."""
    import time

    begun = time.monotonic()
    return lambda: span(AT - BEGIN) + round((time.monotonic() - begun) * 1_000_000)


MESSAGES = [name for name in as2.names() if int(name[:2]) < 60]


def test_every_message_of_the_corpus(tmp_path: Path, ticking: Any):
    asyncio.run(all_messages(tmp_path, ticking))


async def all_messages(folder: Path, clock: Any) -> None:
    wrong: list[Any] = []
    partners = as2.partners()["partners"]
    async with running(folder, clock=clock) as gateway:
        await with_corpus_partners(gateway)
        for number, name in enumerate(MESSAGES):
            one = as2.case(name)
            own = dict(one.expected.get("policy") or {})
            if own:
                partner = next(each for each in partners if each["as2_id"] == one.expected["as2_from"])
                named = f"acme{partners.index(partner)}"
                await under_policy(gateway, named, partner["as2_id"], own, own.pop("signing_certificates", partner["signing_certificates"]))
            head = (as2.FOLDER / name / "request.http-headers").read_bytes()
            status, headers, body = await exchange(gateway, head, one.body, chunked=number % 2 == 1, piece=[0, 700][number % 3 == 2])
            found = await settled(gateway, one) if status < 400 and one.expected.get("message_id") else []
            outcome = outcome_of(status, headers, body)
            row = found[0] if found else None
            if row is not None and row["receipt"] != "sync":
                outcome = "accept" if row["state"] == "processed" else f"mdn-error:{row['reason'].partition(':')[0]}"
            if outcome not in one.outcomes:
                wrong.append((name, status, outcome, one.outcomes, row and row["reason"]))
                continue
            if outcome == "accept" and row is not None:
                wrong += [(name, problem) for problem in await problems(gateway, one, row, headers, body)]
            if one.expected.get("policy"):
                await under_policy(gateway, named, partner["as2_id"], {}, partner["signing_certificates"])
            elif status == 200 and row is not None and row["state"] == "processed":
                again = await exchange(gateway, head, one.body)
                if again[0] != 200 or again[2] != body or again[1].get("Message-ID") != headers.get("Message-ID"):
                    wrong.append((name, "the second time brought another receipt"))
                if len(await stored(gateway, one)) != 1:
                    wrong.append((name, "the second time made another row"))
        assert not wrong, wrong


async def problems(gateway: Running, one: as2.Case, row: dict[str, Any], headers: Headers, body: bytes) -> list[str]:
    """What is not as expect.json says of an accepted message."""
    expected, wrong = one.expected, []
    given = expected.get("payloads") or [expected]
    documents = await gateway.operate("messages", limit=200)
    mine = [each for each in documents if each["id"] == row["id"]]
    if not mine:
        wrong.append("no document was stored")
    shown = await gateway.operate("show", id=row["id"])
    allowed = [given[0]["payload_sha256"], *given[0].get("payload_sha256_also", [])]
    if shown["message"]["sha256"] not in allowed:
        wrong.append("the document is another")
    if expected["mic"]:
        mics = [expected["mic"], *expected.get("mic_also", [])]
        if {"alg": row["mic_algorithm"], "value": row["mic"]} not in mics:
            wrong.append(f"MIC {row['mic_algorithm']} {row['mic']}")
        if body and row["receipt"] == "sync":
            report = report_of(headers, body)
            if report.mic is None or hashlib.new(row["mic_algorithm"]).digest_size != len(report.mic):
                wrong.append("the receipt has no MIC")
    return wrong


RECEIPTS = [name for name in as2.names() if int(name[:2]) >= 60]
STATES = {
    "delivered": "delivered", "delivered-with-warning": "delivered", "failed": "failed", "mic-mismatch": "disputed",
    "mic-algorithm-mismatch": "disputed", "mic-missing": "disputed", "unmatched": "written", "untrusted": "written",
}  # fmt: skip


def test_every_receipt_of_the_corpus(tmp_path: Path, ticking: Any):
    async def run() -> None:
        async with running(tmp_path, clock=ticking) as gateway:
            await with_corpus_partners(gateway)
            for name in RECEIPTS:
                if "sync-response" not in name:
                    await one_receipt(gateway, name)

    asyncio.run(run())


async def one_receipt(gateway: Running, name: str) -> None:
    one = as2.case(name)
    identity = await sent(gateway, one.expected["original"])
    head = (as2.FOLDER / name / "request.http-headers").read_bytes()
    for _ in range(2):
        status, _, body = await exchange(gateway, head, one.body)
        assert (status, body) == (204, b""), name
    row = next(row for row in await gateway.operate("as2.messages", direction="out") if row["id"] == identity)
    assert row["state"] == STATES[one.expected["state"]], name
    owed = next(owed for owed in await gateway.operate("awaited") if owed["id"] == f"MDN:{identity}")
    settled = {"delivered": "accepted", "failed": "rejected", "disputed": "disputed", "written": "waiting"}[row["state"]]
    assert owed["state"] == ("accepted with errors" if one.expected["state"] == "delivered-with-warning" else settled), name
    await asyncio.to_thread(forget, gateway, identity)


def forget(gateway: Running, identity: str) -> None:
    """The corpus's receipts are all about one message: the next one gets its place."""

    def work(tx: Any, items: list[Any]) -> list[None]:
        tx.exec_driver_sql(f"UPDATE as2_messages SET key = NULL WHERE id = '{identity}'")
        return [None] * len(items)

    gateway.node.store.writer.submit(work, None).result(10)


async def sent(gateway: Running, original: dict[str, Any]) -> str:
    """A message of ours as it would be after it was sent."""
    store, at = gateway.node.store, gateway.node.clock()
    origin = Origin(new_id(at), "acme0", "outbox", 1, at)
    delivery = store.send_file(origin, Payload.inline(f"message:{origin.message}", "acme0", b"x"), "a.edi", "application/edi-x12").result(10)
    frozen = Frozen(
        id=new_id(at), partner="acme0", delivery=delivery, message_id=original["message_id"], as2_from=original["as2_from"],
        as2_to=original["as2_to"], headers=(), payload=Payload.inline(f"as2:{origin.message}", "acme0", b"x"), signed=None, report={},
        mic=original["mic"]["value"], mic_algorithm=original["mic"]["alg"], receipt="async", receipt_signed=original["signed_receipt_asked"],
        receipt_span=60_000_000, resends=0, profile_revision=1, at=at,
    )  # fmt: skip
    return store.freeze_as2(frozen).result(10).id


def test_a_folded_header_reaches_the_door_unfolded(tmp_path: Path, ticking: Any):
    async def run() -> None:
        async with running(tmp_path, clock=ticking) as gateway:
            await with_corpus_partners(gateway)
            name = next(name for name in MESSAGES if name.startswith("57"))
            head = (as2.FOLDER / name / "request.http-headers").read_bytes()
            assert b"\r\n " in head or b"\r\n\t" in head
            for piece in (0, 11):
                status, headers, body = await exchange(gateway, head, as2.case(name).body, piece=piece)
                assert status == 200
                assert report_of(headers, body).positive

    asyncio.run(run())
