"""How long pyas2lib takes for a message in, with its signed receipt: JSON {"in_SIZE": seconds}. Keys and messages are its own."""

import datetime
import json
import logging
import os
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from pyas2lib.as2 import Message, Organization, Partner

SIZES = {10_000: 30, 50 << 20: 1}


def key(name):
    private = rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=9))
        .sign(private, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    both = pem + private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    return pem, both


def main():
    logging.disable(logging.CRITICAL)
    (us_pem, us_key), (them_pem, them_key) = key("us"), key("them")
    us = Organization(as2_name="US", sign_key=us_key, sign_key_pass=None, decrypt_key=us_key, decrypt_key_pass=None)
    them = Organization(as2_name="THEM", sign_key=them_key, sign_key_pass=None, decrypt_key=them_key, decrypt_key_pass=None)
    terms = {
        "validate_certs": False,
        "sign": True,
        "encrypt": True,
        "enc_alg": "aes_256_cbc",
        "digest_alg": "sha256",
        "mdn_mode": "SYNC",
        "mdn_digest_alg": "sha256",
    }
    partner_us = Partner(as2_name="US", verify_cert=us_pem, encrypt_cert=us_pem, **terms)
    partner_them = Partner(as2_name="THEM", verify_cert=them_pem, encrypt_cert=them_pem, **terms)
    found = {}
    for size, rounds in SIZES.items():
        message = Message(them, partner_us)
        message.build(os.urandom(size // 4 * 3).hex().encode()[:size], content_type="application/octet-stream")
        raw = message.headers_str + b"\r\n" + message.content
        times = []
        for _ in range(rounds):
            begun = time.perf_counter()
            status, trouble, mdn = Message().parse(raw, lambda name: us, lambda name: partner_them, lambda message_id, partner: False)
            times.append(time.perf_counter() - begun)
            assert status == "processed", trouble
            assert mdn.content
        found[f"in_{size}"] = sorted(times)[len(times) // 2]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
