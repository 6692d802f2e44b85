"""What is asked of an ERP's own API for one event: steps that are data, compiled at load, total and bounded. Pure: requests out, answers in."""

from translators.calls.compiler import compile_calls
from translators.calls.errors import CallFault, CallLater, CallRefused, CallUnclear, CallUnexplained
from translators.calls.flow import Answer, Done, Given, Request, flow
from translators.calls.lookups import LookupTable, read_lookup, read_lookup_rows
from translators.calls.plan import Calls

__all__ = [
    "Answer", "CallFault", "CallLater", "CallRefused", "CallUnclear", "CallUnexplained", "Calls", "Done", "Given", "LookupTable", "Request",
    "compile_calls", "flow", "read_lookup", "read_lookup_rows",
]  # fmt: skip
