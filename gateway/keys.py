"""Keys and certificates as files and at rest: made, imported, sealed (AES-256-GCM) and opened again.

Knows formats; knows no store and no partner. A private key leaves this module sealed, or as a key object in memory.
"""

import hashlib
import hmac
import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV
from cryptography.hazmat.primitives.serialization import pkcs7, pkcs12
from cryptography.x509.oid import NameOID

from translators.as2.cms.keys import Certificate, KeyRefused, OurKey, PrivateKey, certificate

LEAST_RSA = 2048
MOST_FILE = 1 << 20
SECRET_FILE = "keys.secret"  # noqa: S105 - a file's name
KINDS = ("rsa-2048", "rsa-3072", "rsa-4096", "ec-p256", "ec-p384")
NONCE = 12


class SecretWrong(KeyRefused):
    """The secret does not open what another one sealed."""


@dataclass(frozen=True, slots=True)
class Made:
    """A private key (PKCS#8, DER, in the clear: seal it at once) and its certificate (DER)."""

    private: bytes
    certificate: bytes


def generate(name: str, *, at: datetime, days: int = 1095, kind: str = "rsa-2048", organization: str | None = None) -> Made:
    """A key pair and its self-signed certificate, valid from the day before `at`, because clocks differ. Raises KeyRefused."""
    if kind not in KINDS:
        raise KeyRefused(f"no kind of key is called {kind}; there are: {', '.join(KINDS)}")
    private: PrivateKey
    if kind.startswith("rsa"):
        private = rsa.generate_private_key(65537, int(kind.removeprefix("rsa-")))
    else:
        private = ec.generate_private_key(ec.SECP256R1() if kind == "ec-p256" else ec.SECP384R1())
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, name[:64])]
    if organization:
        parts.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization[:64]))
    subject = x509.Name(parts)
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=True, key_encipherment=kind.startswith("rsa"), key_agreement=not kind.startswith("rsa"),
        data_encipherment=False, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    found = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - timedelta(days=1))
        .not_valid_after(at + timedelta(days=days))
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
        .sign(private, hashes.SHA256())
    )
    return Made(_pkcs8(private), found.public_bytes(serialization.Encoding.DER))


def _pkcs8(private: PrivateKey) -> bytes:
    return private.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


# Files.


def read_certificates(data: bytes) -> list[Certificate]:
    """All certificates of a PEM, DER, PKCS#7 or PKCS#12 (without a password) file, the end certificate first. Raises KeyRefused."""
    if len(data) > MOST_FILE:
        raise KeyRefused(f"the file has {len(data):,} bytes; certificates have some thousands")
    for read in (x509.load_pem_x509_certificates, _one_der, pkcs7.load_pem_pkcs7_certificates, pkcs7.load_der_pkcs7_certificates):
        try:
            found = read(data)
        except Exception:  # noqa: S112 - each form is tried in turn, whatever the library thinks of the others
            continue
        if found:
            return _end_first([certificate(one.public_bytes(serialization.Encoding.DER)) for one in found])
    raise KeyRefused("the file is no certificate: neither PEM, DER nor PKCS#7 (.pem, .cer, .crt, .der, .p7b)")


def _one_der(data: bytes) -> list[x509.Certificate]:
    return [x509.load_der_x509_certificate(data)]


def _end_first(found: list[Certificate]) -> list[Certificate]:
    """Those that issued none of the others come first."""
    subjects = {x509.load_der_x509_certificate(one.der).issuer.public_bytes() for one in found if not _self_signed(one)}
    return sorted(found, key=lambda one: x509.load_der_x509_certificate(one.der).subject.public_bytes() in subjects)


def _self_signed(one: Certificate) -> bool:
    return x509.load_der_x509_certificate(one.der).subject.public_bytes() == one.issuer


def read_private(data: bytes, password: str | None) -> Made:
    """A key with its certificate: PKCS#12, or PEM that holds both. Raises KeyRefused."""
    if len(data) > MOST_FILE:
        raise KeyRefused(f"the file has {len(data):,} bytes; keys have some thousands")
    secret = password.encode() if password else None
    try:
        if b"-----BEGIN" in data:
            private: object = serialization.load_pem_private_key(data, secret)
            found = x509.load_pem_x509_certificates(data)
        else:
            private, own, others = pkcs12.load_key_and_certificates(data, secret)
            found = [one for one in (own, *others) if one is not None]
    except (ValueError, TypeError) as fault:
        raise KeyRefused(f"the file does not open: {fault}; is the password right?") from None
    if private is None:
        raise KeyRefused("the file holds no private key")
    if not isinstance(private, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise KeyRefused(f"the key is {type(private).__name__}; AS2 takes RSA and elliptic curves")
    public = private.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    for one in found:
        if one.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo) == public:
            return Made(_pkcs8(private), one.public_bytes(serialization.Encoding.DER))
    raise KeyRefused("the file holds no certificate of its private key")


def pem_of(der: bytes) -> str:
    """A certificate as PEM."""
    return x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM).decode("ascii")


def strength(one: Certificate) -> str:
    """As people say it: RSA 2048, EC secp256r1."""
    return f"RSA {one.public_key.key_size}" if isinstance(one.public_key, rsa.RSAPublicKey) else f"EC {one.public_key.curve.name}"


def check_strength(one: Certificate, least: int = LEAST_RSA) -> None:
    """Raises KeyRefused for an RSA key that is too short or too long, or has an odd exponent."""
    key = one.public_key
    if isinstance(key, rsa.RSAPublicKey):
        if not least <= key.key_size <= 8192:
            raise KeyRefused(f"its RSA key has {key.key_size} bits; {least} to 8192 are taken")
        if key.public_numbers().e.bit_length() > 64:
            raise KeyRefused("its RSA key has an exponent of more than 64 bits")


def pem_of_key(key: OurKey) -> bytes:
    """Certificate and private key as PEM, in the clear, for TLS: it must not get to a disk."""
    private = key.private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem_of(key.certificate.der).encode() + private


# Signatures of JWTs.


@dataclass(frozen=True, slots=True)
class JwsKey:
    """A private key with the algorithm that it signs by, and its certificate's SHA-256 in hexadecimal, where there is one."""

    private: PrivateKey
    algorithm: str
    certificate: str | None


def jws_key(private: PrivateKey, certificate_der: bytes | None, algorithm: str | None) -> JwsKey:
    """RS256 for RSA and ES256 for P-256, unless another one is named. Raises KeyRefused for a key that it does not go with."""
    is_rsa = isinstance(private, rsa.RSAPrivateKey)
    chosen = algorithm or ("RS256" if is_rsa else "ES256")
    if is_rsa != (chosen in ("RS256", "PS256")) or (isinstance(private, ec.EllipticCurvePrivateKey) and not isinstance(private.curve, ec.SECP256R1)):
        kind = f"RSA {private.key_size}" if isinstance(private, rsa.RSAPrivateKey) else f"EC {private.curve.name}"
        raise KeyRefused(f"a key of the kind {kind} does not sign by {chosen}: RS256 and PS256 want RSA, ES256 wants EC secp256r1")
    return JwsKey(private, chosen, hashlib.sha256(certificate_der).hexdigest() if certificate_der else None)


def read_jws_key(data: bytes, algorithm: str | None) -> JwsKey:
    """From PEM: a private key without a password, perhaps with its certificate. Raises KeyRefused."""
    try:
        private = serialization.load_pem_private_key(data, None)
        found = x509.load_pem_x509_certificates(data) if b"-----BEGIN CERTIFICATE-----" in data else []
    except (ValueError, TypeError) as fault:
        raise KeyRefused(f"the file holds no private key that opens without a password: {fault}") from None
    if not isinstance(private, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise KeyRefused(f"the key is {type(private).__name__}; RSA and elliptic curves are taken")
    return jws_key(private, found[0].public_bytes(serialization.Encoding.DER) if found else None, algorithm)


def sign_jws(key: JwsKey, data: bytes) -> bytes:
    """RFC 7518, 3.3 to 3.5: ES256 as both numbers, 32 bytes each."""
    if isinstance(key.private, rsa.RSAPrivateKey):
        how = padding.PKCS1v15() if key.algorithm == "RS256" else padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256().digest_size)
        return key.private.sign(data, how, hashes.SHA256())
    numbers = decode_dss_signature(key.private.sign(data, ec.ECDSA(hashes.SHA256())))
    return b"".join(number.to_bytes(32, "big") for number in numbers)


# At rest.


class Vault:
    """Seals private keys under a secret of the installation."""

    def __init__(self, secret: bytes) -> None:
        self._secret = hashlib.sha256(b"crossdock codes\0" + secret).digest()
        self._cipher = AESGCM(hashlib.sha256(b"crossdock keys at rest\0" + secret).digest())

    def seal(self, private: bytes, fingerprint: str) -> bytes:
        nonce = os.urandom(NONCE)
        return nonce + self._cipher.encrypt(nonce, private, fingerprint.encode())

    def open(self, sealed: bytes, certificate_der: bytes) -> OurKey:
        """The key object. It was checked when it was imported, so that its primes are not proven again. Raises SecretWrong."""
        named = certificate(certificate_der)
        try:
            private = self._cipher.decrypt(sealed[:NONCE], sealed[NONCE:], named.fingerprint.encode())
        except InvalidTag:
            raise SecretWrong(f"the key of {named.subject} was sealed with another secret (the setting key_secret, or {SECRET_FILE})") from None
        found = serialization.load_der_private_key(private, None, unsafe_skip_rsa_key_validation=True)
        assert isinstance(found, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
        return OurKey(found, named)

    def mac(self, purpose: str, data: bytes) -> bytes:
        """A code that only this installation can make."""
        return hmac.digest(hmac.digest(self._secret, f"crossdock {purpose}".encode(), "sha256"), data, "sha256")

    def hide(self, purpose: str, data: bytes) -> bytes:
        """A text for a stranger's hands, which only this installation can make, and read: AES-SIV (RFC 5297). The same data is the same text."""
        return self._hiding(purpose).encrypt(data, None)

    def reveal(self, purpose: str, hidden: bytes) -> bytes | None:
        """None for what was not hidden here for this purpose."""
        try:
            return self._hiding(purpose).decrypt(hidden, None)
        except (InvalidTag, ValueError):
            return None

    def _hiding(self, purpose: str) -> AESSIV:
        return AESSIV(hmac.digest(self._secret, f"crossdock hidden {purpose}".encode(), "sha512"))

    def seal_text(self, private: bytes, name: str) -> bytes:
        """The same for a key that has no certificate, under its own name."""
        return self.seal(private, f"text:{name}")

    def open_text(self, sealed: bytes, name: str) -> bytes:
        """Raises SecretWrong."""
        try:
            return self._cipher.decrypt(sealed[:NONCE], sealed[NONCE:], f"text:{name}".encode())
        except InvalidTag:
            raise SecretWrong(f"the key {name} was sealed with another secret (the setting key_secret, or {SECRET_FILE})") from None


# SSH.


@dataclass(frozen=True, slots=True)
class MadeSsh:
    """A private key (PEM as OpenSSH writes it, in the clear: seal it at once) and its public half as a line of authorized_keys."""

    kind: str
    private: bytes
    public: str


def generate_ssh(kind: str) -> MadeSsh:
    """A key pair: ed25519, or rsa-3072 for those who cannot that."""
    key = ed25519.Ed25519PrivateKey.generate() if kind == "ed25519" else rsa.generate_private_key(65537, 3072)
    return _ssh(key)


def read_ssh(data: bytes, password: str | None) -> MadeSsh:
    """A private key from a file, as ssh-keygen or OpenSSL write it. Raises KeyRefused."""
    secret = password.encode() if password else None
    for load in (serialization.load_ssh_private_key, serialization.load_pem_private_key):
        try:
            key = load(data, secret)
        except Exception:  # noqa: S112 - each form is tried in turn
            continue
        if isinstance(key, ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            return _ssh(key)
    raise KeyRefused("the file is no private key of Ed25519, ECDSA or RSA, or its password is another one")


def _ssh(key: "ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey") -> MadeSsh:
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
    return MadeSsh(public.split()[0], private, public)


def vault_of(data_dir: Path, secret: str | None) -> Vault:
    """Under the setting's secret; without one, under one that is made once and lies in the data directory, readable by its user only."""
    if secret:
        return Vault(secret.encode())
    file = data_dir / SECRET_FILE
    if not file.exists():
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(descriptor, os.urandom(32).hex().encode())
        os.fsync(descriptor)
        os.close(descriptor)
    return Vault(file.read_bytes())
