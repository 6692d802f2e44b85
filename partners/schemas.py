"""Loads XML schemas of partners from the library's `schemas/`, or from the folder of a file that a person names. Knows nothing of what they mean."""

from functools import lru_cache
from pathlib import Path

from partners import library
from translators.document import TranslationError
from translators.xml.schema import MAX_FILES, MAX_SCHEMA_BYTES, Schema, compile_schema


@lru_cache(maxsize=32)
def schema_of(name: str) -> Schema:
    """A schema of the library by its file's name, with what it includes. Raises TranslationError."""
    home = library.folder("schemas")
    if home is None:
        raise TranslationError(f"schema {name}: the library has no folder schemas; put the file and what it includes there (setting `library`)")
    path = home / name
    if home.resolve() not in path.resolve().parents or not path.is_file():
        there = ", ".join(sorted(one.name for one in home.rglob("*.xsd"))[:20]) or "none"
        raise TranslationError(f"schema {name}: there is no such file in {home}; there are {there}")
    return schema_at(path, home)


def schema_at(path: Path, home: Path | None = None) -> Schema:
    """A schema file; what it includes is looked for by name in `home`, or beside it. Raises TranslationError."""
    files: dict[str, bytes] = {}
    total = 0
    for one in sorted((home or path.parent).rglob("*.xsd")):
        total += one.stat().st_size
        if len(files) >= MAX_FILES or total > MAX_SCHEMA_BYTES:
            raise TranslationError(f"{home or path.parent}: more than {MAX_FILES} schema files or {MAX_SCHEMA_BYTES:,} bytes")
        files[one.name] = one.read_bytes()
    try:
        return compile_schema(path.read_bytes(), files, name=path.name)
    except OSError as error:
        raise TranslationError(f"{path}: {error.strerror}") from None


library.on_change(schema_of.cache_clear)
