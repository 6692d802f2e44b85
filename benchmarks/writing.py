"""Writing sets from events against reading the same sets into events, and the whole way to events against splitting.

`python -m benchmarks.writing`. Reading is the check of every set, its tree and its mapping; writing is the tree from the event and its bytes;
composing is writing and the proof: the engine reads what was written, and it must tell the same.
"""

from collections.abc import Sequence

from benchmarks.mapping import _generated, _paired, read, stream
from benchmarks.peers import status_message
from benchmarks.rows import Row, table
from partners.guides import shipped_guides
from partners.mappings import shipped
from translators.document import Document
from translators.mapping import CompiledMapping, Context
from translators.mapping.compose import compose
from translators.mapping.compose_x12 import X12Medium, row_of
from translators.mapping.inverses import Zones
from translators.mapping.placing_x12 import X12Form
from translators.mapping.write import write
from translators.x12.guide import Guide
from translators.x12.write import Terms, compose_interchange

SETS = {"856": 60, "945": 60, "940": 60}
SMALL = 200
CHUNK = 1 << 20
WRITING_AIM = 1.0
COMPOSING_AIM = 0.5
"""It reads besides."""
EVENTS_AIM = 25.0
TERMS = Terms("ZZ", "CROSSDOCK", "02", "NWFX", "CROSSDOCK", "NWFX")


def run() -> list[Row]:
    """The rows of this benchmark."""
    rows = _both_ways("214", "a small 214", [status_message(number) for number in range(1, SMALL + 1)])
    for set_id, sets in SETS.items():
        whole = _generated(set_id, sets)
        rows += _both_ways(set_id, f"a {set_id} of {len(whole) / sets / 1e3:.1f} KB", [whole])
        rows.append(_to_events(set_id, whole))
    return rows


def _both_ways(set_id: str, name: str, messages: Sequence[bytes]) -> list[Row]:
    mapping = shipped().mapping(f"x12/{set_id}")

    def to_events() -> list[tuple[Document, Context, dict[str, object]]]:
        return [(document, context, mapping.read(document, context).events[0].data) for message in messages for document, context in read(message)]

    def to_events_only() -> None:
        for message in messages:
            for document, context in stream(message):
                mapping.read(document, context)

    told = to_events()
    guide = shipped_guides().guide(set_id, "004010")
    assert guide is not None

    def written() -> None:
        for _, context, data in told:
            _write(mapping, data, guide, context)

    def composed() -> None:
        for _, context, data in told:
            compose(mapping, data, X12Medium(guide, TERMS), context)

    each = 1e6 / len(told)
    rows = []
    for words, work, aim in (("writing", written, WRITING_AIM), ("composing", composed, COMPOSING_AIM)):
        took, reading = _paired(work, to_events_only)
        ratio = reading / took
        rows.append(
            Row(
                f"{words} {name}", f"{took * each:.0f} µs", f"reading into events {reading * each:.0f} µs", f"{ratio:.2f}× its rate",
                f"≥ {aim:g}×", ratio >= aim,
            )
        )  # fmt: skip
    return rows


def _write(mapping: CompiledMapping, data: dict[str, object], guide: Guide, context: Context) -> None:
    found = write(mapping.plan, data, X12Form(guide), Zones(context.zone_offset, context.default_zone))
    compose_interchange([row_of(node) for node in found.nodes[1:]], set_id=guide.set_id, functional=guide.functional, terms=TERMS)


def _to_events(set_id: str, whole: bytes) -> Row:
    mapping = shipped().mapping(f"x12/{set_id}")

    def to_events() -> None:
        for document, context in stream(whole):
            mapping.read(document, context)

    def split() -> None:
        for start in range(0, len(whole), CHUNK):
            for segment in whole[start : start + CHUNK].split(b"~"):
                segment.split(b"*")

    took, baseline = _paired(to_events, split)
    ratio = took / baseline
    rate = len(whole) / took / 1e6
    return Row(
        f"{set_id} to events",
        f"{rate:.2f} MB/s",
        f"splitting {len(whole) / baseline / 1e6:.0f} MB/s",
        f"{ratio:.1f}×",
        f"≤ {EVENTS_AIM:g}×",
        ratio <= EVENTS_AIM,
    )


if __name__ == "__main__":
    print(table(run()))
