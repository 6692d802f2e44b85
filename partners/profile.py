"""One partner's terms: identities, channels, agreements, leniency, throttle. The model is the reference of what a profile may say.

Knows nothing of the store; `read_profile` turns YAML into the model and mistakes into lines a person can mend.
"""

import hashlib
import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from partners.calendar import Calendar
from partners.channels import Channels
from partners.duplicates import Duplicates, with_one_window
from partners.positioned import Places, PositionedError, load
from partners.priority import Priority
from partners.terms import Model, Name, Names, Sha256, Span, SpanOrNone
from translators.x12.options import LENIENCIES


class ProfileError(ValueError):
    """A profile cannot be used; each line names file, line, column, path, what is wrong and the mend."""


def _separator(value: object) -> object:
    if isinstance(value, str) and (match := re.fullmatch(r"0x([0-9A-Fa-f]{2})", value)):
        value = chr(int(match[1], 16))
    if isinstance(value, str) and len(value) == 1 and value.isascii() and not value.isalnum() and value not in " .-":
        return value
    raise ValueError(f"must be one character that is no letter, digit, space, point or hyphen, or its code such as 0x1D, got {value!r}")


Separator = Annotated[str, BeforeValidator(_separator)]


class InterchangeId(Model):
    """An ISA identity: qualifier (ISA05, ISA07) and id (ISA06, ISA08) without its padding."""

    qualifier: str = Field(pattern=r"^[0-9A-Z]{2}$")
    id: str = Field(min_length=1, max_length=15)

    def __str__(self) -> str:
        return f"{self.qualifier}:{self.id}"


class Token(Model):
    """A bearer token, known by its SHA-256 only."""

    sha256: Sha256
    note: str = ""


class Client(Model):
    """An OAuth2 client of the partner (RFC 6749, 4.4): it gets its bearer tokens at our /v1/token."""

    id: str = Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9._-]+$", description="one partner a client id")
    sha256: Sha256
    note: str = ""


class Identities(Model):
    isa: list[InterchangeId] = Field(default_factory=list, description="who the partner is in ISA05 and ISA06; the first is whom we write X12 to")
    gs: str | None = Field(default=None, min_length=2, max_length=15, description="who we write to in GS03; default: the id of the first isa")
    tokens: list[Token] = Field(default_factory=list, description="its bearer tokens; several while one replaces another")
    clients: list[Client] = Field(default_factory=list, description="its OAuth2 clients, known by the SHA-256 of their secrets")
    control_numbers: Literal["any", "sequential"] = Field(
        default="any", description="sequential: its ISA13 count up one by one for each pair of identities, so a missing one is told"
    )


class OurNames(Model):
    """How the partner knows us; what our 997 carries as its sender."""

    isa: InterchangeId = InterchangeId(qualifier="ZZ", id="CROSSDOCK")
    gs: str = Field(default="CROSSDOCK", min_length=2, max_length=15)
    as2: str = Field(default="CROSSDOCK", min_length=1, max_length=128, pattern=r"^[ -~]+$", description="our AS2 name")


class Duties(Model):
    """Which acknowledgments we owe for documents of this agreement."""

    functional_acknowledgment: Literal["all", "errors", "none"] = Field(
        default="all", description="997: list every set, list only sets with errors, or send none"
    )
    functional_acknowledgment_form: Literal["997", "999"] = Field(
        default="997", description="999 only for groups of 005010 and later; older ones get a 997 all the same"
    )
    application_advice: Literal["none", "errors", "all"] = Field(
        default="none", description="824: what our mapping or the ERP would not take (errors), and what the ERP has taken, too (all)"
    )
    error_report: Literal["errors", "all", "none"] = Field(
        default="errors", description="CSV and XML: a CSV file of what is wrong, row by row: for files with faults, for every file, or never"
    )


Step = Literal["alarm", "remind", "resend", "refuse"]


class Owed(Model):
    """Which acknowledgments the partner owes us for what we send, and by when."""

    functional_acknowledgment: SpanOrNone = Field(default=timedelta(hours=24), description="a 997 or 999 within this span; none: nothing is awaited")
    interchange_acknowledgment: SpanOrNone = Field(default=None, description="a TA1 within this span; ISA14 then asks for it")
    application_advice: SpanOrNone = Field(default=None, description="an 824 within this span; one that nobody awaits is taken, too")
    counts: Literal["all", "business"] = Field(
        default="all", description="business: only the hours of the profile's calendar count; 1d is a business day"
    )
    when_overdue: list[Step] = Field(
        default=["alarm"],
        max_length=10,
        description="steps, one at the deadline and one each `then_every` after it, until the answer comes",
    )
    then_every: Span = Field(default=timedelta(hours=24), ge=timedelta(minutes=1))


AFTER = {"none": b"", "LF": b"\n", "CRLF": b"\r\n"}


class Separators(Model):
    """How what we write to the partner is parted. Each is one character that is neither letter, digit nor space, or its code such as 0x1D."""

    element: Separator = "*"
    component: Separator = ":"
    repetition: Separator = "^"
    segment: Separator = "~"
    after: Literal["none", "LF", "CRLF"] = Field(default="none", description="what follows each segment's end")

    @model_validator(mode="after")
    def _all_different(self) -> "Separators":
        if len({self.element, self.component, self.repetition, self.segment}) < 4:
            raise ValueError("the four separators must be four different characters")
        return self


class PartnerDuties(Model):
    """Which acknowledgments we owe for whole interchanges, whatever is in them."""

    interchange_acknowledgment: Literal["asked", "always", "errors", "none"] = Field(
        default="asked", description="TA1: for faults and when ISA14 asks, for every interchange, for faults alone, or never"
    )


KIND = r"^([0-9]{3}|(csv|xml)/[a-z0-9][a-z0-9_-]{0,50})$"
"""A transaction set, or a kind of file: its format and a name."""


class Agreement(Model):
    """What we take from the partner, or send it: a transaction set, how it is read or written, and where its events go or come from."""

    receive: str | None = Field(
        default=None, pattern=KIND, description="what we take: a transaction set such as 856, or a kind of file such as csv/status"
    )
    send: str | None = Field(default=None, pattern=KIND, description="what we send: a transaction set such as 940, or a kind of file such as csv/asn")
    file: str | None = Field(
        default=None, min_length=1, max_length=200, description="the names of such files, as ASN_*.csv or stock/*; for CSV and XML"
    )
    schema_file: str | None = Field(
        default=None, pattern=r"^[\w.-]{1,200}$", description="XML: a schema of the library's schemas/, by which files are judged"
    )
    mapping: str | None = Field(default=None, description="default: the shipped mapping, x12/NNN or the kind of file itself")
    overlays: Names = Field(default_factory=list, description="differences on top of the mapping, in order")
    default_zone: str | None = Field(default=None, description="the time zone of times without one, such as America/Chicago")
    target: Name = "erp"
    test_target: Name | None = Field(default=None, description="where ISA15 = T goes; without one, test documents are skipped")
    on_conflict: Literal["hold", "revise"] | None = Field(
        default=None, description="the same business key with another meaning under an original purpose; default: duplicates.meaning.changed"
    )
    on_dead: Literal["block", "pass"] | None = Field(default=None, description="whether a dead letter stops its lane; default by event type")
    priority: Priority | None = Field(default=None, description="which deliveries go before others at their destination; default by event type")
    fallback: Name | None = Field(
        default=None, description="another target, for when `target` has been open for `fallback_after` or refuses an event"
    )
    fallback_after: Span = Field(default=timedelta(hours=1), description="how long the target may be open before that")
    duties: Duties = Duties()
    version: str = Field(default="004010", pattern=r"^00[2-8][0-9]{3}[0-9A-Z]{0,6}$", description="GS08 of what we send")
    envelope_version: str | None = Field(default=None, pattern=r"^00[2-8]0[0-9]$", description="ISA12; default 00401, or 00501 from 005010 on")
    separators: Separators = Separators()
    on_delimiter: Literal["replace", "other", "refuse"] = Field(
        default="replace", description="where data holds a separator: put `replacement` there, take other separators, or refuse the event"
    )
    replacement: str = Field(default=" ", min_length=1, max_length=1)
    upper_case: bool = Field(default=False, description="whether all text is written in capitals")
    owed: Owed = Owed()

    @model_validator(mode="after")
    def _one_direction(self) -> "Agreement":
        if (self.receive is None) == (self.send is None):
            raise ValueError("an agreement has either receive, the set that we take, or send, the set that we send")
        if self.fallback is not None and self.fallback == self.target:
            raise ValueError(f"fallback is {self.fallback}, which is the target itself; name another one, such as a folder")
        foreign = sorted(self.model_fields_set & (SEND_ONLY if self.receive else RECEIVE_ONLY))
        if foreign:
            direction, other = ("receive", "send") if self.receive else ("send", "receive")
            raise ValueError(f"{foreign[0]} is a term of agreements with {other}; this one has {direction}")
        strange = sorted(self.model_fields_set & (X12_ONLY if self.format != "x12" else FILE_ONLY))
        if strange:
            raise ValueError(
                f"{strange[0]} is no term of an agreement on {self.set_id}; it is for {'X12' if self.format != 'x12' else 'CSV and XML'}"
            )
        if self.mapping_name.partition("/")[0] != self.format:
            raise ValueError(f"mapping {self.mapping} is for another format than {self.set_id}")
        return self

    @property
    def format(self) -> str:
        """x12, csv or xml."""
        return self.set_id.partition("/")[0] if "/" in self.set_id else "x12"

    @property
    def set_id(self) -> str:
        return self.receive or self.send or ""

    @property
    def mapping_name(self) -> str:
        return self.mapping or (self.set_id if "/" in self.set_id else f"x12/{self.set_id}")

    @property
    def isa_version(self) -> str:
        """ISA12 of what we send."""
        return self.envelope_version or ("00501" if self.version[:6] >= "005010" else "00401")


X12_ONLY = frozenset({"version", "envelope_version", "separators", "on_delimiter", "replacement", "upper_case", "owed"})
FILE_ONLY = frozenset({"file", "schema_file"})
"""Terms of one format only."""
SEND_ONLY = frozenset({"version", "envelope_version", "separators", "on_delimiter", "replacement", "upper_case", "owed"})
RECEIVE_ONLY = frozenset({"duties", "test_target", "on_conflict", "file", "schema_file", "fallback", "fallback_after"})
"""Terms that say something of one direction only."""


class Leniency(Model):
    allow: bool = True
    because: str = Field(min_length=3, description="who needs it and until when")


class Throttle(Model):
    """How fast this partner's events may leave for the targets, and how many: exact over all nodes."""

    rate: float = Field(default=200, gt=0, le=100_000, description="a second")
    burst: float = Field(default=200, ge=1, le=100_000)
    concurrency: int | None = Field(default=None, ge=1, le=1000, description="in flight at one target; default: as many as the target takes")
    daily: int | None = Field(default=None, ge=1, description="events begun in a day of UTC; what exceeds it waits")
    weight: int = Field(default=1, ge=1, le=100, description="events in each of its turns, where partners wait for each other")


class Promotion(Model):
    """What must be known of a new revision before it takes the place of this one."""

    replay_days: int = Field(ge=1, le=400, description="a dry run of it over the documents of so many days, not older than a day")
    max_changed: int | Literal["any"] = Field(
        default=0, description="how many events that run may have found changed, added, removed or not read; any: the run alone is needed"
    )


class Retention(Model):
    """How long what is over is kept; in place of the installation's own word."""

    messages: SpanOrNone = Field(default=None, description="messages with their documents, events and receipts; none: for ever")


class Profile(Model):
    """All of one partner's terms."""

    partner: Name
    name: str = Field(min_length=1, max_length=100)
    identities: Identities
    us: OurNames = OurNames()
    channels: Channels = Channels()
    agreements: list[Agreement] = Field(min_length=1)
    duties: PartnerDuties = PartnerDuties()
    strictness: Literal["tolerant", "strict"] = "tolerant"
    leniency: dict[str, Leniency] = Field(default_factory=dict)
    throttle: Throttle = Throttle()
    promotion: Promotion | None = None
    calendar: Calendar | None = Field(default=None, description="when its people are at work")
    duplicates: Duplicates = Duplicates()
    retention: Retention = Retention()

    @model_validator(mode="before")
    @classmethod
    def _one_window_for_all_channels(cls, value: Any) -> Any:
        return with_one_window(value)

    @model_validator(mode="after")
    def _business_hours_are_known(self) -> "Profile":
        for one in self.agreements:
            if one.send is not None and one.owed.counts == "business" and self.calendar is None:
                raise ValueError(f"agreements: what is owed for {one.send} counts business hours, and calendar is missing")
            if one.send is not None and "remind" in one.owed.when_overdue and self.channels.http.webhook is None and self.channels.mail is None:
                raise ValueError(
                    f"agreements: {one.send} reminds the partner, and channels.http.webhook and channels.mail are missing: a reminder goes there"
                )
        return self

    @model_validator(mode="after")
    def _is_kept_while_it_counts(self) -> "Profile":
        kept = self.retention.messages
        name, window = max(self._windows().items(), key=lambda item: item[1])
        if kept is not None and kept < window:
            raise ValueError(
                f"retention.messages is {kept.days} days, and {name} looks back {window.days} days: what came before is known by its message; keep them as long"
            )
        return self

    def _windows(self) -> dict[str, timedelta]:
        """By its path, how far back each rule against duplicates looks."""
        found = {"duplicates.interchange.within": self.duplicates.interchange.within, "duplicates.meaning.within": self.duplicates.meaning.within}
        found["channels.http.duplicate_window"] = self.channels.http.duplicate_window
        if self.channels.sftp is not None:
            found["channels.sftp.duplicate_window"] = self.channels.sftp.duplicate_window
        if self.channels.as2 is not None:
            found["channels.as2.receive.duplicate_window"] = self.channels.as2.receive.duplicate_window
        return found | {f"channels.sftp_poll[{number}].duplicate_window": one.duplicate_window for number, one in enumerate(self.channels.sftp_poll)}

    def longest_window(self) -> timedelta:
        """For so long a message is needed to know another as its duplicate."""
        return max(self._windows().values())

    @model_validator(mode="after")
    def _each_set_once(self) -> "Profile":
        for sets in (self.receives, self.sends):
            twice = sorted({name for name in sets if sets.count(name) > 1})
            if twice:
                raise ValueError(f"agreements name {', '.join(twice)} more than once; keep one agreement a set and direction")
        x12 = next((one.set_id for one in self.agreements if one.format == "x12"), None)
        if x12 is not None and not self.identities.isa:
            raise ValueError(f"identities.isa is missing: who the partner is in the ISA of {x12}; partners with files alone need none")
        if self.channels.as2 is not None and self.channels.as2.id == self.us.as2:
            raise ValueError(f"channels.as2.id is {self.us.as2}, which is our own AS2 name (us.as2)")
        unknown = sorted(set(self.leniency) - set(LENIENCIES))
        if unknown:
            raise ValueError(f"leniency {unknown[0]!r} is not known; there are: {', '.join(sorted(LENIENCIES))}")
        return self

    def agreement(self, set_id: str) -> Agreement | None:
        return next((one for one in self.agreements if one.receive == set_id), None)

    def sending(self, set_id: str) -> Agreement | None:
        """The agreement to send this set."""
        return next((one for one in self.agreements if one.send == set_id), None)

    def files(self, format: str) -> list[Agreement]:
        """The agreements to take files of a format."""
        return [one for one in self.agreements if one.receive and one.format == format]

    @property
    def receives(self) -> list[str]:
        return [one.receive for one in self.agreements if one.receive]

    @property
    def sends(self) -> list[str]:
        return [one.send for one in self.agreements if one.send]

    @property
    def allowed(self) -> frozenset[str]:
        return frozenset(name for name, leniency in self.leniency.items() if leniency.allow)

    @property
    def login(self) -> str:
        """The partner's user name at our SFTP server."""
        return (self.channels.sftp.user if self.channels.sftp else None) or self.partner

    @property
    def senders(self) -> frozenset[str]:
        return frozenset(str(one) for one in self.identities.isa)


def read_profile(text: str, file: str = "profile") -> Profile:
    """The model of a profile's YAML. Raises ProfileError, a line a mistake: 'file: line 8, column 11: agreements[2].mapping: …'."""
    try:
        value, places = load(text)
    except PositionedError as error:
        raise ProfileError(f"{file}: {error}") from None
    if not isinstance(value, dict):
        raise ProfileError(f"{file}: line 1, column 1: a profile is a list of terms such as 'partner: NAME'; see docs/reference/profile.md")
    try:
        return Profile.model_validate(value)
    except ValidationError as error:
        raise ProfileError("\n".join(_line(problem, places, file) for problem in error.errors())) from None


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _line(problem: Any, places: Places, file: str) -> str:
    """One of pydantic's errors as a line with its place and its mend."""
    path = tuple(problem["loc"])
    known = path
    while known and known not in places:
        known = known[:-1]
    line, column = places.get(known, (1, 1))
    words = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".") or "the profile"
    return f"{file}: line {line}, column {column}: {words}: {_mend(problem)}"


def _mend(problem: Any) -> str:
    kind, given = problem["type"], problem.get("input")
    if kind == "missing":
        return "is missing; add it"
    if kind == "extra_forbidden":
        return "is not a term of a profile; remove it or mend its spelling (docs/reference/profile.md lists all)"
    if kind == "value_error":
        return str(problem["ctx"]["error"])
    if kind == "literal_error":
        return f"must be {problem['ctx']['expected']}, got {given!r}"
    if kind == "string_pattern_mismatch":
        return f"{given!r} does not fit the pattern {problem['ctx']['pattern']}"
    return f"{problem['msg'][0].lower()}{problem['msg'][1:]}, got {given!r}" if isinstance(given, str) else f"{problem['msg']}"
