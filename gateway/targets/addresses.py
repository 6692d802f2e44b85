"""Which addresses a request of ours may go to: a name in a profile must not lead into our own network, or to a cloud's metadata (SSRF).

Knows no request.
"""

import ipaddress
import socket
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver

from gateway.errors import DestinationFault

Found = ipaddress.IPv4Address | ipaddress.IPv6Address
TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
"""IPv4 behind NAT64 (RFC 6052)."""


def fit(address: str, *, private: bool) -> bool:
    """Whether we may connect there. Link-local, multicast and unspecified addresses never; private ones, and this machine, only if the profile says so."""
    try:
        found: Found = ipaddress.ip_address(address.partition("%")[0].strip("[]"))
    except ValueError:
        return False
    found = _inner(found)
    if found.is_link_local or found.is_multicast or found.is_unspecified:
        return False
    return private or (found.is_global and not found.is_reserved)


def _inner(found: Found) -> Found:
    """The IPv4 address that an IPv6 one stands for."""
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return found.ipv4_mapped
        if found.sixtofour is not None:
            return found.sixtofour
        if found in TRANSLATED:
            return ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
    return found


def check_literal(host: str, *, private: bool) -> None:
    """Raises DestinationFault for an address in place of a name that we may not connect to.

    Only plain forms are addresses: 0x7f.1 or 2130706433 are names here, and whatever they resolve to is judged like any other.
    """
    try:
        ipaddress.ip_address(host.partition("%")[0].strip("[]"))
    except ValueError:
        return
    if not fit(host, private=private):
        raise DestinationFault(f"{host} is an address that requests of ours do not go to (private: true allows private networks)")


class GuardedResolver(AbstractResolver):
    """Resolves once, and gives only addresses that are fit: the connection goes to one of those, whatever the name says a moment later."""

    def __init__(self, *, private: bool) -> None:
        self._private = private
        self._inner: Any = DefaultResolver()

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        found: list[ResolveResult] = await self._inner.resolve(host, port, family)
        fitting = [one for one in found if fit(one["host"], private=self._private)]
        if found and not fitting:
            raise NotFit(
                f"{host} stands for {found[0]['host']}, an address that requests of ours do not go to (private: true allows private networks)"
            )
        return fitting

    async def close(self) -> None:
        await self._inner.close()


class NotFit(OSError):
    """A name stands for no address that we may connect to."""
