"""Puts the commit that a wheel or sdist is built of into it, for `hub --version` and the metric `hub_build_info`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_FILE = "bondmate_monitoring/COMMIT"


class CommitHook(BuildHookInterface):  # type: ignore[misc]  # hatchling is there while something is built
    """Called by hatchling; an editable install asks git each time instead."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the file; an sdist has it already, and a wheel that is made of one takes it over."""
        root = Path(self.root)
        if version == "editable" or (root / "monitoring" / _FILE).is_file():
            return
        sys.path.insert(0, str(root / "monitoring"))
        from bondmate_monitoring.build import commit_of  # noqa: PLC0415 - from the tree that is built

        written = Path(tempfile.mkdtemp()) / "COMMIT"
        written.write_text(commit_of(root) + "\n", encoding="ascii")
        inside = f"monitoring/{_FILE}" if self.target_name == "sdist" else _FILE
        build_data["force_include"][str(written)] = inside
