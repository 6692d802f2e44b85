"""How files without an envelope are written, by what their mapping says of their form."""

from typing import Any

from translators.csv.dialect import Dialect
from translators.csv.write import CsvMedium
from translators.mapping.compose import Medium
from translators.xml.layout import XmlForm
from translators.xml.write import XmlMedium


def medium_of(form: Any) -> Medium:
    """The medium of a CSV dialect or an XML layout. Raises TypeError for X12, which wants a guide and terms."""
    if isinstance(form, Dialect):
        return CsvMedium(form)
    if isinstance(form, XmlForm):
        return XmlMedium(form)
    raise TypeError(f"{type(form).__name__} is no form of a file")
