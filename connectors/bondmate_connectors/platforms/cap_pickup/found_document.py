"""What a folder or a feed gives."""

from __future__ import annotations

from dataclasses import dataclass, field


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
