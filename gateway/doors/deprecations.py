"""What of the ERP-facing API is to go, and when: told with every answer of its route (RFC 9745, RFC 8594), and in the published document.

To deprecate is one line here. A sunset is never before its deprecation, and nothing goes before its sunset.
"""

from dataclasses import dataclass
from email.utils import format_datetime

from gateway.clock import SECOND, Instant, as_datetime
from gateway.doors.erp_routes import Route


@dataclass(frozen=True, slots=True)
class Deprecated:
    method: str
    path: str
    since: Instant
    sunset: Instant | None
    instead: str
    """Where it says what takes its place: an address of the docs."""
    field: str | None = None
    """A field of the route's answer, where not the whole route is to go."""


DEPRECATED: list[Deprecated] = []
"""Nothing is, in this version."""


def of_route(route: Route) -> list[Deprecated]:
    return [one for one in DEPRECATED if (one.method, one.path) == (route.method, route.path)]


def headers_of(route: Route) -> list[tuple[str, str]]:
    """Since when the first of it is deprecated, when the first of it goes, and where it says more."""
    found = of_route(route)
    if not found:
        return []
    headers = [("Deprecation", f"@{min(one.since for one in found) // SECOND}")]
    if sunsets := [one.sunset for one in found if one.sunset is not None]:
        headers.append(("Sunset", format_datetime(as_datetime(min(sunsets)).replace(microsecond=0), usegmt=True)))
    return headers + [("Link", f'<{one.instead}>; rel="deprecation"; type="text/html"') for one in found]
