"""The addresses of the ERP's listener as a table: what each wants, and what it does. The door serves it, the published document tells it, and a test
holds that no address is served that does not stand here.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Route:
    method: Literal["GET", "POST", "PUT"]
    path: str
    scope: str
    name: str
    """The handler's, and the operation's in the published document."""
    noted: Literal["denials", "itself", "around"] = "denials"
    """What the audit log has of it beside its denials: nothing; a record in the commit that it makes; or one before and one after it."""


ROUTES = (
    Route("POST", "/v1/documents", "documents:release", "release", noted="around"),
    Route("GET", "/v1/documents", "documents:read", "documents"),
    Route("GET", "/v1/documents/{id}", "documents:read", "document"),
    Route("GET", "/v1/shipments", "shipments:read", "shipments"),
    Route("GET", "/v1/shipments/{id}", "shipments:read", "shipment"),
    Route("GET", "/v1/orders", "orders:read", "orders"),
    Route("GET", "/v1/orders/{id}", "orders:read", "order"),
    Route("GET", "/v1/inventory", "inventory:read", "inventory"),
    Route("GET", "/v1/events", "events:read", "events"),
    Route("GET", "/v1/events/cursor", "events:read", "cursor"),
    Route("PUT", "/v1/events/cursor", "events:read", "commit", noted="itself"),
    Route("POST", "/v1/replays", "events:replay", "replay", noted="itself"),
)
BY_PLACE: dict[tuple[str, str], Route] = {(route.method, route.path): route for route in ROUTES}
OPEN = ("/problems/",)
"""What needs no token: the pages of problems."""
