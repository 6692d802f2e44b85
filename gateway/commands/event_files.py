"""A file that holds an event, as people hand one to a command: an object with its data, or a CloudEvent around it."""

import json
from pathlib import Path
from typing import Any

from gateway.exits import BAD_DATA, USAGE


class NoEvent(Exception):
    """The text says why; `code` is how the command ends."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


def event_in(file: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """(the event's data, its attributes: none where the file is the data alone). Raises NoEvent."""
    try:
        given = json.loads(file.read_bytes())
    except OSError as error:
        raise NoEvent(f"{file}: {error.strerror}", USAGE) from None
    except ValueError as error:
        raise NoEvent(f"{file}: it is no JSON: {error}", BAD_DATA) from None
    data = given.get("data", given) if isinstance(given, dict) else None
    if not isinstance(data, dict):
        raise NoEvent(f"{file}: it holds no event; an object with its data is wanted, or a CloudEvent", BAD_DATA)
    return data, {key: str(one) for key, one in given.items() if key != "data"} if data is not given else {}
