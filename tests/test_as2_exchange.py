"""A partner with its own AS2 exchanges with us, both ways, over loopback; it misbehaves, we are killed, things are mended."""

import asyncio
import base64
import hashlib
import os
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from partners.profile import ProfileError, read_profile
from tests.as2_keys import key
from tests.as2_running import profile, text_of, two
from tests.running import Running, document, running
from translators.as2.cms.keys import certificate
from translators.as2.limits import DEFAULT
from translators.as2.mime import Headers
from translators.as2.receipts import read_report, receipt_inside
from translators.as2.write import Document, ReceiptWanted, Security

X12 = document("214-status.edi")
OPENSSL = shutil.which("openssl")


async def rows(gateway: Running, **narrowed: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await gateway.operate("as2.messages", limit=200, **narrowed)
    return found


async def until(gateway: Running, state: str, **narrowed: Any) -> dict[str, Any]:
    for _ in range(400):
        found = [row for row in await rows(gateway, **narrowed) if row["state"] == state]
        if found:
            return found[0]
        await asyncio.sleep(0.05)
    raise AssertionError(f"no AS2 message is {state}: {[(row['state'], row['reason']) for row in await rows(gateway)]}")


def run(coroutine: Any) -> None:
    asyncio.run(coroutine)


# In.


@pytest.mark.parametrize("security", [Security(), Security(encrypt="aes-256-gcm", sign="sha512", compress="before"), Security(key_transport="rsa-oaep-sha256", compress="after", pss=True)], ids=str)  # fmt: skip
def test_a_document_comes_by_as2_and_its_event_reaches_the_erp(tmp_path: Path, security: Security):
    async def go() -> None:
        async with two(tmp_path) as (gateway, partner):
            outcome = await partner.send(gateway.session, f"{gateway.url}/as2", X12, file_name="status.edi", security=security)
            assert outcome.status == 200
            assert outcome.judgment is not None
            assert outcome.judgment.state == "delivered"
            await gateway.settle(lambda: len(gateway.erp.effects) == 3)
            await until(gateway, "delivered", direction="out")
            (back,) = [one for one in partner.taken if one.opened]
            assert b"*997*" in back.documents[0] or b"ST*997" in back.documents[0]

    run(go())


def test_the_same_message_again_gets_the_same_receipt_and_makes_nothing(tmp_path: Path):
    async def go() -> None:
        async with two(tmp_path) as (gateway, partner):
            url, wanted = f"{gateway.url}/as2", ReceiptWanted()
            headers, written, named = partner.write([Document(X12, "application/edi-x12")], Security(), receipt=wanted)
            first, *others = await asyncio.gather(*(partner.post(gateway.session, url, headers, written, named, wanted) for _ in range(5)))
            assert {one.body for one in others} == {first.body}
            rebuilt = await partner.send(gateway.session, url, X12, message_id=named)
            assert rebuilt.body != b""
            assert len(await rows(gateway, direction="in")) >= 1
            await gateway.settle(lambda: len(gateway.erp.effects) == 3)
            assert len(await gateway.operate("messages")) == 1

    run(go())


def test_a_rebuilt_retry_is_the_same_and_other_content_under_its_id_is_refused(tmp_path: Path):
    async def go() -> None:
        async with two(tmp_path) as (gateway, partner):
            url, plain = f"{gateway.url}/as2", Security(encrypt="aes-256-cbc")
            first = await partner.send(gateway.session, url, X12, security=plain, message_id="<one@them>")
            again = await partner.send(gateway.session, url, X12, security=plain, message_id="<one@them>")
            assert again.body == first.body
            other = await partner.send(gateway.session, url, X12 + b"\n", security=plain, message_id="<one@them>")
            assert other.judgment is not None
            assert other.judgment.state == "failed"
            assert "unexpected-processing-error" in other.judgment.text
            assert sorted(row["state"] for row in await rows(gateway, direction="in")) == ["processed", "refused"]
            still = await partner.send(gateway.session, url, X12, security=plain, message_id="<one@them>")
            assert still.body == first.body

    run(go())


def test_a_refused_message_is_taken_once_what_was_wrong_is_mended(tmp_path: Path):
    async def go() -> None:
        async with two(tmp_path) as (gateway, partner):
            partner.key = key("next")
            wanted = ReceiptWanted()
            headers, written, named = partner.write([Document(X12, "application/edi-x12")], Security(), receipt=wanted)
            refused = await partner.post(gateway.session, f"{gateway.url}/as2", headers, written, named, wanted)
            assert refused.judgment is not None
            assert refused.judgment.state == "failed"
            (row,) = await rows(gateway)
            assert "is not registered" in row["reason"]
            assert await gateway.operate("messages") == []
            assert (await gateway.operate("show", id=row["id"]))["message"]["state"] == "refused"
            await gateway.operate("keys.add", partner="acme", data=text_of(key("next").certificate.der), name="next")
            taken = await partner.post(gateway.session, f"{gateway.url}/as2", headers, written, named, wanted)
            assert taken.judgment is not None
            assert taken.judgment.state == "delivered"

    run(go())


def test_an_asynchronous_message_is_durable_before_its_204_and_opened_after(tmp_path: Path):
    async def go() -> None:
        async with two(tmp_path) as (gateway, partner):
            wanted = ReceiptWanted(url=f"{gateway.as2_url}/as2")  # type: ignore[attr-defined]
            outcome = await partner.send(gateway.session, f"{gateway.url}/as2", X12, receipt=wanted)
            assert (outcome.status, outcome.body) == (204, b"")
            row = (await rows(gateway, direction="in"))[0]
            assert row["state"] in ("kept", "processed")
            await gateway.settle(lambda: bool(partner.receipts))
            report, signed = partner.receipts[0]
            assert signed
            assert report.positive
            assert report.original_message_id == outcome.message_id
            again = await partner.send(gateway.session, f"{gateway.url}/as2", X12, receipt=wanted, message_id=outcome.message_id)
            assert again.status == 204
            await gateway.settle(lambda: len(partner.receipts) == 2)
            assert partner.receipts[1][0].mic == report.mic
            assert len(await gateway.operate("messages")) == 1

    run(go())


def test_a_repeat_gets_its_receipt_by_the_way_that_it_asks_for(tmp_path: Path):
    async def go() -> None:
        async with two(tmp_path) as (gateway, partner):
            url, wanted = f"{gateway.url}/as2", ReceiptWanted()
            headers, written, named = partner.write([Document(X12, "application/edi-x12")], Security(), receipt=wanted)
            first = await partner.post(gateway.session, url, headers, written, named, wanted)
            later = (*headers, ("Receipt-Delivery-Option", f"{gateway.as2_url}/as2"))  # type: ignore[attr-defined]
            second = await partner.post(gateway.session, url, later, written, named, wanted)
            assert second.status == 204
            await gateway.settle(lambda: bool(partner.receipts))
            assert partner.receipts[0][0].original_message_id == named
            silent = tuple((name, value) for name, value in headers if not name.startswith("Disposition-"))
            third = await partner.post(gateway.session, url, silent, written, named, None)
            assert third.status == 204
            fourth = await partner.post(gateway.session, url, headers, written, named, wanted)
            assert fourth.body == first.body

    run(go())


def test_what_was_kept_is_opened_by_the_next_life(tmp_path: Path):
    async def go() -> None:
        async with two(tmp_path) as (gateway, partner):
            await gateway.node.as2.stop()
            wanted = ReceiptWanted(url=f"{gateway.as2_url}/as2")  # type: ignore[attr-defined]
            outcome = await partner.send(gateway.session, f"{gateway.url}/as2", X12, receipt=wanted)
            assert outcome.status == 204
            assert [row["state"] for row in await rows(gateway)] == ["kept"]
            other = await partner.send(gateway.session, f"{gateway.url}/as2", X12 + b"\n", receipt=wanted, message_id=outcome.message_id)
            assert other.status == 503, "other bytes under an id that waits are neither taken for it nor lost"
            gateway.node.as2.start()
            await until(gateway, "processed")
            await gateway.settle(lambda: bool(partner.receipts))

    run(go())


def test_a_receipt_goes_to_registered_hosts_only(tmp_path: Path):
    async def go() -> None:
        async with two(tmp_path) as (gateway, partner):
            for url in (
                "http://169.254.169.254/latest",
                "file:///etc/passwd",
                "http://user@127.0.0.1:1/x",
                "https://elsewhere.example/as2",
                "gopher://x",
            ):
                outcome = await partner.send(gateway.session, f"{gateway.url}/as2", X12, receipt=ReceiptWanted(url=url))
                assert outcome.status == 403
            assert await rows(gateway) == []

    run(go())


@pytest.mark.parametrize(
    ("security", "modifier"),
    [
        (Security(sign=None, encrypt=None), "insufficient-message-security"),
        (Security(encrypt=None), "insufficient-message-security"),
        (Security(sign="sha1", encrypt=None), "insufficient-message-security"),
        (Security(sign=None), "decryption-failed"),
    ],
)
def test_a_downgrade_is_refused(tmp_path: Path, security: Security, modifier: str):
    async def go() -> None:
        async with two(tmp_path) as (gateway, partner):
            outcome = await partner.send(gateway.session, f"{gateway.url}/as2", X12, security=security)
            assert outcome.judgment is not None
            assert outcome.judgment.state == "failed"
            assert modifier in outcome.judgment.text
            assert await gateway.operate("messages") == []
            alarms = await gateway.operate("alarms")
            assert [one["kind"] for one in alarms] == ["as2.refused"]

    run(go())


def test_strangers_get_one_answer_at_a_bounded_rate(tmp_path: Path):
    async def go() -> None:
        async with two(tmp_path) as (gateway, partner):
            answers = set()
            for name, us in (("NOBODY", "CROSSDOCK"), ("ACME3PL", "NOBODY")):
                partner.name, partner.gateway_name = name, us
                headers, written, _ = partner.write([Document(X12, "text/plain")], Security(), receipt=ReceiptWanted())
                async with gateway.session.post(f"{gateway.url}/as2", data=b"".join(written.body), headers=list(headers)) as response:
                    body = await response.read()
                    report = receipt_inside(Headers(list(response.headers.items())), memoryview(body), DEFAULT)
                    assert report is not None
                    answers.add(read_report(report, DEFAULT).modifier)
            assert answers == {"unknown-trading-relationship"}
            statuses: list[int] = []
            while 403 not in statuses and len(statuses) < 130:  # a minute may end in between
                async with gateway.session.post(f"{gateway.url}/as2", data=b"x", headers=list(headers)) as response:
                    statuses.append(response.status)
            assert statuses[-1] == 403
            assert await rows(gateway) == []
            async with gateway.session.get(f"{gateway.url}/as2") as response:
                assert response.status == 200
            async with gateway.session.post(f"{gateway.url}/as2", data=b"x") as response:
                assert response.status == 400

    run(go())


def test_several_attachments_become_several_messages(tmp_path: Path):
    async def go() -> None:
        async with two(tmp_path) as (gateway, partner):
            wanted = ReceiptWanted()
            documents = [Document(X12, "application/edi-x12", "a.edi"), Document(b"no EDI at all", "text/plain", "b.txt")]
            headers, written, named = partner.write(documents, Security(), receipt=wanted)
            outcome = await partner.post(gateway.session, f"{gateway.url}/as2", headers, written, named, wanted)
            assert outcome.judgment is not None
            assert outcome.judgment.state == "delivered"
            found = await gateway.operate("messages")
            assert sorted(one["file_name"] for one in found) == ["a.edi", "b.txt"]

    run(go())


def test_a_large_message_goes_both_ways(tmp_path: Path):
    async def go() -> None:
        data = os.urandom(3 << 20)
        async with two(tmp_path) as (gateway, partner):
            outcome = await partner.send(gateway.session, f"{gateway.url}/as2", data, media_type="application/octet-stream")
            assert outcome.judgment is not None
            assert outcome.judgment.state == "delivered"
            sent = await gateway.operate("as2.send", partner="acme", data=text_of(data), file_name="big.bin")
            await until(gateway, "delivered", direction="out")
            assert partner.taken[-1].documents == [data]
            (row,) = [one for one in await rows(gateway, direction="out") if one["message"] == sent["message"]]
            assert row["disposition"].endswith("processed")
            assert not [path for path in (tmp_path / "var" / "payloads" / "spool").iterdir() if path.name.startswith("layer-")]

    run(go())


# Out.


def test_the_partner_gets_what_is_sent_and_its_receipt_proves_it(tmp_path: Path):
    async def go() -> None:
        async with two(tmp_path, send="{sign: sha512, encrypt: aes-256-gcm, compress: before, compress_from: 1}") as (gateway, partner):
            sent = await gateway.operate("as2.send", partner="acme", data=text_of(X12), file_name="status.edi")
            row = await until(gateway, "delivered", direction="out")
            assert row["message"] == sent["message"]
            assert partner.taken[0].documents == [X12]
            assert partner.taken[0].opened is not None
            assert partner.taken[0].opened.payloads[0].file_name == "status.edi"
            (owed,) = await gateway.operate("awaited")
            assert (owed["kind"], owed["state"]) == ("MDN", "accepted")

    run(go())


WEAK = "{exceptions: {sha1: {until: %s, because: the test}, 3des: {until: %s, because: the test}}}"


@pytest.mark.parametrize(
    ("send", "receive"),
    [
        ("{opaque: true}", "{}"),
        ("{opaque: true, encrypt: none, compress: after, compress_from: 1}", "{}"),
        ("{chunked: true}", "{}"),
        ("{sign: sha1, encrypt: 3des}", WEAK % ("2099-12-31", "2099-12-31")),
    ],
)
def test_every_way_of_sending_is_proven_and_evidence_holds(tmp_path: Path, send: str, receive: str):
    async def go() -> dict[str, str]:
        async with two(tmp_path, send=send, receive=receive) as (gateway, partner):
            await gateway.operate("as2.send", partner="acme", data=text_of(X12 * 300), file_name="status.edi")
            row = await until(gateway, "delivered", direction="out")
            assert partner.taken[0].documents == [X12 * 300]
            files: dict[str, str] = (await gateway.operate("as2.evidence", id=row["id"]))["files"]
            return files

    files = asyncio.run(go())
    assert {"signed.bin", "signature.p7s", "receipt-signed.bin", "document-1.edi"} <= set(files)


def test_a_weak_way_ends_with_its_exception(tmp_path: Path):
    async def go() -> None:
        async with two(tmp_path, send="{sign: sha1}", receive=WEAK % ("2020-12-31", "2020-12-31")) as (gateway, partner):
            sent = await gateway.operate("as2.send", partner="acme", data=text_of(X12))
            for _ in range(100):
                shown = await gateway.operate("show", id=sent["message"])
                if shown["deliveries"][0]["attempts"]:
                    break
                await asyncio.sleep(0.05)
            assert "the exception for sha1 has ended" in shown["deliveries"][0]["attempts"][0]["text"]
            assert partner.taken == []
        with pytest.raises(ProfileError, match=r"needs a dated exception: receive\.exceptions\.3des"):
            read_profile(profile("acme", "ACME3PL", send="{encrypt: 3des}"))

    run(go())


@pytest.mark.parametrize(
    ("misdeed", "state", "delivery"),
    [
        ("wrong-mic", "disputed", "dead"),
        ("no-mic", "disputed", "dead"),
        ("refuse", "failed", "dead"),
    ],
)
def test_a_receipt_that_says_no_ends_it(tmp_path: Path, misdeed: Any, state: str, delivery: str):
    async def go() -> None:
        async with two(tmp_path) as (gateway, partner):
            partner.misdeeds = [misdeed]
            sent = await gateway.operate("as2.send", partner="acme", data=text_of(X12))
            await until(gateway, state, direction="out")
            for _ in range(100):
                shown = await gateway.operate("show", id=sent["message"])
                if shown["deliveries"][0]["state"] == delivery:
                    break
                await asyncio.sleep(0.05)
            assert shown["deliveries"][0]["state"] == delivery
            (owed,) = await gateway.operate("awaited")
            assert owed["state"] == {"disputed": "disputed", "failed": "rejected"}[state]
            assert "as2.receipt" in {one["kind"] for one in await gateway.operate("alarms")}
            assert len(partner.taken) == 1
            # A person sends it once more, when the partner has mended it: under its own id, in the same bytes.
            await gateway.operate("act", kind="retry", id=sent["delivery"])
            await until(gateway, "delivered", direction="out")
            assert partner.taken[0].body == partner.taken[1].body

    run(go())


def test_without_a_proof_the_same_bytes_go_again(tmp_path: Path):
    misdeeds: list[Any] = ["no-receipt", "html", "unsigned", "other-message", "stranger", "error", "cut"]

    async def go() -> None:
        async with two(tmp_path, send="{retry: 1s}") as (gateway, partner):
            partner.misdeeds = list(misdeeds)
            for number, _ in enumerate(misdeeds):
                await gateway.operate("as2.send", partner="acme", data=text_of(X12 + b"\n" * number))
            for _ in range(400):
                found = await rows(gateway, direction="out", state="delivered")
                if len(found) == len(misdeeds):
                    break
                await asyncio.sleep(0.05)
            assert len(found) == len(misdeeds), [(row["state"], row["reason"]) for row in await rows(gateway)]
            assert len(partner.taken) == 2 * len(misdeeds)
            by_id: dict[str, set[bytes]] = {}
            for one in partner.taken:
                by_id.setdefault(one.request.message_id, set()).add(one.body)
            assert len(by_id) == len(misdeeds)
            assert all(len(bodies) == 1 for bodies in by_id.values())

    run(go())


@pytest.mark.parametrize("misdeed", ["", "late"])
def test_an_asynchronous_receipt_settles_what_waits(tmp_path: Path, misdeed: Any):
    async def go() -> None:
        async with two(tmp_path, send="{receipt: async}") as (gateway, partner):
            send = gateway.node.deliver._destinations["as2:acme"]
            send._public_url = gateway.url  # type: ignore[attr-defined]
            partner.misdeeds = [misdeed]
            await gateway.operate("as2.send", partner="acme", data=text_of(X12))
            await until(gateway, "delivered", direction="out")
            (owed,) = await gateway.operate("awaited")
            assert owed["state"] == "accepted"

    run(go())


def test_an_overdue_receipt_brings_the_same_bytes_again_and_then_an_alarm(tmp_path: Path):
    async def go() -> None:
        async with two(tmp_path, send="{receipt: async, receipt_within: 1s, resends: 1}") as (gateway, partner):
            gateway.node.deliver._destinations["as2:acme"]._public_url = gateway.url  # type: ignore[attr-defined]
            partner.misdeeds = ["never-async", "never-async"]
            await gateway.operate("as2.send", partner="acme", data=text_of(X12))
            await until(gateway, "awaiting", direction="out")
            # Whoever looks first, the node's own ticks or this test: one more sending before the alarm, none after it.
            for _ in range(60):
                gateway.node.store.mark_overdue(gateway.node.clock()).result(10)
                alarmed = [one["kind"] for one in await gateway.operate("alarms")]
                if alarmed:
                    break
                assert len(partner.taken) <= 2
                gateway.node.store.chase_as2(gateway.node.clock()).result(10)
                gateway.node.deliver.wake()
                await asyncio.sleep(0.1)
            assert alarmed == ["acknowledgment.overdue"]
            assert len(partner.taken) == 2
            assert partner.taken[0].body == partner.taken[1].body

    run(go())


def test_without_keys_the_destination_waits_and_nothing_dies(tmp_path: Path):
    async def go() -> None:
        async with running(tmp_path) as gateway:
            await gateway.operate("partners.apply", text=profile("acme", "ACME3PL", url="http://127.0.0.1:9/as2"))
            sent = await gateway.operate("as2.send", partner="acme", data=text_of(X12))
            for _ in range(100):
                shown = await gateway.operate("show", id=sent["message"])
                if shown["deliveries"][0]["attempts"]:
                    break
                await asyncio.sleep(0.05)
            assert shown["deliveries"][0]["state"] in ("due", "sending")
            assert "crossdock keys" in shown["deliveries"][0]["attempts"][0]["text"]
            told = await gateway.operate("as2.selftest", partner="acme")
            assert [one["check"] for one in told if not one["good"]] == ["our signing key", "our decryption keys", "its signing certificates", "its encryption certificate"]  # fmt: skip

    run(go())


def test_the_selftest_is_good_where_all_is_there(tmp_path: Path):
    async def go() -> None:
        async with two(tmp_path, send="{pss: true, encrypt: aes-128-gcm}") as (gateway, _):
            told = await gateway.operate("as2.selftest", partner="acme")
            assert [one for one in told if not one["good"]] == []
            assert len(told) >= 6

    run(go())


def test_it_is_the_same_on_either_database(tmp_path: Path, database_url: str):
    """Every statement of AS2 on SQLite and on PostgreSQL: in, again, refused, out, overdue, evidence, listed."""

    async def go() -> None:
        async with two(tmp_path, send="{receipt: async, receipt_within: 1s, resends: 1}", settings={"database": database_url}) as (gateway, partner):
            url = f"{gateway.url}/as2"
            gateway.node.deliver._destinations["as2:acme"]._public_url = gateway.url  # type: ignore[attr-defined]
            first = await partner.send(gateway.session, url, X12, message_id="<1@them>")
            assert first.body == (await partner.send(gateway.session, url, X12, message_id="<1@them>")).body
            await partner.send(gateway.session, url, X12, security=Security(sign=None), message_id="<2@them>")
            await partner.send(gateway.session, url, X12 + b"\n", receipt=ReceiptWanted(url=f"{gateway.as2_url}/as2"), message_id="<3@them>")  # type: ignore[attr-defined]
            await gateway.settle(lambda: bool(partner.receipts))
            assert sorted(row["state"] for row in await rows(gateway, direction="in")) == ["processed", "processed", "refused"]
            for _ in range(400):  # our 997s to both
                if len(await rows(gateway, direction="out", state="delivered")) == 2:
                    break
                await asyncio.sleep(0.05)
            partner.misdeeds = ["never-async"]
            sent = await gateway.operate("as2.send", partner="acme", data=text_of(X12))
            for _ in range(200):
                found = await gateway.operate("as2.sent", message=sent["message"])
                if found is not None and found["state"] == "awaiting":
                    break
                await asyncio.sleep(0.05)
            await asyncio.sleep(1.1)
            gateway.node.store.chase_as2(gateway.node.clock()).result(10)  # unless the node's own tick was quicker
            gateway.node.deliver.wake()
            for _ in range(200):
                found = await gateway.operate("as2.sent", message=sent["message"])
                if found["state"] == "delivered":
                    break
                await asyncio.sleep(0.05)
            assert (found["state"], found["resends"]) == ("delivered", 1)
            files = (await gateway.operate("as2.evidence", id=found["id"]))["files"]
            assert {"verify.sh", "signed.bin", "receipt-signed.bin", "audit-records.jsonl"} <= set(files)
            key_id = (await gateway.operate("keys.list", partner="acme"))[0]
            assert key_id["last_used"] is not None
            assert gateway.node.store.warn_of_certificates(gateway.node.clock()).result(10) == 0
            async with gateway.session.get(f"{gateway.node.addresses['admin']}/metrics") as response:
                assert 'crossdock_as2_messages{direction="in",state="refused"} 1.0' in await response.text()

    run(go())


def test_a_source_that_asks_an_oracle_is_not_answered_for_ever(tmp_path: Path):
    async def go() -> None:
        async with two(tmp_path) as (gateway, partner):
            wanted = ReceiptWanted()
            statuses: list[int] = []
            while 429 not in statuses and len(statuses) < 130:  # a minute may end in between
                headers, written, named = partner.write([Document(X12, "text/plain")], Security(), receipt=wanted)
                broken = b"".join(written.body)[:-16] + bytes(16)
                async with gateway.session.post(f"{gateway.url}/as2", data=broken, headers=list(headers)) as response:
                    statuses.append(response.status)
                assert named
            assert statuses[:-1] == [200] * (len(statuses) - 1)
            assert statuses[-1] == 429
            assert len(statuses) > 60

    run(go())


def test_a_receipt_within_signed_data_counts_too(tmp_path: Path):
    """Opaque SignedData with a multipart/report in it."""

    async def go() -> None:
        async with two(tmp_path, send="{receipt: async}") as (gateway, partner):
            gateway.node.deliver._destinations["as2:acme"]._public_url = gateway.url  # type: ignore[attr-defined]
            partner.misdeeds = ["never-async"]
            await gateway.operate("as2.send", partner="acme", data=text_of(X12))
            row = await until(gateway, "awaiting", direction="out")
            from translators.as2.cms import algorithms, write
            from translators.as2.cms.ber import octets, oid, sequence, tlv
            from translators.as2.receipts import write_receipt

            receipt = write_receipt(
                as2_from="ACME3PL", as2_to="CROSSDOCK", original_message_id=row["message_id"], disposition="processed",
                mic=(row["mic"], "sha-256"), text="", message_id="<r@them>", at=datetime.now(UTC), random=os.urandom, signer=None,
            )  # fmt: skip
            fields = dict(receipt.headers)
            entity = f"Content-Type: {fields['Content-Type']}\r\n\r\n".encode() + receipt.body
            detached = write.signed_data(hashlib.sha256(entity).digest(), "sha256", partner.key, at=datetime.now(UTC))
            empty = sequence(oid(algorithms.DATA))
            head, _, tail = detached.partition(empty)
            inner = head[head.index(b"\x02\x01\x01") :] + sequence(oid(algorithms.DATA), tlv(0xA0, octets(entity))) + tail
            opaque = sequence(oid(algorithms.SIGNED), tlv(0xA0, sequence(inner)))
            headers = {
                "AS2-From": "ACME3PL",
                "AS2-To": "CROSSDOCK",
                "Message-ID": "<r@them>",
                "Content-Type": "application/pkcs7-mime; smime-type=signed-data",
            }
            async with gateway.session.post(f"{gateway.url}/as2", data=opaque, headers=headers) as response:
                assert response.status == 204
            await until(gateway, "delivered", direction="out")

    run(go())


# Rollover.


def test_both_sides_roll_over_without_a_gap(tmp_path: Path):
    async def go() -> None:
        async with two(tmp_path) as (gateway, partner):
            url = f"{gateway.url}/as2"
            # Theirs: the next certificate is added, both prove; encryption goes to the newer one from its date on.
            await gateway.operate("keys.add", partner="acme", data=text_of(key("next").certificate.der), name="next", **{"from": "2021-01-01"})
            for each in (key("signer"), key("next")):
                partner.key = each
                outcome = await partner.send(gateway.session, url, X12 + b"\n" * len(await rows(gateway)))
                assert outcome.judgment is not None
                assert outcome.judgment.state == "delivered"
            await gateway.operate("as2.send", partner="acme", data=text_of(X12))
            await until(gateway, "delivered", direction="out")
            old = next(one for one in await gateway.operate("keys.list", partner="acme") if one["name"] != "next")
            await gateway.operate("keys.retire", id=old["id"])
            partner.key = key("signer")
            refused = await partner.send(gateway.session, url, b"ISA*late")
            assert refused.judgment is not None
            assert refused.judgment.state == "failed"
            # Ours: the new key opens at once; it signs where the profile names it.
            made = await gateway.operate("keys.generate", name="ours-next")
            der = base64.b64decode("".join((await gateway.operate("keys.show", id=made["id"]))["pem"].splitlines()[1:-1]))
            partner.key, before = key("next"), partner.gateway
            partner.gateway = certificate(der)
            headers, written, named = partner.write([Document(X12 + b"\n\n\n", "application/edi-x12")], Security(), receipt=None)
            posted = await partner.post(gateway.session, url, headers, written, named, None)
            assert posted.status == 204
            partner.gateway = before
            signed = await partner.send(gateway.session, url, X12 + b"\n\n\n\n\n")
            assert signed.judgment is not None

    run(go())


def test_certificates_that_run_out_alarm_once_a_threshold(tmp_path: Path):
    async def go() -> None:
        async with running(tmp_path) as gateway:
            await gateway.operate("keys.generate", name="short", days=20)
            store, clock = gateway.node.store, gateway.node.clock
            day = 86_400_000_000
            # The node itself warned at its start or will within the hour; each threshold alarms once.
            first = store.warn_of_certificates(clock()).result(10)
            assert first in (0, 1)
            assert store.warn_of_certificates(clock()).result(10) == 0
            assert store.warn_of_certificates(clock() + 8 * day).result(10) == 1
            assert store.warn_of_certificates(clock() + 21 * day).result(10) == 1
            texts = [one["text"] for one in await gateway.operate("alarms") if one["kind"] == "certificate.expiring"]
            assert any("ran out" in one for one in texts)

    run(go())


# Evidence.


def written_to(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(parents=True)
    for name, data in files.items():
        assert "/" not in name
        (folder / name).write_bytes(base64.b64decode(data))


@pytest.mark.skipif(OPENSSL is None, reason="no openssl program on this machine")
@pytest.mark.parametrize("direction", ["in", "out"])
@pytest.mark.parametrize(
    "security",
    [
        Security(),
        *(
            pytest.param(one, marks=pytest.mark.big)
            for one in (Security(compress="after"), Security(encrypt="aes-256-gcm", compress="before", pss=True))
        ),
    ],
    ids=str,
)
def test_a_bundle_is_verified_by_openssl_alone_and_betrays_every_change(tmp_path: Path, direction: str, security: Security):
    send = f"{{compress: {security.compress}, compress_from: 1, encrypt: {security.encrypt}, pss: {str(security.pss).lower()}}}"

    async def go() -> dict[str, str]:
        async with two(tmp_path, send=send) as (gateway, partner):
            if direction == "in":
                await partner.send(gateway.session, f"{gateway.url}/as2", X12, security=security)
                row = (await rows(gateway, direction="in"))[0]
            else:
                await gateway.operate("as2.send", partner="acme", data=text_of(X12))
                row = await until(gateway, "delivered", direction="out")
            files: dict[str, str] = (await gateway.operate("as2.evidence", id=row["id"]))["files"]
            return files

    files = asyncio.run(go())
    folder = tmp_path / "bundle"
    written_to(folder, files)
    assert (folder / "document-1.edi" if (folder / "document-1.edi").exists() else folder / "document-1.bin").read_bytes() == X12
    environment = {"PATH": os.environ["PATH"]}
    good = subprocess.run(["sh", str(folder / "verify.sh")], capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert good.returncode == 0, good.stdout
    assert good.stdout.count("good:") == 7, good.stdout
    for name in ("signed.bin", "receipt-signed.bin", "audit-records.jsonl", "signature.p7s"):
        before = (folder / name).read_bytes()
        changed = bytearray(before)
        changed[-9] ^= 1
        (folder / name).write_bytes(bytes(changed))
        bad = subprocess.run(["sh", str(folder / "verify.sh")], capture_output=True, text=True, env=environment, timeout=60, check=False)
        assert bad.returncode == 1, name
        assert bad.stdout.count("BAD:") >= 2, name
        (folder / name).write_bytes(before)
    assert "PRIVATE" not in "".join(base64.b64decode(data).decode("latin-1") for data in files.values())


def test_private_keys_are_sealed_at_rest_and_never_shown(tmp_path: Path):
    async def go() -> None:
        async with running(tmp_path) as gateway:
            made = await gateway.operate("keys.generate", name="ours")
            shown = await gateway.operate("keys.show", id=made["id"])
            assert "PRIVATE" not in str(shown)
            held = gateway.node.ring.signing()
            assert held is not None
            numbers = held.private.private_numbers()  # type: ignore[union-attr]
            secret = getattr(numbers, "p", None) or numbers.private_value  # type: ignore[union-attr]
            raw = (tmp_path / "var" / "crossdock.db").read_bytes() + (tmp_path / "var" / "crossdock.db-wal").read_bytes()
            assert secret.to_bytes((secret.bit_length() + 7) // 8, "big") not in raw

    run(go())
