"""`crossdock guide show` and `crossdock guide import`: guides for people to read, and people's own tables as guides.

Knows nothing of messages; what a guide means is translators/x12/guide.py, what a table means translators/x12/guide_tables.py.
"""

import sys
from pathlib import Path
from typing import TextIO

from gateway.exits import BAD_DATA, GOOD, USAGE
from partners.guides import guides_with
from partners.mappings import shipped
from partners.profile import Profile
from translators.document import TranslationError
from translators.x12.guide import Guide
from translators.x12.guide_text import guide_text

NO_MEANINGS = frozenset({"zone"})
"""First columns of code tables that do not say what a code means."""


def show(set_id: str, *, release: str | None, partner: Profile | None, own: Path | None, order_only: bool, out: TextIO) -> int:
    """Prints a guide. 0 shown, 2 no such set or release, 65 a guide of one's own that is broken."""
    try:
        book = guides_with(own)
        known = book.releases(set_id)
        if not known or (release is not None and release not in known):
            wanted = set_id if release is None else f"{set_id} of {release}"
            there = f"{set_id} is there for {' and '.join(known)}" if known else f"there are {', '.join(book.sets())}"
            print(f"crossdock guide show: there is no guide of {wanted}; {there}", file=sys.stderr)
            return USAGE
        guide = book.guide(set_id, release or known[-1])
    except TranslationError as error:
        print(f"crossdock guide show: {error}", file=sys.stderr)
        return BAD_DATA
    assert guide is not None
    out.write(guide_text(guide, _codes(guide), elements=not order_only))
    if partner is not None:
        out.write("\n" + "\n".join(_terms(set_id, partner)) + "\n")
    return GOOD


def _codes(guide: Guide) -> dict[str, dict[str, str]]:
    """Data element -> code -> our words: the dictionary's, and those of the code tables that the mappings use."""
    found = {number: dict(codes) for number, codes in guide.dictionary.codes.items()}
    for table in shipped().tables().values():
        if table.element and table.columns[0] not in NO_MEANINGS:
            words = found.setdefault(table.element, {})
            for code, row in table.rows.items():
                words.setdefault(code, row[0] or "")
    return found


def _terms(set_id: str, partner: Profile) -> list[str]:
    """What a partner's profile changes in the reading of the set."""
    lines = [f"With {partner.name} ({partner.partner})"]
    agreement = partner.agreement(set_id)
    if agreement is None:
        return [*lines, f"  nothing is agreed about {set_id}: the 997 rejects it (AK5 R, code 1)"]
    judged = "any finding rejects the set" if partner.strictness == "strict" else "element faults alone are accepted with errors"
    lines.append(f"  {partner.strictness}: {judged}")
    lines += [f"  let pass: {name}, because {partner.leniency[name].because}" for name in sorted(partner.allowed)]
    if agreement.mapping is None and shipped().for_set(set_id) is None:
        lines.append("  no mapping: it is checked, answered and held")
    else:
        lines.append("  mapping: " + " + ".join((agreement.mapping_name, *agreement.overlays)))
    if agreement.default_zone:
        lines.append(f"  times without a zone are of {agreement.default_zone}")
    return lines
