"""Every message of the AS2 corpus behaves as its expect.json says, in the pure code."""

import hashlib
from datetime import UTC, datetime

import pytest

from tests import as2
from translators.as2.errors import As2Error, NotAs2
from translators.as2.headers import read_request
from translators.as2.message import Opened, open_message

AT = datetime(2026, 11, 2, 8, 0, 5, tzinfo=UTC)
pytestmark = pytest.mark.corpus
MESSAGES = [name for name in as2.names() if int(name[:2]) < 60]


def opened(one: as2.Case) -> Opened | str:
    """The opened message, or the outcome that refuses it, spelt as the corpus does."""
    try:
        request = read_request(one.headers)
    except NotAs2:
        return "reject"
    us, partners = as2.partners()["us"], {partner["as2_id"]: partner for partner in as2.partners()["partners"]}
    if request.as2_from not in partners or request.as2_to != us["as2_id"]:
        return "mdn-error:unknown-trading-relationship"
    own = one.expected.get("policy") or {}
    policy, limits = as2.policy(own)
    signers = own.get("signing_certificates", partners[request.as2_from]["signing_certificates"])
    try:
        return open_message(
            one.headers,
            memoryview(one.body),
            keys=[as2.ours(name) for name in us["decryption_keys"]],
            signers=[as2.registered(name) for name in signers],
            at=AT,
            policy=policy,
            limits=limits,
        )
    except As2Error as fault:
        return f"mdn-{fault.kind}:{fault.modifier}"


@pytest.mark.skipif(not MESSAGES, reason="no corpus of AS2 messages beside the project")
@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_is_opened_or_refused_as_expected(name: str):
    one = as2.case(name)
    found = opened(one)
    if isinstance(found, str):
        assert found in one.outcomes
        return
    assert "accept" in one.outcomes, f"{name} was opened: {found.layers}"
    expected = one.expected
    assert found.layers == expected["layers"]
    assert found.encrypted is expected["encrypted"]
    assert found.cipher == expected.get("cipher")
    assert found.compressed == expected["compressed"]
    signers = [expected["signed_by"], *expected.get("signed_by_also", [])]
    assert (None if found.signer is None else found.signer) in [None if name is None else as2.registered(name) for name in signers]
    if expected.get("decrypt_key"):
        assert found.decrypted_with == as2.registered(expected["decrypt_key"])
    given = expected.get("payloads") or [expected]
    assert len(found.payloads) == len(given)
    for payload, one_expected in zip(found.payloads, given, strict=True):
        allowed = [one_expected["payload_sha256"], *one_expected.get("payload_sha256_also", [])]
        assert hashlib.sha256(payload.data).hexdigest() in allowed
        assert payload.file_name == one_expected.get("filename") or not one_expected.get("filename")
    if expected["mic"]:
        request = read_request(one.headers)
        assert request.receipt is None or request.receipt.fault is None
        asked = request.receipt.algorithms if request.receipt else ()
        algorithm = asked[0].name if asked else found.digest or "sha256"
        assert {"alg": algorithm, "value": found.mic(algorithm)} in [expected["mic"], *expected.get("mic_also", [])]
    if expected.get("mic_bytes"):
        assert found.form == expected["mic_bytes"]
