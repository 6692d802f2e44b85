"""`crossdock erp plan MAPPING EVENT.json`: the requests that a mapping of calls would send for an event, without an ERP.

What an ERP would answer is taken from the mapping's own examples; nothing is sent.
"""

import base64
import binascii
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from gateway.commands.asking import settings_of
from gateway.commands.event_files import NoEvent, event_in
from gateway.exits import FAILED, GOOD, USAGE
from gateway.targets.terms import CallsTarget
from partners import library
from partners.calls import LookupFiles, event_name, shipped_calls
from translators.calls import Answer, Calls, Done, Given, LookupTable, Request, flow
from translators.calls.errors import CallProblem
from translators.calls.lookups import ANY, DEFAULT, SAME
from translators.events.families import FAMILIES
from translators.events.family import Family
from translators.mapping.errors import MappingError


def plan_of(
    mapping: str,
    file: Path,
    *,
    partner: str | None,
    target: str | None,
    folder: Path | None,
    has_lookups: bool,
    values: list[str],
    config: Path | None,
    as_json: bool,
) -> int:
    """The same as the command is typed, with what a target of the settings says."""
    given = dict(one.partition("=")[::2] for one in values)
    named: dict[str, Path] = {}
    settings = settings_of(config, None) if target or config else None
    if settings is not None:
        library.use(settings.library)
    if settings is not None and target is not None:
        terms = settings.targets.get(target)
        if not isinstance(terms, CallsTarget):
            there = ", ".join(name for name, one in settings.targets.items() if isinstance(one, CallsTarget)) or "none"
            return _complain(f"no target of kind calls is called {target}; there are {there}", USAGE)
        given, named = {**terms.values, **given}, terms.lookups
    return plan(mapping, file, partner=partner, values=given, named=named, folder=folder, has_lookups=has_lookups, as_json=as_json, out=sys.stdout)


def plan(
    mapping: str,
    file: Path,
    *,
    partner: str | None,
    values: dict[str, str],
    named: dict[str, Path],
    folder: Path | None,
    has_lookups: bool,
    as_json: bool,
    out: TextIO,
) -> int:
    """0 planned, 1 the event would be refused, 2 no such mapping or file, 65 the file holds no event."""
    try:
        data, attributes = event_in(file)
    except NoEvent as problem:
        return _complain(str(problem), problem.code)
    try:
        calls = _calls(mapping, attributes.get("type"), data)
        tables = _tables(calls, named, folder, has_lookups)
    except MappingError as error:
        return _complain(str(error), USAGE)
    evidence = data.get("evidence")
    partner = partner or attributes.get("source", "").rpartition("/")[2] or (evidence.get("partner") if isinstance(evidence, dict) else None)
    told = {"id": "example-r1", "type": calls.family.type, "source": f"/partners/{partner or 'unknown'}", "stream": "test"} | attributes
    rehearsal = Given(data, told, partner or "unknown", values, tables)
    requests: list[Request] = []
    doubts: list[str] = []
    try:
        done = _rehearsed(calls, rehearsal, requests, doubts)
    except CallProblem as problem:
        _show(requests, doubts, None, as_json, out, problem=str(problem))
        return FAILED
    _show(requests, doubts, done, as_json, out)
    return GOOD


def _calls(mapping: str, type_: str | None, data: dict[str, Any]) -> Calls:
    """Of several events the one that the type says, or else what is in the data. Raises MappingError."""
    name, _, event = mapping.partition("/")[2].partition("/")
    full = f"erp/{name}"
    there = shipped_calls().events(full)
    fitting = [one for one in there if one in FAMILIES and _fits(FAMILIES[one], data)]
    event = event or (event_name(type_) if type_ else None) or (fitting[0] if len(fitting) == 1 else "")
    return shipped_calls().needed(full, event)


def _fits(family: Family, data: dict[str, Any]) -> bool:
    """Whether the data may be an event of that kind, by the names in it."""
    fields = family.model.model_fields
    return data.keys() <= fields.keys() and {name for name, field in fields.items() if field.is_required()} <= data.keys()


def _tables(calls: Calls, named: dict[str, Path], folder: Path | None, has_lookups: bool) -> dict[str, LookupTable]:
    """Raises MappingError."""
    if not has_lookups:
        return {name: LookupTable(name, "nowhere", {DEFAULT: {ANY: SAME}}) for name, one in calls.lookups.items() if one.default is None}
    found = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix in (".yaml", ".csv")} if folder is not None else {}
    return LookupFiles({**found, **named}).tables(list(calls.lookups))


def _rehearsed(calls: Calls, given: Given, requests: list[Request], doubts: list[str]) -> Done:
    steps = flow(calls, given, doubts=doubts)
    try:
        request = next(steps)
        while True:
            requests.append(request)
            request = steps.send(Answer(200, "application/json", json.dumps(request.example).encode()))
    except StopIteration as ended:
        done: Done = ended.value
        return done


def _show(requests: list[Request], doubts: list[str], done: Done | None, as_json: bool, out: TextIO, problem: str | None = None) -> None:
    if as_json:
        told = [
            {
                "step": one.step, "method": one.method, "path": one.path, "query": [list(pair) for pair in one.query], "headers": dict(one.headers),
                "body": None if one.body is None else json.loads(one.body), "reads": one.reads, "guard": one.guard, "example": one.example,
            }
            for one in requests
        ]  # fmt: skip
        out.write(json.dumps({"requests": told, "refused": problem, "checked": doubts}, ensure_ascii=False) + "\n")
        return
    for number, request in enumerate(requests, start=1):
        kind = "looks whether it is in already" if request.guard else "looks" if request.reads else "CHANGES"
        out.write(f"{number:>3}  {request.step} ({kind})\n")
        for line in _lines(request):
            out.write(f"     {line}\n")
    for doubt in doubts:
        out.write(f"checked  {doubt} (of the example's answer)\n")
    if problem is not None:
        out.write(f"REFUSED  {problem}\n")
    elif done is not None:
        out.write(f"{len(requests)} requests, {len(done.did)} of them change something; the answers are the mapping's examples, nothing was sent\n")


def _lines(request: Request) -> Iterator[str]:
    yield f"{request.method} {request.path}"
    for key, text in request.query:
        yield f"  {key} = {_readable(text)}"
    for key, text in request.headers:
        yield f"  {key}: {text}"
    if request.body is not None:
        yield f"  {request.body.decode()}"
    if request.example is not None:
        yield f"  answered, say: {json.dumps(request.example, ensure_ascii=False)}"


def _readable(text: str) -> str:
    """A value that is base64url of JSON, as that JSON."""
    try:
        value: Any = json.loads(base64.urlsafe_b64decode(text))
    except (ValueError, binascii.Error):
        return text
    return f"base64url of {json.dumps(value, ensure_ascii=False)}" if isinstance(value, list | dict) else text


def _complain(text: str, code: int) -> int:
    print(f"crossdock erp plan: {text}", file=sys.stderr)
    return code
