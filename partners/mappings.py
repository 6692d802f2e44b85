"""Loads the shipped mappings, code tables and partner overlays from `mappings/`, and compiles them; knows the zone data.

Knows neither partners nor messages; what a mapping means is `translators.mapping`.
"""

from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from partners import library
from partners.guides import shipped_dictionary
from partners.positioned import PositionedError, load
from translators.csv.dialect import dialect_of
from translators.csv.paths import CsvSyntax
from translators.mapping import CodeTable, CompiledMapping, MappingError, Written, compile_mapping, effective_text, lay_over, read_table
from translators.mapping.language import Language
from translators.mapping.syntax import X12Syntax
from translators.mapping.written import use_shapes
from translators.xml.layout import form_of
from translators.xml.paths import XmlSyntax

HOME = Path(__file__).parent.parent / "mappings"
"""The data that ships: beside the packages in the source tree and in the wheel."""
MAPPING = "mapping.yaml"
OVERLAYS = "overlays"
FIXTURES = "fixtures"
SHAPES = "shapes.yaml"
RELEASES = ("004010", "005010")


class MappingLibrary:
    """The mappings below one folder, and those of one's own beside them, each compiled once and kept.

    One's own may add mappings, overlays over any mapping, code tables and shapes; it may not take the name of what ships.
    """

    def __init__(self, home: Path = HOME, own: Path | None = None) -> None:
        self._home = home
        self._homes = [home] if own is None else [home, own]
        self._compiled: dict[tuple[str, tuple[str, ...]], CompiledMapping] = {}
        self._tables: dict[str, CodeTable] | None = None

    def names(self) -> list[str]:
        """All base mappings, such as "x12/214"."""
        return sorted({path.parent.relative_to(home).as_posix() for home in self._homes for path in home.rglob(MAPPING)})

    def overlays(self, name: str) -> list[str]:
        """The shipped overlays of one base mapping."""
        return sorted({path.stem for home in self._homes for path in (home / name / OVERLAYS).glob("*.yaml")})

    def fixtures(self, name: str) -> list[Path]:
        """The example documents beside a base mapping; each has its expected events in NAME.events.json."""
        return sorted(path for home in self._homes for path in (home / name / FIXTURES).glob("*") if path.suffix != ".json")

    def for_set(self, set_id: str) -> str | None:
        """The base mapping of an X12 set id; None if none ships."""
        name = f"x12/{set_id}"
        return name if name in self.names() else None

    def mapping(self, name: str, overlays: tuple[str, ...] = ()) -> CompiledMapping:
        """A base mapping with overlays over it, in their order. Raises MappingError with file, line and column."""
        key = (name, overlays)
        if key not in self._compiled:
            full = " + ".join((name, *overlays))
            written = self.written(name, overlays)
            self._compiled[key] = self._compile(name, written, full)
        return self._compiled[key]

    def traced(self, name: str, overlays: tuple[str, ...] = ()) -> CompiledMapping:
        """The same, compiled to explain (translators.mapping.explain). Raises MappingError."""
        written = self.written(name, overlays)
        return self._compile(name, written, " + ".join((name, *overlays)), trace=True)

    def _compile(self, name: str, written: Written, full: str, *, trace: bool = False) -> CompiledMapping:
        shapes = self.shapes(name)
        words, form = words_of(name, use_shapes(written, shapes))
        return compile_mapping(written, tables=self.tables(), shapes=shapes, words=words, form=form, name=full, trace=trace)

    def effective(self, name: str, overlays: tuple[str, ...] = ()) -> str:
        """Base and overlays as one YAML text; lines of an overlay say so."""
        return effective_text(self.written(name, overlays), self._label(self._base(name)))

    def written(self, name: str, overlays: tuple[str, ...] = ()) -> Written:
        """Base and overlays laid over each other, with the place of every line. Raises MappingError."""
        written = self._read(self._base(name))
        for overlay in overlays:
            if overlay not in self.overlays(name):
                raise MappingError(f"{name} has no overlay {overlay!r}; there are {', '.join(self.overlays(name)) or 'none'}")
            path = self._only(f"{name}/{OVERLAYS}/{overlay}.yaml", "an overlay")
            written = lay_over(written, self._read(path))
        return written

    def tables(self) -> dict[str, CodeTable]:
        """All code tables, by name."""
        if self._tables is None:
            names = sorted({path.name for home in self._homes for path in (home / "codes").glob("*.yaml")})
            paths = [self._only(f"codes/{name}", "a code table") for name in names]
            self._tables = {path.stem: read_table(self._read(path), path.stem) for path in paths}
        return self._tables

    def shapes(self, name: str) -> dict[str, Written]:
        """The blocks that the mappings of one format share."""
        found: dict[str, Written] = {}
        for home in self._homes:
            path = home / name.partition("/")[0] / SHAPES
            if not path.exists():
                continue
            written = self._read(path)
            if twice := sorted(found.keys() & written.value.keys()):
                raise MappingError(f"{self._label(path)}: {twice[0]} is a shape that ships; give yours another name")
            for shape, block in written.value.items():
                found[shape] = Written(block, {place[1:]: at for place, at in written.places.items() if place[:1] == (shape,)})
        return found

    def _base(self, name: str) -> Path:
        if name not in self.names():
            raise MappingError(f"there is no mapping {name!r}; there are {', '.join(self.names())}")
        return self._only(f"{name}/{MAPPING}", "a mapping")

    def _only(self, path: str, what: str) -> Path:
        """The one file of that path in the folders. Raises MappingError where one's own has the name of what ships."""
        found = [home / path for home in self._homes if (home / path).exists()]
        if len(found) > 1:
            raise MappingError(f"{self._label(found[1])}: {what} of that name ships; give yours another name")
        return found[0]

    def _label(self, path: Path) -> str:
        home = next(home for home in self._homes if home in path.parents)
        return path.relative_to(home.parent).as_posix()

    def _read(self, path: Path) -> Written:
        try:
            value, places = load(path.read_text(encoding="utf-8"))
        except PositionedError as error:
            raise MappingError(f"{self._label(path)}: {error}") from None
        return Written.of(value, places, self._label(path))


def words_of(name: str, written: Written) -> tuple[Language, Any]:
    """The mapping language over the paths of a mapping's format, which the first part of its name says, and what the mapping says of the format
    itself (a CSV dialect, an XML layout; None for X12). Raises MappingError."""
    if name.startswith("csv/"):
        dialect = dialect_of(written, name.partition("/")[2])
        return Language(CsvSyntax(dialect)), dialect
    if name.startswith("xml/"):
        layout = form_of(written, name.partition("/")[2])
        return Language(XmlSyntax(layout.namespaces)), layout
    return _x12(), None


@lru_cache(maxsize=1)
def _x12() -> Language:
    return Language(X12Syntax(segment_sizes()))


@lru_cache(maxsize=1)
def segment_sizes() -> dict[str, int]:
    """The X12 segments we know and how many elements each has in the release that has the most."""
    sizes: dict[str, int] = {}
    for release in RELEASES:
        for tag, rules in shipped_dictionary(release).segments.items():
            sizes[tag] = max(sizes.get(tag, 0), len(rules.elements))
    return sizes


@lru_cache(maxsize=1)
def shipped() -> MappingLibrary:
    """The library of what ships and of one's own mappings, read once a process."""
    return MappingLibrary(HOME, library.folder("mappings"))


library.on_change(shipped.cache_clear)


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


@lru_cache(maxsize=8192)
def zone_offset(name: str, local: datetime) -> tuple[int, bool] | None:
    """Minutes east of UTC of a local time in an IANA zone; not sure if the clock was changed then. None for an unknown zone."""
    zone = _zone(name)
    if zone is None:
        return None
    earlier, later = (local.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    if earlier is None:
        return None
    skipped = local.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) != local
    return int(earlier.total_seconds() // 60), earlier == later and not skipped


def is_zone(name: str) -> bool:
    """True for an IANA name that the zone data know."""
    return _zone(name) is not None
