"""Whatever the bytes: a value or an As2Error, in bounded work. Flipped bits never become another document."""

import os
import tracemalloc
import zlib
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.as2.sinks import sinks_in
from tests import as2
from tests.as2_keys import AT, key
from translators.as2.cms import algorithms
from translators.as2.cms.ber import NULL_VALUE, BerError, Reader, integer, octets, oid, sequence, tlv
from translators.as2.errors import DECRYPTION, As2Error, NotAs2
from translators.as2.headers import read_request
from translators.as2.limits import Limits, Policy
from translators.as2.message import Opened, open_message
from translators.as2.mime import Headers, headers_of
from translators.as2.receipts import read_report, receipt_inside
from translators.as2.write import Document, Security, write_message

LOOSE = Policy(require_signature=False)
DATA = b"ISA*00*          *00*          *ZZ*US             *ZZ*THEM           ~" * 3
SECURITIES = [
    Security(encrypt=None),
    Security(),
    Security(encrypt="aes-256-gcm"),
    Security(compress="before"),
    Security(compress="after", encrypt=None),
    Security(sign=None),
]


@lru_cache
def written(number: int) -> tuple[Headers, bytes]:
    one = write_message(
        [Document(DATA, "application/edi-x12", "a.edi")], SECURITIES[number], signer=key("signer"), recipients=[key("recipient").certificate],
        at=AT, random=os.urandom,
    )  # fmt: skip
    return Headers(one.headers), b"".join(one.body)


def opened(headers: Headers, body: bytes, policy: Policy = LOOSE, limits: Limits | None = None) -> Opened | As2Error:
    try:
        return open_message(
            headers, memoryview(body), keys=[key("recipient")], signers=[key("signer").certificate], at=AT, policy=policy, limits=limits or Limits()
        )
    except As2Error as fault:
        return fault


flips = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=3)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(SECURITIES) - 2), flips)
def test_a_signed_message_with_flipped_bits_is_refused_or_the_same(number: int, changes: list[tuple[float, int]]):
    headers, body = written(number)
    broken = bytearray(body)
    for place, mask in changes:
        broken[int(place * len(broken))] ^= mask
    found = opened(headers, bytes(broken), Policy(require_signature=True))
    if isinstance(found, Opened):
        assert bytes(found.payloads[0].data) == DATA
        assert found.signer == key("signer").certificate


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(SECURITIES) - 1), st.integers(0, 4000), st.integers(0, 200), st.binary(max_size=60))
def test_cut_and_stuffed_messages(number: int, at: int, gone: int, stuffed: bytes):
    headers, body = written(number)
    at = min(at, len(body))
    found = opened(headers, body[:at] + stuffed + body[at + gone :])
    if isinstance(found, Opened) and found.signer is not None:
        assert bytes(found.payloads[0].data) == DATA, "what is said to be signed is what was signed"


CMS = Headers([("Content-Type", "application/pkcs7-mime")])
values = st.recursive(
    st.one_of(st.binary(max_size=20).map(octets), st.integers(0, 1 << 64).map(integer), st.just(NULL_VALUE),
              st.sampled_from([algorithms.SIGNED, algorithms.ENVELOPED, algorithms.COMPRESSED, algorithms.DATA, algorithms.AUTH_ENVELOPED, algorithms.ZLIB, algorithms.RSA]).map(oid)),
    lambda inner: st.tuples(st.sampled_from([0x30, 0x31, 0xA0, 0xA1, 0x24, 0x80]), st.lists(inner, max_size=6)).map(lambda pair: tlv(pair[0], *pair[1])),
    max_leaves=40,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(values, st.sampled_from([algorithms.SIGNED, algorithms.ENVELOPED, algorithms.COMPRESSED, algorithms.AUTH_ENVELOPED]))
def test_any_structure(value: bytes, kind: bytes):
    assert isinstance(opened(CMS, sequence(oid(kind), tlv(0xA0, value))), As2Error)
    opened(CMS, value)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_as_ber(data: bytes):
    try:
        reader = Reader(memoryview(data))
        list(reader.children(reader.outermost()))
    except BerError:
        pass
    assert isinstance(opened(CMS, data), As2Error)


texts = st.text(st.characters(codec="latin-1"), max_size=60)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["AS2-From", "AS2-To", "Message-ID", "Content-Type", "Content-Transfer-Encoding", "Disposition-Notification-To", "Disposition-Notification-Options", "Receipt-Delivery-Option"]), texts), max_size=12), st.binary(max_size=200))  # fmt: skip
def test_any_headers(fields: list[tuple[str, str]], body: bytes):
    headers = Headers(fields)
    try:
        request = read_request(headers)
        assert 0 < len(request.as2_from) <= 128
        assert request.message_id.isprintable() or not request.message_id.isascii()
    except NotAs2:
        pass
    assert isinstance(opened(headers, body), Opened | As2Error)
    report = receipt_inside(headers, memoryview(body), Limits())
    if report is not None:
        try:
            read_report(report, Limits())
        except As2Error:
            pass


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_any_header_block(block: bytes):
    try:
        fields = headers_of(block, Limits()).fields
    except As2Error:
        return
    assert len(fields) <= Limits().header_fields
    assert all(name and "\n" not in name + value for name, value in fields)


MULTIPART = Headers([("Content-Type", 'multipart/report; boundary="b"')])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([b"--b\r\n", b"--b--\r\n", b"\r\n", b"Content-Type: message/disposition-notification\r\n", b"Disposition: x/y: z\r\n",
                                 b"Received-Content-MIC: ,,a\r\n", b"Content-Transfer-Encoding: base64\r\n", b" fold\r\n", b"\n", b"words"]), max_size=20))  # fmt: skip
def test_any_report(pieces: list[bytes]):
    report = receipt_inside(MULTIPART, memoryview(b"".join(pieces)), Limits())
    assert report is not None
    try:
        read_report(report, Limits())
    except As2Error:
        pass


@pytest.mark.skipif(not as2.names(), reason="no corpus of AS2 messages beside the project")
@pytest.mark.corpus
@settings(max_examples=125, deadline=None)
@given(st.data())
def test_corpus_messages_with_changed_bytes(data: st.DataObject):
    one = as2.case(data.draw(st.sampled_from(as2.names() or [""])))
    body = bytearray(one.body)
    for place, value in data.draw(st.lists(st.tuples(st.integers(0, 1 << 30), st.integers(0, 255)), max_size=4)):
        if body:
            body[place % len(body)] = value
    names = ("ours", "ours-next")
    try:
        found = open_message(
            one.headers, memoryview(bytes(body)), keys=[as2.ours(name) for name in names], signers=[as2.registered("partner")], at=AT, policy=LOOSE
        )
    except As2Error:
        return
    if found.signer is not None:
        assert found.signer == as2.registered("partner")
        assert found.mic_over


def test_failures_inside_cbc_are_told_alike():
    """Padding, MIME and signature behind a CBC envelope answer with one modifier: no oracle."""
    headers, body = written(1)
    seen = set()
    for at in range(len(body) - 400, len(body), 7):
        broken = bytearray(body)
        broken[at] ^= 0x41
        found = opened(headers, bytes(broken), Policy(require_signature=True))
        assert isinstance(found, As2Error)
        seen.add((found.modifier, str(found)))
    assert {modifier for modifier, _ in seen} == {DECRYPTION}
    assert len(seen) == 1, "the text must not tell them apart either"


def bomb(layers: int, size: int) -> bytes:
    """Compressed data within compressed data, each with a MIME header."""
    data = b"Content-Type: text/plain\r\n\r\n" + bytes(size)
    for _ in range(layers):
        packed = zlib.compress(data, 9)
        inner = sequence(oid(algorithms.DATA), tlv(0xA0, octets(packed)))
        data = sequence(oid(algorithms.COMPRESSED), tlv(0xA0, sequence(integer(0), sequence(oid(algorithms.ZLIB)), inner)))
        data = b"Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: binary\r\n\r\n" + data
    return data.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize(("layers", "size"), [(1, 300 << 20), (2, 300 << 20), (7, 50 << 20)])
def test_bombs_stay_small(tmp_path: Path, layers: int, size: int):
    body = bomb(layers, size)
    tracemalloc.start()
    with pytest.raises(As2Error):
        open_message(CMS, memoryview(body), keys=[], signers=[], at=AT, policy=LOOSE, new_sink=sinks_in(tmp_path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20
    assert list(tmp_path.iterdir()) == []


def test_deep_and_long_structures_are_refused():
    assert isinstance(opened(CMS, b"\x30\x80" * 100_000), As2Error)
    assert isinstance(opened(CMS, b"\x30\x84\xff\xff\xff\xff"), As2Error)
    signer = tlv(0xA0, sequence(integer(1), tlv(0x31), sequence(oid(algorithms.DATA)), tlv(0x31, *([sequence()] * 100_000))))
    assert isinstance(opened(CMS, sequence(oid(algorithms.SIGNED), signer)), As2Error)
    many = b"".join(b"--b\r\n\r\nx\r\n" for _ in range(10_000)) + b"--b--"
    assert isinstance(opened(Headers([("Content-Type", "multipart/related; boundary=b")]), many), As2Error)


def test_a_signature_of_nobody_is_none():
    """Zero signers, and certificates alone, are not a signature, whatever rides along."""
    empty = sequence(integer(1), tlv(0x31), sequence(oid(algorithms.DATA)), tlv(0xA0, key("signer").certificate.der), tlv(0x31))
    raw = sequence(oid(algorithms.SIGNED), tlv(0xA0, empty))
    body = b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b\r\nContent-Type: application/pkcs7-signature\r\n\r\n" + raw + b"\r\n--b--\r\n"
    found = opened(Headers([("Content-Type", "multipart/signed; boundary=b")]), body)
    assert isinstance(found, As2Error)
    assert found.modifier == "authentication-failed"


def test_an_imitated_certificate_proves_nothing():
    """Same issuer and serial number, another key: the registered key decides."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization

    from translators.as2.cms.keys import OurKey, certificate

    real, stranger = key("signer"), key("stranger")
    parsed = x509.load_der_x509_certificate(real.certificate.der)
    forged = (
        x509.CertificateBuilder().subject_name(parsed.subject).issuer_name(parsed.issuer).public_key(stranger.private.public_key())
        .serial_number(parsed.serial_number).not_valid_before(parsed.not_valid_before_utc).not_valid_after(parsed.not_valid_after_utc)
        .sign(stranger.private, hashes.SHA256())
    )  # fmt: skip
    liar = OurKey(stranger.private, certificate(forged.public_bytes(serialization.Encoding.DER)))
    one = write_message([Document(DATA, "text/plain")], Security(encrypt=None), signer=liar, recipients=[], at=AT, random=os.urandom)
    found = opened(Headers(one.headers), b"".join(one.body))
    assert isinstance(found, As2Error)
    assert found.modifier == "authentication-failed"


@pytest.mark.parametrize(
    ("security", "policy", "modifier"),
    [
        (Security(sign="sha1", encrypt=None), Policy(), "insufficient-message-security"),
        (Security(sign=None), Policy(uniform_failures=False), "insufficient-message-security"),
        (Security(encrypt=None), Policy(require_encryption=True), "insufficient-message-security"),
        (Security(encrypt=None, compress="after"), Policy(require_encryption=True), "insufficient-message-security"),
        (Security(), Policy(smallest_rsa=4096, uniform_failures=False), "insufficient-message-security"),
    ],
)
def test_what_is_required_is_required(security: Security, policy: Policy, modifier: str):
    one = write_message(
        [Document(DATA, "text/plain")], security, signer=key("signer"), recipients=[key("recipient").certificate], at=AT, random=os.urandom
    )
    found = opened(Headers(one.headers), b"".join(one.body), policy)
    assert isinstance(found, As2Error)
    assert found.modifier == modifier
