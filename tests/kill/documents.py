"""Endless documents of three partners, each with a business key of its own, so that the ERP's ledger can be held against what was sent."""

from dataclasses import dataclass
from typing import Any

PARTNERS = {"northway": ("02", "NWFX"), "lake3pl": ("ZZ", "LAKE3PL"), "harbor": ("01", "079430172")}


@dataclass(frozen=True)
class Sent:
    partner: str
    body: bytes
    subject: str
    """What the ERP's ledger will call it."""


def envelope(partner: str, functional: str, control: int, segments: list[str]) -> bytes:
    qualifier, sender = PARTNERS[partner]
    lines = [
        f"ISA*00*{'':10}*00*{'':10}*{qualifier}*{sender:15}*ZZ*{'CROSSDOCK':15}*261116*0930*U*00401*{control:09}*0*P*:",
        f"GS*{functional}*{sender}*CROSSDOCK*20261116*0930*{control}*X*004010",
        *segments,
        f"SE*{len(segments) + 1}*0001",
        f"GE*1*{control}",
        f"IEA*1*{control:09}",
    ]
    return "".join(line + "~" for line in lines).encode()


def status(number: int) -> Sent:
    segments = [
        "ST*214*0001", f"B10*PRO{number}*SHP{number}*NWFX", f"L11*PO{number}*PO", "LX*1", "AT7*X6*NS***20261116*0930*CT", "MS1*JOLIET*IL*US",
        "AT8*G*L*1200*4",
    ]  # fmt: skip
    return Sent("northway", envelope("northway", "QM", number, segments), f"shipment/SHP{number}")


def notice(number: int) -> Sent:
    segments = [
        "ST*856*0001", f"BSN*00*ASN{number}*20261116*0930*0001", "DTM*011*20261116*0930*CT", "HL*1**S*1", "TD5*B*2*NWFX*M", f"REF*BM*BOL{number}",
        "N1*SF*NORTHSIDE FOODS*92*0071", "N1*ST*HARBOR RETAIL*92*0188", "HL*2*1*O*1", f"PRF*PO{number}", "HL*3*2*I*0", "LIN*1*UP*614141007349*VN*NF-2200",
        "SN1*1*24*EA", "CTT*3",
    ]  # fmt: skip
    return Sent("northway", envelope("northway", "SH", number, segments), f"shipment/ASN{number}")


def advice(number: int) -> Sent:
    segments = [
        "ST*945*0001", f"W06*F*ORD{number}*20261116*WSH{number}**PO{number}", "N1*ST*HARBOR RETAIL*92*0188", "G62*11*20261116", "W27*M*NWFX", "LX*1",
        "W12*CC*24*24**EA*614141007349", "W03*24*240*LB",
    ]  # fmt: skip
    return Sent("lake3pl", envelope("lake3pl", "SW", number, segments), f"order/ORD{number}")


def order(number: int) -> Sent:
    segments = [
        "ST*940*0001", f"W05*N*DEP{number}*PO{number}", "N1*ST*HARBOR STORE 12*92*0012", "N3*9 DOCK STREET", "N4*TACOMA*WA*98421*US", "G62*10*20261118",
        "W66*PP*M", "LX*1", "W01*24*EA*614141007349", "W76*24*240*LB",
    ]  # fmt: skip
    return Sent("harbor", envelope("harbor", "OW", number, segments), f"order/DEP{number}")


def order_data(number: int) -> dict[str, Any]:
    """An order of the ERP's for the warehouse, as the data of a fulfilment.requested event."""
    return {
        "order_id": f"REL{number}",
        "parties": [{"role": "ship_to", "name": "HARBOR STORE 12", "ids": [{"type": "given_by_buyer", "value": "0012"}]}],
        "lines": [{"id": "1", "item": {"ids": [{"type": "upc_case", "value": "614141007349"}]}, "ordered": {"value": str(number), "unit": "case"}}],
    }


KINDS = (status, notice, advice, order)


def document(number: int) -> Sent:
    """The number-th document, its kind by turns; numbers are control numbers too, so they start above zero."""
    return KINDS[number % len(KINDS)](number)
