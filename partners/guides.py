"""Loads the X12 guides and dictionaries that ship in mappings/, in the tree as in an installed wheel.

Knows nothing of what a guide means; translators/x12/guide.py does.
"""

from functools import cache
from pathlib import Path
from typing import Any

import mappings
from partners import positioned
from translators.document import TranslationError
from translators.x12.guide import Dictionary, Guide, GuideBook, dictionary, guide

FOLDER = Path(mappings.__file__).parent / "x12"


@cache
def shipped_guides() -> GuideBook:
    """The guides that ship, each read when first asked for. Raises TranslationError, with the file's name, for a broken one."""
    available: dict[str, tuple[str, ...]] = {}
    for path in sorted(FOLDER.glob("*/guide-*.yaml")):
        set_id, release = path.parent.name, path.stem.removeprefix("guide-")
        available[set_id] = (*available.get(set_id, ()), release)
    return GuideBook(available, _load_guide)


@cache
def shipped_dictionary(release: str) -> Dictionary:
    """The segments and elements of a release, such as "004010". Raises TranslationError, with the file's name, if it is broken."""
    codes = _load(FOLDER / "codes.yaml")
    folder = FOLDER / release
    try:
        return dictionary(
            release,
            segments=_load(folder / "segments.yaml"),
            composites=_load(folder / "composites.yaml"),
            codes=codes["elements"],
            known_ids=frozenset(" ".join(codes["segment_ids"]).split()),
        )
    except TranslationError as error:
        raise TranslationError(f"{folder}: {error}") from None


def _load_guide(set_id: str, release: str, dictionary_release: str) -> Guide:
    path = FOLDER / set_id / f"guide-{release}.yaml"
    try:
        return guide(_load(path), shipped_dictionary(dictionary_release))
    except TranslationError as error:
        raise TranslationError(f"{path}: {error}") from None


def _load(path: Path) -> Any:
    try:
        value, _ = positioned.load(path.read_text(encoding="utf-8"))
    except positioned.PositionedError as error:
        raise TranslationError(f"{path}: {error}") from None
    return value
