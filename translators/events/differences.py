"""What differs between two tellings of one event, field by field.

Knows neither events' families nor where the tellings come from.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from translators.events.identity import UNMEANT


class Difference(NamedTuple):
    """One field that is not the same. `path` is "lines[].shipped.value": indexes are left out, so that equal fields count together."""

    path: str
    kind: Literal["added", "removed", "changed"]
    before: Any
    """None where it was added."""
    after: Any
    """None where it was removed."""


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """Every field that differs, in the order of the names, down to single values.

    Items of lists are paired by their `id` where each has one of its own, else by their place.
    """
    old, new = list(_leaves("", before, ())), list(_leaves("", after, ()))
    was, now = {key: value for key, _, value in old}, {key: value for key, _, value in new}
    paths = {key: path for key, path, _ in [*old, *new]}
    found = []
    for key in sorted(paths, key=lambda key: (paths[key], key)):
        if key not in now:
            found.append(Difference(paths[key], "removed", was[key], None))
        elif key not in was:
            found.append(Difference(paths[key], "added", None, now[key]))
        elif was[key] != now[key] or type(was[key]) is not type(now[key]):
            found.append(Difference(paths[key], "changed", was[key], now[key]))
    return found


def same_meaning(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether a new reading makes no new revision: equal but for the fields that say how and when it was told (identity.UNMEANT)."""
    return {name: before[name] for name in before if name not in UNMEANT} == {name: after[name] for name in after if name not in UNMEANT}


Key = tuple[str, ...]


def _leaves(path: str, value: Any, key: Key) -> Iterator[tuple[Key, str, Any]]:
    """(where it stands, its path, the value) of each single value; an empty dict or list is one, too."""
    if isinstance(value, Mapping) and value:
        for name in value:
            yield from _leaves(f"{path}.{name}" if path else name, value[name], (*key, f".{name}"))
    elif isinstance(value, list) and value:
        for mark, item in zip(_marks(value), value, strict=True):
            yield from _leaves(f"{path}[]", item, (*key, mark))
    elif key:
        yield key, path, value


def _marks(items: list[Any]) -> list[str]:
    """What an item of a list is known by: its own id, else its place."""
    ids = [str(item["id"]) for item in items if isinstance(item, Mapping) and "id" in item]
    if len(ids) == len(items) and len(set(ids)) == len(ids):
        return [f"#{one}" for one in ids]
    return [f"[{number}]" for number in range(len(items))]
