"""Loads the mappings of calls (`mappings/erp/`, the library's beside them) and an installation's lookup tables.

Knows neither targets nor requests; what a mapping means is `translators.calls`.
"""

import csv
from functools import lru_cache
from pathlib import Path

from partners import library
from partners.mappings import HOME
from partners.positioned import PositionedError, load
from translators.calls import Calls, LookupTable, compile_calls, read_lookup, read_lookup_rows
from translators.events.families import FAMILIES
from translators.mapping.errors import MappingError
from translators.mapping.written import Written

ERP = "erp"
LOOKUPS = "lookups"
MAX_TABLE = 64 << 20
"""Bytes of one table."""


class CallLibrary:
    """The mappings of calls: one folder for each ERP, in it one file for each event."""

    def __init__(self, homes: list[Path]) -> None:
        """Those later may add ERPs and events; they may not take the name of what ships."""
        self._homes = [home / ERP for home in homes]
        self._compiled: dict[tuple[str, str], Calls] = {}

    def names(self) -> list[str]:
        """Such as "erp/tryton"."""
        return sorted({f"{ERP}/{path.parent.name}" for home in self._homes for path in home.glob("*/*.yaml")})

    def events(self, name: str) -> list[str]:
        """The events that an ERP's mapping has calls for."""
        return sorted({path.stem for home in self._homes for path in home.glob(f"{name.removeprefix(ERP + '/')}/*.yaml")})

    def calls(self, name: str, event: str) -> Calls | None:
        """One event's calls; None where that ERP's mapping has none. Raises MappingError with file, line and column."""
        if name not in self.names():
            raise MappingError(f"there is no mapping {name!r} of calls; there are {', '.join(self.names()) or 'none'}")
        if event not in self.events(name):
            return None
        if (name, event) not in self._compiled:
            found = [path for home in self._homes if (path := home / name.removeprefix(f"{ERP}/") / f"{event}.yaml").exists()]
            if len(found) > 1:
                raise MappingError(f"{found[1]}: a mapping of that name ships; give yours another ERP's name")
            written = read(found[0], f"mappings/{name}/{event}.yaml")
            if isinstance(written.value, dict) and written.value.get("event") not in (event, None):
                raise MappingError(written.at(("event",), f"is not the file's name; call the file {written.value.get('event')}.yaml"))
            self._compiled[name, event] = compile_calls(written, name=f"{name}/{event}")
        return self._compiled[name, event]

    def needed(self, name: str, event: str) -> Calls:
        """The same; raises MappingError where there are none, too."""
        found = self.calls(name, event)
        if found is None:
            there = self.events(name)
            raise MappingError(
                f"{name} has calls for {', '.join(there) or 'nothing'}; say which is meant, as in {name}/{there[0] if there else 'EVENT'}"
            )
        return found


def read(path: Path, label: str) -> Written:
    """Raises MappingError."""
    try:
        value, places = load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise MappingError(f"{label}: it cannot be read: {error}") from None
    except PositionedError as error:
        raise MappingError(f"{label}: {error}") from None
    return Written.of(value, places, label)


@lru_cache(maxsize=1)
def shipped_calls() -> CallLibrary:
    """What ships, and the library's own."""
    own = library.folder("mappings")
    return CallLibrary([HOME] if own is None else [HOME, own])


library.on_change(shipped_calls.cache_clear)


def event_name(type_: str) -> str | None:
    """ "shipment.notified" of "org.crossdock.shipment.notified.v1"; None for a type that no mapping can be for."""
    return next((name for name, family in FAMILIES.items() if family.type == type_), None)


# ---- lookup tables


class LookupFiles:
    """An installation's lookup tables, each read again when its file is another one: a line that was missing counts at once."""

    def __init__(self, named: dict[str, Path]) -> None:
        """`named`: tables that lie elsewhere than in the library's lookups/."""
        self._named = named
        self._read: dict[str, tuple[object, LookupTable]] = {}

    def tables(self, names: list[str]) -> dict[str, LookupTable]:
        """Those that there are. Raises MappingError for one that cannot be read."""
        return {name: table for name in names if (table := self._table(name)) is not None}

    def _table(self, name: str) -> LookupTable | None:
        path = self._path(name)
        if path is None:
            return None
        try:
            stat = path.stat()
            mark = (path, stat.st_mtime_ns, stat.st_size, stat.st_ino)
            kept = self._read.get(name)
            if kept is None or kept[0] != mark:
                if stat.st_size > MAX_TABLE:
                    raise MappingError(f"{path}: larger than {MAX_TABLE >> 20} MiB")
                kept = self._read[name] = (mark, read_table(path, name))
        except OSError as error:
            raise MappingError(f"{path}: the lookup table {name} cannot be read: {error.strerror}") from None
        return kept[1]

    def _path(self, name: str) -> Path | None:
        if name in self._named:
            return self._named[name]
        home = library.folder(LOOKUPS)
        found = [path for suffix in ("yaml", "csv") if home is not None and (path := home / f"{name}.{suffix}").exists()]
        if len(found) > 1:
            raise MappingError(f"{found[1]}: there is {found[0].name}, too; keep one of them")
        return found[0] if found else None


def read_table(path: Path, name: str) -> LookupTable:
    """Raises MappingError with file and line, OSError."""
    if path.suffix != ".csv":
        return read_lookup(read(path, str(path)), name, str(path))
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, strict=True)
            return read_lookup_rows(((rows.line_num, row) for row in rows), name, str(path))
    except (csv.Error, UnicodeDecodeError) as error:
        raise MappingError(f"{path}: it is no CSV in UTF-8: {error}") from None
