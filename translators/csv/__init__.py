"""CSV: declared dialects, rows read into the tree that mappings walk, and written from it."""

from translators.csv.cut import folded
from translators.csv.dialect import Dialect, dialect_of
from translators.csv.reader import CsvReading, read
from translators.csv.records import CsvLimits, CsvSet

__all__ = ["CsvLimits", "CsvReading", "CsvSet", "Dialect", "dialect_of", "folded", "read"]
