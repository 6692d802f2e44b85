"""What we write, we open again, in every combination; OpenSSL opens and verifies it, too, and we open what OpenSSL makes."""

import hashlib
import os
import shutil
import subprocess
from base64 import b64decode, b64encode
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.keys import pem_of
from tests.as2_keys import AT, key
from translators.as2.cms.keys import OurKey
from translators.as2.limits import Policy
from translators.as2.message import Opened, open_message
from translators.as2.mime import Headers
from translators.as2.write import Document, Security, Written, write_message

OPENSSL = shutil.which("openssl")
LOOSE = Policy(require_signature=False, allow_sha1=True, allow_3des=True)
CIPHERS = ("aes-128-cbc", "aes-192-cbc", "aes-256-cbc", "aes-128-gcm", "aes-192-gcm", "aes-256-gcm")
securities = st.builds(
    Security,
    sign=st.sampled_from([None, "sha1", "sha224", "sha256", "sha384", "sha512"]),
    pss=st.booleans(),
    attributes=st.booleans(),
    opaque=st.booleans(),
    encrypt=st.sampled_from([None, *CIPHERS, "des-ede3-cbc"]),
    key_transport=st.sampled_from(["rsa-pkcs1-v1.5", "rsa-oaep-sha1", "rsa-oaep-sha256"]),
    compress=st.sampled_from(["none", "before", "after"]),
    encoding=st.sampled_from(["binary", "base64"]),
)
kinds = st.sampled_from(["rsa-2048", "ec-p256", "ec-p384"])
file_names = st.sampled_from([None, "notice.edi", "ein Name.edi", "名前.edi"])


def read(message: Written, *, recipient: OurKey, signer: OurKey) -> Opened:
    return open_message(
        Headers(message.headers), memoryview(b"".join(message.body)), keys=[recipient], signers=[signer.certificate], at=AT, policy=LOOSE
    )


def write(security: Security, *documents: Document, signer: OurKey, recipient: OurKey, **more: object) -> Written:
    return write_message(documents, security, signer=signer, recipients=[recipient.certificate], at=AT, random=os.urandom, **more)  # type: ignore[arg-type]


@settings(max_examples=100, deadline=None)
@given(securities, kinds, kinds, st.binary(max_size=3000), file_names)
def test_what_is_written_is_opened_again(security: Security, signing: str, receiving: str, data: bytes, name: str | None):
    signer, recipient = key("signer", signing), key("recipient", receiving)
    message = write(security, Document(data, "application/edi-x12", name), signer=signer, recipient=recipient)
    opened = read(message, recipient=recipient, signer=signer)
    (payload,) = opened.payloads
    assert bytes(payload.data) == data
    assert (payload.media_type, payload.file_name) == ("application/edi-x12", name)
    assert opened.cipher == security.encrypt
    assert (opened.signer is None) is (security.sign is None)
    assert opened.digest == security.sign
    assert (opened.compressed != "none") is (security.compress != "none")
    assert opened.mic("sha256") == message.mic_by("sha256")


@settings(max_examples=30, deadline=None)
@given(securities, st.lists(st.binary(max_size=200), min_size=2, max_size=5))
def test_several_documents_keep_their_order(security: Security, datas: list[bytes]):
    signer, recipient = key("signer"), key("recipient")
    documents = [Document(data, "application/xml", f"{number}.xml") for number, data in enumerate(datas)]
    message = write(security, *documents, signer=signer, recipient=recipient)
    opened = read(message, recipient=recipient, signer=signer)
    assert [(bytes(one.data), one.file_name) for one in opened.payloads] == [(one.data, one.file_name) for one in documents]
    assert opened.mic("sha512") == message.mic_by("sha512")


def test_a_large_message_is_written_in_steps():
    signer, recipient = key("signer"), key("recipient")
    data = os.urandom(1 << 20) + bytes(3)
    for cipher in ("aes-256-cbc", "aes-256-gcm"):
        message = write(Security(encrypt=cipher), Document(data, "application/octet-stream"), signer=signer, recipient=recipient)
        assert bytes(read(message, recipient=recipient, signer=signer).payloads[0].data) == data


def test_agreed_safety_without_a_key_is_refused():
    document = [Document(b"x", "text/plain")]
    with pytest.raises(ValueError, match="no signing key"):
        write_message(document, Security(encrypt=None), signer=None, recipients=[], at=AT, random=os.urandom)
    with pytest.raises(ValueError, match="encrypt to"):
        write_message(document, Security(sign=None), signer=None, recipients=[], at=AT, random=os.urandom)


# OpenSSL, a stack that shares no line with ours.

needs_openssl = pytest.mark.skipif(OPENSSL is None, reason="no openssl program on this machine")


def openssl(*arguments: str, data: bytes = b"") -> bytes:
    done = subprocess.run([str(OPENSSL), *arguments], input=data, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def files_of(folder: Path, *keys: OurKey) -> list[tuple[str, str]]:
    """(certificate, private key) of each as files."""
    from cryptography.hazmat.primitives import serialization

    found = []
    for number, one in enumerate(keys):
        (folder / f"{number}.crt").write_text(pem_of(one.certificate.der))
        private = one.private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (folder / f"{number}.key").write_bytes(private)
        found.append((str(folder / f"{number}.crt"), str(folder / f"{number}.key")))
    return found


@needs_openssl
@pytest.mark.parametrize(
    "security",
    [
        Security(sign=digest, pss=pss, attributes=attributes, encrypt=None)
        for digest in ("sha1", "sha256", "sha384", "sha512") for pss in (False, True) for attributes in (True, False) if attributes or not pss
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("kind", ["rsa-2048", "ec-p256"])
def test_openssl_verifies_what_we_sign(tmp_path: Path, security: Security, kind: str):
    if kind != "rsa-2048" and security.pss:
        security = Security(sign=security.sign, encrypt=None)
    signer = key("signer", kind)
    ((certificate, _),) = files_of(tmp_path, signer)
    message = write(security, Document(b"ISA*00~\n", "application/edi-x12"), signer=signer, recipient=signer)
    signed = tmp_path / "signed"
    signed.write_bytes(b"".join(message.mic_over))
    signature = b64decode(bytes(message.body[-2]))
    arguments = ["-binary", "-inform", "DER", "-content", str(signed), "-certfile", certificate, "-nointern", "-noverify"]
    out = openssl("cms", "-verify", *arguments, data=signature)
    assert out == signed.read_bytes()
    digest = hashlib.new(security.sign or "", out).digest()
    assert message.mic == b64encode(digest).decode()


@needs_openssl
@pytest.mark.parametrize("cipher", [one for one in CIPHERS if one.endswith("cbc")] + ["des-ede3-cbc"] + ["aes-256-gcm", "aes-128-gcm"])
@pytest.mark.parametrize(("kind", "transport"), [("rsa-2048", "rsa-pkcs1-v1.5"), ("rsa-2048", "rsa-oaep-sha1"), ("rsa-2048", "rsa-oaep-sha256"), ("ec-p256", "rsa-pkcs1-v1.5")])  # fmt: skip
def test_openssl_decrypts_what_we_encrypt(tmp_path: Path, cipher: str, kind: str, transport: str):
    recipient = key("recipient", kind)
    ((certificate, private),) = files_of(tmp_path, recipient)
    security = Security(sign=None, encrypt=cipher, key_transport=transport)  # type: ignore[arg-type]
    message = write(security, Document(b"ISA*00~" * 99, "application/edi-x12"), signer=recipient, recipient=recipient)
    out = openssl("cms", "-decrypt", "-inform", "DER", "-recip", certificate, "-inkey", private, "-binary", data=b"".join(message.body))
    assert out == b"".join(message.mic_over)


@needs_openssl
@pytest.mark.parametrize("flags", [["-aes128"], ["-aes192"], ["-aes256"], ["-aes-256-gcm"], ["-aes256", "-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256"], ["-aes256", "-stream"], ["-aes256", "-keyid"]])  # fmt: skip
@pytest.mark.parametrize("kind", ["rsa-2048", "ec-p256"])
def test_we_decrypt_what_openssl_encrypts(tmp_path: Path, flags: list[str], kind: str):
    if kind == "ec-p256" and "-keyopt" in flags:
        flags = ["-aes256", "-keyopt", "ecdh_kdf_md:sha256"]
    recipient = key("recipient", kind)
    ((certificate, _),) = files_of(tmp_path, recipient)
    entity = b"Content-Type: application/edi-x12\r\n\r\nISA*00~"
    before = [flag for flag in flags if flag.startswith("-aes") or flag in ("-stream", "-keyid")]
    after = [flag for flag in flags if flag not in before]
    sealed = openssl("cms", "-encrypt", "-binary", "-outform", "DER", *before, "-recip", certificate, *after, data=entity)
    headers = Headers([("Content-Type", "application/pkcs7-mime; smime-type=enveloped-data")])
    opened = open_message(headers, memoryview(sealed), keys=[recipient], signers=[], at=AT, policy=LOOSE)
    assert bytes(opened.payloads[0].data) == b"ISA*00~"
    assert opened.cipher is not None
    assert opened.cipher.startswith(f"aes-{before[0].lstrip('-aes')[:3]}")


@needs_openssl
@pytest.mark.parametrize("opaque", [False, True])
@pytest.mark.parametrize("flags", [["-md", "sha256"], ["-md", "sha512"], ["-noattr"], ["-nocerts"], ["-keyid"], ["-keyopt", "rsa_padding_mode:pss"], ["-nosmimecap"]])  # fmt: skip
def test_we_verify_what_openssl_signs(tmp_path: Path, flags: list[str], opaque: bool):
    signer = key("signer")
    ((certificate, private),) = files_of(tmp_path, signer)
    entity = b"Content-Type: application/edi-x12\r\n\r\nISA*00~\r\n"
    base = ["cms", "-sign", "-binary", "-signer", certificate, "-inkey", private, *flags]
    if opaque:
        raw = openssl(*base, "-nodetach", "-outform", "DER", data=entity)
        headers, body = Headers([("Content-Type", "application/pkcs7-mime; smime-type=signed-data")]), raw
    else:
        signature = openssl(*base, "-outform", "DER", data=entity)
        body = b"--b\r\n" + entity + b"\r\n--b\r\nContent-Type: application/pkcs7-signature\r\n\r\n" + signature + b"\r\n--b--\r\n"
        headers = Headers([("Content-Type", "multipart/signed; boundary=b")])
    opened = open_message(headers, memoryview(body), keys=[], signers=[signer.certificate], at=AT)
    assert opened.signer == signer.certificate
    assert bytes(opened.payloads[0].data) == b"ISA*00~\r\n"
    assert opened.mic("sha256") == b64encode(hashlib.sha256(entity).digest()).decode()


@needs_openssl
@pytest.mark.parametrize("kind", ["rsa-2048", "ec-p256"])
def test_openssl_verifies_an_opaque_signature(tmp_path: Path, kind: str):
    signer = key("signer", kind)
    ((certificate, _),) = files_of(tmp_path, signer)
    message = write(Security(opaque=True, encrypt=None), Document(b"ISA*00~\n" * 50, "application/edi-x12"), signer=signer, recipient=signer)
    assert "signed-data" in message.headers[0][1]
    arguments = ["-binary", "-inform", "DER", "-certfile", certificate, "-nointern", "-noverify"]
    assert openssl("cms", "-verify", *arguments, data=b"".join(message.body)) == b"".join(message.mic_over)


# asn1crypto, a strict reader of DER.


@settings(max_examples=40, deadline=None)
@given(securities, kinds, st.binary(max_size=300))
def test_asn1crypto_reads_every_structure_we_write(security: Security, kind: str, data: bytes):
    """Each layer loads strictly, holds what it should, and is the same bytes when it is written anew: so it is DER."""
    from asn1crypto import cms

    security = replace(security, encoding="binary")
    both = key("signer", kind)
    message = write(security, Document(data, "application/edi-x12"), signer=both, recipient=both)
    raw = b"".join(message.body)
    if security.encrypt is not None:
        info = cms.ContentInfo.load(raw, strict=True)
        assert info["content_type"].native == ("authenticated_enveloped_data" if security.encrypt.endswith("gcm") else "enveloped_data")
        recipients = info["content"]["recipient_infos"]
        assert len(recipients) == 1
        if security.encrypt.endswith("cbc"):
            algorithm = info["content"]["encrypted_content_info"]["content_encryption_algorithm"]
            wanted = ("tripledes", 192) if security.encrypt.startswith("des") else ("aes", int(security.encrypt[4:7]))
            assert (algorithm.encryption_cipher, algorithm.key_length * 8) == wanted
            assert info.copy().dump(force=True) == raw
    elif security.compress == "after" or (security.compress == "before" and security.sign is None):
        info = cms.ContentInfo.load(raw, strict=True)
        assert info["content_type"].native == "compressed_data"
        assert data in info["content"].decompressed
    if security.sign is not None and not security.opaque:
        whole = b"".join(bytes(piece) for piece in (message.signed or message.body))
        part = whole.rpartition(b'Content-Disposition: attachment; filename="smime.p7s"\r\n\r\n')[2].partition(b"--")[0]
        info = cms.ContentInfo.load(b64decode(part), strict=True)
        assert info["content_type"].native == "signed_data"
        (signer,) = info["content"]["signer_infos"]
        assert signer["digest_algorithm"]["algorithm"].native == security.sign
        assert signer["sid"].chosen["serial_number"].native == both.certificate.serial
        if security.attributes:
            attributes = {one["type"].native: one["values"][0].native for one in signer["signed_attrs"]}
            assert attributes["content_type"] == "data"
            assert attributes["message_digest"] == hashlib.new(security.sign, b"".join(message.mic_over)).digest()
            assert attributes["signing_time"] == AT
        assert info.copy().dump(force=True) == b64decode(part)
