"""A file sent by AS2 at a person's word, and a partner's terms tried without the network (see gateway.operations)."""

import os
from typing import Any

from gateway.as2.people import WAIT, Arguments, data_of, shown_message
from gateway.as2.ring import OURS
from gateway.as2.terms import policy_of, security_of
from gateway.clock import as_datetime, new_id, now
from gateway.errors import Refused
from gateway.records.answers import Origin
from gateway.store import as2 as rows
from gateway.store import certificates, profiles
from gateway.store.payloads import Payload
from gateway.store.store import Store
from gateway.ways import AS2
from partners.channels import As2Channel
from partners.profile import Profile, read_profile
from translators.as2.cms.keys import Certificate, OurKey, certificate
from translators.as2.errors import As2Error
from translators.as2.limits import DEFAULT
from translators.as2.message import open_message
from translators.as2.mime import Headers
from translators.as2.receipts import DELIVERED, Sent, judge, read_report, receipt_inside, write_receipt
from translators.as2.write import Document, Security, write_message

MOST = 100 << 20
SAMPLE = b"ISA*00*          *00*          *ZZ*SELFTEST       *ZZ*SELFTEST       *260101*0000*U*00401*000000001*0*T*>~IEA*0*000000001~"


def as2_send(store: Store, given: Arguments) -> Any:
    """Queues a file for a partner by AS2, as it is; {"message", "delivery"}."""
    profile, revision = _profile(store, str(given["partner"]))
    channel = profile.channels.as2
    if channel is None or not channel.url:
        raise Refused(422, "not-agreed", f"{profile.partner} has no AS2 address; its profile needs channels.as2.url")
    data = data_of(given)
    if not 0 < len(data) <= MOST:
        raise Refused(422, "bad-request", f"the file has {len(data):,} bytes; 1 to {MOST:,} can be sent so")
    at = now()
    message = new_id(at)
    payload = store.files.keep(Payload.inline(f"message:{message}", profile.partner, data))
    origin = Origin(message, profile.partner, AS2, revision, at, str(given.get("who") or "operator")[:80])
    file_name = str(given.get("file_name") or f"{message}.edi")[:255]
    media_type = str(given.get("media_type") or "application/edi-x12")[:120]
    delivery = store.send_file(origin, payload, file_name, media_type).result(WAIT)
    return {"message": message, "delivery": delivery}


def as2_sent(store: Store, given: Arguments) -> Any:
    """How it stands with a message of ours by AS2; None while it is not written yet."""
    message = str(given["message"])
    found = store.read(lambda tx: rows.of_message(tx, message)).result(WAIT)
    return shown_message(found[-1]) if found else None


def as2_selftest(store: Store, given: Arguments) -> Any:
    """The partner's terms tried here: keys, dates, a message out and back through our own code, a receipt. Nothing is sent.

    A list of {"check", "good", "text"}.
    """
    profile, _ = _profile(store, str(given["partner"]))
    channel = profile.channels.as2
    if channel is None:
        raise Refused(422, "not-agreed", f"{profile.partner} has no AS2; its profile needs channels.as2")
    return _Selftest(store, profile, channel).run()


class _Selftest:
    def __init__(self, store: Store, profile: Profile, channel: As2Channel) -> None:
        self.profile, self.channel = profile, channel
        self.at = now()
        everything = [one for one in store.read(certificates.everything).result(WAIT) if one.state == "active" and one.from_at <= self.at]
        assert store.vault is not None
        self.ours = [(one, store.vault.open(one.private, one.der)) for one in everything if one.owner == OURS and one.private is not None]
        self.theirs = [(one, certificate(one.der)) for one in everything if one.owner == profile.partner]
        self.told: list[dict[str, Any]] = []

    def run(self) -> list[dict[str, Any]]:
        signing = self._our_key()
        self._their_certificates()
        self._address()
        if signing is not None:
            self._round_trip(signing)
        return self.told

    def _tell(self, check: str, good: bool, text: str) -> None:
        self.told.append({"check": check, "good": good, "text": text})

    def _our_key(self) -> OurKey | None:
        wanted = self.channel.send.key
        fitting = [key for row, key in self.ours if row.use in ("sign", "both") and wanted in (None, row.name)]
        key = next((key for key in fitting if key.certificate.valid(as_datetime(self.at))), None)
        what = f"no key of ours{f' called {wanted}' if wanted else ''} signs; make one with crossdock keys generate"
        if fitting and key is None:
            what = "our signing certificate is outside its dates; make the next one with crossdock keys generate"
        self._tell("our signing key", key is not None, what if key is None else f"{key.certificate.subject}, to {key.certificate.not_after:%Y-%m-%d}")
        opening = [key for row, key in self.ours if row.use in ("encrypt", "both")]
        self._tell("our decryption keys", bool(opening), f"{len(opening)} in use" if opening else "none; the partner cannot encrypt to us")
        return key

    def _their_certificates(self) -> None:
        valid = as_datetime(self.at)
        signers = [one for row, one in self.theirs if row.use in ("sign", "both")]
        good = [one for one in signers if one.valid(valid)]
        needed = self.channel.receive.require_signature or self.channel.send.receipt_signed
        text = ", ".join(f"{one.subject} to {one.not_after:%Y-%m-%d}" for one in good) or "none that is valid today; add it with crossdock keys add"
        self._tell("its signing certificates", bool(good) or not needed, text)
        if self.channel.send.encrypt != "none" and self.channel.url:
            found = [one for row, one in self.theirs if row.use in ("encrypt", "both") and one.valid(valid)]
            text = (
                ", ".join(one.subject for one in found)
                or "none that is valid today, and its profile wants encryption; add it with crossdock keys add"
            )
            self._tell("its encryption certificate", bool(found), text)

    def _address(self) -> None:
        url = self.channel.url
        plain = bool(url and url.startswith("http://") and self.channel.send.encrypt == "none")
        text = "none: we only receive" if not url else f"{url}, and messages are neither encrypted nor under TLS" if plain else url
        self._tell("its address", not plain, text)
        weak = sorted(self.channel.receive.exceptions)
        today = as_datetime(self.at).date()
        past = [name for name in weak if self.channel.receive.exceptions[name].until < today]
        if weak:
            self._tell("dated exceptions", not past, ", ".join(weak) + (f"; past their day: {', '.join(past)}" if past else ""))

    def _round_trip(self, signing: OurKey) -> None:
        """A message under these terms, encrypted to ourselves in the partner's place, opened and answered."""
        at = as_datetime(self.at)
        try:
            security = security_of(self.channel, len(SAMPLE))
            written = self._written(security, signing, signing.certificate)
            opened = open_message(
                Headers(written.headers), memoryview(b"".join(written.body)), keys=[signing], signers=[signing.certificate], at=at,
                policy=policy_of(self.channel, at),
            )  # fmt: skip
        except (As2Error, ValueError) as fault:
            self._tell("a message under these terms", False, f"the partner's own rules, turned on us, refuse it: {fault}")
            return
        whole = bytes(opened.payloads[0].data) == SAMPLE and opened.mic(written.mic_algorithm) == written.mic
        layers = ", ".join(opened.layers) or "plain"
        self._tell("a message under these terms", whole, f"{layers}; {opened.cipher or 'not encrypted'}, MIC {written.mic_algorithm}")
        receipt = write_receipt(
            as2_from=self.channel.id, as2_to=self.profile.us.as2, original_message_id="<selftest>", disposition="processed",
            mic=(written.mic, written.mic_algorithm), text="", message_id="<receipt>", at=at, random=os.urandom, signer=signing,
        )  # fmt: skip
        report = receipt_inside(Headers(receipt.headers), memoryview(receipt.body), DEFAULT)
        assert report is not None
        judged = judge(read_report(report, DEFAULT), Sent("<selftest>", written.mic_algorithm, written.mic, True), signed=True)
        self._tell("its receipt", judged.state in DELIVERED, judged.text)

    def _written(self, security: Security, signing: OurKey, recipient: Certificate) -> Any:
        document = Document(SAMPLE, "application/edi-x12", "selftest.edi")
        return write_message([document], security, signer=signing, recipients=[recipient], at=as_datetime(self.at), random=os.urandom)


def _profile(store: Store, partner: str) -> tuple[Profile, int]:
    row = next((row for row in store.read(profiles.live).result(WAIT) if row.partner == partner), None)
    if row is None:
        raise Refused(404, "not-found", f"no partner is called {partner}")
    return read_profile(row.text, partner), int(row.revision)
