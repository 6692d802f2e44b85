"""What a mapping of calls is once it is compiled: steps, each with closures over what is known when it is its turn."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from translators.calls.values import Read, Scope
from translators.events.family import Family

Test = Callable[[Scope], bool]
Rows = Literal["one", "at most one", "some", "any", "none"]
Meaning = Literal["refuse", "later", "fault", "nothing", "good"]


@dataclass(frozen=True, slots=True)
class Otherwise:
    """What is said where something is not as it has to be."""

    is_final: bool
    """True: the event is refused; False: it comes again later."""
    words: Read


@dataclass(frozen=True, slots=True)
class AnswerRule:
    """What some answers of this ERP mean."""

    statuses: tuple[tuple[int, int], ...]
    """From, to."""
    media: str
    """How the content type begins; "": any."""
    at: str
    """A JSON pointer; with `texts`: what must stand there."""
    texts: tuple[str, ...]
    part: str
    """What must be a part of it; "": nothing must."""
    means: Meaning
    words: str
    """A JSON pointer to the ERP's words for a person; "": none are taken."""
    because: str


@dataclass(frozen=True, slots=True)
class Ask:
    """One request."""

    method: str
    path: Read
    query: tuple[tuple[str, Read], ...]
    headers: tuple[tuple[str, Read], ...]
    body: Read | None
    reads: bool
    """Whether it changes nothing there."""
    guard: bool
    at: str
    rows: Rows | None
    otherwise: Otherwise | None
    name: str | None
    """What its answer is called from here on."""
    answers: tuple[AnswerRule, ...]
    example: Any


@dataclass(frozen=True, slots=True)
class Collect:
    """What a loop gathers, one object a pass, or one for all passes with the same `by`."""

    name: str
    when: Test | None
    by: tuple[str, ...]
    sum: str | None
    give: Read | None


@dataclass(frozen=True, slots=True)
class Loop:
    items: Callable[[Scope], list[Any]]
    name: str
    where: Test | None
    limit: int
    steps: "tuple[Step, ...]"
    collect: tuple[Collect, ...]


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    when: Test | None
    names: tuple[tuple[str, Read], ...]
    ask: Ask | None
    loop: Loop | None
    checks: tuple[tuple[Test, Otherwise], ...]


@dataclass(frozen=True, slots=True)
class Setting:
    """A value that an installation says."""

    about: str
    default: str | None


@dataclass(frozen=True, slots=True)
class Calls:
    """One event's calls at one ERP."""

    name: str
    family: Family
    about: str
    together: bool
    """Whether several events may be at it at the same time: the ERP itself sees to it that none spoils another's."""
    values: Mapping[str, Setting]
    lookups: Mapping[str, Setting]
    """Tables, each with what it is for; those with a default may be missing."""
    headers: tuple[tuple[str, Read], ...]
    refusals: tuple[tuple[Test, Read], ...]
    names: tuple[tuple[str, Read], ...]
    steps: tuple[Step, ...]
    answers: tuple[AnswerRule, ...]
    confirmed: Read | None

    def walk(self) -> Iterator[Step]:
        """All steps in their order, those of loops behind their loop."""

        def inside(steps: tuple[Step, ...]) -> Iterator[Step]:
            for step in steps:
                yield step
                if step.loop is not None:
                    yield from inside(step.loop.steps)

        yield from inside(self.steps)
