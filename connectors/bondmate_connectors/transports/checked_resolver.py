"""Resolves the names of platforms to addresses that may be connected to; the policy is in `addresses`."""

from __future__ import annotations

import asyncio
import socket

from aiohttp.abc import AbstractResolver, ResolveResult

from bondmate_connectors.transports.addresses import AddressPolicy, AddressRefused


class CheckedResolver(AbstractResolver):
    """Resolves names and gives only addresses that the policy allows."""

    def __init__(self, policy: AddressPolicy) -> None:
        self._policy = policy

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the allowed addresses of `host`.

        Raises:
            OSError: the name has no address.
            AddressRefused: one of its addresses is not allowed: such a name is an attack or a mistake.
        """
        infos = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        found = [(kind, protocol, str(place[0])) for kind, _, protocol, _, place in infos]
        if not all(self._policy.allows(address) for *_, address in found):
            raise AddressRefused("a name resolves to an address that is not allowed")
        return [
            ResolveResult(
                hostname=host, host=address, port=port, family=kind, proto=protocol, flags=socket.AI_NUMERICHOST
            )
            for kind, protocol, address in found
        ]

    async def close(self) -> None:
        """Release nothing: the loop resolves."""
