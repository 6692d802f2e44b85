"""People's own licensed tables as guides: a folder of CSV files, or one JSON file with the same tables and columns.

    sets        set, release, functional, title
    layout      set, release, level, segment, loop, required, maximum     one line a segment, in order; a loop's segments one level deeper
    segments    release, segment, title
    elements    release, segment, position, element, required, title       of segments, and of composites (C001) by their number
    dictionary  release, element, type, minimum, maximum, title
    conditions  release, segment, condition, doubtful
    codes       element, code, meaning

Knows the tables; knows neither our files nor where these lie.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from partners.guide_import.made import ImportFault, Item, Made, MadeGuide, MadeSegment
from translators.csv import dialect_of
from translators.csv import read as read_csv
from translators.mapping.written import Written

MAX_FAULTS = 50
REQUIRED = ("sets", "layout")


@dataclass(frozen=True, slots=True)
class Column:
    """What a column of a table may hold."""

    pattern: str
    wanted: str
    needed: bool = True


SET = Column(r"[0-9]{3}", "a set's number of three digits")
RELEASE = Column(r"00[0-9]{4}", "a release such as 005010")
SEGMENT = Column(r"[A-Z][A-Z0-9]{1,2}", "a segment such as N1")
HOLDER = Column(r"[A-Z][A-Z0-9]{1,2}|C[0-9]{3}", "a segment such as N1, or a composite such as C040")
TEXT = Column(r"(?s).{1,200}", "a text of up to 200 characters")
ELEMENT = Column(r"[0-9]{1,4}", "a data element's number")
TABLES: dict[str, dict[str, Column]] = {
    "sets": {"set": SET, "release": RELEASE, "functional": Column(r"[A-Z]{2}", "a functional id of two letters (GS01)"), "title": TEXT},
    "layout": {
        "set": SET, "release": RELEASE, "level": Column(r"[0-9]{1,2}", "0 for the set's own segments, 1 for those in its loops …"), "segment": SEGMENT,
        "loop": Column(r"yes|no|", "yes where the segment opens a loop", needed=False), "required": Column(r"M|O", "M or O"),
        "maximum": Column(r"[1-9][0-9]{0,5}|>1", "how often, or >1"),
    },
    "segments": {"release": RELEASE, "segment": HOLDER, "title": TEXT},
    "elements": {
        "release": RELEASE, "segment": HOLDER, "position": Column(r"[1-9][0-9]?", "a position from 1"),
        "element": Column(r"[0-9]{1,4}|C[0-9]{3}", "a data element's number, or a composite such as C040"), "required": Column(r"M|O|X", "M, O or X"),
        "title": Column(r"(?s).{0,200}", "a text of up to 200 characters", needed=False),
    },
    "dictionary": {
        "release": RELEASE, "element": ELEMENT, "type": Column(r"AN|ID|DT|TM|R|B|N[0-9]", "AN, ID, DT, TM, R, B or N0 to N9"),
        "minimum": Column(r"[0-9]{1,6}", "the shortest length"), "maximum": Column(r"[0-9]{1,6}", "the longest length"), "title": TEXT,
    },
    "conditions": {
        "release": RELEASE, "segment": HOLDER, "condition": Column(r"[PRECL](?:[0-9]{2}){2,}", "a condition such as P0304"),
        "doubtful": Column(r"yes|no|", "yes where breaking it is to be a warning", needed=False),
    },
    "codes": {"element": ELEMENT, "code": Column(r".{1,80}", "a code"), "meaning": TEXT},
}  # fmt: skip

Rows = dict[str, list[tuple[str, dict[str, str]]]]
"""Table -> its rows, each with its place in words."""


def import_csv(files: Mapping[str, bytes]) -> Made:
    """Tables from CSV files by their name ("layout.csv"), UTF-8, comma, with a heading. Raises ImportFault with every fault: file, line, column, mend."""
    faults: list[str] = []
    rows: Rows = {}
    for name, columns in TABLES.items():
        data = files.get(f"{name}.csv")
        if data is None:
            if name in REQUIRED:
                faults.append(f"{name}.csv is missing; it has the columns {', '.join(columns)}")
            continue
        given = {column: {"required": "yes" if about.needed else "no"} for column, about in columns.items()}
        reading = read_csv(data, dialect_of(Written({"csv": {"columns": given}}), name))
        faults += [f"{name}.csv: {finding.text}" for finding in reading.findings]
        rows[name] = []
        for one in reading.sets():
            faults += [f"{name}.csv: {finding.text}" for finding in one.findings]
            if one.root is not None and one.root.children:
                texts = [raw.decode("utf-8", errors="replace") for raw in one.root.children[0].segment.elements[1 : len(columns) + 1]]
                rows[name].append((f"{name}.csv: line {one.line}", dict(zip(columns, texts, strict=False))))
    return _made(rows, faults)


def import_json(data: bytes, file: str) -> Made:
    """The same tables from one JSON object: table -> list of objects. Raises ImportFault."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ImportFault(f"{file}: it is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise ImportFault(f"{file}: an object with the tables {', '.join(TABLES)} is wanted")
    faults = [f"{file}: {name} is no table; there are {', '.join(TABLES)}" for name in value if name not in TABLES]
    faults += [f"{file}: the table {name} is missing" for name in REQUIRED if name not in value]
    rows: Rows = {}
    for name in TABLES.keys() & value.keys():
        if not isinstance(value[name], list):
            faults.append(f"{file}: {name} must be a list of objects")
            continue
        rows[name] = []
        for number, row in enumerate(value[name], start=1):
            place = f"{file}: {name}[{number}]"
            if not isinstance(row, dict) or not all(isinstance(cell, str | int) for cell in row.values()):
                faults.append(f"{place}: an object of texts is wanted")
                continue
            faults += [f"{place}: {column} is no column; there are {', '.join(TABLES[name])}" for column in row if column not in TABLES[name]]
            rows[name].append((place, {column: str(row.get(column, "")) for column in TABLES[name]}))
    return _made(rows, faults)


def _made(rows: Rows, faults: list[str]) -> Made:
    for name, table in rows.items():
        for place, row in table:
            for column, about in TABLES[name].items():
                text = row.get(column, "")
                if not (re.fullmatch(about.pattern, text) or (not text and not about.needed)):
                    faults.append(f"{place}, {column}: {text[:40]!r} is not what is wanted: {about.wanted}")
    if faults:
        more = f"\nand {len(faults) - MAX_FAULTS} more" if len(faults) > MAX_FAULTS else ""
        raise ImportFault("\n".join(faults[:MAX_FAULTS]) + more)
    return _Tables(rows).made()


class _Tables:
    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.result = Made()
        self.faults: list[str] = []

    def table(self, name: str) -> Iterator[tuple[str, dict[str, str]]]:
        yield from self.rows.get(name, ())

    def made(self) -> Made:
        described = {(row["release"], row["element"]): row for _, row in self.table("dictionary")}
        titles = {(row["release"], row["segment"]): row["title"] for _, row in self.table("segments")}
        elements: dict[tuple[str, str], dict[int, str]] = {}
        for place, row in self.table("elements"):
            line = self._line(place, row, described)
            lines = elements.setdefault((row["release"], row["segment"]), {})
            if int(row["position"]) in lines:
                self.faults.append(f"{place}: {row['segment']} has position {row['position']} twice")
            lines[int(row["position"])] = line
        for key, lines in elements.items():
            missing = sorted(set(range(1, max(lines) + 1)) - lines.keys())
            if missing:
                self.faults.append(f"{key[1]} of {key[0]} has no position {missing[0]}; list every element up to the last")
                continue
            segment = MadeSegment(titles.get(key, f"segment {key[1]}"), [lines[position] for position in sorted(lines)])
            (self.result.composites if re.fullmatch(r"C[0-9]{3}", key[1]) else self.result.segments)[key] = segment
        for place, row in self.table("conditions"):
            holder = self.result.segments.get((row["release"], row["segment"])) or self.result.composites.get((row["release"], row["segment"]))
            if holder is None:
                self.faults.append(f"{place}: {row['segment']} has no elements in the table elements")
            else:
                (holder.doubtful if row["doubtful"] == "yes" else holder.conditions).append(row["condition"])
        for _, row in self.table("codes"):
            self.result.codes.setdefault(row["element"], {})[row["code"]] = row["meaning"]
        self._guides(lambda place, text: self.faults.append(f"{place}: {text}"))
        if self.faults:
            raise ImportFault("\n".join(self.faults[:MAX_FAULTS]))
        return self.result

    def _line(self, place: str, row: Mapping[str, str], described: Mapping[tuple[str, str], Mapping[str, str]]) -> str:
        number = row["element"]
        if number.startswith("C"):
            return f"{number} {row['required']} {_one_line(row['title']) or f'composite {number}'}"
        about = described.get((row["release"], number))
        if about is None:
            self.faults.append(f"{place}: data element {number} of {row['release']} is not in the table dictionary")
            return ""
        title = _one_line(row["title"] or about["title"])
        return f"{number} {row['required']} {about['type']} {about['minimum']}/{about['maximum']} {title}"

    def _guides(self, fault: Callable[[str, str], None]) -> None:
        made: dict[tuple[str, str], MadeGuide] = {}
        stacks: dict[tuple[str, str], list[list[Item]]] = {}
        for _, row in self.table("sets"):
            key = row["set"], row["release"]
            made[key] = MadeGuide(row["set"], row["release"], row["functional"], _one_line(row["title"]), [])
            stacks[key] = [made[key].items]
        for place, row in self.table("layout"):
            stack, level = stacks.get((row["set"], row["release"])), int(row["level"])
            if stack is None:
                fault(place, f"{row['set']} of {row['release']} is not in the table sets")
                continue
            if level >= len(stack):
                fault(place, f"level {level} lies in no loop; the line above it opens none (loop: yes)")
                continue
            del stack[level + 1 :]
            maximum = None if row["maximum"] == ">1" else int(row["maximum"])
            item = Item(row["segment"], row["required"] == "M", maximum, [] if row["loop"] == "yes" else None)
            stack[level].append(item)
            if item.below is not None:
                stack.append(item.below)
        for (set_id, release), one in made.items():
            tags = [item.tag for item in one.items]
            if tags[:1] != ["ST"] or tags[-1:] != ["SE"]:
                fault(f"layout of {set_id} {release}", "must begin with ST and end with SE, both on level 0")
        self.result.guides = list(made.values())


def _one_line(text: str) -> str:
    return " ".join(text.split())
