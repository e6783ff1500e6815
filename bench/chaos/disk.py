"""A small disk of its own for one folder, that can be filled to the last byte: a file system in memory. Needs root."""

from __future__ import annotations

import contextlib
import errno
import subprocess
from collections.abc import Iterator
from pathlib import Path

_MIB = 1 << 20
_SIZE_MIB = 256


@contextlib.contextmanager
def disk(folder: Path) -> Iterator[None]:
    """Have `folder` on a disk of its own while the block runs.

    Raises:
        PermissionError: only root may mount.
    """
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE_MIB}m", "bondmate-chaos", str(folder)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        raise PermissionError("a disk that can be full needs root, to mount a file system in memory")
    try:
        yield
    finally:
        # Lazily: a process of the hub may be at its end only.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(file: Path) -> int:
    """Write `file` until its disk is full; gives its size in bytes."""
    with file.open("wb", buffering=0) as out:
        for block in (b"\0" * _MIB, b"\0" * 4096):
            try:
                while out.write(block) == len(block):
                    pass
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
        return out.tell()
