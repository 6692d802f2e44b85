"""What a worker says to the partner about a message: the 997 or 999 of each group, and whether its envelope deserves a TA1.

Knows verdicts and the profile; the past and the control numbers are the store's.
"""

from typing import Any

from gateway import ways
from partners.profile import Agreement, Profile
from translators.x12.acknowledge import SetVerdict, form_for, functional_ack, group_verdict
from translators.x12.guide import GuideBook
from translators.x12.interchange import Group, Interchange
from translators.x12.own import faults_of_composed
from translators.x12.ta1 import answers_only, ta1_owed

Row = dict[str, Any]


class Answering:
    def __init__(self, profile: Profile, guides: GuideBook) -> None:
        self._profile = profile
        self._guides = guides

    def owes_ta1(self, interchange: Interchange) -> tuple[bool, bool]:
        """Whether a TA1 is owed if the interchange stands, and if it is rejected, which the store may find out."""
        if answers_only(interchange):
            return False, False
        duty = self._profile.duties.interchange_acknowledgment
        return ta1_owed(duty, rejected=False, asked=interchange.ack_requested), ta1_owed(duty, rejected=True, asked=interchange.ack_requested)

    def group(self, interchange: Interchange, group: Group, verdicts: list[SetVerdict]) -> Row:
        """The verdict on a group, and the acknowledgment in the form and detail that its sets' agreements want."""
        accepted = sum(1 for one in verdicts if one.verdict != "R")
        row: Row = {"interchange": interchange.ordinal + 1, "group": group.ordinal + 1, "accepted": 0 if group.codes else accepted}
        row |= {"verdict": group_verdict(verdicts, group.codes), "receipt": None}
        detail = self._detail(verdicts)
        if detail == "none":
            return row
        wanted = self._form(verdicts)
        form = form_for(wanted, group.version)
        us = self._profile.us
        composed = functional_ack(
            interchange, group, verdicts, form=form, detail=detail, sender_qualifier=us.isa.qualifier, sender=us.isa.id, sender_code=us.gs
        )
        faults = faults_of_composed(composed, self._guides)
        if faults:
            return row | {"fault": "; ".join(faults)}
        if form != wanted:
            row["note"] = f"a {wanted} is agreed, but the group is {group.version}, and the {wanted} begins with 005010"
        sender = f"{interchange.sender_qualifier}:{interchange.sender}"
        receipt = {
            "form": form, "parts": composed, "scope": ways.scope(str(us.isa), sender), "destination": ways.destination(self._profile),
            "file_name": ways.file_name(form, group.functional, group.control),
        }  # fmt: skip
        return row | {"receipt": receipt}

    def _agreements(self, verdicts: list[SetVerdict]) -> list[Agreement | None]:
        return [self._profile.agreement(set_id) for set_id in sorted({one.id for one in verdicts})]

    def _detail(self, verdicts: list[SetVerdict]) -> str:
        """The fullest detail that any of the sets wants; a set without an agreement, and a group without sets, is told in full."""
        wanted = {one.duties.functional_acknowledgment if one else "all" for one in self._agreements(verdicts)} or {"all"}
        return next(detail for detail in ("all", "errors", "none") if detail in wanted)

    def _form(self, verdicts: list[SetVerdict]) -> str:
        return "999" if any(one and one.duties.functional_acknowledgment_form == "999" for one in self._agreements(verdicts)) else "997"
