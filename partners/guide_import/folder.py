"""Writes what was imported as a folder of guides, which is then read as any other. Knows the form of our files; knows no source."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from partners.guide_import.made import ImportFault, Item, Made, MadeGuide, MadeSegment
from partners.guides import CODES, COMPOSITES, SEGMENTS, guide_file, guides_with, own_dictionary
from partners.positioned import PositionedError, load
from translators.document import TranslationError


def write_folder(made: Made, home: Path, *, replace: bool = False) -> list[str]:
    """The files written, relative to the folder. Raises ImportFault; then nothing is changed.

    What the folder has of a release already stays; a segment that is imported again replaces it. A guide that is there is not replaced unasked.
    """
    files: dict[str, str] = {}
    for guide in made.guides:
        name = guide_file(guide.set_id, guide.release)
        if (home / name).exists() and not replace:
            raise ImportFault(f"{home / name} is there; say --replace to put the imported guide in its place, or choose another folder")
        files[name] = "".join(f"{line}\n" for line in _guide_lines(guide))
    for kind, file in (("segments", SEGMENTS), ("composites", COMPOSITES)):
        found: Mapping[tuple[str, str], MadeSegment] = getattr(made, kind)
        for release in sorted({release for release, _ in found}):
            mine = {name: one for (of, name), one in found.items() if of == release}
            files[f"{release}/{file}"] = "".join(f"{line}\n" for line in _segment_lines(_there(home / release / file) | mine))
    if made.codes:
        files[CODES] = "".join(f"{line}\n" for line in _code_lines(_codes_there(home / CODES), made.codes))
    before = {name: (home / name).read_bytes() if (home / name).exists() else None for name in files}
    for name, text in files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text, encoding="utf-8")
    try:
        _prove(made, home)
    except TranslationError as error:
        for name, content in before.items():
            if content is None:
                (home / name).unlink()
            else:
                (home / name).write_bytes(content)
        raise ImportFault(f"what was imported is no guide, and nothing was kept: {error}") from None
    return sorted(files)


def _prove(made: Made, home: Path) -> None:
    """Reads every guide back."""
    guides_with.cache_clear()
    own_dictionary.cache_clear()
    book = guides_with(home)
    for guide in made.guides:
        if book.guide(guide.set_id, guide.release) is None:
            raise TranslationError(f"{guide.set_id} of {guide.release} cannot be read back")


def _guide_lines(guide: MadeGuide) -> Iterator[str]:
    yield f"set: {guide.set_id}"
    yield f"release: {_quoted(guide.release)}"
    yield f"functional: {_quoted(guide.functional)}"
    yield f"title: {_quoted(guide.title)}"
    yield "layout:"
    yield from _item_lines(guide.items, 1)


def _item_lines(items: list[Item], depth: int) -> Iterator[str]:
    indent = "  " * depth
    for item in items:
        often = f"{'M' if item.required else 'O'} {item.maximum if item.maximum is not None else '>1'}"
        if item.below is None:
            yield f"{indent}- {item.tag} {often}"
        else:
            yield f"{indent}- {item.tag} loop {often}:"
            yield f"{indent}    - {item.tag} M 1"
            yield from _item_lines(item.below, depth + 2)


def _segment_lines(segments: Mapping[str, MadeSegment]) -> Iterator[str]:
    for name in sorted(segments):
        one = segments[name]
        yield f"{_quoted(name)}:"
        yield f"  title: {_quoted(one.title)}"
        if one.conditions:
            yield f"  conditions: {' '.join(one.conditions)}"
        if one.doubtful:
            yield f"  doubtful: {' '.join(one.doubtful)}"
        yield "  elements:"
        yield from (f"    - {_quoted(line)}" for line in one.elements)


def _code_lines(there: Mapping[str, Mapping[str, str]], more: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    yield "elements:"
    for number in sorted({*there, *more}):
        yield f"  {_quoted(number)}:"
        codes = {**there.get(number, {}), **more.get(number, {})}
        yield from (f"    {_quoted(code)}: {_quoted(words)}" for code, words in sorted(codes.items()))


def _quoted(text: str) -> str:
    """Text in double quotes, which YAML reads as JSON does."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _there(path: Path) -> dict[str, MadeSegment]:
    return {
        name: MadeSegment(one["title"], list(one["elements"]), str(one.get("conditions") or "").split(), str(one.get("doubtful") or "").split())
        for name, one in _value(path).items()
    }


def _codes_there(path: Path) -> dict[str, dict[str, str]]:
    found = _value(path).get("elements") or {}
    return {number: dict(codes) for number, codes in found.items()} if isinstance(found, dict) else {}


def _value(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        value, _ = load(path.read_text(encoding="utf-8"))
    except (OSError, PositionedError) as error:
        raise ImportFault(f"{path}: it cannot be read, so nothing is added to it: {error}") from None
    return value if isinstance(value, dict) else {}
