"""Compiles a mapping of calls: every fault at once, each with file, line, column, path and mend."""

import json
import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any, TypeVar, get_args

from translators.calls.errors import CallRefused
from translators.calls.paths import ANYTHING, TEXT, Shape, shape_of
from translators.calls.plan import AnswerRule, Ask, Calls, Collect, Loop, Meaning, Otherwise, Rows, Setting, Step, Test
from translators.calls.values import Known, Read, condition, listed, shape, text, value, whole
from translators.events.families import FAMILIES
from translators.mapping.errors import MappingError
from translators.mapping.language import LanguageError
from translators.mapping.written import Path, Written
from translators.pointer import POINTER

TOP = ("event", "about", "together", "values", "lookups", "headers", "refuse", "names", "steps", "answers", "done")
METHODS = ("get", "post", "put", "patch", "delete")
STEP = (
    "when", "names", *METHODS, "query", "headers", "body", "guard", "looks", "in", "rows", "as", "otherwise", "answers", "example",
    "each", "where", "limit", "steps", "collect", "check",
)  # fmt: skip
ASKING = ("query", "headers", "body", "guard", "looks", "in", "rows", "otherwise", "answers", "example")
LOOPING = ("where", "limit", "steps", "collect")
MAX_STEPS, MAX_DEPTH = 100, 4
MOST_PASSES, USUAL_PASSES = 10_000, 2_000
NAME = re.compile(r"[a-z][a-z0-9_]{0,60}")
HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
FORBIDDEN = frozenset({"host", "authorization", "cookie", "content-length", "transfer-encoding", "connection", "content-type", "user-agent"})
T = TypeVar("T")


def compile_calls(written: Written, *, name: str) -> Calls:
    """Raises MappingError with every fault on a line of its own."""
    if not isinstance(written.value, dict):
        raise MappingError(written.at((), "is no mapping of calls; it needs event and steps"))
    return _Compiler(written, name).compile()


class _Compiler:
    def __init__(self, written: Written, name: str) -> None:
        self.written, self.value, self.name = written, written.value, name
        self.faults: list[str] = []
        self.steps = 0
        self.is_guarded = False

    def fault(self, path: Path, words: str) -> None:
        self.faults.append(self.written.at(path, words))

    def tried(self, path: Path, make: Callable[[], T]) -> T | None:
        try:
            return make()
        except LanguageError as error:
            self.fault(path, str(error))
            return None

    def only(self, path: Path, given: Any, allowed: tuple[str, ...]) -> dict[str, Any]:
        """The block, without what is not known in it."""
        if given is None:
            return {}
        if not isinstance(given, dict):
            self.fault(path, f"must be a block with {', '.join(allowed)}")
            return {}
        for key in given:
            if key not in allowed:
                near = get_close_matches(key, allowed, 1)
                self.fault((*path, key), f"is not known here; did you mean {near[0]!r}?" if near else f"is not known here; {', '.join(allowed)} are")
        return {key: one for key, one in given.items() if key in allowed}

    def block(self, path: Path, given: Any, what: str) -> dict[str, Any]:
        if given is None:
            return {}
        if not isinstance(given, dict):
            self.fault(path, f"must be a block of {what}")
            return {}
        return given

    def items(self, path: Path, given: Any) -> list[Any]:
        if given is None:
            return []
        if not isinstance(given, list):
            self.fault(path, "must be a list")
            return []
        return given

    # ---- the whole

    def compile(self) -> Calls:
        top = self.only((), self.value, TOP)
        family = FAMILIES.get(str(top.get("event")))
        if family is None:
            raise MappingError(self.written.at(("event",), f"there is no event {top.get('event')!r}; there are {', '.join(sorted(FAMILIES))}"))
        lookups = self._lookups(top.get("lookups"))
        values = self._values(top.get("values"))
        names = {key: shape_of(info.annotation) for key, info in family.model.model_fields.items()}
        names["value"] = Shape("object", fields=tuple((key, TEXT) for key in values))
        known = Known(names, frozenset(lookups))
        refusals = self._refusals(top.get("refuse"), known)
        given = self._names(("names",), top.get("names"), known)
        headers = self._headers(("headers",), top.get("headers"), known)
        answers = self._answers(("answers",), top.get("answers"))
        steps = self._steps(("steps",), top.get("steps"), known, 1)
        if not steps and not self.faults:
            self.fault(("steps",), "is missing; it says what is asked of the ERP")
        done = self.only(("done",), top.get("done"), ("confirmed",))
        confirmed = self.tried(("done", "confirmed"), lambda: text(str(done["confirmed"]), known)) if "confirmed" in done else None
        for table in sorted(lookups.keys() - known.used):
            self.fault(("lookups", table), "is asked by nothing; use it as `| lookup(" + table + ")`, or take it out")
        if self.faults:
            raise MappingError("\n".join(dict.fromkeys(self.faults)))
        about = str(top.get("about") or "")
        return Calls(self.name, family, about, _yes(top.get("together")), values, lookups, headers, refusals, given, steps, answers, confirmed)

    def _lookups(self, given: Any) -> dict[str, Setting]:
        found = {}
        for key, one in self.block(("lookups",), given, "tables, each with what it is for").items():
            self._name(("lookups", key), key)
            terms = self.only(("lookups", key), one, ("about", "optional")) if isinstance(one, dict) else {"about": one}
            if not terms.get("about"):
                self.fault(("lookups", key), "needs about: what it is for, for whoever fills it")
            found[key] = Setting(str(terms.get("about")), "" if _yes(terms.get("optional")) else None)
        return found

    def _values(self, given: Any) -> dict[str, Setting]:
        found = {}
        for key, one in self.block(("values",), given, "what an installation says, each with about and default").items():
            terms = self.only(("values", key), one, ("about", "default"))
            self._name(("values", key), key)
            if not terms.get("about"):
                self.fault(("values", key), "needs about: what it is, for whoever sets it")
            found[key] = Setting(str(terms.get("about")), None if "default" not in terms else str(terms["default"] or ""))
        return found

    def _refusals(self, given: Any, known: Known) -> tuple[tuple[Test, Read], ...]:
        found = []
        for number, one in enumerate(self.items(("refuse",), given)):
            path: Path = ("refuse", number)
            terms = self.only(path, one, ("when", "words"))
            if not terms.get("when") or not terms.get("words"):
                self.fault(path, "needs when and words")
                continue
            test = self.tried((*path, "when"), lambda terms=terms: condition(str(terms["when"]), known))  # type: ignore[misc]
            words = self.tried((*path, "words"), lambda terms=terms: text(str(terms["words"]), known))  # type: ignore[misc]
            if test and words:
                found.append((test, words))
        return tuple(found)

    def _names(self, path: Path, given: Any, known: Known) -> tuple[tuple[str, Read], ...]:
        """Each may use those above it; they are known from here on."""
        found = []
        for key, one in self.block(path, given, "names, each with what it stands for").items():
            self._name((*path, key), key)
            read = self.tried((*path, key), lambda one=one: value(str(one), known))  # type: ignore[misc]
            known.names[key] = self.tried((*path, key), lambda one=one: shape(str(one), known)) or ANYTHING  # type: ignore[misc]
            if read:
                found.append((key, read))
        return tuple(found)

    def _name(self, path: Path, name: str) -> None:
        if not NAME.fullmatch(name) or name in ("not", "else", "nearest", "outward"):
            self.fault(path, f"{name!r} is no name; small letters, digits and _ make one")

    def _headers(self, path: Path, given: Any, known: Known) -> tuple[tuple[str, Read], ...]:
        found = []
        for key, one in self.block(path, given, "headers").items():
            if not HEADER.fullmatch(key) or key.lower() in FORBIDDEN:
                self.fault((*path, key), "is no header that a mapping may set; credentials stand in the target's settings")
            read = self.tried((*path, key), lambda one=one: value(str(one), known))  # type: ignore[misc]
            if read:
                found.append((key, read))
        return tuple(found)

    # ---- answers

    def _answers(self, path: Path, given: Any) -> tuple[AnswerRule, ...]:
        return tuple(rule for number, one in enumerate(self.items(path, given)) if (rule := self._answer((*path, number), one)))

    def _answer(self, path: Path, given: Any) -> AnswerRule | None:
        terms = self.only(path, given, ("status", "type", "at", "is", "has", "means", "words", "because"))
        statuses = []
        for one in str(terms.get("status") or "").split(","):
            match = re.fullmatch(r"\s*(\d{3})(?:\s*-\s*(\d{3}))?\s*", one)
            if match is None:
                self.fault((*path, "status"), "must be an HTTP status, several with commas, or a range such as 500-599")
                return None
            statuses.append((int(match[1]), int(match[2] or match[1])))
        means: Any = terms.get("means")
        if means not in get_args(Meaning):
            self.fault((*path, "means"), f"must be one of {', '.join(get_args(Meaning))}")
            return None
        for key in ("at", "words"):
            if key in terms and not POINTER.fullmatch(str(terms[key] or "")):
                self.fault((*path, key), f"{terms[key]!r} is no JSON pointer such as /error/message")
        texts = tuple(one.strip() for one in str(terms.get("is") or "").split(",") if one.strip())
        for key in [key for key in ("is", "has") if key in terms and "at" not in terms]:
            self.fault((*path, key), "needs at: where in the answer it stands")
        return AnswerRule(
            tuple(statuses), str(terms.get("type") or ""), str(terms.get("at") or ""), texts, str(terms.get("has") or ""), means, str(terms.get("words") or ""),
            str(terms.get("because") or ""),
        )  # fmt: skip

    # ---- steps

    def _steps(self, path: Path, given: Any, known: Known, depth: int) -> tuple[Step, ...]:
        if depth > MAX_DEPTH:
            self.fault(path, f"loops lie more than {MAX_DEPTH} deep in each other")
            return ()
        return tuple(self._step((*path, name), name, one, known, depth) for name, one in self.block(path, given, "steps, each with its name").items())

    def _step(self, path: Path, name: str, given: Any, known: Known, depth: int) -> Step:
        self.steps += 1
        if self.steps == MAX_STEPS + 1:
            self.fault(path, f"more than {MAX_STEPS} steps; nothing reads that")
        terms = self.only(path, given, STEP)
        when = self._when((*path, "when"), terms["when"], known) if "when" in terms else None
        names = self._names((*path, "names"), terms.get("names"), known) if "each" not in terms else ()
        asked = [method for method in METHODS if method in terms]
        loop = ask = None
        if len(asked) > 1 or (asked and "each" in terms):
            self.fault(path, f"one step is one request, or one loop; it has {', '.join([*asked, *(['each'] if 'each' in terms else [])])}")
        elif "each" in terms:
            for key in [key for key in ASKING if key in terms]:
                self.fault((*path, key), "belongs to a request, and this step goes through a list")
            loop = self._loop(path, terms, known, depth)
        else:
            for key in [key for key in LOOPING if key in terms]:
                self.fault((*path, key), "belongs to a step that goes through a list; it needs each")
            if asked:
                ask = self._ask(path, asked[0], terms, known)
            elif stray := [key for key in (*ASKING, "as") if key in terms]:
                self.fault((*path, stray[0]), f"needs a request beside it: {', '.join(METHODS)}")
            elif not (names or "check" in terms):
                self.fault(path, "does nothing; it needs a request, each, names or check")
        checks = self._checks((*path, "check"), terms.get("check"), known) if loop is None else ()
        return Step(name, when, names, ask, loop, checks)

    def _when(self, path: Path, given: Any, known: Known) -> Test | None:
        """One condition, or a list of which all must hold."""
        several = given if isinstance(given, list) else [given]
        tests = [self.tried(path, lambda one=one: condition(str(one), known)) for one in several]  # type: ignore[misc]
        return lambda scope: all(test(scope) for test in tests if test)

    def _ask(self, path: Path, method: str, terms: dict[str, Any], known: Known) -> Ask:
        target = self.tried((*path, method), lambda: text(str(terms[method] or ""), known, escape=_in_a_path))
        if re.match(r"[a-z]+:|//", str(terms[method] or "")):
            self.fault((*path, method), "is a path below the target's url; an address of another server stands in no mapping")
        query = tuple(
            (key, whole(one, known, (*path, "query", key), self.fault))
            for key, one in self.block((*path, "query"), terms.get("query"), "parameters").items()
        )
        body = whole(terms["body"], known, (*path, "body"), self.fault) if "body" in terms else None
        if method == "get" and body is not None:
            self.fault((*path, "body"), "a get has none; use query")
        reads, guard = method == "get" or _yes(terms.get("looks")), _yes(terms.get("guard"))
        if guard and not reads:
            self.fault((*path, "guard"), "must only look; if this request changes nothing, say looks: yes")
        self.is_guarded = self.is_guarded or guard
        if not reads and not self.is_guarded:
            self.fault(path, "changes something before any step has looked whether the event is in already; mark the step that looks with guard: yes")
        rows, at, name = self._rows(path, terms), str(terms.get("in") or ""), terms.get("as")
        if not POINTER.fullmatch(at):
            self.fault((*path, "in"), f"{at!r} is no JSON pointer such as /d/results")
        otherwise = self._otherwise((*path, "otherwise"), terms.get("otherwise"), known.inner(found=TEXT)) if "otherwise" in terms else None
        if rows not in (None, "any") and otherwise is None:
            self.fault(path, f"needs otherwise: what is said where there is not {rows}")
        if name is not None:
            self._name((*path, "as"), str(name))
            known.names[str(name)] = Shape("list", item=ANYTHING) if rows in ("some", "any") else ANYTHING
        return Ask(
            method.upper(), target or _nothing, query, self._headers((*path, "headers"), terms.get("headers"), known), body, reads, guard, at, rows,
            otherwise, None if name is None else str(name), self._answers((*path, "answers"), terms.get("answers")), self._example(path, terms),
        )  # fmt: skip

    def _rows(self, path: Path, terms: dict[str, Any]) -> Rows | None:
        rows: Any = terms.get("rows")
        if rows is not None and rows not in get_args(Rows):
            self.fault((*path, "rows"), f"must be one of {', '.join(get_args(Rows))}")
            return None
        found: Rows | None = rows
        return found

    def _example(self, path: Path, terms: dict[str, Any]) -> Any:
        if "example" not in terms:
            if terms.get("as") or terms.get("rows"):
                self.fault(path, "needs example: an answer as JSON, so that the steps behind it can be shown without the ERP")
            return None
        try:
            return json.loads(str(terms["example"]))
        except ValueError as error:
            self.fault((*path, "example"), f"is no JSON: {error}")
            return None

    def _loop(self, path: Path, terms: dict[str, Any], known: Known, depth: int) -> Loop | None:
        found = self.tried((*path, "each"), lambda: listed(str(terms["each"]), known))
        name = str(terms.get("as") or "")
        self._name((*path, "as"), name)
        if found is None:
            return None
        inside = known.inner(**{name: found[1]})
        where = self.tried((*path, "where"), lambda: condition(str(terms["where"]), inside)) if "where" in terms else None
        limit = str(terms.get("limit") or USUAL_PASSES)
        if not limit.isdigit() or not 0 < int(limit) <= MOST_PASSES:
            self.fault((*path, "limit"), f"must be a number up to {MOST_PASSES:,}")
            limit = "1"
        first = self._inner(path, terms, inside)
        steps = (*first, *self._steps((*path, "steps"), terms.get("steps"), inside, depth + 1))
        collect = tuple(
            self._collect((*path, "collect", key), key, one, inside, known)
            for key, one in self.block((*path, "collect"), terms.get("collect"), "lists to gather").items()
        )
        if not steps and not collect:
            self.fault(path, "goes through a list and does nothing; it needs steps, check or collect")
        return Loop(found[0], name, where, int(limit), steps, collect)

    def _inner(self, path: Path, terms: dict[str, Any], inside: Known) -> tuple[Step, ...]:
        """names and check of a loop: of each pass, before its steps."""
        names = self._names((*path, "names"), terms.get("names"), inside)
        checks = self._checks((*path, "check"), terms.get("check"), inside)
        return (Step(str(path[-1]), None, names, None, None, checks),) if names or checks else ()

    def _collect(self, path: Path, name: str, given: Any, inside: Known, known: Known) -> Collect:
        self._name(path, name)
        terms = self.only(path, given, ("when", "by", "sum", "give"))
        when = self.tried((*path, "when"), lambda: condition(str(terms["when"]), inside)) if "when" in terms else None
        by = tuple(str(one) for one in self.items((*path, "by"), terms.get("by")))
        total = str(terms["sum"]) if "sum" in terms else None
        for number, key in enumerate((*by, *([total] if total else []))):
            if key not in inside.names:
                self.fault((*path, "by", number) if number < len(by) else (*path, "sum"), f"nothing is called {key!r} here; a name is wanted")
        if bool(by) == ("give" in terms) or (total and not by):
            self.fault(path, "needs by (and sum), or give: one of the two")
        give = whole(terms["give"], inside, (*path, "give"), self.fault) if "give" in terms else None
        fields = (*by, *([total] if total else [])) if by else tuple(terms["give"]) if isinstance(terms.get("give"), dict) else ()
        known.names[name] = Shape("list", item=Shape("object", fields=tuple((key, ANYTHING) for key in fields)) if fields else ANYTHING)
        return Collect(name, when, by, total, give)

    def _checks(self, path: Path, given: Any, known: Known) -> tuple[tuple[Test, Otherwise], ...]:
        found = []
        for number, one in enumerate(self.items(path, given)):
            terms = self.only((*path, number), one, ("that", "otherwise"))
            if not terms.get("that") or "otherwise" not in terms:
                self.fault((*path, number), "needs that and otherwise")
                continue
            test = self.tried((*path, number, "that"), lambda terms=terms: condition(str(terms["that"]), known))  # type: ignore[misc]
            otherwise = self._otherwise((*path, number, "otherwise"), terms["otherwise"], known)
            if test and otherwise:
                found.append((test, otherwise))
        return tuple(found)

    def _otherwise(self, path: Path, given: Any, known: Known) -> Otherwise | None:
        """A text refuses; `later: text` comes again."""
        is_final, words = True, given
        if isinstance(given, dict):
            terms = self.only(path, given, ("later",))
            is_final, words, path = False, terms.get("later"), (*path, "later")
        if not isinstance(words, str) or not words:
            self.fault(path, "must be words for a person, or later: with the words")
            return None
        made = self.tried(path, lambda: text(words, known))
        return Otherwise(is_final, made) if made else None


def _yes(given: Any) -> bool:
    return str(given).lower() in ("yes", "true")


def _nothing(scope: Any) -> str:
    return ""


_SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~,")


def _in_a_path(made: str) -> str:
    """A value as one step of a path: no slash, nothing that begins a query. Raises CallRefused for what no server would take for a step."""
    if not made.strip("."):
        raise CallRefused(f"{made!r} can be no part of an address", words=f"{made!r} is no number of a thing")
    return "".join(letter if letter in _SAFE else "".join(f"%{byte:02X}" for byte in letter.encode("utf-8", "replace")) for letter in made)
