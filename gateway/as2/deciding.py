"""What becomes of an AS2 message: opened, its documents, its receipt in the final bytes; all of it ready for the one commit.

Commits nothing and answers nobody; whoever asks does.
"""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from gateway import journal, traces
from gateway.as2.minutes import Minutes
from gateway.as2.records import Arrived, As2Row, Decided, StoredReceipt
from gateway.as2.ring import KeyRing
from gateway.as2.sinks import IN_MEMORY, sinks_in
from gateway.as2.terms import limits_of, policy_of
from gateway.clock import Clock, as_datetime, new_id, span
from gateway.errors import StoreUnavailable
from gateway.records.incoming import Incoming
from gateway.store.payloads import Payload
from gateway.store.store import Store
from gateway.ways import AS2
from partners.book import Revision
from translators.as2.errors import DECRYPTION, UNEXPECTED, As2Error
from translators.as2.headers import ReceiptAsked, Request
from translators.as2.message import Opened, open_message
from translators.as2.mime import Headers
from translators.as2.receipts import digest_for, write_receipt
from translators.as2.write import SPELT

OPENING_TOGETHER = 2
"""Messages that are opened at once: each may keep a core busy."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends, under which terms."""

    request: Request
    revision: Revision

    @property
    def channel(self) -> Any:
        return self.revision.profile.channels.as2


class Decider:
    def __init__(self, store: Store, ring: KeyRing, *, clock: Clock, domain: str, product: str, undecrypted: Minutes) -> None:
        """`undecrypted` counts messages that failed to decrypt, by source and partner."""
        self._store, self._ring, self._clock, self._domain, self._product, self._undecrypted = store, ring, clock, domain, product, undecrypted

    def start(self) -> None:
        self._pool = ThreadPoolExecutor(OPENING_TOGETHER, thread_name_prefix="as2")

    def stop(self) -> None:
        self._pool.shutdown(wait=True)

    async def decide(
        self,
        caller: Caller,
        headers: Headers,
        body: memoryview,
        arrived: Arrived,
        *,
        replaces: str | None,
        earlier: As2Row | None = None,
        kept: bool = False,
    ) -> Decided | As2Row:
        """What becomes of it. The earlier row where its id was used before and the content proves to be the same."""
        await self.check_key(caller)
        asked = caller.request.receipt
        opened: Opened | None = None
        fault = asked.fault if asked is not None else None
        if fault is None:
            opened, fault = await self._opened(caller, headers, body, arrived)
        mic = algorithm = None
        if opened is not None:
            algorithm = digest_for(tuple(one.name for one in asked.algorithms) if asked else (), opened.digest, caller.channel.receive.mic)
            mic = await self._in_pool(len(body), opened.mic, algorithm)
        if earlier is not None:
            if opened is not None and earlier.mic_algorithm and await self._in_pool(len(body), opened.mic, earlier.mic_algorithm) == earlier.mic:
                return earlier
            fault = fault or As2Error(UNEXPECTED, "this Message-ID was used before with other content; send new content under a new id")
        documents: tuple[Incoming, ...] = ()
        if fault is None and opened is not None:
            documents = await self._in_pool(len(body), self._documents, caller, opened, arrived)
        receipt = await asyncio.to_thread(self._receipt, caller, arrived, asked, fault, mic, algorithm, opened) if asked is not None else None
        used = [opened.signer.fingerprint] if opened and opened.signer else []
        used += [opened.decrypted_with.fingerprint] if opened and opened.decrypted_with else []
        return Decided(
            arrived=replace(arrived, keyed=False) if earlier is not None else arrived, documents=documents, report=_report(opened),
            mic=mic if fault is None else None, mic_algorithm=algorithm if fault is None else None, receipt=receipt,
            refusal=f"{fault.modifier}: {_deepest(fault)}" if fault else None, used=tuple(used), at=self._clock(), kept=kept, replaces=replaces,
        )  # fmt: skip

    async def check_key(self, caller: Caller) -> None:
        """Raises StoreUnavailable where a receipt is to be signed and nothing signs it yet."""
        asked = caller.request.receipt
        if asked is not None and asked.signed and self._ring.signing(caller.channel.send.key) is None:
            raise StoreUnavailable("a signed receipt is asked for, and we have no signing key yet (crossdock keys generate)")

    async def _opened(self, caller: Caller, headers: Headers, body: memoryview, arrived: Arrived) -> tuple[Opened | None, As2Error | None]:
        def work() -> Opened:
            return open_message(
                headers, body, keys=self._ring.decrypting(), signers=self._ring.signers(arrived.partner), at=as_datetime(arrived.at),
                policy=policy_of(caller.channel, as_datetime(arrived.at)), limits=limits_of(caller.channel), new_sink=sinks_in(self._store.files.spool),
            )  # fmt: skip

        try:
            opened = await asyncio.get_running_loop().run_in_executor(self._pool, work)
        except As2Error as fault:
            if fault.modifier == DECRYPTION:
                self._undecrypted.count(f"{arrived.source} {arrived.partner}")
            return None, fault
        except StoreUnavailable:
            raise
        except Exception as error:  # ours, whatever it is: the sender gets a receipt that says so, we get an alarm
            journal.trouble(f"as2: {arrived.message_id}", error)
            return None, As2Error(UNEXPECTED, "something went wrong on our side; it is recorded, and the message can be sent again")
        if opened.report is not None:
            return None, As2Error(UNEXPECTED, "a receipt within a message")
        return opened, None

    async def _in_pool(self, size: int, work: Callable[..., Any], *arguments: Any) -> Any:
        """At once where there is little to do, else in a thread."""
        if size <= IN_MEMORY:
            return work(*arguments)
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)

    def _documents(self, caller: Caller, opened: Opened, arrived: Arrived) -> tuple[Incoming, ...]:
        """Each payload as a message of its own; the first has the id of the AS2 message. Large ones are on the disk before the commit names them."""
        found = []
        for number, one in enumerate(opened.payloads):
            identity = arrived.id if number == 0 else new_id(arrived.at)
            found.append(
                Incoming(
                    id=identity, partner=arrived.partner, channel=AS2, payload=self._store.files.keep_pieces(f"message:{identity}", arrived.partner, [one.data]),
                    media_type=one.media_type[:120], file_name=one.file_name, profile_revision=arrived.profile_revision, key=f"{arrived.id}.{number}",
                    window=span(caller.channel.receive.duplicate_window), at=arrived.at, who=f"{arrived.partner} by {AS2}", traceparent=traces.begin(None),
                )
            )  # fmt: skip
        return tuple(found)

    def _receipt(
        self,
        caller: Caller,
        arrived: Arrived,
        asked: ReceiptAsked,
        fault: As2Error | None,
        mic: str | None,
        algorithm: str | None,
        opened: Opened | None,
    ) -> StoredReceipt:
        spelt = next((one.spelt for one in asked.algorithms if one.name == algorithm), SPELT.get(algorithm or "", "sha-256"))
        signer = self._ring.signing(caller.channel.send.key) if asked.signed else None
        if fault is not None and fault.modifier == "unsupported format":
            signer = None
        digest = algorithm or next((one.name for one in asked.algorithms), "sha256")
        weak = digest in ("sha1", "md5") and not getattr(policy_of(caller.channel, self.now()), f"allow_{digest}")
        size = sum(len(one.data) for one in opened.payloads) if opened else 0
        good = (
            f"The message was received whole: {len(opened.payloads) if opened else 0} document(s), {size:,} bytes. This says nothing of its content."
        )
        receipt = write_receipt(
            as2_from=arrived.as2_to, as2_to=arrived.as2_from, original_message_id=arrived.message_id,
            disposition=fault.disposition if fault else "processed", mic=(mic, spelt) if mic and fault is None else None,
            text=f"The message was not taken: {fault}." if fault else good, message_id=self.message_id(), at=self.now(), random=os.urandom,
            signer=signer, digest="sha256" if weak else digest, product=self._product, version=caller.channel.send.version,
        )  # fmt: skip
        payload = Payload.inline(f"mdn:{arrived.id}", arrived.partner, receipt.body)
        return StoredReceipt(receipt.headers, payload, fault.disposition if fault else "processed", asked.url)

    def now(self) -> datetime:
        return as_datetime(self._clock())

    def message_id(self) -> str:
        return f"<{new_id(self._clock())}@{self._domain}>"


def _report(opened: Opened | None) -> dict[str, Any]:
    """What was found, for people and for evidence."""
    if opened is None:
        return {}
    return {
        "layers": opened.layers, "signer": opened.signer.fingerprint if opened.signer else None, "digest": opened.digest, "form": opened.form,
        "cipher": opened.cipher, "key_transport": opened.key_transport,
        "decrypted_with": opened.decrypted_with.fingerprint if opened.decrypted_with else None, "compressed": opened.compressed,
        "documents": [{"media_type": one.media_type, "file_name": one.file_name, "size": len(one.data)} for one in opened.payloads],
    }  # fmt: skip


def _deepest(fault: BaseException) -> str:
    """The true reason, for us; the receipt may say less."""
    while fault.__cause__ is not None:
        fault = fault.__cause__
    return str(fault)
