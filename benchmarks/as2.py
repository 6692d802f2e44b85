"""AS2 against its own primitives: RSA, SHA and AES on the same bytes in the same run; and against pyas2lib where `make peers` has set it up.

`python -m benchmarks.as2`.
"""

import hashlib
import json
import os
import subprocess
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from benchmarks.rows import Row, table
from gateway.as2.sinks import mapped, sinks_in
from gateway.keys import Vault, generate
from translators.as2.cms.keys import OurKey, certificate
from translators.as2.message import open_message
from translators.as2.mime import Headers
from translators.as2.receipts import write_receipt
from translators.as2.write import Document, Security, Written, write_message

SMALL, LARGE = 10_000, 50 << 20
ROUNDS = 300
STEP = 64 * 1024
PEER = Path(__file__).parent.parent / ".venv-peer" / "bin" / "python"


def run() -> list[Row]:
    """The rows of this benchmark."""
    us, them = _key("us"), _key("them")
    return [*_small(us, them), *_large(us, them), *_foreign(us, them)]


def _key(name: str) -> OurKey:
    made = generate(name, at=datetime.now(UTC))
    vault = Vault(b"benchmark")
    return vault.open(vault.seal(made.private, certificate(made.certificate).fingerprint), made.certificate)


# 10 KB: a message in with its signed receipt, a message out.


def _small(us: OurKey, them: OurKey) -> list[Row]:
    data = os.urandom(SMALL)
    message = _written(data, them, us)
    headers, body = Headers(message.headers), b"".join(message.body)

    def take() -> None:
        opened = open_message(headers, memoryview(body), keys=[us], signers=[them.certificate], at=datetime.now(UTC))
        write_receipt(
            as2_from="US", as2_to="THEM", original_message_id="<1@them>", disposition="processed", mic=(opened.mic("sha256"), "sha-256"),
            text="Received.", message_id="<2@us>", at=datetime.now(UTC), random=os.urandom, signer=us,
        )  # fmt: skip

    into, floor_in = _paired(take, _floor_in(us, them, len(body)))
    out, floor_out = _paired(lambda: b"".join(_written(data, us, them).body), _floor_out(us, them, SMALL))
    return [_row("AS2 in, 10 KB, signed, encrypted, with signed MDN", into, floor_in, 1.5), _row("AS2 out, 10 KB", out, floor_out, 1.5)]


def _written(data: bytes | memoryview, signer: OurKey, recipient: OurKey, folder: Path | None = None, security: Security | None = None) -> Written:
    more = {} if folder is None else {"new_sink": sinks_in(folder)}
    return write_message(
        [Document(data, "application/edi-x12", "a.edi")], security or Security(), signer=signer, recipients=[recipient.certificate],
        at=datetime.now(UTC), random=os.urandom, **more,
    )  # fmt: skip


def _floor_in(us: OurKey, them: OurKey, size: int) -> Callable[[], None]:
    """One private decryption, AES and SHA-256 over the bytes, one verification, one signature for the receipt."""
    private, theirs = _rsa(us), _rsa(them)
    wrapped = private.public_key().encrypt(os.urandom(32), padding.PKCS1v15())
    signature = theirs.sign(b"attributes", padding.PKCS1v15(), hashes.SHA256())
    data = os.urandom(size - size % 16)

    def work() -> None:
        key = private.decrypt(wrapped, padding.PKCS1v15())
        plain = Cipher(AES(key), modes.CBC(bytes(16))).decryptor().update(data)
        hashlib.sha256(plain).digest()
        theirs.public_key().verify(signature, b"attributes", padding.PKCS1v15(), hashes.SHA256())
        private.sign(b"receipt", padding.PKCS1v15(), hashes.SHA256())

    return work


def _floor_out(us: OurKey, them: OurKey, size: int) -> Callable[[], None]:
    """SHA-256 over the bytes, one signature, AES, one public encryption."""
    private, public = _rsa(us), _rsa(them).public_key()
    data = os.urandom(size - size % 16)

    def work() -> None:
        hashlib.sha256(data).digest()
        private.sign(b"attributes", padding.PKCS1v15(), hashes.SHA256())
        Cipher(AES(bytes(32)), modes.CBC(bytes(16))).encryptor().update(data)
        public.encrypt(bytes(32), padding.PKCS1v15())

    return work


def _rsa(key: OurKey) -> rsa.RSAPrivateKey:
    assert isinstance(key.private, rsa.RSAPrivateKey)
    return key.private


# 50 MB: in steps, from file to file.


def _large(us: OurKey, them: OurKey) -> list[Row]:
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "document").write_bytes(os.urandom(LARGE))
        document = mapped(folder / "document")
        for cipher in ("aes-256-cbc", "aes-256-gcm"):
            security = Security(encrypt=cipher)
            message = _written(document, them, us, folder, security)
            headers = Headers(message.headers)
            with (folder / "body").open("wb") as file:
                for piece in message.body:
                    file.write(piece)
            body = mapped(folder / "body")

            def take(headers: Headers = headers, body: memoryview = body) -> object:
                return open_message(headers, body, keys=[us], signers=[them.certificate], at=datetime.now(UTC), new_sink=sinks_in(folder)).mic(
                    "sha256"
                )

            def give(security: Security = security) -> object:
                return _written(document, us, them, folder, security)

            for what, ours, bare in (
                ("in", take, lambda cipher=cipher: _bare(document, cipher, folder, out=False)),
                ("out", give, lambda cipher=cipher: _bare(document, cipher, folder, out=True)),
            ):
                mine, floor = _paired(ours, bare, rounds=5)
                rows.append(_row(f"AS2 {what}, 50 MB, {cipher}", mine, floor, 3.0))
                extra = _extra_memory(ours)
                rows.append(Row(f"AS2 {what}, 50 MB, {cipher}: extra memory", f"{extra / 1e6:.1f} MB", "message 52 MB", "", "≤ 10 MB", extra <= 10e6))
    return rows


def _bare(document: memoryview, cipher: str, folder: Path, *, out: bool) -> None:
    """Hashing and ciphering the same bytes, written to a file in the same steps."""
    digest, buffer = hashlib.sha256(), bytearray(STEP + 32)
    mode = modes.CBC(bytes(16)) if cipher.endswith("cbc") else modes.GCM(bytes(12))
    made = Cipher(AES(bytes(32)), mode)
    context = made.encryptor() if out else made.decryptor()
    view = memoryview(buffer)
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        for start in range(0, len(document), STEP):
            piece = document[start : start + STEP]
            digest.update(piece)
            file.write(view[: context.update_into(piece, buffer)])


def _extra_memory(work: Callable[[], object]) -> int:
    """The most that was allocated at once. Pages of mapped files are the kernel's, and are given back at need."""
    tracemalloc.start()
    work()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


# pyas2lib, in a process of its own.


def _foreign(us: OurKey, them: OurKey) -> list[Row]:
    if not PEER.exists():
        return []
    told = subprocess.run([str(PEER), "-m", "tests.peers.pyas2_bench"], capture_output=True, text=True, timeout=600, check=True, cwd=PEER.parents[2])
    theirs = json.loads(told.stdout)
    rows = []
    for size, name in ((SMALL, "10 KB"), (LARGE, "50 MB")):
        data = os.urandom(size)
        message = _written(data, them, us)
        headers, body = Headers(message.headers), b"".join(message.body)

        def take(headers: Headers = headers, body: bytes = body) -> None:
            opened = open_message(headers, memoryview(body), keys=[us], signers=[them.certificate], at=datetime.now(UTC))
            write_receipt(
                as2_from="US", as2_to="THEM", original_message_id="<1@them>", disposition="processed", mic=(opened.mic("sha256"), "sha-256"),
                text="Received.", message_id="<2@us>", at=datetime.now(UTC), random=os.urandom, signer=us,
            )  # fmt: skip

        ours = _timed(take, 100 if size == SMALL else 3)
        other = theirs[f"in_{size}"]
        rows.append(
            Row(
                f"AS2 in, {name}, as pyas2lib does it",
                f"{ours * 1e3:.2f} ms",
                f"pyas2lib {other * 1e3:.1f} ms",
                f"{other / ours:.1f}× as fast",
                "≥ 2×",
                other >= 2 * ours,
            )
        )
    return rows


def _row(name: str, ours: float, floor: float, aim: float) -> Row:
    return Row(name, f"{ours * 1e3:.2f} ms", f"primitives {floor * 1e3:.2f} ms", f"{ours / floor:.2f}×", f"≤ {aim:g}×", ours <= aim * floor)


def _paired(ours: Callable[[], object], bare: Callable[[], object], rounds: int = ROUNDS) -> tuple[float, float]:
    """Medians of both, taken in turns, so that a slow moment of the machine meets both."""
    mine, floors = [], []
    for _ in range(rounds):
        mine.append(_once(ours))
        floors.append(_once(bare))
    return median(mine), median(floors)


def _timed(work: Callable[[], object], rounds: int) -> float:
    return median(_once(work) for _ in range(rounds))


def _once(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


if __name__ == "__main__":
    print(table(run()))
