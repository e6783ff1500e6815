"""Which build this is: the version of the package, and the commit that it was made of."""

from __future__ import annotations

import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

__all__ = ["COMMIT_FILE", "PACKAGE", "commit", "version_of_hub"]

PACKAGE = "bondmate-hub"
COMMIT_FILE = Path(__file__).with_name("COMMIT")
"""Written into the wheel and the sdist when they are built (`.ci/build_hook.py`); a source tree has none."""
_UNKNOWN = "unknown"
_SECONDS = 5


def version_of_hub() -> str:
    """Return the version of the installed package; `pyproject.toml` is the one place that sets it."""
    return version(PACKAGE)


@cache
def commit() -> str:
    """Return the short hash of the commit, with `-dirty` behind it where files differ; `unknown` where nobody knows."""
    if COMMIT_FILE.is_file():
        return COMMIT_FILE.read_text(encoding="ascii").strip()
    root = COMMIT_FILE.parents[2]
    return commit_of(root) if (root / "pyproject.toml").is_file() else _UNKNOWN


def commit_of(root: Path) -> str:
    """Return the same for the source tree at `root`, as git says."""
    command = ("git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_SECONDS)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return _UNKNOWN
    return done.stdout.strip() or _UNKNOWN
