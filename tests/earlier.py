"""The commit whose data and devices must go on working, unpacked from the history of this repository."""

from __future__ import annotations

import contextlib
import io
import subprocess
import tarfile
from pathlib import Path
from typing import Final

EARLIER: Final = "3c40877"
_ROOT: Final = Path(__file__).parents[1]


def has_earlier() -> bool:
    """Whether the history reaches back to the earlier commit: in a shallow clone it does not."""
    with contextlib.suppress(OSError):
        return not _git("cat-file", "-e", f"{EARLIER}^{{commit}}").returncode
    return False


def unpack_earlier(folder: Path, *paths: str) -> None:
    """Unpack these folders of the earlier commit, which the history must have."""
    done = _git("archive", EARLIER, *paths)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as packed:
        # Python before 3.11.4 knows no filter, and later ones ask for it; the archive is our own.
        packed.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))


def _git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    # A checkout of another user's is read, too.
    command = ["git", "-c", "safe.directory=*", "-C", str(_ROOT), *arguments]
    return subprocess.run(command, capture_output=True, check=False)
