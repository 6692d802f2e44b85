"""What can go wrong with a mapping (our fault or the partner manager's) and with a document under it.

TranslationError
├── MappingError      the mapping itself is wrong; told when it is compiled, with line, column, path and mend
└── MappingProblem    a document cannot become an event under this mapping; the pipeline holds it
"""

from translators.document import TranslationError


class MappingError(TranslationError):
    """A mapping does not compile. The text is "FILE: line L, column C: path: what is wrong; the mend"."""


class MappingProblem(TranslationError):
    """A document under a sound mapping gives no usable event; the text says which element would mend it.

    `problems` holds one line for each thing that is missing or over a limit.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems
