"""How the calls for one event can end badly. What follows of it (again, a dead letter, a rest) is the target's business.

CallProblem
├── CallRefused       this event cannot be taken; `words` may be told to the partner
├── CallLater         not now: something else has to happen in the ERP first
├── CallFault         the ERP or the installation is set up wrongly; every event would meet it
├── CallUnclear       the ERP said yes in a way that cannot be read
└── CallUnexplained   the ERP said no, and the mapping has no line for that answer
"""

from typing import Any

from translators.document import TranslationError


class CallProblem(TranslationError):
    """The text names the step."""

    def __init__(self, text: str, answer: Any = None) -> None:
        super().__init__(text)
        self.answer = answer
        """The ERP's answer that it is about, if there was one."""


class CallRefused(CallProblem):
    def __init__(self, text: str, *, words: str | None = None, answer: Any = None, names_its_step: bool = False) -> None:
        super().__init__(text, answer)
        self.words = words
        self.names_its_step = names_its_step
        """Whether the text is whole; else the step is put before it."""


class CallLater(CallProblem):
    pass


class CallFault(CallProblem):
    pass


class CallUnclear(CallProblem):
    pass


class CallUnexplained(CallProblem):
    pass
