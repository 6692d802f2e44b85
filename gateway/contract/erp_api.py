"""What consumers may ask, as paths and schemas of the OpenAPI document. Made of the table of routes: an address that is served is described, or this fails."""

from typing import Any

from gateway.doors.deprecations import DEPRECATED
from gateway.doors.erp_routes import ROUTES, Route
from gateway.targets.cloudevents import BATCH

Json = dict[str, Any]
SCHEMAS = "#/components/schemas"
TEXT: Json = {"type": "string"}
MAYBE: Json = {"type": ["string", "null"]}
NUMBER: Json = {"type": "integer"}
TIME: Json = {"type": "string", "format": "date-time"}
MAYBE_TIME: Json = {"type": ["string", "null"], "format": "date-time"}

COMMON = ("not-authenticated", "missing-scope", "unknown-contract", "quota-exceeded", "not-now")
OF_LISTS = (*COMMON, "bad-request", "bad-cursor", "outside-filter")
HEADERS: dict[str, str] = {
    "Crossdock-Contract": "The version of the contract that the answer keeps.",
    "RateLimit-Policy": 'The requests of a minute: "default";q=600;w=60. Absent for a consumer without a bound.',
    "RateLimit": 'What is left of them, and the seconds until the next minute: "default";r=599;t=42.',
    "Deprecation": "Since when this is deprecated (RFC 9745), if it is.",
    "Sunset": "When it goes (RFC 8594), if that is known.",
}
_TAG = {"ETag": "The tag of these bytes."}
_NEXT = {"Link": 'rel="next": the next page, where there is one.'}
OF_ANSWER: dict[str, dict[str, str]] = {
    "release": {"Location": "Where it is read.", "Idempotent-Replayed": "true, where the same was released before: this is its answer."},
    **dict.fromkeys(("shipments", "orders", "inventory", "documents"), _TAG | _NEXT),
    **dict.fromkeys(("shipment", "order", "document"), _TAG),
    "events": {"Crossdock-Cursor": "Goes on behind this batch.", "Link": 'rel="next": the address that goes on with it.'},
}
"""Headers of an operation's own answer, by its name; those of a 304, too."""
COME_AGAIN = {"Retry-After": "The seconds after which to come again."}
WHO = {"WWW-Authenticate": "Bearer."}


def _object(required: tuple[str, ...], **properties: Json) -> Json:
    return {"type": "object", "required": list(required), "properties": properties}


def _list_of(schema: str) -> Json:
    return _object(("items", "next"), items={"type": "array", "items": _ref(schema)}, next=MAYBE | {"description": "The cursor of the next page."})


def _ref(schema: str) -> Json:
    return {"$ref": f"{SCHEMAS}/{schema}"}


_MOMENT = _object((), instant=TIME, local=TEXT, zone=TEXT, certainty={"enum": ["stated", "place", "profile", "none"]})
_REFERENCE = _object(("type", "value"), type=TEXT, value=TEXT)
_STANDING: Json = {
    "id": TEXT, "url": TEXT, "subject": TEXT, "partner": TEXT, "stream": {"enum": ["production", "test"]}, "step": MAYBE, "milestone": MAYBE,
    "cancelled": {"type": "boolean"}, "event": MAYBE, "document": MAYBE, "revision": {"type": ["integer", "null"]},
    "when": {"anyOf": [_MOMENT, {"type": "null"}]}, "expected_at": {"anyOf": [_MOMENT, {"type": "null"}]},
    "references": {"type": "array", "items": _REFERENCE}, "changed_at": TIME,
}  # fmt: skip
_DOCUMENT: Json = {
    "id": TEXT, "url": TEXT, "message": TEXT, "direction": {"enum": ["in", "out"]}, "partner": TEXT, "stream": {"enum": ["production", "test"]},
    "channel": TEXT, "set": TEXT, "control": TEXT, "state": TEXT, "reason": MAYBE, "verdict": TEXT, "mapping": MAYBE, "duplicate_of": MAYBE,
    "file_name": MAYBE, "arrived_at": TIME, "changed_at": TIME,
}  # fmt: skip
_PAIRS = {"type": "array", "items": {"type": "array", "items": TEXT, "minItems": 2, "maxItems": 2}}
_EVENT: Json = {
    "specversion": {"const": "1.0"}, "id": TEXT, "type": TEXT, "source": TEXT, "subject": TEXT, "time": TEXT, "stream": {"enum": ["production", "test"]},
    "correlationid": TEXT, "causationid": TEXT, "sequence": TEXT, "recordedtime": TIME, "supersedes": TEXT, "traceparent": TEXT,
    "datacontenttype": {"const": "application/json"}, "data": {"type": "object", "description": "As the type's own schema says."},
}  # fmt: skip
OF_EVENTS = tuple(name for name in _EVENT if name not in ("supersedes", "traceparent"))
EVENTS_TOLD: Json = {"type": "array", "items": _ref("CloudEvent")}


def schemas() -> Json:
    stock = {
        "id": TEXT, "item": TEXT, "numbering": TEXT, "location": TEXT, "partner": TEXT, "stream": {"enum": ["production", "test"]}, "unit": TEXT,
        "quantities": {"type": "object", "additionalProperties": TEXT}, "as_of": MAYBE_TIME, "changes": NUMBER, "changed_at": MAYBE_TIME, "event": MAYBE,
        "document": MAYBE, "told_at": MAYBE_TIME,
    }  # fmt: skip
    return {
        "Cursor": _object(("cursor", "behind", "committed_at"), cursor=TEXT, behind=NUMBER, committed_at=MAYBE_TIME),
        "CloudEvent": _object(OF_EVENTS, **_EVENT),
        "ListedStanding": _object(tuple(_STANDING), **_STANDING),
        "StandingList": _list_of("ListedStanding"),
        "SubjectStanding": _object(
            ("id", "subject", "standings", "events"), id=TEXT, subject=TEXT, standings={"type": "array", "items": _ref("ListedStanding")}, events=EVENTS_TOLD,
        ),
        "ListedStock": _object(tuple(stock), **stock),
        "StockList": _list_of("ListedStock"),
        "ListedDocument": _object(tuple(_DOCUMENT), **_DOCUMENT),
        "DocumentList": _list_of("ListedDocument"),
        "ReceivedDocument": _object((*_DOCUMENT, "references", "events"), **_DOCUMENT, references=_PAIRS, events=EVENTS_TOLD),
        "SentDocument": {"allOf": [_ref("Released"), _object(("direction", "state", "acknowledgments", "references"),
            direction={"const": "out"}, state=TEXT, correlation=MAYBE, references=_PAIRS, size=NUMBER, sha256=TEXT,
            delivery={"type": "object"}, acknowledgments={"type": "array", "items": {"type": "object"}})]},
    }  # fmt: skip


def _query(name: str, says: str, schema: Json = TEXT) -> Json:
    return {"name": name, "in": "query", "description": says, "schema": schema}


PAGING = (
    _query("partner", "Rows of this partner alone."),
    _query("changed_since", "What was altered since then, in the order of that: a time, or 30d, 12h (ago)."),
    _query("cursor", "The `next` of the page before."),
    _query("limit", "Rows of a page.", {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}),
)
_REFERENCED = _query("reference", "What has this number: a purchase order, a bill of lading, an SSCC …")
_STATUSED = _query("status", "The step or milestone that was reached, or cancelled.")
_ID = ({"name": "id", "in": "path", "required": True, "schema": TEXT},)
_NONE_MATCH = {"name": "If-None-Match", "in": "header", "description": "Tags of what you have: 304 if it is one of them.", "schema": TEXT}

Told = tuple[str, tuple[Json, ...], dict[str, Json], tuple[str, ...]]
"""(summary, parameters, answers by status, problems)."""


def _answers(status: str, says: str, schema: str | Json, media: str = "application/json") -> dict[str, Json]:
    return {status: {"description": says, "content": {media: {"schema": _ref(schema) if isinstance(schema, str) else schema}}}}


def _listed(summary: str, schema: str, *more: Json) -> Told:
    return summary, (*more, *PAGING, _NONE_MATCH), _answers("200", "A page, and the cursor of the next.", schema), OF_LISTS


def _single(summary: str, says: str, schema: str | Json) -> Told:
    return summary, (*_ID, _NONE_MATCH), _answers("200", says, schema), (*COMMON, "bad-request", "not-found", "damaged")


TOLD: dict[str, Told] = {
    "shipments": _listed("How shipments stand.", "StandingList", _STATUSED, _REFERENCED),
    "shipment": _single("How one shipment stands, by each partner that tells of it, and the events that say so.", "It is known.", "SubjectStanding"),
    "orders": _listed("How orders stand.", "StandingList", _STATUSED, _REFERENCED),
    "order": _single("How one order stands, by each partner that tells of it, and the events that say so.", "It is known.", "SubjectStanding"),
    "inventory": _listed("Stock: the latest count with what was changed since.", "StockList", _query("item", "This item."), _query("location", "At this place.")),
    "documents": _listed(
        "Documents, received and sent.", "DocumentList", _query("direction", "Received, or sent.", {"enum": ["in", "out"]}),
        _query("set", "The transaction set, such as 856."), _query("status", "The document's state."), _REFERENCED,
    ),
    "document": _single("How a document stands: of ours, what the partner said of it; of a partner's, what became of it.", "It is known.",
        {"oneOf": [_ref("SentDocument"), _ref("ReceivedDocument")]}),
}  # fmt: skip


_CURSOR_BODY = _object(("cursor",), cursor=TEXT)
_REPLAY_BODY = _object(("reason",), **{"from": TEXT, "cursor": TEXT, "reason": TEXT})
BODIES = {"commit": _CURSOR_BODY, "replay": _REPLAY_BODY}
"""What is taken as a body, by the operation's name; nothing else may be in it."""
TOLD |= {
    "events": (
        "Events behind the cursor, in the feed's order, at least once.",
        (
            _query("after", "Behind this cursor; default: the one that was committed."),
            _query("limit", "Events of a batch.", {"type": "integer", "minimum": 1, "maximum": 500, "default": 100}),
            _query("wait", "Seconds to wait for an event, where there is none.", {"type": "integer", "minimum": 0, "maximum": 30, "default": 0}),
        ),
        _answers("200", "A batch; Crossdock-Cursor goes on behind it.", EVENTS_TOLD, BATCH),
        (*COMMON, "bad-request", "bad-cursor", "cursor-set", "damaged"),
    ),
    "cursor": ("Up to where this consumer is done.", (), _answers("200", "Its cursor.", "Cursor"), (*COMMON, "bad-request")),
    "commit": (
        "This consumer is done up to a cursor.", (), _answers("200", "Its cursor now; never one before.", "Cursor"),
        (*COMMON, "bad-request", "bad-cursor", "cursor-set", "too-slow", "too-large"),
    ),
    "replay": (
        "Sets this consumer's own cursor anew.", (), _answers("200", "Its cursor now.", "Cursor"),
        (*COMMON, "bad-request", "bad-cursor", "cursor-set", "too-slow", "too-large"),
    ),
}  # fmt: skip


def paths(written: dict[str, Json], problems: Any) -> Json:
    """Every route's path. `written` are operations that are described elsewhere, by name; `problems` words the answers that say no."""
    found: Json = {}
    for route in ROUTES:
        operation = written[route.name] if route.name in written else _operation(route, problems)
        found.setdefault(route.path, {})[route.method.lower()] = _governed(route, operation)
    return found


def _operation(route: Route, problems: Any) -> Json:
    summary, parameters, answers, kinds = TOLD[route.name]
    body = BODIES.get(route.name)
    taken = {"required": True, "content": {"application/json": {"schema": body | {"additionalProperties": False}}}} if body else None
    return ({"requestBody": taken} if taken else {}) | {
        "operationId": route.name, "summary": summary, "parameters": list(parameters),
        "responses": answers | ({"304": {"description": "You have it."}} if _NONE_MATCH in parameters else {}) | problems(kinds),
    }  # fmt: skip


def _headers(route: Route, status: str) -> dict[str, str]:
    if status == "401":
        return WHO
    if status in ("429", "503") or (status == "409" and route.name == "release"):
        return COME_AGAIN
    if status.startswith("2") or status == "304":
        return HEADERS | OF_ANSWER.get(route.name, {})
    return {}


def _headed(headers: dict[str, str]) -> Json:
    return {"headers": {name: {"description": says, "schema": TEXT} for name, says in headers.items()}} if headers else {}


def _governed(route: Route, operation: Json) -> Json:
    """With what holds for every address: its scope, headers of each answer, what is deprecated."""
    answers = {status: one | _headed(_headers(route, status)) for status, one in operation["responses"].items()}
    contract = {"name": "Crossdock-Contract", "in": "header", "description": "The version of the contract to keep.", "schema": TEXT}
    gone = [one for one in DEPRECATED if (one.method, one.path) == (route.method, route.path) and one.field is None]
    return (
        {**operation, "parameters": [*operation.get("parameters", []), contract], "responses": answers}
        | {"security": [{"token": [route.scope]}], "x-scope": route.scope}
        | ({"deprecated": True} if gone else {})
    )
