"""The mapping language: declarative rules between a document and canonical events, compiled at load, total and bounded."""

from translators.mapping.compiler import CompiledMapping, compile_mapping
from translators.mapping.errors import MappingError, MappingProblem
from translators.mapping.tables import CodeTable, read_table
from translators.mapping.values import Context, Mapped, Unmapped, ZoneOffset
from translators.mapping.written import Written, effective_text, lay_over

__all__ = [
    "CodeTable", "CompiledMapping", "Context", "Mapped", "MappingError", "MappingProblem", "Unmapped", "Written", "ZoneOffset",
    "compile_mapping", "effective_text", "lay_over", "read_table",
]  # fmt: skip
