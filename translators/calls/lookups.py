"""Lookup tables of an installation: a partner's word to the ERP's, for each partner and by default. Nothing is guessed.

Knows neither files nor what a table means.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from translators.calls.errors import CallRefused
from translators.mapping.errors import MappingError
from translators.mapping.written import Written

DEFAULT = "default"
"""What holds for every partner that has no entry of its own."""
ANY, SAME = "*", "="
"""`"*": "="` says: whatever is not listed is called the same in the ERP."""
MAX_ENTRIES = 1_000_000


@dataclass(frozen=True, slots=True)
class LookupTable:
    """Partner -> key -> the ERP's word."""

    name: str
    place: str
    """Where a person mends it."""
    rows: Mapping[str, Mapping[str, str]]

    def find(self, partner: str, keys: Sequence[str]) -> str | None:
        """Of several keys the first that has an entry: the partner's own, else the default's; else what either says of all others. None: there is none."""
        ours = [rows for rows in (self.rows.get(partner), self.rows.get(DEFAULT)) if rows is not None]
        listed = ((key, rows[key]) for key in keys for rows in ours if key in rows and key != ANY)
        others = ((keys[0], rows[ANY]) for rows in ours if ANY in rows and keys)
        key, word = next((one for found in (listed, others) for one in found), ("", None))
        return key if word == SAME else word

    def entry(self, partner: str, keys: Sequence[str]) -> str:
        """Raises CallRefused that names table, key and mend."""
        found = self.find(partner, keys)
        if found is None:
            told = " or ".join(keys[:5]) or "nothing"
            mend = f"add it to {self.place} under {partner} or {DEFAULT}, then retry this delivery"
            raise CallRefused(f"the table {self.name} has no entry for {told} of {partner}; {mend}", words=f"{told} is not known to us ({self.name})")
        return found


def missing(name: str) -> LookupTable:
    """A table that an installation does not have: it knows nothing, and says where it would be."""
    return LookupTable(name, f"a file lookups/{name}.yaml or {name}.csv in the library", {})


def read_lookup(written: Written, name: str, place: str) -> LookupTable:
    """Of YAML: `default:` and one block a partner, each with lines KEY: WORD. Raises MappingError with the line."""
    if not isinstance(written.value, dict):
        raise MappingError(written.at((), f"is no lookup table; it needs blocks: {DEFAULT}, or a partner's name, each with lines KEY: WORD"))
    for partner, rows in written.value.items():
        if not isinstance(rows, dict):
            raise MappingError(written.at((partner,), "must hold one line KEY: WORD an entry"))
        for key, word in rows.items():
            if not isinstance(word, str) or not word:
                raise MappingError(written.at((partner, key), "must be a word"))
    _bounded(name, place, sum(map(len, written.value.values())))
    return LookupTable(name, place, written.value)


def read_lookup_rows(rows: Iterable[tuple[int, list[str]]], name: str, place: str) -> LookupTable:
    """Of CSV: (line, [partner, key, word]), the first row being the heading; a partner left empty is the default's. Raises MappingError with the line."""
    found: dict[str, dict[str, str]] = {}
    count = 0
    for number, (line, row) in enumerate(rows):
        cells = [cell.strip() for cell in row]
        if number == 0:
            if cells[:3] != ["partner", "key", "word"]:
                raise MappingError(f"{place}: line {line}, column 1: the heading must be partner,key,word")
            continue
        if not any(cells):
            continue
        if len(cells) != 3 or not cells[1] or not cells[2]:
            raise MappingError(f"{place}: line {line}, column 1: three cells are due: partner (or nothing), key, word")
        entries = found.setdefault(cells[0] or DEFAULT, {})
        if cells[1] in entries:
            raise MappingError(f"{place}: line {line}, column 1: {cells[1]!r} of {cells[0] or DEFAULT} is given twice")
        entries[cells[1]] = cells[2]
        count += 1
    _bounded(name, place, count)
    return LookupTable(name, place, found)


def _bounded(name: str, place: str, count: int) -> None:
    if count > MAX_ENTRIES:
        raise MappingError(f"{place}: {name} has more than {MAX_ENTRIES:,} entries")
