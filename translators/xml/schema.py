"""XSD validation against a schema that somebody else wrote: its files come in as bytes, nothing is fetched, what is wrong becomes findings.

Knows the parser; knows neither mappings nor where schemas lie.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from lxml import etree

from translators.document import Finding, TranslationError
from translators.xml.limits import DEFAULT, XmlLimits
from translators.xml.reader import Refused, hardened_parser, parsed

MAX_FILES = 200
MAX_SCHEMA_BYTES = 20 * 2**20
MAX_FINDINGS = 100
_NAMESPACE = re.compile(r"\{[^}]*\}")


class Schema(NamedTuple):
    """A compiled schema."""

    name: str
    schema: Any


class _Included(etree.Resolver):  # type: ignore[misc]  # lxml has no types
    """Gives included files by their name, whatever address stands before it; there is no other way to any."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        super().__init__()
        self.files = files
        self.missing: set[str] = set()

    def resolve(self, url: str, public_id: str, context: Any) -> Any:
        name = url.rpartition("/")[2]
        if name not in self.files:
            self.missing.add(name)
            return self.resolve_string("<nothing/>", context)
        return self.resolve_string(self.files[name], context, base_url=f"schema:/{name}")


def compile_schema(main: bytes, files: Mapping[str, bytes], *, name: str) -> Schema:
    """The schema in `main`; `files`: what it may include, by file name. Raises TranslationError that names the file."""
    parser = hardened_parser()
    included = _Included(files)
    parser.resolvers.add(included)
    try:
        root = etree.fromstring(main, parser, base_url=f"schema:/{name}")
        return Schema(name, etree.XMLSchema(root))
    except (etree.XMLSyntaxError, etree.XMLSchemaParseError) as error:
        missing = f"; it includes {', '.join(sorted(included.missing))}, which is not there" if included.missing else ""
        raise TranslationError(f"schema {name} cannot be used{missing}: {str(error)[:300]}") from None


def schema_findings(data: bytes, schema: Schema, limits: XmlLimits = DEFAULT) -> list[Finding]:
    """What the schema finds wrong, at most 100; [] for a file that cannot be parsed, of which reading says why."""
    try:
        prepared, root = parsed(data, limits)
    except Refused:
        return []
    if schema.schema.validate(root):
        return []
    starts = [0]
    for line in prepared.utf8.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = []
    for error in list(schema.schema.error_log)[:MAX_FINDINGS]:
        line = max(1, error.line)
        start = prepared.received(starts[min(line, len(starts)) - 1])
        end = prepared.received(starts[min(line + 1, len(starts)) - 1])
        path = _path(error.path or "")
        words = _NAMESPACE.sub("", error.message)
        text = f"line {line}: {path}: {words} ({schema.name})"
        found.append(Finding("element", "schema", text[:600], start, end, kind="xsd", line=line, path=path[:300]))
    return found


def _path(path: str) -> str:
    """libxml2 writes *[1] for an element of a default namespace; that says little, but is what it knows."""
    return path.replace("*", "…")
