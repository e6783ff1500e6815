"""Where documents are picked up: the port that a folder and a feed implement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class FoundDocument:
    """A document that was found: its digest in the cursor, a name for people, its bytes.

    `refused` is a code when it is known already that it cannot be taken (too large).
    """

    digest: str
    name: str
    data: bytes = field(repr=False)
    refused: str = ""
    size: int = 0


class PickupPoint(Protocol):
    """A folder or a feed."""

    async def open(self) -> None:
        """Get ready; raises Misconfigured, or NotConnected when it cannot be looked at now."""
        ...

    async def check(self) -> None:
        """Prove that it can be looked at; raises as `Link.check`."""
        ...

    async def close(self) -> None:
        """Release everything."""
        ...

    async def look(self, is_known: Callable[[str], bool]) -> list[FoundDocument]:
        """Return what is there and whose digest is not known, in order.

        Raises:
            NotConnected, Transient: not now.
            AuthFailed: they refuse us.
            Misconfigured: a setting of ours cannot work.
        """
        ...

    def is_refused(self) -> bool:
        """Whether what refused our secret last has not taken it since."""
        ...

    def again(self) -> None:
        """Note that something was not taken: the next look must find it again."""
        ...
