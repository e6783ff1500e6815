"""How much memory the demo's processes really hold: proportional set size, so that shared pages count once."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def resident_mib(pids: Iterable[int]) -> dict[int, float]:
    """Return the proportional set size of each process that still runs, in MiB (Linux `smaps_rollup`, else nothing)."""
    found = {}
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        except OSError:
            continue
        kib = next((int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")), 0)
        found[pid] = kib / 1024
    return found


def tree(pid: int) -> list[int]:
    """Return a process and all that it started, as long as they run."""
    if not pid:
        return []
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return []
    return [pid, *(grandchild for child in children for grandchild in tree(int(child)))]
