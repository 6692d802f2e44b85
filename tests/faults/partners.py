"""Partners and shipments as many as a trial wants: each with an identity, a token and business keys of its own."""

import hashlib
from datetime import datetime, timedelta

from tests.running import Running

FIRST = datetime(2026, 11, 16, 0, 0)


async def agree(gateway: Running, *names: str, target: str = "erp", more: str = "") -> None:
    """Partners that send 214s, each with its name as its token; `more` is added to their profiles."""
    for name in names:
        digest = hashlib.sha256(name.encode()).hexdigest()
        text = (
            f"partner: {name}\nname: {name}\nidentities:\n  isa: [{{qualifier: ZZ, id: {name.upper()}}}]\n  tokens: [{{sha256: {digest}}}]\n"
            f'agreements: [{{receive: "214", default_zone: America/Chicago, target: {target}}}]\n{more}'
        )
        await gateway.operate("partners.apply", text=text)


def interchange(name: str, control: int, sets: list[str]) -> bytes:
    """One group of 214s, each as `status_set` gives it, from this partner."""
    sender = name.upper()
    lines = [
        f"ISA*00*{'':10}*00*{'':10}*ZZ*{sender:15}*ZZ*{'CROSSDOCK':15}*261116*0930*U*00401*{control:09}*0*P*:",
        f"GS*QM*{sender}*CROSSDOCK*20261116*0930*{control}*X*004010", *sets, f"GE*{len(sets)}*{control}", f"IEA*1*{control:09}",
    ]  # fmt: skip
    return "~".join(lines).encode() + b"~"


def status_set(shipment: str, step: int, *, number: int = 1) -> str:
    """A 214 that tells of a shipment's step: the minute is its time, so of two steps the higher is the newer."""
    at = FIRST + timedelta(minutes=step)
    segments = [
        f"ST*214*{number:04}", f"B10*PRO{shipment}*{shipment}*NWFX", "LX*1", f"AT7*X6*NS***{at:%Y%m%d}*{at:%H%M}*CT", "MS1*JOLIET*IL*US",
        "AT8*G*L*1200*4",
    ]  # fmt: skip
    return "~".join([*segments, f"SE*{len(segments) + 1}*{number:04}"])


def status(name: str, shipment: str, step: int, control: int) -> bytes:
    return interchange(name, control, [status_set(shipment, step)])
