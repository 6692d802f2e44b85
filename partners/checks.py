"""What a profile says that no model can judge: whether its mappings and overlays exist and compile, whether its zones are zones."""

from partners.guides import shipped_guides
from partners.mappings import is_zone, shipped
from partners.profile import Agreement, Profile
from partners.schemas import schema_of
from translators.document import TranslationError
from translators.mapping import MappingError


def problems(profile: Profile) -> list[str]:
    """One line a problem, each with its path and mend; none for a profile that can be used."""
    found = []
    for number, agreement in enumerate(profile.agreements):
        where = f"agreements[{number}] ({agreement.set_id})"
        try:
            if not _held_for_want_of_a_mapping(agreement):
                shipped().mapping(agreement.mapping_name, tuple(agreement.overlays))
        except MappingError as error:
            found.append(f"{where}: {error}")
        if agreement.schema_file is not None:
            try:
                schema_of(agreement.schema_file)
            except TranslationError as error:
                found.append(f"{where}.schema_file: {error}")
        if agreement.send is not None and agreement.format == "x12" and not shipped_guides().knows(agreement.set_id):
            found.append(f"{where}.send: there is no guide of the set {agreement.send}, so it cannot be written")
        if agreement.default_zone is not None and not is_zone(agreement.default_zone):
            found.append(f"{where}.default_zone: {agreement.default_zone!r} is no time zone; write an IANA name such as America/Chicago")
    return found


def _held_for_want_of_a_mapping(agreement: Agreement) -> bool:
    """Whether the set has a guide but no shipped mapping, and none is asked for: it is checked, answered and held."""
    asked = agreement.mapping is not None or agreement.overlays
    return (
        not asked
        and agreement.format == "x12"
        and agreement.send is None
        and shipped().for_set(agreement.set_id) is None
        and shipped_guides().knows(agreement.set_id)
    )
