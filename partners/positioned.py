"""Reads YAML that people wrote, keeping for every value the line and column where it stands.

Scalars stay text (so NO is no boolean and 0123 keeps its zero); no aliases, no tags, bounded size and depth.
"""

from typing import Any

import yaml

MAX_CHARACTERS = 4_000_000
MAX_DEPTH = 40

Path = tuple[str | int, ...]
Places = dict[Path, tuple[int, int]]


class PositionedError(ValueError):
    """The text is no usable YAML; the message begins with the line and column."""


class _Builder:
    """Collects one document from PyYAML's events."""

    def __init__(self) -> None:
        self.root: Any = None
        self.places: Places = {}
        self.documents = 0
        self._stack: list[tuple[Any, Path]] = []
        self._keys: list[str | None] = []

    def _expects_key(self) -> bool:
        return bool(self._stack) and isinstance(self._stack[-1][0], dict) and self._keys[-1] is None

    def _put(self, event: yaml.NodeEvent, value: Any) -> Path:
        path: Path = ()
        if not self._stack:
            self.root = value
        else:
            box, base = self._stack[-1]
            if isinstance(box, list):
                path = (*base, len(box))
                box.append(value)
            elif self._keys[-1] is None:
                if not isinstance(value, str):
                    raise PositionedError(f"{_at(event)}: a key must be plain text")
                if value in box:
                    raise PositionedError(f"{_at(event)}: {value!r} is given twice")
                self._keys[-1] = value
                self.places.setdefault((*base, value), _place(event))
                return base
            else:
                key = self._keys[-1]
                path = (*base, key)
                box[key] = value
                self._keys[-1] = None
        self.places[path] = _place(event)
        return path

    def take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.ScalarEvent):
            empty = not self._expects_key() and not event.style and event.value in ("", "~", "null")
            self._put(event, None if empty else event.value)
        elif isinstance(event, yaml.CollectionStartEvent):
            if len(self._stack) >= MAX_DEPTH:
                raise PositionedError(f"{_at(event)}: nested deeper than {MAX_DEPTH} levels")
            box: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
            path = self._put(event, box)
            self._stack.append((box, path))
            self._keys.append(None)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._stack.pop()
            self._keys.pop()
        elif isinstance(event, yaml.AliasEvent):
            raise PositionedError(f"{_at(event)}: aliases are not allowed; write the value out")
        elif isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                raise PositionedError(f"{_at(event)}: one document only; remove the second '---'")


def _place(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _at(event: yaml.Event) -> str:
    return "line {}, column {}".format(*_place(event))


def load(text: str) -> tuple[Any, Places]:
    """The value (dicts, lists, text, None) and the place (line, column, both from 1) of each path in it.

    Raises PositionedError, whose text names line and column.
    """
    if len(text) > MAX_CHARACTERS:
        raise PositionedError(f"line 1, column 1: larger than {MAX_CHARACTERS} characters")
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "line 1, column 1"
        raise PositionedError(f"{where}: {error.problem}") from None
    except yaml.YAMLError as error:
        raise PositionedError(f"line 1, column 1: {str(error).splitlines()[0]}") from None
    return builder.root, builder.places
