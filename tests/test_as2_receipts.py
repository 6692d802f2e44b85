"""Receipts: those of the corpus are judged as their expect.json says; ours are read back, by ourselves and in every kind."""

import os
from datetime import UTC, datetime

import pytest

from tests import as2
from translators.as2.errors import As2Error
from translators.as2.limits import DEFAULT
from translators.as2.message import open_message
from translators.as2.mime import Headers
from translators.as2.receipts import Sent, judge, read_report, receipt_inside, same_id, write_receipt
from translators.as2.write import SPELT

AT = datetime(2026, 11, 2, 8, 0, 5, tzinfo=UTC)
RECEIPTS = [name for name in as2.names() if int(name[:2]) >= 60]


def sent_of(one: as2.Case) -> Sent:
    original = one.expected["original"]
    return Sent(original["message_id"], original["mic"]["alg"], original["mic"]["value"], original["signed_receipt_asked"])


def judged(one: as2.Case) -> tuple[str, str]:
    """(state, form of the signed bytes)."""
    policy, limits = as2.policy(one.expected.get("policy") or {})
    partner = next(each for each in as2.partners()["partners"] if each["as2_id"] == one.expected["as2_from"])
    try:
        found = open_message(
            one.headers, memoryview(one.body), keys=[], signers=[as2.registered(name) for name in partner["signing_certificates"]],
            at=AT, policy=policy, limits=limits,
        )  # fmt: skip
    except As2Error:
        return "untrusted", ""
    if found.report is None:
        return "no-receipt", ""
    report = read_report(found.report, limits)
    sent = sent_of(one)
    return judge(report, sent if same_id(report.original_message_id, sent.message_id) else None, signed=found.signer is not None).state, found.form


@pytest.mark.corpus
@pytest.mark.skipif(not RECEIPTS, reason="no corpus of AS2 receipts beside the project")
@pytest.mark.parametrize("name", RECEIPTS)
def test_a_receipt_is_judged_as_expected(name: str):
    one = as2.case(name)
    state, form = judged(one)
    assert state == one.expected["state"]
    if one.expected.get("mic_bytes"):
        assert form == one.expected["mic_bytes"]


def written(disposition: str = "processed", mic: tuple[str, str] | None = ("AAAA", "sha-256"), **changes: object) -> tuple[Headers, bytes]:
    values: dict[str, object] = {
        "as2_from": "Our Name", "as2_to": "THEM", "original_message_id": "<one@them>", "disposition": disposition, "mic": mic, "text": "It came.",
        "message_id": "<r@us>", "at": AT, "random": os.urandom, "signer": None,
    }  # fmt: skip
    receipt = write_receipt(**(values | changes))  # type: ignore[arg-type]
    return Headers(receipt.headers), receipt.body


def read_back(headers: Headers, body: bytes):
    report = receipt_inside(headers, memoryview(body), DEFAULT)
    assert report is not None
    return read_report(report, DEFAULT)


@pytest.mark.parametrize(
    ("disposition", "kind", "level", "modifier", "positive"),
    [
        ("processed", "processed", "", "", True),
        ("processed/warning: duplicate-document", "processed", "warning", "duplicate-document", True),
        ("processed/error: decryption-failed", "processed", "error", "decryption-failed", False),
        ("failed/failure: unsupported format", "failed", "failure", "unsupported format", False),
        ("error: authentication-failed", "", "error", "authentication-failed", False),
        ("dispatched", "dispatched", "", "", False),
    ],
)
def test_dispositions_are_read_as_they_are_written(disposition: str, kind: str, level: str, modifier: str, positive: bool):
    report = read_back(*written(disposition))
    assert (report.kind, report.level, report.modifier, report.positive) == (kind, level, modifier, positive)
    assert report.original_message_id == "<one@them>"
    assert (report.mic, report.mic_algorithm) == (b"\0\0\0", "sha256")


def test_nothing_that_a_partner_named_can_add_a_line():
    report = read_back(*written(original_message_id="<a\r\nDisposition: x; failed>", text="a\r\n\r\n--b\r\nText\x00 ü"))
    assert report.original_message_id == "<aDisposition: x; failed>"
    assert report.kind == "processed"


SENT = Sent("<one@them>", "sha256", "AAAA", True)


@pytest.mark.parametrize(
    ("disposition", "mic", "signed", "changes", "state"),
    [
        ("processed", ("AAAA", "SHA-256"), True, {}, "delivered"),
        ("processed", ("AAAB", "sha256"), True, {}, "mic-mismatch"),
        ("processed", ("!!!!", "sha256"), True, {}, "mic-mismatch"),
        ("processed", ("AAAA", "sha1"), True, {}, "mic-algorithm-mismatch"),
        ("processed", ("AAAA", "sha1"), True, {"accept_other_algorithm": True, "mic_by": lambda name: "AAAA"}, "delivered"),
        ("processed", ("AAAA", "sha1"), True, {"accept_other_algorithm": True, "mic_by": lambda name: "AAAB"}, "mic-algorithm-mismatch"),
        ("processed", None, True, {}, "mic-missing"),
        ("processed", None, True, {"accept_missing_mic": True}, "delivered"),
        ("processed", ("AAAA", "sha256"), False, {}, "untrusted"),
        ("processed", ("AAAA", "sha256"), False, {"accept_unsigned": True}, "delivered"),
        ("processed", ("AAAA", "sha256"), False, {"signed_receipt": False}, "delivered"),
        ("processed/error: decryption-failed", None, False, {}, "untrusted"),
        ("failed/failure: unsupported format", None, False, {}, "failed"),
        ("processed/error: decryption-failed", None, True, {}, "failed"),
        ("processed/warning: duplicate-document", ("AAAA", "sha256"), True, {}, "delivered-with-warning"),
        ("processed", ("AAAA", "sha256"), True, {"message_id": "<two@them>"}, "unmatched"),
        ("processed", ("AAAA", "sha256"), True, {"message_id": "one@them"}, "delivered"),
    ],
)
def test_what_a_receipt_proves(disposition: str, mic: tuple[str, str] | None, signed: bool, changes: dict[str, object], state: str):
    sent = Sent(**({name: getattr(SENT, name) for name in SENT.__slots__} | changes))  # type: ignore[arg-type]
    assert judge(read_back(*written(disposition, mic)), sent, signed=signed).state == state


def test_every_digest_has_a_spelling():
    assert set(SPELT) == {"md5", "sha1", "sha224", "sha256", "sha384", "sha512"}
