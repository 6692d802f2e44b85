"""The demo's day of trade: a simulated customer, warehouse and carrier live through four orders at once, each by its own channel, with the faults of the trade.

What came of it is judged by the ERP's ledger and by what the partners got; our own records give only the words.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from gateway.commands.story import quantity
from gateway.operations import OPERATIONS
from gateway.simulators.erp import Effect, PretendErp
from gateway.simulators.living import ByAs2, ByHttp, BySftp, Living, Way
from gateway.simulators.trade import IDENTITIES, UNKNOWN_ITEM, Fault, Role, Sender, Sending, sendings
from gateway.store.store import Store

SEED, ORDERS, OFTEN = 452, 4, 0.15
"""With them each fault is met, and none twice in one file."""
FAULTS: dict[Role, tuple[Fault, ...]] = {
    "customer": ("unknown-item",),
    "3pl": ("short", "doubled"),
    "carrier": ("short", "late", "doubled", "out-of-order", "wrong-parents", "stale-certificate"),
}
BY: dict[Role, str] = {"customer": "Harbor Retail by HTTP", "3pl": "Lake 3PL by SFTP", "carrier": "Northway Freight by AS2"}
TYPES = {"850": "fulfilment.requested", "945": "fulfilment.shipped", "856": "shipment.notified", "214": "shipment.status"}
UNSHOWN: tuple[Fault, ...] = ("unknown-item", "wrong-parents")
"""Files with them must not reach the ERP."""


class StepFailed(Exception):
    """A step of the story did not happen."""


Found = tuple[str, str]
"""(what a partner did, what came of it)."""


def files_of(role: Role, day: date) -> list[Sending]:
    return sendings(role, seed=SEED, orders=ORDERS, day=day, faults=FAULTS[role], often=OFTEN, order_set="850")


@dataclass
class Day:
    store: Store
    erp: PretendErp
    customer: ByHttp
    warehouse: BySftp
    carrier: ByAs2
    files: dict[Role, list[Sending]] = field(init=False)
    partners: dict[Role, Living] = field(init=False)
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        day = datetime.now(UTC).date() - timedelta(days=4)
        self.files = {role: files_of(role, day) for role in FAULTS}
        ways: dict[Role, Way] = {"customer": self.customer, "3pl": self.warehouse, "carrier": self.carrier}
        self.partners = {role: Living(way, Sender(*IDENTITIES[role]), day, self.said.append, silent=1.0) for role, way in ways.items()}
        self._before = set(self.erp.effects)
        self.erp.behaviour.refuse_items = [UNKNOWN_ITEM]

    async def trade(self) -> None:
        """Each tells what it has to tell, all at once."""
        await asyncio.gather(*(self.partners[role].tell(self.files[role]) for role in self.files))

    async def settled(self) -> bool:
        """Whether the ERP has what it must have, and each partner its 997 for each of its files."""
        await asyncio.gather(*(one.listen(0) for one in self.partners.values()))
        return self.done == self.due and not self.unanswered

    @property
    def unanswered(self) -> list[str]:
        """Files whose sender got no 997 for their group."""
        got = {role: b"".join(partner.got) for role, partner in self.partners.items()}
        return [one.name for role, files in self.files.items() for one in files if b"*%d~AK2*" % int(one.body[90:99]) not in got[role]]

    @property
    def sent(self) -> int:
        """Documents, those refused by their envelope and sent again counted twice."""
        return sum(one.sent for one in self.partners.values()) + len(self.carrier.refused)

    def with_fault(self, fault: Fault) -> list[Sending]:
        return [one for files in self.files.values() for one in files if fault in one.faults]

    # ---- what the ERP must have, and has

    @property
    def due(self) -> Counter[str]:
        """Kind of event -> how many the ERP must hear of: of each file one, doubled ones and those that nothing can be made of aside."""
        good = [one for files in self.files.values() for one in files if not {"doubled", *UNSHOWN} & set(one.faults)]
        return Counter(TYPES[one.name[:3]] for one in good)

    @property
    def effects(self) -> list[Effect]:
        """What the ERP did today."""
        return [effect for key, effect in self.erp.effects.items() if key not in self._before and effect.type.split(".")[2] != "exchange"]

    @property
    def done(self) -> Counter[str]:
        return Counter(effect.type.removeprefix("org.crossdock.").removesuffix(".v1") for effect in self.effects)

    def wrong(self) -> str:
        """What is not as it must be, in words; empty if all is."""
        if self.done != self.due:
            return f"the ERP has {dict(self.done)}, and should have {dict(self.due)}"
        twice = [effect.subject for effect in self.effects if effect.count != 1 or self.erp.asked[effect.event] != 1]
        return f"the ERP was asked twice about {', '.join(twice)}" if twice else ""

    # ---- in words

    def told(self) -> Iterator[str]:
        """A line for each partner."""
        for role, files in self.files.items():
            counts = Counter(one.name.removeprefix("again-")[:3] for one in files)
            yield f"{BY[role]}: {', '.join(f'{much} × {name}' for name, much in sorted(counts.items(), reverse=True))}"

    async def faults(self, *, unanswered: str) -> list[Found]:
        """Each fault of the trade, and what came of it. `unanswered`: the document of ours that the warehouse never answered."""
        dead = await self._asked("dead", limit=100)
        overdue = await self._asked("awaited", state="overdue", limit=100)
        alarms = await self._asked("alarms")
        refused = await self._asked("as2.messages", direction="in", state="refused")
        (unknown,), (parents,) = self.with_fault("unknown-item"), self.with_fault("wrong-parents")
        answered = json.loads(_first(dead["deliveries"], "a dead letter of the order", set_id="850")["answer"])["error"]
        held = _first(dead["documents"], "the notice is held", set_id="856")["reason"]
        late = [effect for effect in self.effects if (effect.data.get("quality") or {}).get("late")]
        if not late:
            raise StepFailed("no status was told to be late")
        expiring = _first([one for one in alarms if "runs out in" in one["text"]], "an alarm of a certificate", kind="certificate.expiring")
        missing = _first(overdue, "a 997 that is overdue", document=unanswered)
        return [
            (f"orders an unknown item: {unknown.name}", f"accepted by its 997; the ERP says: {answered}; a dead letter, the other orders went on"),
            (f"ships less than was ordered: {self.with_fault('short')[0].name}", f"the ERP knows: {self._short()}"),
            (
                f"sends {len(self.with_fault('doubled'))} files twice: {', '.join(one.name for one in self.with_fault('doubled'))}",
                "known by bytes, number or meaning; the ERP was asked once about each",
            ),
            (
                f"tells late and out of order: {len(late)} statuses",
                f"published with quality.late, such as {_status(late[0])}; no shipment moved back",
            ),
            (f"names a parent that is not there: {parents.name}", f"{held.split(': ', 1)[-1]}; held, and nothing of it reached the ERP"),
            (
                f"signs with a certificate of before: {self.carrier.refused[0][0]}",
                f"its receipt says decryption-failed and no more; the reason stays here: {refused[0]['reason'].split(': ', 1)[-1]}; sent again as it should be, it was taken",
            ),
            (
                "does not answer: our second 940 to the warehouse",
                f"its 997 was due at {missing['due_at'][11:19]} UTC and is overdue; an alarm says so",
            ),
            ("has a certificate that will run out", expiring["text"].split(";")[0]),
        ]

    def _short(self) -> str:
        order = self.with_fault("short")[0].order
        effect = next(effect for effect in self.effects if effect.subject == f"order/{order}" and "shipped" in effect.type)
        line = next(line for line in effect.data["lines"] if line["shipped"] != line["ordered"])
        return f"{quantity(line['shipped'])} of {quantity(line['ordered'])} shipped, {line['status']}"

    async def warned(self) -> bool:
        return any(one["kind"] == "certificate.expiring" for one in await self._asked("alarms"))

    async def _asked(self, operation: str, **given: Any) -> Any:
        return await asyncio.to_thread(OPERATIONS[operation], self.store, given)


def _first(rows: list[dict[str, Any]], what: str, **wanted: str) -> dict[str, Any]:
    """Raises StepFailed where there is none."""
    for row in rows:
        if all(row.get(name) == value for name, value in wanted.items()):
            return row
    raise StepFailed(f"{what}: not there")


def _status(effect: Effect) -> str:
    return f"{effect.data['event']} of {effect.subject}"
