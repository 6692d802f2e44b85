"""`crossdock compose SET EVENT.json`: the document that a mapping writes of an event, without a server.

For trying a mapping's way back: control numbers and times are stand-ins, nothing is kept or sent.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from gateway.commands.event_files import NoEvent, event_in
from gateway.exits import FAILED, GOOD, USAGE
from partners.guides import shipped_guides
from partners.mappings import shipped, zone_offset
from translators.document import Control
from translators.mapping import Context, MappingError
from translators.mapping.compose import ComposeProblem, compose
from translators.mapping.compose_x12 import X12Medium
from translators.mapping.media import medium_of
from translators.x12.envelope_write import stamp
from translators.x12.write import Terms

US, PARTNER = "CROSSDOCK", "PARTNER"
FIRST_LATE = "004020"
"""From this release on the envelope has a repetition separator."""


def compose_file(set_id: str, file: Path, *, release: str, zone: str | None, overlays: tuple[str, ...], out: BinaryIO) -> int:
    """Writes the interchange to `out`; what was not written, and why a document is refused, goes to standard error.

    0 written, 1 refused, 2 no such set, file or release, 65 the file holds no event.
    """
    name = set_id if "/" in set_id else f"x12/{set_id}"
    guide = shipped_guides().guide(set_id, release)
    if (guide is None and name.startswith("x12/")) or name not in shipped().names():
        return _complain(f"there is no mapping for {set_id}; there are {', '.join(shipped().names())}", USAGE)
    try:
        data, _ = event_in(file)
    except NoEvent as problem:
        return _complain(str(problem), problem.code)
    try:
        mapping = shipped().mapping(name, overlays)
        medium = X12Medium(guide, _terms(guide.release)) if guide is not None else medium_of(mapping.form)
        composed = compose(mapping, data, medium, _context(zone))
    except MappingError as error:
        return _complain(str(error), USAGE)
    except ComposeProblem as refused:
        for field, text in refused.problems:
            _complain(f"{field or set_id}: {text}", FAILED)
        return FAILED
    for field, text in composed.not_written:
        _complain(f"not written: {field}: {text}", GOOD)
    now = datetime.now(UTC)
    out.write(stamp(composed.parts, interchange_control=1, group_control=1, date6=f"{now:%y%m%d}", date8=f"{now:%Y%m%d}", time4=f"{now:%H%M}"))
    return GOOD


def _terms(release: str) -> Terms:
    envelope = "00401" if release < FIRST_LATE else f"00{release[2]}01"
    return Terms("ZZ", US, "ZZ", PARTNER, US, PARTNER, version=release, envelope_version=envelope, usage="T", tail=b"\n")


def _context(zone: str | None) -> Context:
    control = Control("000000001", "1", "0001", "", "", f"ZZ:{US}", f"ZZ:{PARTNER}", "T")
    received = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Context(control=control, partner="unknown", received_at=received, zone_offset=zone_offset, default_zone=zone)


def _complain(text: str, code: int) -> int:
    print(f"crossdock compose: {text}", file=sys.stderr)
    return code
