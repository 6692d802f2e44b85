"""Loads X12 guides and dictionaries: those that ship in mappings/, in the tree as in an installed wheel, and those of a folder of one's own.

Knows nothing of what a guide means; translators/x12/guide.py does.
"""

from functools import cache
from pathlib import Path
from typing import Any

import mappings
from partners import library, positioned
from translators.document import TranslationError
from translators.x12.guide import Dictionary, Guide, GuideBook, dictionary, guide

FOLDER = Path(mappings.__file__).parent / "x12"
CODES = "codes.yaml"
SEGMENTS, COMPOSITES = "segments.yaml", "composites.yaml"


def guide_file(set_id: str, release: str) -> str:
    """Where a guide stands in its folder."""
    return f"{set_id}/guide-{release}.yaml"


@cache
def shipped_guides() -> GuideBook:
    """The guides that ship, with those of the library's `guides/` over them, each read when first asked for.

    Raises TranslationError, with the file's name, for a broken one.
    """
    own = library.folder("guides")
    if own is not None:
        return guides_with(own)
    return GuideBook(releases(FOLDER), lambda set_id, release, rules: _guide(FOLDER, set_id, release, shipped_dictionary(rules)))


@cache
def shipped_dictionary(release: str) -> Dictionary:
    """The segments and elements of a release, such as "004010". Raises TranslationError, with the file's name, if it is broken."""
    return _dictionary(FOLDER, release, _tables(FOLDER, release))


@cache
def guides_with(own: Path | None) -> GuideBook:
    """The guides of a folder of one's own over those that ship.

    A guide of the folder uses the shipped dictionary of its release with the folder's `RELEASE/segments.yaml`, `RELEASE/composites.yaml`
    and `codes.yaml` laid over it, whichever of them there are. A shipped guide keeps the shipped dictionary.
    Raises TranslationError for a folder that is not there, and, when a guide is asked for, with the file's name for a broken one.
    """
    if own is None:
        return shipped_guides()
    if not own.is_dir():
        raise TranslationError(f"{own}: there is no such folder of guides; `crossdock guide import` makes one")
    mine, theirs = releases(own), releases(FOLDER)
    available = {set_id: tuple(sorted({*mine.get(set_id, ()), *theirs.get(set_id, ())})) for set_id in {*mine, *theirs}}

    def load(set_id: str, release: str, dictionary_release: str) -> Guide:
        is_mine = release in mine.get(set_id, ())
        shipped_rules = not is_mine and (FOLDER / dictionary_release).is_dir()
        rules = shipped_dictionary(dictionary_release) if shipped_rules else own_dictionary(own, dictionary_release)
        return _guide(own if is_mine else FOLDER, set_id, release, rules)

    return GuideBook(available, load)


@cache
def own_dictionary(own: Path, release: str) -> Dictionary:
    """The shipped dictionary of a release with a folder's tables over it. Raises TranslationError if there is neither."""
    if not (own / release).is_dir() and not (FOLDER / release).is_dir():
        raise TranslationError(f"{own / release}: there is no dictionary of {release}; import the segments of that release, too")
    shipped, mine = (_tables(folder, release) for folder in (FOLDER, own))
    codes = {number: shipped["codes"].get(number, {}) | mine["codes"].get(number, {}) for number in {*shipped["codes"], *mine["codes"]}}
    tables = {name: shipped[name] | mine[name] for name in ("segments", "composites")}
    return _dictionary(own, release, {**tables, "codes": codes, "ids": shipped["ids"] | mine["ids"]})


def releases(folder: Path) -> dict[str, tuple[str, ...]]:
    """Set id -> the releases that a folder has a guide for, sorted."""
    found: dict[str, tuple[str, ...]] = {}
    for path in sorted(folder.glob("*/guide-*.yaml")):
        set_id, release = path.parent.name, path.stem.removeprefix("guide-")
        found[set_id] = (*found.get(set_id, ()), release)
    return found


def _guide(folder: Path, set_id: str, release: str, rules: Dictionary) -> Guide:
    path = folder / guide_file(set_id, release)
    try:
        return guide(_load(path), rules)
    except TranslationError as error:
        raise TranslationError(f"{path}: {error}") from None


def _tables(folder: Path, release: str) -> dict[str, Any]:
    """What a folder says of a release; empty where it has no file."""
    codes = _load(folder / CODES) if (folder / CODES).exists() else {}
    found = {path.stem: _load(path) for path in (folder / release / SEGMENTS, folder / release / COMPOSITES) if path.exists()}
    ids = frozenset(" ".join(codes.get("segment_ids") or []).split())
    return {"segments": {}, "composites": {}} | found | {"codes": codes.get("elements") or {}, "ids": ids}


def _dictionary(folder: Path, release: str, tables: dict[str, Any]) -> Dictionary:
    try:
        return dictionary(release, segments=tables["segments"], composites=tables["composites"], codes=tables["codes"], known_ids=tables["ids"])
    except TranslationError as error:
        raise TranslationError(f"{folder / release}: {error}") from None


def _load(path: Path) -> dict[str, Any]:
    try:
        value, _ = positioned.load(path.read_text(encoding="utf-8"))
    except positioned.PositionedError as error:
        raise TranslationError(f"{path}: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise TranslationError(f"{path}: it cannot be read: {error}") from None
    if not isinstance(value, dict):
        raise TranslationError(f"{path}: names with values are due, such as 'title: ship notice'")
    return value


library.on_change(shipped_guides.cache_clear)
