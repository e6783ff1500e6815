"""The settings of drills: which control rooms are sent one, by which device of the hub's own, and how often."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr

from bondmate_hub.settings.section import Section

__all__ = ["DrillSection", "DrillsSection"]


class DrillSection(Section):
    """The drills of one destination."""

    token: SecretStr = Field(
        min_length=1, description="Token of the device that `hub devices enrol … --drill DESTINATION` enrolled."
    )
    every_seconds: float | None = Field(
        default=None, ge=120, le=604_800, description="How often the role `drills` sends one; none: only `hub drill`."
    )


class DrillsSection(Section):
    """Drills: TEST alerts that go the whole way to a control room and back, so that a dead path is known before."""

    url: str = Field(
        default="http://127.0.0.1:8080",
        pattern=r"^https?://[^/\s]+/?$",
        description="The gateway, as a device reaches it; https unless on this machine.",
    )
    ca_file: Path | None = Field(
        default=None, description="PEM file of the authority that signed its certificate; none: the system's."
    )
    rooms: dict[str, DrillSection] = Field(default_factory=dict, description="Drills by destination.")

    def from_folder(self, folder: Path) -> Self:
        """Return the same with paths that are meant from `folder`."""
        return self.model_copy(update={"ca_file": self.ca_file and folder / self.ca_file})

    @property
    def repeated(self) -> dict[str, float]:
        """How often in seconds the role sends one, by destination; only those that it repeats."""
        return {name: each.every_seconds for name, each in self.rooms.items() if each.every_seconds is not None}
