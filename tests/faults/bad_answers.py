"""P7. Every kind of bad answer of an ERP: each event takes effect once, what is refused is laid aside, and no answer costs more than its bounds."""

import asyncio
import ipaddress
import random
import ssl
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp.connector
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import text

from gateway.store.store import landed
from tests.faults.partners import agree, status
from tests.faults.promise import Proof, Trial
from tests.faults.rough_erp import HUGE, MOODS, RoughErp
from tests.faults.sabotage import sabotaged
from tests.running import Running, running

MOST_TAKEN = 16 * 2**20
"""What may lie in the sockets' buffers between an ERP that says 100 MiB and a reader that takes one."""
RETRIED = 5
STATES = text(
    "SELECT d.destination, d.state, d.attempts, e.subject FROM deliveries d JOIN events e ON e.id = d.event WHERE d.destination LIKE 'target:%'"
)
ANSWERS = text("SELECT max(length(answer)) FROM attempts")


async def prove(trial: Trial, proof: Proof) -> None:
    with sabotaged(trial.sabotage):
        moods = MOODS if trial.sabotage is None else {name: MOODS[name] for name in ("reset", "s422", "s429-seconds", "huge")}
        chance = random.Random(trial.seed)
        erp = RoughErp(moods, chance.random)
        async with erp.listening() as port:
            await _answered_badly(trial, proof, erp, port)
        if trial.sabotage is None:
            await _expired(trial, proof)


async def _answered_badly(trial: Trial, proof: Proof, erp: RoughErp, port: int) -> None:
    patience, each = timedelta(seconds=trial.size("patience")), trial.size("each")
    targets = {name: {"url": f"http://127.0.0.1:{port}/{name}", "timeout": patience} for name in erp.moods}
    soon = timedelta(milliseconds=100)
    terms = {"retries": {"first": soon, "park": soon}, "breaker": {"failures": 1000, "pause": soon}}
    async with running(trial.folder / "bad", targets=targets, **terms) as gateway:
        for name in erp.moods:
            await agree(gateway, name, target=name)
        await asyncio.gather(*(_send(gateway, name, each) for name in erp.moods))
        subjects = {f"shipment/{name.upper()}-{number}": name for name in erp.moods for number in range(each)}
        expected = {subject for subject, name in subjects.items() if erp.moods[name].ends == "delivered"}
        await _still(erp, lambda: expected <= set(erp.effects), until=5 if trial.sabotage else 30 + each)
        dead = await _judged(proof, gateway, erp, subjects, expected)
        erp.relented = True
        retried = sorted(dead)[:RETRIED]
        for subject in retried:
            await gateway.operate("replay", id=dead[subject])
        await _still(erp, lambda: set(retried) <= set(erp.effects), until=30)
        proof.none("refused, then retried by a person, and not there once", (one for one in retried if erp.effects[one] != 1))


async def _send(gateway: Running, name: str, each: int) -> None:
    for number in range(each):
        answer, _ = await gateway.partner(name).send(gateway.session, "s", status(name, f"{name}-{number}".upper(), number, number + 1), tries=20)
        assert answer == 202


async def _still(erp: RoughErp, done, *, until: float) -> None:
    """Until it is done, and the ERP has not been asked for a second: what comes too often comes then."""
    end, had, since = time.monotonic() + until, -1, time.monotonic()
    while time.monotonic() < end and not (done() and time.monotonic() - since > 1):
        if erp.requests.total() != had:
            had, since = erp.requests.total(), time.monotonic()
        await asyncio.sleep(0.05)


async def _judged(proof: Proof, gateway: Running, erp: RoughErp, subjects: dict[str, str], expected: set[str]) -> dict[str, str]:
    """Subject -> delivery of what is dead."""
    rows = await landed(gateway.node.store.read(lambda tx: tx.execute(text(STATES.text.replace("SELECT ", "SELECT d.id, "))).all()))
    longest = await landed(gateway.node.store.read(lambda tx: tx.execute(ANSWERS).scalar()))
    state = {row.subject: row.state for row in rows}
    ends = Counter(row.state for row in rows)
    proof.count("kinds of bad answers", len(erp.moods))
    proof.count("events", len(subjects))
    proof.count("requests", erp.requests.total())
    proof.count("delivered", ends["delivered"])
    proof.count("laid aside as dead letters", ends["dead"])
    proof.none("without an effect", (subject for subject in expected if not erp.effects[subject]))
    proof.none("effects doubled", (subject for subject, count in erp.effects.items() if count > 1))
    proof.none("effects of what was refused", (subject for subject in erp.effects if subject not in expected))
    ended = {subject: erp.moods[name].ends for subject, name in subjects.items()}
    proof.none("otherwise than they should end", (f"{one} {state.get(one)}" for one in ended if state.get(one) != ended[one]))
    proof.none("refused and asked again", (one for one, end in ended.items() if end == "dead" and erp.requests[one] != 1))
    proof.none("requests before Retry-After", erp.early)
    proof.none("redirects followed", range(erp.followed))
    proof.none("answers of which too much was taken", (f"{name} {taken:,} bytes" for name, taken in erp.taken.items() if taken > MOST_TAKEN))
    proof.none("kept answers longer than 64 KiB", range(max(0, (longest or 0) - 64 * 2**10)))
    proof.figures[f"the most taken of an answer of {HUGE >> 20} MiB"] = f"{erp.taken['huge'] / 2**20:.1f} MiB"
    return {row.subject: row.id for row in rows if row.state == "dead"}


# ---- a certificate that has run out


async def _expired(trial: Trial, proof: Proof) -> None:
    """The ERP's certificate ran out yesterday: it hears nothing, nothing dies, an alarm says so; with a new one all goes on."""
    each = trial.size("each")
    erp = RoughErp({"tls": MOODS["garbage"]}, lambda: 0.0)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _present(server, trial.folder, "expired", timedelta(days=-40), timedelta(days=-1))
    async with erp.listening(server) as port:
        target = {"tls": {"url": f"https://127.0.0.1:{port}/tls", "timeout": "2s"}}
        soon = timedelta(milliseconds=200)
        async with running(trial.folder / "tls", targets=target, retries={"first": soon, "park": soon}, breaker={"pause": soon}) as gateway:
            await agree(gateway, "tls", target="tls")
            await _send(gateway, "tls", each)
            await asyncio.sleep(1.0)
            proof.none("requests under a certificate that has run out", erp.requests)
            alarms = [one for one in await gateway.operate("alarms") if one["kind"] == "destination.parked"]
            proof.holds(any("certificate" in one["text"] for one in alarms), "no alarm told of the certificate")
            _present(server, trial.folder, "renewed", timedelta(days=-1), timedelta(days=30))
            await _still(erp, lambda: len(erp.effects) == each, until=30)
            rows = await landed(gateway.node.store.read(lambda tx: tx.execute(STATES).all()))
    proof.none("not delivered once after the renewal", (row.subject for row in rows if row.state != "delivered" or erp.effects[row.subject] != 1))
    proof.count("delivered after the renewal", len(erp.effects))


def _present(server: ssl.SSLContext, folder: Path, name: str, since: timedelta, until: timedelta) -> None:
    """The server shows a certificate of these dates, which this process trusts but for its dates."""
    private = ec.generate_private_key(ec.SECP256R1())
    whose = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    at = datetime.now(UTC)
    made = x509.CertificateBuilder(whose, whose, private.public_key(), x509.random_serial_number(), at + since, at + until).add_extension(
        x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
    )
    certificate = made.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    key = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = folder / f"{name}.pem"
    file.write_bytes(key + certificate)
    server.load_cert_chain(file)
    aiohttp.connector._SSL_CONTEXT_VERIFIED.load_verify_locations(cadata=certificate.decode())
