"""XML: read hardened into the tree that mappings walk, and written from it. The only room that knows lxml."""

from translators.xml.limits import DEFAULT, XmlLimits
from translators.xml.reader import XmlReading, read

__all__ = ["DEFAULT", "XmlLimits", "XmlReading", "read"]
