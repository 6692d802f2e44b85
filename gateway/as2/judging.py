"""A partner's receipt, judged: opened like a message, matched with what we sent, and what it proves.

Writes nothing; the caller has it kept.
"""

import asyncio
import json
from collections.abc import Callable

from gateway.as2.records import Answered, As2Row, Fields, key_of
from gateway.as2.ring import KeyRing
from gateway.as2.terms import limits_of, policy_of
from gateway.clock import Clock, as_datetime
from gateway.store import as2 as rows
from gateway.store.payloads import Payload
from gateway.store.store import Store, promised
from partners.book import Revision
from translators.as2.errors import As2Error
from translators.as2.message import Opened, open_message
from translators.as2.mime import Entity, Headers
from translators.as2.receipts import DELIVERED, DISPUTED, Judgment, Report, Sent, judge, read_report, receipt_inside


class Judge:
    def __init__(self, store: Store, ring: KeyRing, clock: Clock) -> None:
        self._store, self._ring, self._clock = store, ring, clock

    async def receipt(
        self, revision: Revision, headers: Headers, body: memoryview, *, us: str, them: str, about: As2Row | None = None
    ) -> tuple[Report | None, Judgment, str, As2Row | None]:
        """(report, what it proves, who signed it, the message of ours that it is about).

        `about`: the message that was just sent, for a receipt in its response.
        """
        channel = revision.profile.channels.as2
        assert channel is not None
        now = as_datetime(self._clock())

        def work() -> Opened:
            return open_message(
                headers, body, keys=self._ring.decrypting(), signers=self._ring.signers(revision.profile.partner), at=now,
                policy=policy_of(channel, now), limits=limits_of(channel),
            )  # fmt: skip

        untrusted = None
        entity: Entity | None = None
        by = ""
        try:
            opened = await asyncio.get_running_loop().run_in_executor(None, work)
            entity = opened.report
            by = opened.signer.fingerprint if opened.signer else ""
        except As2Error as fault:
            entity = receipt_inside(headers, body, limits_of(channel))
            untrusted = Judgment("untrusted", f"its signature proves nothing: {fault}")
        if entity is None:
            return None, Judgment("no-receipt", "the answer is no receipt"), "", about
        try:
            report = read_report(entity, limits_of(channel))
        except As2Error as fault:
            return None, Judgment("no-receipt", f"the answer is no usable receipt: {fault}"), "", about
        row = about
        if about is None:
            key = key_of("out", us, them, report.original_message_id)
            row = await promised(self._store.read(lambda tx: rows.by_key(tx, key)))
        if row is None:
            return report, judge(report, None, signed=bool(by)), by, None
        if untrusted is not None:
            return report, untrusted, "", row
        accept = set(channel.send.accept)
        sent = Sent(
            row.message_id, row.mic_algorithm or "sha256", row.mic or "", row.receipt_signed, accept_unsigned="unsigned" in accept,
            accept_missing_mic="no-mic" in accept, accept_other_algorithm="other-algorithm" in accept, mic_by=_other_mics(row),
        )  # fmt: skip
        return report, judge(report, sent, signed=bool(by)), by, row


def answered(
    row: As2Row, report: Report | None, judged: Judgment, by: str, headers: Fields, payload: Payload | None, at: int, source: str = ""
) -> Answered:
    """A judged receipt as the store keeps it."""
    state = "delivered" if judged.state in DELIVERED else "failed" if judged.state == "failed" else "disputed" if judged.state in DISPUTED else ""
    return Answered(
        row=row.id, partner=row.partner, state=state, judgment=judged.state, text=judged.text, disposition=report.disposition if report else "",
        headers=headers, payload=payload, at=at, by=by, source=source,
    )  # fmt: skip


def _other_mics(row: As2Row) -> Callable[[str], str | None]:
    """The MICs on other algorithms that were kept when it was written."""
    kept = json.loads(row.report or "{}").get("mics") or {}
    return lambda algorithm: kept.get(algorithm)
