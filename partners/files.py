"""Finds whose agreement a CSV or XML file falls under: by its name where the profile says so, else by what is in it. Nothing is guessed.

Knows profiles and mappings; reads nothing itself.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from partners.mappings import MappingLibrary
from partners.profile import Agreement, Profile
from translators.formats import Format, fits, strangers
from translators.mapping import MappingError


class NotAgreed(Exception):
    """No agreement, or more than one, is meant; the text says why and what would mend it."""


@dataclass(frozen=True, slots=True)
class Agreed:
    """The agreement of a file, and what its mapping says of the form."""

    agreement: Agreement
    form: Any


def agreement_for(data: bytes, name: str, *, format: Format, profile: Profile, mappings: MappingLibrary) -> Agreed:
    """The one agreement that a file falls under. Raises NotAgreed.

    A file that can only be of one agreement is of that one even if its heading or root says otherwise: the partner then hears what is wrong.
    """
    agreements = profile.files(format)
    if not agreements:
        raise NotAgreed(f"it looks like {format.upper()}, and nothing of that is agreed with {profile.partner}; add an agreement and replay it")
    named = [one for one in agreements if one.file is not None and _has_name(name, one.file)]
    candidates = named or [one for one in agreements if one.file is None]
    fitting: list[Agreed] = []
    why: list[str] = []
    for agreement in candidates:
        try:
            found = Agreed(agreement, mappings.mapping(agreement.mapping_name, tuple(agreement.overlays)).form)
        except MappingError as error:
            raise NotAgreed(f"the mapping of {agreement.set_id} cannot be used: {error}") from None
        fault = fits(data, found.form)
        if not fault or len(candidates) == len(named) == 1 or len(agreements) == 1:
            fitting.append(found)
        else:
            why.append(f"{agreement.set_id}: {fault}")
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        names = " and ".join(one.agreement.set_id for one in fitting)
        raise NotAgreed(f"the file fits the agreements {names}; say in the profile which file names each has (file: ASN_*.csv), then replay it")
    told = "; ".join(why) or f"none is for files called {name or '(no name)'}"
    raise NotAgreed(f"the file fits none of {profile.partner}'s agreements: {told}")


def _has_name(name: str, pattern: str) -> bool:
    """A pattern with a folder in it speaks of folder and name, another one of the name alone."""
    wanted = name if "/" in pattern else name.rpartition("/")[2]
    return fnmatchcase(wanted.casefold(), pattern.casefold())


def mapping_for(data: bytes, *, format: Format, mappings: MappingLibrary) -> str:
    """The one shipped mapping whose form a file has best. Raises NotAgreed."""
    names = [name for name in mappings.names() if name.startswith(f"{format}/")]
    fitting = [name for name in names if not fits(data, mappings.mapping(name).form)]
    fewest = min((strangers(data, mappings.mapping(name).form) for name in fitting), default=0)
    fitting = [name for name in fitting if strangers(data, mappings.mapping(name).form) == fewest]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise NotAgreed(f"it may be of {' or '.join(fitting)}; say which with --mapping")
    raise NotAgreed(f"it looks like {format.upper()} and has the form of none of {', '.join(names) or 'our mappings'}; name one with --mapping")
