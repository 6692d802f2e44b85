"""Receipts (MDN): written for what we got, read and judged for what we sent (RFC 4130 7, RFC 8098).

A receipt proves something only by its signature, its message's id and its MIC; whatever falls short of that changes nothing. Knows no store.
"""

import base64
import binascii
import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Literal

from translators.as2.cms import algorithms
from translators.as2.cms.keys import OurKey
from translators.as2.cms.write import Random
from translators.as2.errors import UNEXPECTED, As2Error
from translators.as2.headers import digest_name, quoted_name
from translators.as2.limits import Limits
from translators.as2.mime import Entity, Headers, content, entity, headers_of, parts
from translators.as2.write import Fields, Security, block, new_boundary
from translators.as2.write import signed as signed_part

MODE = "automatic-action/MDN-sent-automatically"
NOTIFICATION = "message/disposition-notification"
MAX_TEXT = 2_000
State = Literal[
    "delivered", "delivered-with-warning", "failed", "mic-mismatch", "mic-algorithm-mismatch", "mic-missing", "unmatched", "untrusted", "no-receipt"
]  # fmt: skip
DELIVERED: frozenset[State] = frozenset({"delivered", "delivered-with-warning"})
DISPUTED: frozenset[State] = frozenset({"mic-mismatch", "mic-algorithm-mismatch", "mic-missing"})
"""The partner says that it took something, and does not prove that it was what we sent."""


# Writing.


@dataclass(frozen=True, slots=True)
class Receipt:
    """What goes back: headers and body, made once and sent as often as it is asked for."""

    headers: Fields
    body: bytes


def write_receipt(
    *,
    as2_from: str,
    as2_to: str,
    original_message_id: str,
    disposition: str,
    mic: tuple[str, str] | None,
    text: str,
    message_id: str,
    at: datetime,
    random: Random,
    signer: OurKey | None,
    digest: str = "sha256",
    product: str = "Crossdock",
    version: str = "1.2",
) -> Receipt:
    """A receipt of ours. `disposition`: "processed", or an As2Error's. `mic`: value and the algorithm as the partner spelt it; None on errors.

    `signer`: None for an unsigned one; `digest`: of its signature, which is that of the MIC.
    """
    fields = [
        ("Reporting-UA", product),
        ("Original-Recipient", f"rfc822; {quoted_name(as2_from)}"),
        ("Final-Recipient", f"rfc822; {quoted_name(as2_from)}"),
        ("Original-Message-ID", _one_line(original_message_id)),
        ("Disposition", f"{MODE}; {disposition}"),
    ]
    if mic is not None:
        fields.append(("Received-Content-MIC", f"{mic[0]}, {_one_line(mic[1])}"))
    boundary = new_boundary(random)
    line = f"--{boundary}\r\n".encode("ascii")
    plain = _plain(text)
    human = plain if len(plain) <= 76 else "\r\n".join(textwrap.wrap(plain, 76))
    body = b"".join(
        (
            line, *block((("Content-Type", "text/plain; charset=us-ascii"), ("Content-Transfer-Encoding", "7bit"))), human.encode("ascii"), b"\r\n",
            line, *block((("Content-Type", NOTIFICATION), ("Content-Transfer-Encoding", "7bit"))), *block(tuple(fields)),
            f"--{boundary}--\r\n".encode("ascii"),
        )
    )  # fmt: skip
    outer: Fields = (("Content-Type", f'multipart/report; report-type=disposition-notification; boundary="{boundary}"'),)
    if signer is not None:
        outer, pieces = signed_part((*block(outer), body), Security(sign=digest), signer, at, random)
        body = b"".join(pieces)
    headers = (
        ("AS2-Version", version), ("AS2-From", quoted_name(as2_from)), ("AS2-To", quoted_name(as2_to)), ("Message-ID", message_id),
        ("Date", format_datetime(at, usegmt=True)), ("MIME-Version", "1.0"), *outer,
    )  # fmt: skip
    return Receipt(headers, body)


def _one_line(text: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f]", "", text).encode("latin-1", "replace").decode("latin-1")


def _plain(text: str) -> str:
    return re.sub(r"[^\x20-\x7e]+", " ", text)[:MAX_TEXT]


# Reading.


@dataclass(frozen=True, slots=True)
class Report:
    """What a receipt says."""

    original_message_id: str
    kind: str
    """processed, failed, or whatever stands there."""
    level: str
    """Of the modifier: "", warning, error, failure."""
    modifier: str
    mic: bytes | None
    mic_algorithm: str | None
    """As sha256; None: none is given, or it is unknown."""
    mic_spelt: str
    text: str
    """The part for people, on one line."""
    disposition: str

    @property
    def positive(self) -> bool:
        return self.kind == "processed" and self.level in ("", "warning")


def read_report(report: Entity, limits: Limits) -> Report:
    """The fields of a multipart/report. Raises As2Error where it has no machine part."""
    machine: Headers | None = None
    text = ""
    for part in parts(report.body, report.headers.content_type.given.get("boundary", ""), limits):
        one = entity(part, limits)
        kind = one.headers.content_type.value
        if kind == NOTIFICATION and machine is None:
            machine = headers_of(_fields_only(bytes(content(one.headers, one.body)[: limits.headers])), limits)
        elif kind == "text/plain" and not text:
            text = " ".join(bytes(content(one.headers, one.body)[:MAX_TEXT]).decode("utf-8", "replace").split())
    if machine is None:
        raise As2Error(UNEXPECTED, f"the report has no part of type {NOTIFICATION}")
    disposition = machine.get("Disposition") or ""
    kind, level, modifier = _disposition(disposition)
    for name in ("Failure", "Error", "Warning"):  # RFC 3798's way to say it
        if not level and (told := machine.get(name)):
            level, modifier = name.lower(), told
    mic, algorithm, spelt = _mic(machine.get("Received-Content-MIC") or "")
    return Report((machine.get("Original-Message-ID") or "").strip(), kind, level, modifier, mic, algorithm, spelt, text, disposition)


def _fields_only(block: bytes) -> bytes:
    """Without lines that are no fields: some products put words there."""
    lines = block.replace(b"\r\n", b"\n").split(b"\n")
    kept: list[bytes] = []
    for line in lines:
        if b":" in line.lstrip()[:80] or (kept and line[:1] in (b" ", b"\t")):
            kept.append(line)
    return b"\n".join(kept)


def _disposition(text: str) -> tuple[str, str, str]:
    """(kind, level, modifier): "…; processed/error: decryption-failed". A bare "error: …" has no kind, and is an error."""
    _, semicolon, rest = text.partition(";")
    rest = rest if semicolon else text
    kind, slash, modifier = rest.partition("/")
    if not slash and ":" in kind:
        kind, modifier = "", kind
    level, _, told = modifier.partition(":")
    return kind.strip().lower(), level.strip().lower(), " ".join(told.split())


def _mic(text: str) -> tuple[bytes | None, str | None, str]:
    value, comma, spelt = text.rpartition(",")
    if not comma:
        value, spelt = text, ""
    try:
        raw = base64.b64decode("".join(value.split()), validate=True) if value.strip() else None
    except (binascii.Error, ValueError):
        raw = b""
    return raw, digest_name(spelt), spelt.strip()


def receipt_inside(headers: Headers, body: memoryview, limits: Limits) -> Entity | None:
    """The multipart/report of a message that did not verify, by its form alone: nothing in it is proven. Never raises."""
    here = Entity(headers, body, body)
    try:
        if here.headers.content_type.value == "multipart/signed":
            here = entity(parts(body, headers.content_type.given.get("boundary", ""), limits)[0], limits)
    except (As2Error, IndexError):
        return None
    return here if here.headers.content_type.value == "multipart/report" else None


# Judging.


@dataclass(frozen=True, slots=True)
class Sent:
    """What we know of a message of ours that a receipt may be about."""

    message_id: str
    mic_algorithm: str
    mic: str
    """Base64."""
    signed_receipt: bool
    """A signed one was asked for."""
    mic_by: Callable[[str], str | None] = lambda algorithm: None
    """The MIC on another algorithm, where it can still be had."""
    accept_other_algorithm: bool = False
    accept_missing_mic: bool = False
    accept_unsigned: bool = False


@dataclass(frozen=True, slots=True)
class Judgment:
    state: State
    text: str
    """For people: why."""


def same_id(one: str, other: str) -> bool:
    """Message-IDs, compared exactly and then without brackets and space around them."""
    return one == other or one.strip().strip("<>").strip() == other.strip().strip("<>").strip()


def judge(report: Report, sent: Sent | None, *, signed: bool) -> Judgment:
    """What a receipt proves. `signed`: its signature is good and of the partner's; a bad or foreign one is never judged here."""
    if sent is None or not same_id(report.original_message_id, sent.message_id):
        return Judgment("unmatched", f"it names {report.original_message_id[:120] or 'no message'}, which is no message of ours that waits for one")
    told = f"{report.level}: {report.modifier}".strip(": ")
    if sent.signed_receipt and not signed and not sent.accept_unsigned:
        if report.kind == "failed":
            return Judgment("failed", f"the partner could not make the receipt that we asked for: {told or report.disposition}")
        return Judgment("untrusted", "a signed receipt was asked for, and this one is not signed: it proves nothing")
    if not report.positive:
        return Judgment(
            "failed", f"the partner refused it: {told or report.disposition or 'no disposition'}" + (f" ({report.text[:300]})" if report.text else "")
        )
    state: State = "delivered-with-warning" if report.level == "warning" else "delivered"
    good = Judgment(state, f"with a warning: {report.modifier}" if report.level == "warning" else "received whole, proven by the receipt")
    if report.mic is None:
        return good if sent.accept_missing_mic else Judgment("mic-missing", "the receipt has no MIC, so that it does not say what was received")
    if report.mic_algorithm == sent.mic_algorithm:
        if report.mic == base64.b64decode(sent.mic):
            return good
        theirs = base64.b64encode(report.mic).decode("ascii")
        return Judgment("mic-mismatch", f"the partner received something else: its MIC is {theirs}, ours {sent.mic} ({sent.mic_algorithm})")
    ours = sent.mic_by(report.mic_algorithm) if report.mic_algorithm else None
    equal = ours is not None and base64.b64decode(ours) == report.mic
    if equal and sent.accept_other_algorithm:
        return good
    spelt = report.mic_spelt or "no algorithm"
    known = " (on that algorithm the content is the same)" if equal else ""
    return Judgment("mic-algorithm-mismatch", f"the receipt's MIC is by {spelt[:40]}, and {sent.mic_algorithm} was asked for{known}")


def digest_for(asked: tuple[str, ...], of_signature: str | None, default: str = "sha256") -> str:
    """The MIC's algorithm: the first that the sender names and we know, else its signature's, else the default (RFC 4130 7.4.3)."""
    return next((name for name in asked if name in algorithms.HASHES), of_signature or default)
