"""Which addresses may be connected to: what a name resolves to is checked, and only what was checked is used.

Guards against server-side request forgery: an address that a stranger chose, or a name that resolves to another address
the second time. Link-local addresses (cloud metadata, 169.254.169.254) are never allowed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Annotated, Final

from pydantic import AfterValidator
from yarl import URL

_NAT64: Final = bytes.fromhex("0064ff9b0000000000000000")
"""Prefix of IPv4 addresses behind NAT64 (RFC 6052)."""
_LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class AddressRefused(Exception):  # the name is the outcome
    """The address is not one we connect to; the message names no address."""


class LiteralRefused(AddressRefused):
    """The address stands in the URL itself: no other answer of a name server will change it."""


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """What is allowed beside public addresses."""

    private_networks: bool = False
    """RFC 1918, RFC 4193 and RFC 6598 addresses: control rooms inside one's own network."""
    loopback: bool = False

    def allows(self, address: str) -> bool:
        """Whether `address`, and whatever is embedded in it, may be connected to."""
        try:
            found = ip_address(address.partition("%")[0])
        except ValueError:
            return False
        return all(map(self._allows, _with_embedded(found)))

    def _allows(self, address: IPv4Address | IPv6Address) -> bool:
        if address.is_loopback:
            return self.loopback
        if address.is_multicast or address.is_unspecified or address.is_reserved or address.is_link_local:
            return False
        return address.is_global or self.private_networks


def _with_embedded(address: IPv4Address | IPv6Address) -> Iterator[IPv4Address | IPv6Address]:
    """Yield the address and every IPv4 address it carries (mapped, 6to4, Teredo, NAT64)."""
    if isinstance(address, IPv4Address):
        yield address
        return
    if address.packed[:12] == _NAT64:
        yield IPv4Address(address.packed[12:])
    elif address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    else:
        yield from (each for each in (address, address.sixtofour, *(address.teredo or ())) if each is not None)


def is_loopback_host(host: str | None) -> bool:
    """Whether a host as written in a setting is this machine itself."""
    return (host or "").lower() in _LOOPBACK_NAMES


def is_this_machine(host: str) -> bool:
    """Whether a host to listen on, or to reach without TLS, is a loopback address; another name may mean any."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def is_plain_beyond_loopback(url: URL) -> bool:
    """Whether `url` would carry personal data in clear over a network."""
    return url.scheme != "https" and not (url.scheme == "http" and is_loopback_host(url.host))


def web_address(url: str) -> str:
    """Return `url` where it is one that a platform may have.

    Raises:
        ValueError: it is none, carries a password, or is plain http beyond this machine.
    """
    parsed = URL(url)
    if parsed.scheme not in {"http", "https"} or not parsed.host or parsed.user or parsed.password:
        raise ValueError("an http or https URL without user and password")
    if is_plain_beyond_loopback(parsed):
        raise ValueError("https, unless the host is a loopback address (127.0.0.1, ::1, localhost)")
    return url


WebAddress = Annotated[str, AfterValidator(web_address)]
"""A setting that is the address of a platform: https, or plain http to this machine."""


def check_literal(url: URL, policy: AddressPolicy) -> None:
    """Check a URL whose host is an address already: the client asks no resolver about it.

    Raises:
        LiteralRefused: the address is not allowed.
    """
    if not _allows_literal(url.host or "", policy):
        raise LiteralRefused("the address is not allowed")


@lru_cache(maxsize=64)  # a platform has one host, and is asked many times a second
def _allows_literal(host: str, policy: AddressPolicy) -> bool:
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return True
    return policy.allows(host)
