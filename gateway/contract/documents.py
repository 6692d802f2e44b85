"""The interface with an ERP as OpenAPI 3.1 and AsyncAPI 3.0 documents, made of the code: event families, attributes, problems.

The OpenAPI document has what an ERP calls (`paths`) and what we call at the ERP (`webhooks`); the AsyncAPI document has each event as a channel.
"""

import json
from collections import defaultdict
from typing import Any

from gateway.compose.request import STREAMS
from gateway.contract import erp_api
from gateway.doors.problems import KINDS
from translators.events.families import FAMILIES, OWN, json_schema
from translators.events.family import Family, OwnFamily

Json = dict[str, Any]
TITLE = "Crossdock and your ERP"
SCHEMAS = "#/components/schemas"
ATTRIBUTES = {
    "id": "The event's id: identity and revision. Also the Idempotency-Key.",
    "type": "The event's type.",
    "source": "Whose document it was read from: /partners/NAME.",
    "subject": "What it is about: shipment/…, order/… Events of one subject arrive in order, one in flight.",
    "time": "When it happened, with offset.",
    "recordedtime": "When the message was received, in UTC.",
    "correlationid": "The reference that ties documents together: purchase_order/PO4711.",
    "causationid": "The document it was read from, for `crossdock show`.",
    "sequence": "The revision as ten digits.",
    "supersedes": "The id of the event that this one takes the place of, from revision 2 on.",
    "stream": "production or test.",
    "traceparent": "W3C trace context, if the partner sent one.",
}
"""CloudEvents attributes and our extensions, as the target receives them."""
ALWAYS = ("id", "type", "source", "subject", "time", "stream")
RELEASE_PROBLEMS = (
    "bad-request",
    "not-authenticated",
    "missing-scope",
    "outside-filter",
    "unknown-contract",
    "quota-exceeded",
    "too-slow",
    "in-flight",
    "too-large",
    "key-reused",
    "not-agreed",
    "cannot-be-written",
    "not-now",
)
ANSWERS = {
    "2XX": "It is yours to keep. The first 2,000 characters of the answer are kept as your confirmation.",
    "409": "The same event is at work. It comes again.",
    "429": "Not now; nothing was done. It comes again, not before Retry-After.",
    "4XX": "400, 410, 413, 415, 422: refused for good, a dead letter. 401, 403, 404, 405: the address or our credentials are wrong, and all events wait.",
    "5XX": "It may have been done. It comes again under the same key.",
}


def openapi(version: str) -> Json:
    """OpenAPI 3.1."""
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": version, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "paths": erp_api.paths({"release": _release()}, _problems),
        "webhooks": {family.name: {"post": _webhook(family)} for family in _all()},
        "components": {
            "schemas": _components(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _components() -> Json:
    """Every schema under a name of its own. Raises ValueError where two would share one."""
    found = _schemas()
    for more in (_own_schemas(), erp_api.schemas()):
        if both := found.keys() & more.keys():
            raise ValueError(f"two schemas are called {', '.join(sorted(both))}")
        found |= more
    return found


def asyncapi(version: str) -> Json:
    """AsyncAPI 3.0: what an ERP, or whoever reads the stream, receives."""
    messages = {family.name: _message(family) for family in _all()}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": TITLE, "version": version, "license": {"name": "Apache-2.0"}},
        "defaultContentType": "application/json",
        "channels": {
            family.name: {"address": family.type, "messages": {"event": {"$ref": f"#/components/messages/{family.name}"}}} for family in _all()
        },
        "operations": {
            f"receive-{family.name}": {"action": "receive", "channel": {"$ref": f"#/channels/{family.name}"}, "summary": _first_line(family)}
            for family in _all()
        },
        "components": {"messages": messages, "schemas": _schemas()},
    }


def _all() -> list[Family | OwnFamily]:
    return [*FAMILIES.values(), *OWN.values()]


def _schemas() -> Json:
    """Each family's schema under its type, and once each part that they share; parts of one name that differ get their family's, too."""
    whole = {family.type: json_schema(family) for family in _all()}
    parts: dict[str, dict[str, Json]] = defaultdict(dict)
    for type_, schema in whole.items():
        for name, part in schema.get("$defs", {}).items():
            parts[name][type_] = part
    differ = {name for name, found in parts.items() if len({json.dumps(part, sort_keys=True) for part in found.values()}) > 1}
    told: Json = {}
    for type_, schema in whole.items():
        place = {name: f"{type_}.{name}" if name in differ else name for name in schema.get("$defs", {})}
        told[type_] = _moved({name: value for name, value in schema.items() if name != "$defs"}, place)
        told |= {place[name]: _moved(part, place) for name, part in schema.get("$defs", {}).items()}
    return told


def _moved(value: Any, place: dict[str, str]) -> Any:
    """A schema that stands within a larger document: its references point to where its parts stand now."""
    if isinstance(value, list):
        return [_moved(one, place) for one in value]
    if not isinstance(value, dict):
        return value
    moved = {name: _moved(one, place) for name, one in value.items() if name not in ("$schema", "$id")}
    if isinstance(moved.get("$ref"), str):
        moved["$ref"] = f"{SCHEMAS}/{place[moved['$ref'].rpartition('/')[2]]}"
    return moved


def _own_schemas() -> Json:
    text = {"type": "string"}
    return {
        "Release": {
            "type": "object",
            "required": ["partner", "type", "data"],
            "additionalProperties": False,
            "properties": {
                "partner": text | {"description": "Who shall get it: its name here."},
                "type": {"enum": [*FAMILIES, *(family.type for family in FAMILIES.values())], "description": "Which event."},
                "set": text | {"description": "Which set, where two agreements of the partner send the same event."},
                "stream": {"enum": list(STREAMS), "default": STREAMS[0]},
                "data": {"anyOf": [{"$ref": f"{SCHEMAS}/{family.type}"} for family in FAMILIES.values()], "description": "The event's data."},
            },
        },
        "Problem": {
            "type": "object",
            "required": ["type", "title", "status", "detail", "mend"],
            "properties": {
                "type": {"enum": [f"/problems/{kind}" for kind in KINDS]},
                "title": text,
                "status": {"type": "integer"},
                "detail": text,
                "mend": text,
                "problems": {"type": "array", "items": {"type": "object", "properties": {"field": text, "text": text}}},
            },
        },
        "Released": {
            "type": "object",
            "required": ["id", "document", "partner", "stream", "set", "status_url"],
            "properties": dict.fromkeys(("id", "document", "partner", "stream", "set", "mapping", "composed_at", "status_url"), text)
            | {
                "control_numbers": {"type": "object", "additionalProperties": text},
                "not_written": {"type": "array", "items": {"type": "array", "items": text}},
            },
        },
    }


def _release() -> Json:
    return {
        "operationId": "release",
        "summary": "Releases an event to a partner, who gets it as the document that its profile says.",
        "parameters": [{"name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "maxLength": 200}}],
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"$ref": f"{SCHEMAS}/Release"}}}},
        "responses": {"202": _json("It is kept, numbered and queued.", "Released")} | _problems(RELEASE_PROBLEMS),
    }


def _webhook(family: Family | OwnFamily) -> Json:
    return {
        "operationId": f"take-{family.name}",
        "summary": _first_line(family),
        "parameters": [
            {"name": "Idempotency-Key", "in": "header", "required": True, "schema": {"type": "string"}},
            *(
                {"name": f"ce-{name}", "in": "header", "required": name in ALWAYS, "description": says, "schema": {"type": "string"}}
                for name, says in ATTRIBUTES.items()
            ),
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"$ref": f"{SCHEMAS}/{family.type}"}}}},
        "responses": {status: {"description": says} for status, says in ANSWERS.items()},
    }


def _message(family: Family | OwnFamily) -> Json:
    fields = {name: {"type": "string", "description": says} for name, says in ATTRIBUTES.items()}
    return {
        "name": family.type,
        "summary": _first_line(family),
        "headers": {"type": "object", "required": list(ALWAYS), "properties": fields},
        "payload": {"$ref": f"{SCHEMAS}/{family.type}"},
    }


def _first_line(family: Family | OwnFamily) -> str:
    return (family.model.__doc__ or family.type).strip().splitlines()[0]


def _json(says: str, schema: str) -> Json:
    return {"description": says, "content": {"application/json": {"schema": {"$ref": f"{SCHEMAS}/{schema}"}}}}


def _problems(kinds: tuple[str, ...]) -> Json:
    """By status; where two kinds share one, both are named."""
    found: Json = {}
    for kind in kinds:
        status, title, _ = KINDS[kind]
        before = found.get(str(status))
        says = f"{before['description']} Or: {title}." if before else f"{title}."
        found[str(status)] = {"description": says, "content": {"application/problem+json": {"schema": {"$ref": f"{SCHEMAS}/Problem"}}}}
    return found
