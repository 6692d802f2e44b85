"""Judges a functional group's header: its kind, version and control number (X12 997 AK905).

Knows nothing of sets.
"""

import re

from translators.document import Finding
from translators.x12.interchange import Group
from translators.x12.options import Options

SETS_OF = {
    "856": "SH",
    "214": "QM",
    "940": "OW",
    "945": "SW",
    "943": "AR",
    "944": "RE",
    "947": "AW",
    "846": "IB",
    "997": "FA",
    "999": "FA",
    "824": "AG",
    "204": "SM",
    "990": "GF",
    "210": "IM",
    "753": "RF",
    "754": "RG",
    "850": "PO",
    "855": "PR",
    "860": "PC",
    "865": "CA",
    "810": "IN",
    "812": "CD",
    "820": "RA",
    "830": "PS",
    "832": "SC",
    "852": "PD",
    "861": "RC",
    "862": "SS",
    "864": "TX",
    "869": "RS",
    "870": "RS",
    "270": "HS",
    "271": "HB",
    "276": "HR",
    "277": "HN",
    "278": "HI",
    "834": "BE",
    "835": "HP",
    "837": "HC",
    "841": "SP",
}
"""The functional id (GS01) whose group a set belongs to."""

FUNCTIONAL_IDS = frozenset(SETS_OF.values()) | {"QO", "IO", "RO", "IA", "TM", "OG", "GP", "RQ", "RR", "FR", "TF", "PI", "ME", "IG"}

VERSION = re.compile(r"00[2-8][0-9]{3}")


def release_of(version: str, options: Options) -> str | None:
    """The six digits that choose the grammar, such as "004010"; None if GS08 names no version of X12."""
    if VERSION.match(version):
        return version[:6]
    if "version-mismatch" in options.allow:
        short = re.match(r"0?0?([2-8])0?([0-9])([0-9])?", version)
        return f"00{short[1]}0{short[2]}{short[3] or '0'}" if short else "004010"
    return None


def judge_group_header(group: Group, seen: set[int], options: Options) -> None:
    """Gives the group its codes 1 (kind), 2 (version), 6 and 19 (control number); `seen` holds the numbers before it."""
    where = (group.byte_start, group.body_start)
    if group.functional not in FUNCTIONAL_IDS:
        add_code(group, "1", f"GS01 is {group.functional or 'missing'}, a kind of group we do not know", *where)
    if release_of(group.version, options) is None:
        text = f"GS08 is {group.version or 'missing'}, no version of X12 such as 004010 (leniency version-mismatch reads the nearest)"
        add_code(group, "2", text, *where)
    if not (group.control.isascii() and group.control.isdigit() and len(group.control) <= 9):
        add_code(group, "6", f"GS06 is {group.control or 'missing'}; one to nine digits are due", *where)
    elif (number := int(group.control)) in seen:
        add_code(group, "19", f"GS06 {group.control} stood in this interchange before", *where)
    else:
        seen.add(number)


def add_code(group: Group, code: str, text: str, start: int, end: int) -> None:
    """Rejects the group with a code (AK905) and tells why."""
    if code not in group.codes:
        group.codes.append(code)
    group.findings.append(Finding("group", code, text, start, end))
