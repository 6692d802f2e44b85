"""JSON pointers (RFC 6901): where in an answer something stands.

Pure.
"""

import json
import re
from typing import Any

POINTER = re.compile(r"(/([^~/]|~[01])*)*")
INDEX = re.compile(r"0|[1-9][0-9]{0,8}")


def find(value: Any, pointer: str) -> Any:
    """What stands there; None where nothing does."""
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and INDEX.fullmatch(name) and int(name) < len(value):
            value = value[int(name)]
        else:
            return None
    return value


def words_at(body: bytes, pointer: str | None, most: int) -> str | None:
    """Text, a number, or several of them, as one line of at most so many characters; None where there is nothing of that kind."""
    if pointer is None:
        return None
    try:
        found = find(json.loads(body), pointer)
    except (ValueError, RecursionError):
        return None
    several = found if isinstance(found, list) else [found]
    words = "; ".join(" ".join(str(one).split()) for one in several if isinstance(one, str | int | float) and not isinstance(one, bool))
    return "".join(letter for letter in words if letter.isprintable())[:most].strip() or None
