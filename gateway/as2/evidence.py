"""Evidence: all that proves one exchange, as files that `openssl` and a checksum program verify without any of our code.

Knows the store's rows and the layers of a message; decides nothing.
"""

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any

from gateway.as2.people import WAIT, Arguments, shown_message
from gateway.as2.records import As2Row, Fields, as_fields
from gateway.as2.ring import OURS
from gateway.clock import as_datetime, as_text
from gateway.errors import Refused
from gateway.keys import pem_of
from gateway.store import as2 as rows
from gateway.store import audit, certificates, lives
from gateway.store.store import Store
from translators.as2.cms.keys import Certificate, certificate
from translators.as2.errors import As2Error
from translators.as2.limits import Limits, Policy
from translators.as2.message import Opened, open_message
from translators.as2.mime import Headers, entity

MOST = 256 << 20
"""Bytes of a message that are bundled."""
AS_IT_WAS = Policy(
    require_signature=False, allow_sha1=True, allow_md5=True, allow_3des=True, smallest_rsa=512, check_dates=False, uniform_failures=False
)
"""What was accepted then is shown now, whatever the agreement says today."""


@dataclass
class Bundle:
    files: dict[str, bytes] = field(default_factory=dict)
    checks: list[tuple[str, str]] = field(default_factory=list)
    """(what it shows, the command)"""

    def add(self, name: str, data: bytes | memoryview | str) -> str:
        self.files[name] = data.encode() if isinstance(data, str) else bytes(data)
        return name

    def check(self, what: str, command: str) -> None:
        self.checks.append((what, command))


def as2_evidence(store: Store, given: Arguments) -> Any:
    """{"id", "files": {name: base64}} for one AS2 message, by its own id or its document's."""
    wanted = str(given["id"])
    row = next(iter(store.read(lambda tx: rows.of_message(tx, wanted)).result(WAIT)), None)
    if row is None:
        raise Refused(404, "not-found", f"no AS2 message is called {wanted}; `crossdock as2 messages` lists them")
    if row.size > MOST:
        raise Refused(422, "bad-request", f"the message has {row.size:,} bytes; up to {MOST:,} are bundled")
    bundle = _bundle(store, row)
    return {"id": row.id, "files": {name: base64.b64encode(data).decode("ascii") for name, data in bundle.files.items()}}


def _bundle(store: Store, row: As2Row) -> Bundle:
    bundle = Bundle()
    keys = _Keys(store)
    body = _bytes(store, row.payload)
    bundle.add("message.http-headers", _lines(as_fields(row.headers)))
    bundle.add("message.body", body)
    opened = _message(store, bundle, row, body, keys)
    if opened is not None:
        for number, one in enumerate(opened.payloads, start=1):
            bundle.add(f"document-{number}{_ending(one.file_name)}", one.data)
    if row.receipt_payload:
        _receipt(store, bundle, row, keys)
    bundle.add("facts.json", json.dumps(shown_message(row), indent=2, ensure_ascii=False) + "\n")
    _life(store, bundle, row)
    _chain(store, bundle, row)
    _close(bundle, row)
    return bundle


class _Keys:
    """All certificates there ever were, and all our keys, also retired ones: the past was proven by them."""

    def __init__(self, store: Store) -> None:
        everything = store.read(certificates.everything).result(WAIT)
        assert store.vault is not None
        self.ours = [store.vault.open(one.private, one.der) for one in everything if one.owner == OURS and one.private is not None]
        self.theirs = {owner: [certificate(one.der) for one in everything if one.owner == owner] for owner in {one.owner for one in everything}}

    def of(self, partner: str) -> list[Certificate]:
        return self.theirs.get(partner, [])

    @property
    def own(self) -> list[Certificate]:
        return self.of(OURS)


def _message(store: Store, bundle: Bundle, row: As2Row, body: bytes, keys: _Keys) -> Opened | None:
    headers = Headers(as_fields(row.headers))
    if row.direction == "out":
        hidden = store.read(lambda tx: rows.payload_of(tx, f"signed:{row.id}")).result(WAIT)
        if hidden is not None:
            one = entity(memoryview(_bytes(store, f"signed:{row.id}")), Limits())
            headers, body = one.headers, bytes(one.body)
    opened = _opened(headers, body, row, keys, keys.own if row.direction == "out" else keys.of(row.partner))
    if opened is None:
        return None
    whose = "our" if row.direction == "out" else "the sender's"
    _signature(bundle, "", opened, f"{whose} signature is good, and over exactly signed.bin")
    if row.mic and row.mic_algorithm and (opened.signer is not None or row.direction == "in"):
        name = "signed.bin" if opened.signer is not None else bundle.add("mic.bin", b"".join(bytes(piece) for piece in opened.mic_over))
        bundle.check(f"the MIC, {row.mic}", _digest(row.mic_algorithm, name, row.mic))
    return opened


def _signature(bundle: Bundle, prefix: str, opened: Opened, what: str) -> None:
    if opened.signer is None or opened.signature is None:
        return
    signed = bundle.add(f"{prefix}signed.bin", b"".join(bytes(piece) for piece in opened.mic_over))
    signature = bundle.add(f"{prefix}signature.p7s", opened.signature)
    signer = bundle.add(f"{prefix}signer.pem", pem_of(opened.signer.der))
    bundle.check(
        what,
        f"openssl cms -verify -binary -inform DER -in {signature} -content {signed} -certfile {signer} -nointern -noverify -out /dev/null",
    )


def _receipt(store: Store, bundle: Bundle, row: As2Row, keys: _Keys) -> None:
    headers, data = as_fields(row.receipt_headers), _bytes(store, row.receipt_payload or "")
    bundle.add("receipt.http-headers", _lines(headers))
    bundle.add("receipt.body", data)
    ours = row.direction == "in"
    opened = _opened(Headers(headers), data, row, keys, keys.own if ours else keys.of(row.partner))
    if opened is None:
        return
    _signature(bundle, "receipt-", opened, "the signature of our receipt is good" if ours else "the signature of the receiver's receipt is good")
    name = "receipt-signed.bin" if opened.signer is not None else "receipt.body"
    bundle.check("the receipt names the message", f"grep -aF {_quoted(row.message_id.strip('<> '))} {name}")
    if row.mic and row.state in ("processed", "delivered"):
        bundle.check("the receipt names the MIC", f"grep -aF {_quoted(row.mic)} {name}")


def _opened(headers: Headers, body: bytes, row: As2Row, keys: _Keys, signers: list[Certificate]) -> Opened | None:
    """The message as it was opened then; None for one that does not open (it was refused)."""
    try:
        return open_message(
            headers, memoryview(body), keys=keys.ours, signers=signers, at=as_datetime(row.at), policy=AS_IT_WAS, limits=Limits(body=MOST)
        )
    except As2Error:
        return None


def _life(store: Store, bundle: Bundle, row: As2Row) -> None:
    message = row.message or row.id
    steps = store.read(lambda tx: lives.life_of(tx, message)).result(WAIT)
    bundle.add("life.jsonl", "".join(json.dumps(step, ensure_ascii=False) + "\n" for step in steps))


def _chain(store: Store, bundle: Bundle, row: As2Row) -> None:
    before, records = store.read(lambda tx: audit.around(tx, row.partner, row.id)).result(WAIT)
    if not records:
        return
    bundle.add("audit-before.txt", before + "\n")
    bundle.add("audit-records.jsonl", "".join(record + "\n" for _, record, _ in records))
    bundle.add("audit-hashes.txt", "".join(one + "\n" for _, _, one in records))
    bundle.check(
        "the audit records, each bound to the one before",
        'h=$(cat audit-before.txt); while IFS= read -r r; do h=$(printf \'%s\\n%s\' "$h" "$r" | sha256sum | cut -d\' \' -f1); echo "$h";'
        " done < audit-records.jsonl | cmp - audit-hashes.txt",
    )


def _close(bundle: Bundle, row: As2Row) -> None:
    way = f"from {row.as2_from} to {row.as2_to}"
    certificates_shown = [name for name in bundle.files if name.endswith(".pem")]
    script = [
        "#!/bin/sh",
        "# Verifies this bundle with openssl and a checksum program alone. Exit 0: all is good.",
        'cd "$(dirname "$0")" || exit 1',
        "bad=0",
    ]
    for what, command in bundle.checks:
        script.append(f"if ( {command} ) >/dev/null 2>&1; then echo 'good: {_bare(what)}'; else echo 'BAD:  {_bare(what)}'; bad=1; fi")
    script += [
        "if sha256sum -c SHA256SUMS >/dev/null 2>&1; then echo 'good: the files are those of SHA256SUMS'; else echo 'BAD:  SHA256SUMS'; bad=1; fi"
    ]
    script += [f"openssl x509 -in {name} -noout -subject -issuer -serial -dates -fingerprint -sha256" for name in certificates_shown]
    script.append("exit $bad")
    bundle.add("verify.sh", "\n".join(script) + "\n")
    steps = "\n\n".join(
        f"{number}. {what[0].upper()}{what[1:]}:\n\n       {command}" for number, (what, command) in enumerate(bundle.checks, start=1)
    )
    bundle.add(
        "PROCEDURE.txt",
        f"AS2 message {row.message_id}, {way}, {as_text(row.at)}\n\n"
        "What is here: the message and its receipt as they were on the wire (headers and body), what was signed, the signatures, the signers'\n"
        "certificates, the documents, the message's life and its records in the audit log. Nothing here needs Crossdock.\n\n"
        f"Run `sh verify.sh`, or do the same by hand, in this folder:\n\n{steps}\n\n"
        "What this does not show by itself: that a certificate belongs to whom its name says. Compare its fingerprint (verify.sh prints it) with the one\n"
        "that both parties exchanged. And compare the last hash in audit-hashes.txt with a later bundle's, or one that was noted elsewhere.\n",
    )
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(bundle.files.items()))
    bundle.add("SHA256SUMS", sums)


def _digest(algorithm: str, name: str, value: str) -> str:
    return f'test "$(openssl dgst -{algorithm} -binary {name} | openssl base64 -A)" = "{value}"'


def _bytes(store: Store, payload: str) -> bytes:
    found = store.read(lambda tx: rows.payload_of(tx, payload)).result(WAIT)
    return store.files.bytes_of(found)


def _lines(fields: Fields) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in fields)


def _ending(name: str | None) -> str:
    found = re.search(r"\.[A-Za-z0-9]{1,8}$", name or "")
    return found[0] if found else ".bin"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _bare(text: str) -> str:
    return text.replace("'", "’")
