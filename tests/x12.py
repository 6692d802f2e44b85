"""What the X12 tests share: interchanges made of few words, and reading them whole."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from partners.guides import shipped_guides
from translators.document import Finding
from translators.x12.envelope import Group, Interchange, Outline, outline
from translators.x12.guide import Element, Rules
from translators.x12.options import Options, ReadAt
from translators.x12.reader import SetReading, read_sets

FIXTURES = Path(__file__).parent.parent / "fixtures" / "edi"
SAMPLES = sorted((FIXTURES / "x12").glob("*.edi"))
TORTURE = sorted((FIXTURES / "torture").glob("*.edi"))

CLOSED = frozenset({"353", "735"})
STRICT, TOLERANT = Options("strict"), Options("tolerant")


def read_at(data: bytes) -> ReadAt:
    return lambda offset, length: data[offset : offset + length]


def isa(**changes: str) -> str:
    """An ISA without its terminator; `changes` as e13="000000009"."""
    values = ["00", " " * 10, "00", " " * 10, "ZZ", "ACMECARRIER".ljust(15), "ZZ", "CROSSDOCK".ljust(15), "261116", "0905", "U", "00401"]
    values += ["000000001", "0", "P", ":"]
    for name, value in changes.items():
        values[int(name[1:]) - 1] = value
    return "*".join(["ISA", *values])


def group(*sets: Sequence[str], functional: str = "SH", version: str = "004010", control: str = "1") -> list[str]:
    """GS to GE as segments; each set is its segments without ST and SE, the first naming the set: ["856", "BSN*..."]."""
    segments = [f"GS*{functional}*ACME*CROSSDOCK*20261116*0905*{control}*X*{version}"]
    for number, (set_id, *body) in enumerate(sets, start=1):
        segments += [f"ST*{set_id}*{number:04}", *body, f"SE*{len(body) + 2}*{number:04}"]
    return [*segments, f"GE*{len(sets)}*{control}"]


def interchange(*groups: Iterable[str], header: str | None = None, control: str = "000000001", tail: str = "") -> bytes:
    """ISA to IEA as bytes."""
    segments = [header or isa(e13=control), *(segment for one in groups for segment in one), f"IEA*{len(groups)}*{control}"]
    return "".join(f"{segment}~{tail}" for segment in segments).encode("latin-1")


SHIP_NOTICE = ["856", "BSN*00*A1*20261116*0905", "HL*1**S", "REF*BM*B1", "HL*2*1*I", "LIN**VN*X", "SN1**5*EA"]


@dataclass(frozen=True)
class Read:
    """One group with its sets."""

    interchange: Interchange
    group: Group
    sets: list[SetReading]


def read_all(data: bytes, options: Options = STRICT) -> tuple[Outline, list[Read]]:
    read = read_at(data)
    found = outline(read, len(data), options)
    return found, [
        Read(one, group, list(read_sets(read, one, group, shipped_guides(), options))) for one in found.interchanges for group in one.groups
    ]


def only_set(data: bytes, options: Options = STRICT) -> SetReading:
    """The one set there is in the data."""
    found, groups = read_all(data, options)
    assert [finding.text for one in found.interchanges for finding in one.findings] == []
    ((reading,),) = ([*one.sets] for one in groups)
    return reading


def short(finding: Finding) -> tuple[str, int, str, int | None]:
    """Segment, position, code, element."""
    return finding.segment, finding.position, finding.code, finding.element


def plausible(element: Element) -> str:
    """A right value of the element."""
    kinds = {"DT": "20261116", "TM": "0905", "R": "7" * element.minimum, "B": "xyz", "AN": "A" * element.minimum, "ID": "A" * element.minimum}
    if element.number in CLOSED:
        return {"353": "00", "735": "S"}[element.number]
    return kinds.get(element.kind, "7" * element.minimum)


def full(rules: Rules) -> str:
    """The segment with right values for as many elements as the exclusions allow."""
    excluded = {element for condition in rules.conditions if condition.letter == "E" for element in condition.elements[1:]}
    for condition in rules.conditions * 2:
        if condition.letter == "P" and excluded.intersection(condition.elements):
            excluded.update(condition.elements)
        if condition.letter == "C" and excluded.intersection(condition.elements[1:]):
            excluded.add(condition.elements[0])
    values = []
    for number, element in enumerate(rules.elements, start=1):
        inner = ":".join(plausible(part) for part in element.parts[:2]) if element.parts else plausible(element)
        values.append("" if number in excluded else inner)
    return "*".join([rules.tag, *values]).rstrip("*")
