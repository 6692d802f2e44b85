"""Compiles expressions to functions: find the elements, read them, transform them, note what was taken.

Knows paths and transforms; knows no field and no event.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from translators.document import Node
from translators.mapping.language import Call, Chain, Constant, Expression, Language, LanguageError, Path, Test
from translators.mapping.moments import Unreadable
from translators.mapping.paths import FindOne, Taken, compile_one, condition_mask, element_texts, spelled_out, take
from translators.mapping.run import Run
from translators.mapping.syntax import X12
from translators.mapping.transforms import TRANSFORMS, ArgumentError, Reader, Tables, Transform

Read = Callable[[Run, Node], Any]
Check = Callable[[Run, Node], bool]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an expression needs besides its text."""

    tables: Tables
    outward: bool
    """True where paths look further out if a segment is not here (an event's own fields), False in the items of lists."""
    marking: bool = True
    """False where reading is only trying (conditions): nothing is noted as taken."""
    trace: bool = False
    """True where a mapping is compiled to explain: conditions are noted, too."""
    words: Language = X12
    """The language over the format's own paths."""


def compile_expression(expression: Expression, around: Surroundings) -> tuple[Read, Any]:
    """(reader of one value, the type it gives). Raises LanguageError."""
    compiled = [_compile_chain(chain, around) for chain in expression.chains]
    return alternatives_of([read for read, _ in compiled]), one_type([gives for _, gives in compiled])


def is_constant(expression: Expression) -> bool:
    """True if it says the same for every document."""
    return all(isinstance(source, Constant) for chain in expression.chains for source in chain.sources)


def alternatives_of(reads: list[Read]) -> Read:
    if len(reads) == 1:
        return reads[0]

    def read(run: Run, node: Node) -> Any:
        for alternative in reads:
            if (value := alternative(run, node)) is not None:
                return value
        return None

    return read


def one_type(types: list[Any]) -> Any:
    if any(gives != types[0] for gives in types):
        raise LanguageError("the alternatives give different things; each must give the same kind of value")
    return types[0]


def bind_calls(calls: tuple[Call, ...], tables: Tables) -> tuple[list[tuple[Transform, Reader]], Any]:
    bound: list[tuple[Transform, Reader]] = []
    gives: Any = str
    for number, call in enumerate(calls):
        transform = TRANSFORMS.get(call.name)
        if transform is None:
            raise LanguageError(f"there is no transform {call.name!r}; there are {', '.join(sorted(TRANSFORMS))}")
        least, most = transform.arguments
        if not least <= len(call.arguments) <= most:
            raise LanguageError(f"{call.name} takes {least if least == most else f'{least} to {most}'} arguments: {transform.about}")
        if number and (transform.takes == "many" or gives is not str):
            raise LanguageError(f"{call.name} cannot follow {calls[number - 1].name}; it takes {'elements' if transform.takes == 'many' else 'text'}")
        try:
            bound.append((transform, transform.read(call.arguments, tables)))
        except ArgumentError as fault:
            raise LanguageError(f"{call.name}: {fault}") from None
        gives = transform.gives
    return bound, gives


def in_turn(readers: list[Reader]) -> Reader:
    if len(readers) == 1:
        return readers[0]

    def apply(run: Run, value: Any) -> Any:
        for reader in readers:
            if value is None:
                return None
            value = reader(run, value)
        return value

    return apply


def check_sources(chain: Chain, around: Surroundings) -> None:
    for source in chain.sources:
        if isinstance(source, Path):
            around.words.check(source)


def _compile_chain(chain: Chain, around: Surroundings) -> tuple[Read, Any]:
    check_sources(chain, around)
    calls, gives = bind_calls(chain.calls, around.tables)
    readers = [reader for _, reader in calls]
    first = chain.sources[0]
    if calls and calls[0][0].takes == "many":
        return read_many(chain.sources, in_turn(readers), around), gives
    if len(chain.sources) > 1:
        raise LanguageError("several sources need a transform that makes one value of them, such as | moment or | quantity(unit)")
    if isinstance(first, Constant):
        return _read_constant(first.text, readers), gives
    find = compile_one(first, around.outward, around.marking)
    if first.number:
        return _read_number(find, in_turn(readers) if readers else None), gives
    if len(first.elements) != 1 or first.elements[0].last is not None:
        raise LanguageError(f"{first.text} must name one element (/02) here, or its ordinal (@number)")
    return _read_single(first, find, in_turn(readers) if readers else None, around), gives


def _read_constant(text: str, readers: list[Reader]) -> Read:
    if not readers:
        return lambda run, node: text
    apply = in_turn(readers)
    return lambda run, node: apply(run, text)


def _read_number(find: FindOne, apply: Reader | None) -> Read:
    def read(run: Run, node: Node) -> Any:
        found = find(run, node)
        if found is None:
            return None
        text = str(run.number(found))
        return text if apply is None else apply(run, text)

    return read


def told_by_finding(path: Path, around: Surroundings) -> int:
    """What finding the segment tells by itself: the values of its conditions."""
    return condition_mask(path.steps[-1]) if path.steps and around.marking else 0


@dataclass(frozen=True, slots=True)
class Single:
    """A reader of one element of one segment. Readers of objects take those of the same segment together (readers.py)."""

    find: FindOne | None
    """None: the segment we stand at."""
    element: int
    mask: int
    """What it takes: the element, and what finding the segment told."""
    apply: Reader | None
    label: str

    def __call__(self, run: Run, node: Node) -> Any:
        found = node if self.find is None else self.find(run, node)
        if found is None:
            return None
        elements = found.segment.elements
        if self.element >= len(elements) or not (raw := elements[self.element]) or not (text := run.text(raw)):
            return None
        return self.value(run, found, text)

    def value(self, run: Run, found: Node, text: str) -> Any:
        """What the element's text says; notes that it was taken, or why it cannot be read."""
        position = found.segment.position
        if self.apply is None:
            run.seen[position] |= self.mask
            return text
        run.used = None
        try:
            value = self.apply(run, text)
        except Unreadable as fault:
            run.note_unreadable(found, self.element, self.label if self.find is not None else found.tag + self.label, str(fault))
            return None
        if value is not None and run.used is None:
            run.seen[position] |= self.mask
        return value


def _read_single(path: Path, find: FindOne, apply: Reader | None, around: Surroundings) -> Read:
    wanted = path.elements[0]
    if wanted.component is not None:
        return read_many((path,), of_one(apply), around)
    label = f"{path.steps[-1].tag if path.steps else ''}/{wanted.number:02}"
    mask = told_by_finding(path, around) | (1 << wanted.number) if around.marking else 0
    return Single(find if path.steps else None, wanted.number, mask, apply, label)


def of_one(apply: Reader | None) -> Reader:
    """A reader of several made of a reader of one."""
    if apply is None:
        return lambda run, texts: texts[0] or None
    return lambda run, texts: apply(run, texts[0]) if texts[0] else None


def _gather(source: Path | Constant, around: Surroundings) -> Callable[[Run, Node], list[Taken | str]]:
    """The texts of one source, as many as it names even where the segment is absent: the transform counts on their places."""
    if isinstance(source, Constant):
        return lambda run, node: [source.text]
    if not source.elements:
        raise LanguageError(f"{source.text} must name its elements here, as in /02,03")
    find, elements = compile_one(source, around.outward, around.marking), source.elements
    absent: list[Taken | str] = [""] * sum(1 for element in elements if element.last is None)

    def gather(run: Run, node: Node) -> list[Taken | str]:
        found = find(run, node)
        return absent if found is None else list(element_texts(run, found, elements))

    return gather


def _as_one(sources: tuple[Path | Constant, ...]) -> tuple[Path | Constant, ...]:
    """Sources that look for the same segment as one: it is found once (columns of a row side by side)."""
    first = sources[0]
    if len(sources) == 1 or not isinstance(first, Path):
        return sources
    for source in sources:
        if not isinstance(source, Path) or source.steps != first.steps or source.reach != first.reach or source.number or not source.elements:
            return sources
    elements = tuple(element for source in sources if isinstance(source, Path) for element in source.elements)
    return (replace(first, elements=elements),)


def read_many(sources: tuple[Path | Constant, ...], apply: Reader, around: Surroundings) -> Read:
    sources = _as_one(sources)
    first = sources[0]
    if len(sources) == 1 and isinstance(first, Path) and first.elements and all(element.component is None for element in first.elements):
        return _read_row(first, apply, around)
    gathers = [_gather(source, around) for source in sources]
    masks = [told_by_finding(source, around) if isinstance(source, Path) else 0 for source in sources]

    def read(run: Run, node: Node) -> Any:
        values: list[Taken | str] = []
        told: list[tuple[Node, int]] = []
        for gather, mask in zip(gathers, masks, strict=True):
            more = gather(run, node)
            values += more
            if mask and more and isinstance(more[0], Taken):
                told.append((more[0].node, mask))
        return transform_taken(run, values, told, apply, around.marking)

    return read


def _read_row(path: Path, apply: Reader, around: Surroundings) -> Read:
    """Several whole elements of one segment: the usual case, without a value for each of them."""
    find = compile_one(path, around.outward, around.marking) if path.steps else None
    row = row_reader(path, apply, around)

    def read(run: Run, node: Node) -> Any:
        found = node if find is None else find(run, node)
        return None if found is None else row(run, found)

    return read


def row_reader(path: Path, apply: Reader, around: Surroundings) -> Read:
    numbers, open_end = spelled_out(path.elements)
    told = told_by_finding(path, around)
    marking = around.marking

    def read(run: Run, node: Node) -> Any:
        segment = node.segment
        elements = segment.elements
        count = len(elements)
        wanted = [*numbers, *range(open_end, count)] if open_end else numbers
        text_of = run.text
        texts = [text_of(elements[number]) if number < count else "" for number in wanted]
        if not any(texts):
            return None
        run.used = run.partly = None
        try:
            value = apply(run, texts)
        except Unreadable as fault:
            first = next(number for number, text in zip(wanted, texts, strict=True) if text)
            run.note_unreadable(node, first, f"{node.tag}/{first:02}", str(fault))
            return None
        if run.partly is not None:
            index, text = run.partly
            run.note_unreadable(node, wanted[index], f"{node.tag}/{wanted[index]:02}", text)
        if value is None or not marking:
            return value
        mask = told
        for number in wanted if run.used is None else [wanted[index] for index in run.used if index < len(wanted)]:
            mask |= 1 << number
        run.seen[segment.position] |= mask
        return value

    return read


def transform_taken(run: Run, values: list[Taken | str], told: list[tuple[Node, int]], apply: Reader, marking: bool) -> Any:
    """Transforms several values and notes those that were taken."""
    taken = [value for value in values if isinstance(value, Taken) and value.text]
    if not taken:
        return None
    run.used, run.partly = None, None
    try:
        value = apply(run, [value.text if isinstance(value, Taken) else value for value in values])
    except Unreadable as fault:
        _note(run, taken[0], str(fault))
        return None
    if run.partly is not None:
        index, text = run.partly
        if isinstance(partly := values[index], Taken):
            _note(run, partly, text)
    if value is None or not marking:
        return value
    for found in taken if run.used is None else (values[index] for index in run.used if index < len(values)):
        if isinstance(found, Taken):
            take(run, found)
    for node, mask in told:
        run.seen[node.segment.position] |= mask
    return value


def _note(run: Run, taken: Taken, text: str) -> None:
    run.note_unreadable(taken.node, taken.element.number, f"{taken.node.tag}/{taken.element.number:02}", text)


def compile_test(test: Test, around: Surroundings) -> Check:
    """A condition of a block; it takes nothing, but that finding an element equal to a word tells it. Raises LanguageError."""
    check_sources(test.chain, around)
    trying = replace(around, marking=around.trace)
    first = test.chain.sources[0]
    if isinstance(first, Path) and not first.elements and not first.number:
        if test.chain.calls or test.values is not None or len(test.chain.sources) > 1:
            raise LanguageError(f"{first.text} must name the element to compare, as in /01")
        find = compile_one(first, around.outward, marking=False)
        return lambda run, node: (find(run, node) is None) is test.negate
    trial, gives = _compile_chain(test.chain, trying)
    if test.values is not None and gives is not str:
        raise LanguageError("only text can be compared")
    values, negate = test.values, test.negate
    telling = _compile_chain(test.chain, around)[0] if values is not None and not negate and not test.chain.calls and around.marking else None

    def check(run: Run, node: Node) -> bool:
        quiet, run.quiet = run.quiet, True
        value = trial(run, node)
        run.quiet = quiet
        met = (value is not None if values is None else value in values) is not negate
        if met and telling is not None:
            telling(run, node)
        return met

    return check
