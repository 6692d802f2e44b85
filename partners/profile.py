"""One partner's terms: identities, channels, agreements, leniency, throttle. The model is the reference of what a profile may say.

Knows nothing of the store; `read_profile` turns YAML into the model and mistakes into lines a person can mend.
"""

import hashlib
import re
from datetime import date, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from partners.positioned import Places, PositionedError, load
from translators.x12.options import LENIENCIES

SPANS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class ProfileError(ValueError):
    """A profile cannot be used; each line names file, line, column, path, what is wrong and the mend."""


def _span(value: object) -> object:
    if isinstance(value, str) and (match := re.fullmatch(r"(\d{1,9})\s*([smhd])", value.strip())):
        return timedelta(**{SPANS[match[2]]: int(match[1])})
    if isinstance(value, timedelta):
        return value
    raise ValueError(f"must be a span such as 30s, 15m, 24h or 400d, got {value!r}")


def _span_or_none(value: object) -> object:
    return None if value in (None, "none") else _span(value)


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _size(value: object) -> object:
    if isinstance(value, str) and (match := re.fullmatch(r"(\d{1,12})\s*(|KiB|MiB|GiB)", value.strip())):
        return int(match[1]) * {"": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}[match[2]]
    if isinstance(value, int):
        return value
    raise ValueError(f"must be a size such as 500 KiB, 100 MiB or 1 GiB, got {value!r}")


def _sha256(value: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", value):
        raise ValueError("must be 64 hexadecimal digits: the SHA-256 of the token; `crossdock partners token` makes both")
    return value


Span = Annotated[timedelta, BeforeValidator(_span)]
SpanOrNone = Annotated[timedelta | None, BeforeValidator(_span_or_none)]
Size = Annotated[int, BeforeValidator(_size)]
Names = Annotated[list[str], BeforeValidator(_one_or_many)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]


def _separator(value: object) -> object:
    if isinstance(value, str) and (match := re.fullmatch(r"0x([0-9A-Fa-f]{2})", value)):
        value = chr(int(match[1], 16))
    if isinstance(value, str) and len(value) == 1 and value.isascii() and not value.isalnum() and value not in " .-":
        return value
    raise ValueError(f"must be one character that is no letter, digit, space, point or hyphen, or its code such as 0x1D, got {value!r}")


Separator = Annotated[str, BeforeValidator(_separator)]


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class InterchangeId(Model):
    """An ISA identity: qualifier (ISA05, ISA07) and id (ISA06, ISA08) without its padding."""

    qualifier: str = Field(pattern=r"^[0-9A-Z]{2}$")
    id: str = Field(min_length=1, max_length=15)

    def __str__(self) -> str:
        return f"{self.qualifier}:{self.id}"


class Token(Model):
    """A bearer token, known by its SHA-256 only."""

    sha256: Annotated[str, AfterValidator(_sha256)]
    note: str = ""


class Identities(Model):
    isa: list[InterchangeId] = Field(default_factory=list, description="who the partner is in ISA05 and ISA06; the first is whom we write X12 to")
    gs: str | None = Field(default=None, min_length=2, max_length=15, description="who we write to in GS03; default: the id of the first isa")
    tokens: list[Token] = Field(default_factory=list, description="its bearer tokens; several while one replaces another")


class OurNames(Model):
    """How the partner knows us; what our 997 carries as its sender."""

    isa: InterchangeId = InterchangeId(qualifier="ZZ", id="CROSSDOCK")
    gs: str = Field(default="CROSSDOCK", min_length=2, max_length=15)
    as2: str = Field(default="CROSSDOCK", min_length=1, max_length=128, pattern=r"^[ -~]+$", description="our AS2 name")


class HttpChannel(Model):
    way_back: Literal["outbox", "push"] = "outbox"
    push_url: str | None = Field(default=None, description="where we POST documents to, for way_back: push")
    max_body: Size = Field(default=100 * 2**20, gt=0, le=10 * 2**30)
    duplicate_window: Span = Field(default=timedelta(hours=24), description="identical bytes without a key within it are the same message")

    @model_validator(mode="after")
    def _push_needs_a_url(self) -> "HttpChannel":
        if self.way_back == "push" and not self.push_url:
            raise ValueError("way_back: push needs push_url, the partner's https address")
        if self.push_url and not re.match(r"https://|http://(127\.0\.0\.1|localhost|\[::1\])[:/]", self.push_url):
            raise ValueError("push_url must be https (plain http only to this machine, for trials)")
        return self


class DatedException(Model):
    """A weak thing that one partner may for a while."""

    until: date = Field(description="the last day")
    because: str = Field(min_length=3, description="who needs it")


As2Weakness = Literal["sha1", "md5", "3des", "rsa-1024", "expired"]


class As2Receive(Model):
    """What the partner's AS2 messages must be."""

    require_signature: bool = True
    require_encryption: bool = True
    exceptions: dict[As2Weakness, DatedException] = Field(
        default_factory=dict, description="sha1, md5, 3des, rsa-1024 (keys under 2048 bits), expired (its signing certificate): each until a day"
    )
    uniform_failures: bool = Field(
        default=True, description="whatever is wrong within a CBC envelope is told as decryption-failed, so that answers are no padding oracle"
    )
    mic: Literal["sha256", "sha1"] = Field(default="sha256", description="the MIC of unsigned messages that name no algorithm")
    max_body: Size = Field(default=200 * 2**20, gt=0, le=10 * 2**30)
    duplicate_window: Span = Field(default=timedelta(days=30), description="the same Message-ID within it gets the stored receipt again")
    receipt_hosts: Names = Field(default_factory=list, description="hosts that asynchronous receipts may go to, beside that of `url`")


class As2Send(Model):
    """How we send to the partner by AS2."""

    sign: Literal["sha256", "sha384", "sha512", "sha1", "none"] = "sha256"
    pss: bool = Field(default=False, description="RSA signatures as PSS")
    signed_attributes: bool = Field(default=True, description="false for the oldest products")
    opaque: bool = Field(default=False, description="the content within the signature, in place of multipart/signed")
    key: str | None = Field(
        default=None, pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$", description="which key of ours signs; default: the oldest that is valid"
    )
    encrypt: Literal["aes-256-cbc", "aes-192-cbc", "aes-128-cbc", "aes-256-gcm", "aes-192-gcm", "aes-128-gcm", "3des", "none"] = "aes-256-cbc"
    key_transport: Literal["rsa-pkcs1-v1.5", "rsa-oaep-sha1", "rsa-oaep-sha256"] = "rsa-pkcs1-v1.5"
    compress: Literal["none", "before", "after"] = Field(default="none", description="before or after signing")
    compress_from: Size = Field(default=4096, description="smaller documents are not compressed")
    encoding: Literal["binary", "base64"] = "binary"
    chunked: bool = Field(default=False, description="HTTP chunks in place of Content-Length")
    file_name: bool = Field(default=True, description="whether the document's file name goes with it")
    subject: str = Field(default="EDI", min_length=1, max_length=100, pattern=r"^[ -~]+$")
    version: Literal["1.0", "1.1", "1.2", "1.3"] = "1.2"
    receipt: Literal["sync", "async", "none"] = "sync"
    receipt_signed: bool = True
    receipt_within: Span = Field(default=timedelta(hours=1), description="after it the receipt is overdue")
    resends: int = Field(
        default=3, ge=0, le=20, description="how often a message whose asynchronous receipt is overdue goes out again, under its own id"
    )
    retry: Span = Field(default=timedelta(minutes=5), description="the first wait after an answer without a receipt; it doubles up to eight times")
    accept: list[Literal["unsigned", "other-algorithm", "no-mic"]] = Field(
        default_factory=list, description="receipts that prove less, and count all the same"
    )
    timeout: Span = Field(default=timedelta(minutes=5), description="for the answer")


class As2Channel(Model):
    """The partner by AS2."""

    id: str = Field(min_length=1, max_length=128, pattern=r"^[ -~]+$", description="its AS2 name, compared exactly")
    url: str | None = Field(default=None, pattern=r"^https?://[^\s]+$", description="where we POST its documents; without one we only receive")
    receive: As2Receive = As2Receive()
    send: As2Send = As2Send()

    @model_validator(mode="after")
    def _weak_only_by_exception(self) -> "As2Channel":
        for weak in {self.send.sign, self.send.encrypt} & {"sha1", "3des"}:
            if weak not in self.receive.exceptions:
                raise ValueError(f"send with {weak} needs a dated exception: receive.exceptions.{weak}, with until and because")
        return self

    @property
    def receipt_hosts(self) -> frozenset[str]:
        """Hosts, with the port where one is named, that receipts may go to."""
        own = {urlsplit(self.url).netloc.lower()} if self.url else set()
        return frozenset(own | {host.lower() for host in self.receive.receipt_hosts})


class Channels(Model):
    http: HttpChannel = HttpChannel()
    as2: As2Channel | None = Field(default=None, description="without it the partner has no AS2")


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


class Owed(Model):
    """Which acknowledgments the partner owes us for what we send, and by when."""

    functional_acknowledgment: SpanOrNone = Field(default=timedelta(hours=24), description="a 997 or 999 within this span; none: nothing is awaited")
    interchange_acknowledgment: SpanOrNone = Field(default=None, description="a TA1 within this span; ISA14 then asks for it")
    application_advice: SpanOrNone = Field(default=None, description="an 824 within this span; one that nobody awaits is taken, too")


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
    file: str | None = Field(default=None, min_length=1, max_length=200, description="the names of such files, as ASN_*.csv; for CSV and XML")
    schema_file: str | None = Field(
        default=None, pattern=r"^[\w.-]{1,200}$", description="XML: a schema of the library's schemas/, by which files are judged"
    )
    mapping: str | None = Field(default=None, description="default: the shipped mapping, x12/NNN or the kind of file itself")
    overlays: Names = Field(default_factory=list, description="differences on top of the mapping, in order")
    default_zone: str | None = Field(default=None, description="the time zone of times without one, such as America/Chicago")
    target: Name = "erp"
    test_target: Name | None = Field(default=None, description="where ISA15 = T goes; without one, test documents are skipped")
    on_conflict: Literal["hold", "revise"] = Field(default="hold", description="the same business key with another meaning under an original purpose")
    on_dead: Literal["block", "pass"] | None = Field(default=None, description="whether a dead letter stops its lane; default by event type")
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
RECEIVE_ONLY = frozenset({"duties", "test_target", "on_conflict", "file", "schema_file"})
"""Terms that say something of one direction only."""


class Leniency(Model):
    allow: bool = True
    because: str = Field(min_length=3, description="who needs it and until when")


class Throttle(Model):
    """How fast this partner's events may leave: a token bucket."""

    rate: float = Field(default=200, gt=0, le=100_000, description="a second")
    burst: float = Field(default=200, ge=1, le=100_000)


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
