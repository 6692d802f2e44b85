"""What somebody wrote in YAML, with the place of each value, and how a partner's overlay is laid over a base.

Knows YAML's values (dicts, lists, text, None) but not YAML; the texts are read by `partners`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from translators.mapping.errors import MappingError

Path = tuple[str | int, ...]
MAX_DEPTH = 12
"""How deep blocks may nest and shapes may use shapes."""
REMOVE = "remove"


class Place(NamedTuple):
    """Where a value stands; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}: line {self.line}, column {self.column}"


@dataclass(frozen=True, slots=True)
class Written:
    """A value with the place of each path in it."""

    value: Any
    places: Mapping[Path, Place] = field(default_factory=dict)

    @classmethod
    def of(cls, value: Any, places: Mapping[Path, tuple[int, int]], file: str) -> "Written":
        """From what the positioned reader gives."""
        return cls(value, {path: Place(file, *place) for path, place in places.items()})

    def place(self, path: Path) -> Place:
        """Where the value of `path` stands, or the nearest thing around it."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return Place("mapping", 1, 1)

    def at(self, path: Path, text: str) -> str:
        """A fault in words: "FILE: line L, column C: path: text"."""
        return f"{self.place(path)}: {dotted(path)}: {text}" if path else f"{self.place(path)}: {text}"

    def find(self, path: Path) -> Any:
        """The value at `path`, None if there is none."""
        value = self.value
        for part in path:
            value = value.get(part) if isinstance(value, dict) else None
        return value


def dotted(path: Path) -> str:
    """('fields', 'lines[]', 'lot') as people write it: fields.lines[].lot"""
    return ".".join(str(part) for part in path)


def lay_over(base: Written, overlay: Written) -> Written:
    """The overlay's lines over the base's, field by field: blocks are merged, anything else is replaced, `remove` takes away.

    Raises MappingError for a `remove` that meets nothing.
    """
    places = dict(base.places)
    lines = {key: value for key, value in overlay.value.items() if key != REMOVE} if isinstance(overlay.value, dict) else overlay.value
    value = _merge(base.value, lines, (), places, overlay.places)
    removals = overlay.find((REMOVE,)) or []
    for number, text in enumerate(removals if isinstance(removals, list) else [removals]):
        if not _remove(value, str(text)):
            raise MappingError(overlay.at((REMOVE, number), f"{text!r} is not in the base; see the effective mapping for its names"))
    return Written(value, places)


def _merge(base: Any, over: Any, path: Path, places: dict[Path, Place], more: Mapping[Path, Place]) -> Any:
    if isinstance(base, dict) and isinstance(over, dict) and len(path) <= MAX_DEPTH:
        merged = dict(base)
        for key, value in over.items():
            merged[key] = _merge(base.get(key), value, (*path, key), places, more)
        return merged
    for known, place in more.items():
        if known[: len(path)] == path:
            places[known] = place
    return over


def _remove(value: Any, text: str) -> bool:
    """Takes the field named by a dotted path out of the nested dicts; False if there is none."""
    if not isinstance(value, dict):
        return False
    if text in value:
        del value[text]
        return True
    for key in value:
        if text.startswith(f"{key}.") and isinstance(value[key], dict):
            value[key] = inner = dict(value[key])  # the base's own blocks stay as they are
            if _remove(inner, text[len(key) + 1 :]):
                return True
    return False


def use_shapes(written: Written, shapes: Mapping[str, Written]) -> Written:
    """The same with every `use: NAME` replaced by that shape's lines, the block's own lines over them. Raises MappingError."""
    places: dict[Path, Place] = {}
    value = _expand(written, (), (), places, shapes, MAX_DEPTH)
    return Written(value, places)


def _expand(source: Written, path: Path, target: Path, places: dict[Path, Place], shapes: Mapping[str, Written], depth: int) -> Any:
    value = source.find(path) if path else source.value
    if path in source.places:
        places[target] = source.places[path]
    if not isinstance(value, dict):
        if isinstance(value, list):
            for index in range(len(value)):
                places[(*target, index)] = source.place((*path, index))
        return value
    if not depth:
        raise MappingError(source.at(path, f"is nested deeper than {MAX_DEPTH} levels"))
    expanded: dict[str, Any] = {}
    if "use" in value:
        shape = shapes.get(str(value["use"]))
        if shape is None:
            raise MappingError(source.at((*path, "use"), f"there is no shape {value['use']!r}; there are {', '.join(sorted(shapes)) or 'none'}"))
        expanded = dict(_expand(shape, (), target, places, shapes, depth - 1))
        places[target] = source.place(path)
    for key in value:
        if key != "use":
            if key in expanded:  # the shape's own lines below this key are gone, and their places with them
                for stale in [known for known in places if known[: len(target) + 1] == (*target, key)]:
                    del places[stale]
            expanded[key] = _expand(source, (*path, key), (*target, key), places, shapes, depth - 1)
    return expanded


def effective_text(written: Written, base_file: str) -> str:
    """The mapping as YAML, to be read and compared; a line that is not from `base_file` says where it is from."""
    return "".join(f"{line}\n" for line in _lines(written, written.value, (), base_file))


def _lines(written: Written, value: Any, path: Path, base_file: str) -> Iterator[str]:
    indent = "  " * len(path)
    for key, inner in value.items():
        here = (*path, key)
        place = written.place(here)
        origin = "" if place.file == base_file else f"  # {place.file}:{place.line}"
        if isinstance(inner, dict | list) and not inner:
            yield f"{indent}{_scalar(key)}: {'{}' if isinstance(inner, dict) else '[]'}{origin}"
        elif isinstance(inner, dict):
            yield f"{indent}{_scalar(key)}:{origin}"
            yield from _lines(written, inner, here, base_file)
        elif isinstance(inner, list):
            yield f"{indent}{_scalar(key)}:{origin}"
            for item in inner:
                pairs = ", ".join(f"{_scalar(name)}: {_flow(text)}" for name, text in item.items()) if isinstance(item, dict) else ""
                yield f"{indent}  - {{{pairs}}}" if pairs else f"{indent}  - {_scalar(item)}"
        else:
            yield f"{indent}{_scalar(key)}: {_scalar(inner)}{origin}"


def _flow(value: Any) -> str:
    """A value inside braces, where commas and braces part values."""
    text = _scalar(value)
    return text if text.startswith("'") or not set(text) & set(",[]{}") else "'" + text.replace("'", "''") + "'"


def _scalar(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_scalar(item) for item in value) + "]"
    if value is None:
        return "null"
    text = str(value)
    plain = text and text == text.strip() and not set(text) & set("\"'#&*!%@`{}\n") and text[0] not in "-?:,[]|>=" and ": " not in text
    return text if plain and text not in ("null", "~") and not text.endswith(":") else "'" + text.replace("'", "''") + "'"
