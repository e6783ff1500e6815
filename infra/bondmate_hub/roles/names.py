"""The names of the roles, for who asks for nothing else."""

from __future__ import annotations

from typing import Final

ROLE_NAMES: Final = ("broker", "registry", "gateway", "streams", "lane", "runner", "pager", "drills")
