"""Runs the calls for one event without touching the world: requests come out, answers go in, until it is done or cannot be.

It always begins at the beginning. What an earlier attempt has done is found by looking, so it may be cut off behind any request and begun again.
"""

import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from translators.calls.errors import CallFault, CallLater, CallProblem, CallRefused, CallUnclear, CallUnexplained
from translators.calls.lookups import LookupTable
from translators.calls.plan import AnswerRule, Ask, Calls, Collect, Loop, Otherwise, Step, Test
from translators.calls.transforms import Around, exact, number, plain
from translators.calls.values import Scope
from translators.pointer import find, words_at

MOST_REQUESTS = 5_000
"""For one event."""
MOST_WORDS = 400
MOST_CONFIRMED = 200


@dataclass(frozen=True, slots=True)
class Given:
    """One event and what an installation says."""

    data: Mapping[str, Any]
    attributes: Mapping[str, str]
    partner: str
    values: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, LookupTable] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    step: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: tuple[tuple[str, str], ...]
    body: bytes | None
    """JSON."""
    reads: bool
    guard: bool
    example: Any
    """An answer such as this ERP gives."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    media: str
    """The content type."""
    body: bytes


@dataclass(frozen=True, slots=True)
class Done:
    """The ERP has it."""

    confirmed: str | None
    """Under which number, if the mapping says."""
    did: tuple[str, ...]
    """The steps of this run that changed something; none: it had it already."""


Flow = Generator[Request, Answer, Done]


def flow(calls: Calls, given: Given, *, doubts: list[str] | None = None) -> Flow:
    """Raises a CallProblem. With `doubts` it is a rehearsal, answered by the mapping's examples, which fit no event: what a check would have said is
    put there, and refuses nothing."""
    return _Run(calls, given, doubts).go()


class _Run:
    def __init__(self, calls: Calls, given: Given, doubts: list[str] | None) -> None:
        self.calls, self.given, self.doubts = calls, given, doubts
        self.asked = 0
        self.did: list[str] = []

    def go(self) -> Flow:
        scope = Scope(Around(self.given.partner, self.given.tables), {**self.given.data, **self._around()})
        try:
            for test, words in self.calls.refusals:
                if test(scope):
                    said = words(scope)
                    raise CallRefused(said, words=said)
            for name, read in self.calls.names:
                scope.values[name] = read(scope)
            yield from self._steps(self.calls.steps, scope)
        except CallProblem as problem:
            raise self._with_what_was_done(problem) from problem.__cause__
        confirmed = self.calls.confirmed(scope)[:MOST_CONFIRMED] if self.calls.confirmed else None
        return Done(confirmed or None, tuple(self.did))

    def _around(self) -> dict[str, Any]:
        attributes = self.given.attributes
        values = {name: self.given.values.get(name) or setting.default for name, setting in self.calls.values.items()}
        if unset := [name for name, value in values.items() if value is None]:
            raise CallFault(f"{self.calls.name} needs the value {unset[0]} in the target's settings: {self.calls.values[unset[0]].about}")
        known = {
            "partner": self.given.partner,
            "revision": int(attributes.get("sequence") or 1),
            "correlation": attributes.get("correlationid"),
            "data": self.given.data,
        }
        told = {name: attributes.get(name) for name in ("id", "type", "source", "subject", "stream", "time", "supersedes")}
        return {"value": {name: value or None for name, value in values.items()}} | {f"@{name}": one for name, one in (known | told).items()}

    def _with_what_was_done(self, problem: CallProblem) -> CallProblem:
        """A person who looks into it must know how far it came."""
        if self.did:
            problem.args = (f"{problem} (done before: {', '.join(dict.fromkeys(self.did))})",)
        return problem

    # ---- steps

    def _steps(self, steps: tuple[Step, ...], scope: Scope) -> Generator[Request, Answer, None]:
        for step in steps:
            try:
                if step.when is not None and not step.when(scope):
                    continue
                for name, read in step.names:
                    scope.values[name] = read(scope)
                if step.ask is not None:
                    yield from self._ask(step.name, step.ask, scope)
                if step.loop is not None:
                    yield from self._loop(step.name, step.loop, scope)
                for test, otherwise in step.checks:
                    self._check(step.name, test, otherwise, scope)
            except CallRefused as refused:
                refused.words = refused.words or str(refused)
                if not refused.names_its_step:
                    refused.args = (f"{step.name}: {refused}",)
                    refused.names_its_step = True
                raise

    def _check(self, step: str, test: Test, otherwise: Otherwise, scope: Scope) -> None:
        try:
            if not test(scope):
                raise _said(otherwise, scope)
        except CallProblem as problem:
            if self.doubts is None:
                raise
            self.doubts.append(f"{step}: {problem}")

    def _loop(self, name: str, loop: Loop, scope: Scope) -> Generator[Request, Answer, None]:
        gathered: dict[str, dict[Any, dict[str, Any]]] = {one.name: {} for one in loop.collect}
        passes = 0
        for item in loop.items(scope):
            inner = scope.inner({loop.name: item})
            if loop.where is not None and not loop.where(inner):
                continue
            passes += 1
            if passes > loop.limit:
                raise CallRefused(f"{name}: more than {loop.limit:,} of them", words=f"more than {loop.limit:,} entries in one document")
            yield from self._steps(loop.steps, inner)
            for collect in loop.collect:
                if collect.when is None or collect.when(inner):
                    _gather(gathered[collect.name], collect, inner)
        for key, found in gathered.items():
            scope.values[key] = [_totalled(one) for one in found.values()]

    # ---- one request

    def _ask(self, step: str, ask: Ask, scope: Scope) -> Generator[Request, Answer, None]:
        self.asked += 1
        if self.asked > MOST_REQUESTS:
            raise CallRefused(f"{step}: more than {MOST_REQUESTS:,} requests for one event", words="it is too large for one document")
        request = self._request(step, ask, scope)
        answer = yield request
        if not request.reads and 200 <= answer.status < 300:
            self.did.append(step)
        value = self._understood(step, ask, answer)
        rows = ask.rows
        if rows is not None:
            found = value
            if not isinstance(found, list):
                raise CallUnclear(f"{step}: a list was due at {ask.at or 'the top of the answer'}", answer)
            fits = {"one": len(found) == 1, "at most one": len(found) <= 1, "some": bool(found), "any": True, "none": not found}[rows]
            if not fits:
                assert ask.otherwise is not None, "the compiler requires it"
                raise _said(ask.otherwise, scope.inner({"found": len(found)}))
            value = found if rows in ("some", "any") else found[0] if found else None
        if ask.name is not None:
            scope.values[ask.name] = value

    def _request(self, step: str, ask: Ask, scope: Scope) -> Request:
        query: list[tuple[str, str]] = []
        for key, read in ask.query:
            made = read(scope)
            query += [(key, plain(one)) for one in (made if isinstance(made, list) else [made]) if one is not None]
        headers = [(key, plain(made)) for key, read in (*self.calls.headers, *ask.headers) if (made := read(scope)) is not None]
        if bad := [key for key, text in headers if not text.isascii() or not text.isprintable()]:
            raise CallRefused(
                f"{step}: the header {bad[0]} would have letters that no header may have", words="a value has letters that we cannot send"
            )
        body = None
        if ask.body is not None:
            body = json.dumps(ask.body(scope), ensure_ascii=False, separators=(",", ":"), default=_number).encode("utf-8", "replace")
        return Request(step, ask.method, ask.path(scope), tuple(query), tuple(headers), body, ask.reads, ask.guard, ask.example)

    def _understood(self, step: str, ask: Ask, answer: Answer) -> Any:
        """What the answer gives to this step; None for nothing. Raises what it means otherwise."""
        rule = next((one for one in (*ask.answers, *self.calls.answers) if _meant(one, answer)), None)
        if rule is not None and rule.means not in ("good", "nothing"):
            raise _problem(step, rule, answer)
        if rule is not None and rule.means == "nothing":
            return None if ask.rows is None else []
        if rule is None and not 200 <= answer.status < 300:
            raise CallUnexplained(f"{step}: answered {answer.status}", answer)
        if ask.rows is None and ask.name is None:
            return None
        try:
            value = json.loads(answer.body)
        except (ValueError, RecursionError):
            raise CallUnclear(f"{step}: answered {answer.status} with what is no JSON", answer) from None
        found = find(value, ask.at)
        if found is None and ask.rows is None:
            raise CallUnclear(f"{step}: nothing stands at {ask.at or 'the top'} of its answer", answer)
        return found


def _said(otherwise: Otherwise, scope: Scope) -> CallProblem:
    words = otherwise.words(scope)
    return CallRefused(words, words=words, names_its_step=True) if otherwise.is_final else CallLater(words)


def _meant(rule: AnswerRule, answer: Answer) -> bool:
    if not any(low <= answer.status <= high for low, high in rule.statuses) or not answer.media.lower().startswith(rule.media):
        return False
    if not rule.at:
        return True
    try:
        found = find(json.loads(answer.body), rule.at)
    except (ValueError, RecursionError):
        return False
    return found is not None and (not rule.texts or plain(found) in rule.texts) and rule.part in plain(found)


def _problem(step: str, rule: AnswerRule, answer: Answer) -> CallProblem:
    told = words_at(answer.body, rule.words, MOST_WORDS) if rule.words else None
    text = f"{step}: {rule.because or f'answered {answer.status}'}" + (f": {told}" if told else "")
    if rule.means == "refuse":
        return CallRefused(text, words=told or rule.because or None, answer=answer, names_its_step=True)
    return CallLater(text, answer) if rule.means == "later" else CallFault(text, answer)


def _gather(into: dict[Any, dict[str, Any]], collect: Collect, scope: Scope) -> None:
    if collect.give is not None:
        into[len(into)] = {"": collect.give(scope)}
        return
    values = {name: scope(name) for name in collect.by}
    if absent := [name for name, value in values.items() if value is None]:
        raise CallRefused(f"there is no value for {absent[0]}", words=f"{absent[0]} is missing")
    entry = into.setdefault(tuple(plain(value) for value in values.values()), dict(values))
    if collect.sum is not None:
        entry[collect.sum] = entry.get(collect.sum, Decimal()) + exact(scope(collect.sum))


def _totalled(entry: dict[str, Any]) -> Any:
    if entry.keys() == {""}:
        return entry[""]
    return {name: number(value) if isinstance(value, Decimal) else value for name, value in entry.items()}


def _number(value: Any) -> Any:
    if isinstance(value, Decimal):
        return number(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")
