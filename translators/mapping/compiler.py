"""Compiles a mapping, and reads documents with it: the tree in, drafts of canonical events out.

A mapping is total: every document gives events or a MappingProblem, within its budget. Knows no file and no store.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from translators.document import Document, Node
from translators.events.checked import checker
from translators.events.draft import EventDraft, Purpose
from translators.events.families import FAMILIES
from translators.events.family import Family
from translators.events.identity import ordered_meaning_hash, subject_of
from translators.events.parts import Moment
from translators.mapping import language
from translators.mapping.blocks import MADE_HERE, BlockCompiler, Fault, bare
from translators.mapping.errors import MappingError, MappingProblem
from translators.mapping.expressions import Read, Surroundings, compile_expression
from translators.mapping.language import Drop, Language
from translators.mapping.moments import event_time
from translators.mapping.paths import FindAll
from translators.mapping.references import correlation_of, references_of
from translators.mapping.run import Run
from translators.mapping.syntax import X12
from translators.mapping.tables import CodeTable, extend
from translators.mapping.values import Context, Mapped
from translators.mapping.write_rules import Plan, PlanCompiler
from translators.mapping.written import Path, Written, use_shapes

TOP = ("title", "event", "each", "whole", "fields", "identity", "drops", "codes")
FORMS = ("csv", "xml")
"""What a mapping says of its format itself: a dialect, namespaces; read by that format (partners/mappings.py)."""
IDENTITY = ("business", "event", "subject", "purpose", "time")
PURPOSES: tuple[Purpose, ...] = ("original", "correct", "cancel")
MAX_PROBLEMS = 20
KEY_CONTROLS = dict.fromkeys((*range(32), *range(127, 160)), " ")
"""Keys and subjects travel as CloudEvents attributes, which hold no control characters (CloudEvents 1.0, type system)."""


@dataclass(frozen=True, slots=True)
class Identity:
    """How a mapping tells who an event is."""

    business: list[Read]
    event: list[Read]
    subject_kind: str
    subject: Read
    purpose: Read | None
    times: list[str]
    business_text: str


@dataclass(frozen=True, slots=True)
class CompiledMapping:
    """A mapping ready for documents. Immutable; one serves all documents of a process."""

    name: str
    family: Family
    written: Written
    each: FindAll
    each_text: str
    fields: Read
    identity: Identity
    whole: str
    """A tag whose every segment must lie in some event, or the document is held; "" for none."""
    drops: dict[str, list[Drop]]
    origins: dict[str, str]
    plan: Plan
    """The way out: which elements each field is written to (write.py)."""
    form: Any = None
    """What the mapping says of its format: a CSV dialect, an XML layout; None for X12, whose guides are files of their own."""

    def read(self, document: Document, context: Context) -> Mapped:
        """The document's events, what was not carried over, and what could not be read.

        Raises MappingProblem if the document gives no event, lacks what the event's schema requires, or costs more than it may.
        """
        run = Run(document, context)
        mapped = Mapped()
        scopes = self.scopes(run, document, context)
        if len(scopes) > 1:
            run.memo = {}
        ordinals: dict[tuple[str, str], int] = {}
        problems = self._strays(run, scopes) if self.whole else []
        for scope in scopes:
            try:
                draft = self.draft(run, scope, document)
            except MappingProblem as problem:
                problems += problem.problems
                if run.left < 0 or len(problems) >= MAX_PROBLEMS:
                    break
                continue
            key = (draft.business_key, draft.event_key)
            draft.ordinal = ordinals.get(key, 0)
            ordinals[key] = draft.ordinal + 1
            mapped.events.append(draft)
        if problems:
            raise MappingProblem(list(dict.fromkeys(problems))[:MAX_PROBLEMS])
        mapped.unmapped = run.unmapped(self.drops)
        mapped.findings = list(run.findings.values())
        return mapped

    @property
    def paths(self) -> list[language.Path]:
        """Every path that a line of the mapping names."""
        return self.plan.paths

    def scopes(self, run: Run, document: Document, context: Context) -> list[Node]:
        """The segments that make an event each. Raises MappingProblem if there are none, or too many."""
        scopes = self.each(run, document.root)
        if not scopes:
            raise MappingProblem([f"the {document.set_id} has no {self.each_text}, so there is nothing to tell"])
        if len(scopes) > context.max_events:
            raise MappingProblem([f"the {document.set_id} makes more than {context.max_events:,} events; send it in smaller sets"])
        return scopes

    def _strays(self, run: Run, scopes: list[Node]) -> list[str]:
        """Segments that no event would tell of although the mapping says that all must be told (goods of an HL without a parent)."""
        if run.nodes[0] in scopes:
            return []
        meant = set(scopes)
        level = self.each_text.split(" else ")[0]
        return [
            f"the {node.tag} at segment {node.segment.position} ({run.text(b'*'.join(node.segment.elements))}) hangs below no {level},"
            " so its content would be told to nobody; HL02 must name an earlier HL"
            for node in run.nodes
            if node.tag == self.whole and node not in meant and node.parent is not None and node.parent.tag != self.whole
        ][:MAX_PROBLEMS]

    def draft(self, run: Run, scope: Node, document: Document) -> EventDraft:
        """The event of one scope. Raises MappingProblem."""
        run.unknown, run.unreadable, run.invalid_sscc = {}, {}, {}
        data: dict[str, Any] = self.fields(run, scope) or {}
        identity = self.identity
        purpose = self._purpose(run, scope)
        data["purpose"] = purpose
        if purpose == "cancel":
            data["cancelled"] = True
        time, quality = event_time(run, [data.get(name) for name in identity.times])
        quality |= _notes(run)
        if quality:
            data["quality"] = quality
        data["evidence"] = self._evidence(run, scope, document)
        data = self._checked(data)
        subject = subject_of(identity.subject_kind, key_part(identity.subject(run, scope)))
        references = references_of(self.family, data)
        return EventDraft(
            type=self.family.type,
            subject=subject,
            time=time,
            data=data,
            business_key=self._key(run, scope, identity.business, wanted=identity.business_text),
            event_key=self._key(run, scope, identity.event),
            ordinal=0,
            purpose=purpose,
            meaning_hash=ordered_meaning_hash(data),
            references=references,
            correlation=correlation_of(self.family, references),
            lane=subject,
            quality=data.get("quality", quality),
            pass_on_dead=self.family.pass_on_dead,
        )

    def _purpose(self, run: Run, scope: Node) -> Purpose:
        word = self.identity.purpose(run, scope) if self.identity.purpose else None
        return next((purpose for purpose in PURPOSES if purpose == word), "original")

    def _key(self, run: Run, scope: Node, reads: list[Read], wanted: str = "") -> str:
        parts = [key_part(read(run, scope)) for read in reads]
        if wanted and not any(parts):
            raise MappingProblem([f"the document has no business key; {wanted} would give it"])
        return "|".join(parts)

    def _evidence(self, run: Run, scope: Node, document: Document) -> dict[str, Any]:
        control, context = run.context.control, run.context
        last = run.nodes[-1].segment
        within = max(node.segment.position for node in scope.walk()) if scope.parent is not None else last.position
        given = {
            "version": control.version,
            "interchange": control.interchange,
            "group": control.group,
            "control": control.set,
            "sender": control.sender.rstrip(),
            "receiver": control.receiver.rstrip(),
            "usage": control.usage,
            "partner": context.partner,
        }
        return {
            "format": document.format,
            "set": document.set_id,
            "release": document.release,
            **{name: value for name, value in given.items() if value},
            "byte_start": document.root.segment.byte_start if context.byte_start is None else context.byte_start,
            "byte_end": last.byte_end if context.byte_end is None else context.byte_end,
            "segments": [scope.segment.position, within],
            "mapping": self.name,
        }

    def _checked(self, data: dict[str, Any]) -> dict[str, Any]:
        """The data, which its schema allows, with all names in order. The models tell what is wrong, because they name it as the schema does."""
        try:
            return checker(self.family.model)(data)
        except ValidationError as error:
            raise MappingProblem(self._problems(data, error)) from None

    def _problems(self, data: dict[str, Any], refused: ValidationError) -> list[str]:
        try:
            self.family.model.model_validate(data)
        except ValidationError as error:
            return self._worded(error)
        return self._worded(refused)

    def _worded(self, error: ValidationError) -> list[str]:
        return [self._problem(fault) for fault in error.errors(include_url=False)[:MAX_PROBLEMS]]

    def _problem(self, fault: Any) -> str:
        """One fault of the schema in words, with the element that would mend it."""
        where = ".".join(str(part) for part in fault["loc"])
        field = ".".join(str(part) for part in fault["loc"] if not isinstance(part, int))
        origin = self.origins.get(field) or next((text for name, text in self.origins.items() if name.startswith(f"{field}.")), None)
        if fault["type"] == "missing":
            return f"{where} is missing" + (f"; {origin} would give it" if origin else "")
        text = fault["msg"].removeprefix("Value error, ")
        if not where:
            return f"the {self.family.name} {text}"
        return f"{where}: {text}" + (f"; it is read from {origin}" if origin else "")


def key_part(value: Any) -> str:
    """One part of a key: capitals, single spaces, no control characters, and no bar, which parts the parts."""
    return " ".join(str(value).translate(KEY_CONTROLS).split()).upper().replace("|", "¦") if value else ""


def _notes(run: Run) -> dict[str, Any]:
    notes: dict[str, Any] = {}
    if run.unknown:
        notes["unknown_codes"] = [{"table": table, "code": code} for table, code in run.unknown]
    if run.unreadable:
        notes["unreadable"] = [{"path": path, "text": text} for path, text in run.unreadable]
    if run.invalid_sscc:
        notes["invalid_sscc"] = list(run.invalid_sscc)
    return notes


def compile_mapping(
    written: Written,
    *,
    tables: Mapping[str, CodeTable],
    shapes: Mapping[str, Written] | None = None,
    words: Language = X12,
    form: Any = None,
    name: str,
    trace: bool = False,
) -> CompiledMapping:
    """The mapping, checked whole. Raises MappingError with every fault on a line of its own: file, line, column, path, mend.

    `words`: the language over the format's own paths (syntax.py). `form`: what the mapping says of its format. `trace`: compiled to explain (tracing.py), not for delivery.
    """
    if not isinstance(written.value, dict):
        raise MappingError(written.at((), "is no mapping; it needs event, each, identity and fields"))
    written = use_shapes(written, shapes or {})
    return _Compiler(written, tables, words, form, name, trace=trace).compile()


class _Compiler:
    def __init__(self, written: Written, tables: Mapping[str, CodeTable], words: Language, form: Any, name: str, *, trace: bool) -> None:
        self.name = name
        self.words = words
        self.form = form
        self.written = written
        self.blocks = BlockCompiler(written, self._tables(tables), words, trace=trace)

    def _tables(self, tables: Mapping[str, CodeTable]) -> dict[str, CodeTable]:
        known = dict(tables)
        own = self.written.value.get("codes") or {}
        if not isinstance(own, dict):
            raise MappingError(self.written.at(("codes",), "must hold one block a code table"))
        for name in own:
            if name not in known:
                raise MappingError(self.written.at(("codes", name), f"there is no code table {name!r}; there are {', '.join(sorted(known))}"))
            known[name] = extend(known[name], self.written, ("codes", name))
        return known

    def compile(self) -> CompiledMapping:
        blocks, value = self.blocks, self.written.value
        for key in value:
            if key not in TOP and not (key in FORMS and self.form is not None):
                near = get_close_matches(str(key), TOP, 1)
                blocks.fault((key,), f"is not known here; did you mean {near[0]!r}?" if near else f"is not known here; {', '.join(TOP)} are")
        family = FAMILIES.get(str(value.get("event")))
        if family is None:
            raise MappingError(self.written.at(("event",), f"there is no event {value.get('event')!r}; there are {', '.join(sorted(FAMILIES))}"))
        if not isinstance(value.get("fields"), dict):
            raise MappingError(self.written.at(("fields",), "is missing; it says which field comes from where"))
        around = Surroundings(blocks.tables, outward=True, words=self.words, trace=blocks.trace)
        each = self._each()
        fields = blocks.fields(("fields",), family.model, around, made=MADE_HERE)
        identity = self._identity(around, family)
        drops = self._drops()
        plan = self._plan()
        if blocks.faults or identity is None or each is None:
            raise MappingError("\n".join(dict.fromkeys(blocks.faults)))
        return CompiledMapping(
            self.name,
            family,
            self.written,
            each,
            _text(value.get("each")),
            fields,
            identity,
            str(value.get("whole") or ""),
            drops,
            blocks.origins,
            plan,
            self.form,
        )

    def _plan(self) -> Plan:
        """The way out, of the same lines; a fault that the reading direction has told already is not told twice."""
        compiler = PlanCompiler(self.written.value, self.blocks.tables, self.words)
        plan = compiler.compile() if not self.blocks.faults else Plan((), {}, None)
        for path, text in compiler.faults:
            self.blocks.fault(path, text)
        return plan

    def _each(self) -> FindAll | None:
        if not self.written.value.get("each"):
            self.blocks.fault(("each",), "is missing; it says which segment makes an event, such as HL[S]; ST for one event a set")
            return None
        from_root = Surroundings(self.blocks.tables, outward=False, words=self.words)
        try:
            return self.blocks.find_all(("each",), self.written.value["each"], from_root)[0]
        except Fault:
            return None

    def _reads(self, path: Path, given: Any, around: Surroundings) -> list[Read]:
        reads = []
        for number, text in enumerate(given if isinstance(given, list) else [given] if given is not None else []):
            place = (*path, number) if isinstance(given, list) else path
            try:
                read, gives = compile_expression(self.words.expression(str(text)), around)
                if gives is not str:
                    raise language.LanguageError("must give a text here")
                reads.append(self.blocks.traced(f"({path[1]})", place, read))
            except language.LanguageError as fault:
                self.blocks.fault(place, str(fault))
        return reads

    def _identity(self, around: Surroundings, family: Family) -> Identity | None:
        given = self.written.value.get("identity")
        if not isinstance(given, dict):
            self.blocks.fault(("identity",), f"is missing; it needs {', '.join(IDENTITY)}")
            return None
        for key in given:
            if key not in IDENTITY:
                self.blocks.fault(("identity", key), f"is not known here; {', '.join(IDENTITY)} are")
        subject = given.get("subject")
        if not isinstance(subject, dict) or len(subject) != 1:
            self.blocks.fault(("identity", "subject"), "must say what the event is about, as in `shipment: BSN/02`")
            return None
        kind = next(iter(subject))
        times = self._times(given.get("time") or [], family)
        business = self._reads(("identity", "business"), given.get("business"), around)
        about = self._reads(("identity", "subject", kind), subject[kind], around)
        purpose = self._reads(("identity", "purpose"), given.get("purpose"), around)
        if not business:
            self.blocks.fault(("identity", "business"), "is missing; it names the sender's own number of the thing, such as BSN/02")
        event = self._reads(("identity", "event"), given.get("event"), around)
        if not business or not about:
            return None
        text = _text(given["business"])
        return Identity(business, event, str(kind), about[0], purpose[0] if purpose else None, times, text)

    def _times(self, given: Any, family: Family) -> list[str]:
        moments = [name for name, info in family.model.model_fields.items() if bare(info.annotation) is Moment]
        names = given if isinstance(given, list) else [given]
        for number, name in enumerate(names):
            if name not in moments:
                self.blocks.fault(("identity", "time", number), f"{family.name} has no field {name!r} that is a moment; {', '.join(moments)} are")
        return [str(name) for name in names]

    def _drops(self) -> dict[str, list[Drop]]:
        drops: dict[str, list[Drop]] = {}
        given = self.written.value.get("drops") or {}
        if not isinstance(given, dict):
            self.blocks.fault(("drops",), "must hold lines such as `HL/04: said by the tree`")
            return drops
        for text, reason in given.items():
            if not isinstance(reason, str) or not reason.strip():
                self.blocks.fault(("drops", text), "needs a reason: why the event can do without it")
            try:
                drop = self.words.drop(str(text))
            except language.LanguageError as fault:
                self.blocks.fault(("drops", text), str(fault))
                continue
            drops.setdefault(drop.step.tag, []).append(drop)
        return drops


def _text(given: Any) -> str:
    return " or ".join(str(part) for part in given) if isinstance(given, list) else str(given)
