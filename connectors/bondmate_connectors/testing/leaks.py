"""What a connector left behind: tasks, threads, sockets."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

_POLL_SECONDS = 0.01


async def eventually(condition: Callable[[], bool], what: str, seconds: float = 5.0) -> None:
    """Return when `condition` holds.

    Raises:
        AssertionError: it did not within `seconds`; names `what`.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not condition():
        assert loop.time() < end, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(_POLL_SECONDS)


class Leaks:
    """Remember what runs now, and wait until nothing more than that runs."""

    def __init__(self) -> None:
        self._tasks = asyncio.all_tasks()
        self._threads = set(threading.enumerate())
        self._sockets = _sockets()

    async def gone(self) -> None:
        """Return when nothing is left behind; the far end of a closed connection may take a moment.

        Raises:
            AssertionError: something stays; names it.
        """
        try:
            await eventually(lambda: not self.left(), "nothing left behind", seconds=3)
        except AssertionError:
            raise AssertionError(f"left behind after close: {self.left()}") from None

    def left(self) -> list[str]:
        """Name what runs now and did not before."""
        tasks = [f"task {task.get_coro()}" for task in asyncio.all_tasks() - self._tasks if not task.done()]
        # The pool of `asyncio.to_thread` belongs to the loop.
        threads = [
            thread.name for thread in set(threading.enumerate()) - self._threads if "asyncio_" not in thread.name
        ]
        return [*tasks, *threads, *(_sockets() - self._sockets)]


def _sockets() -> set[str]:
    """Name the open sockets of this process (Linux; elsewhere none are seen)."""
    folder, found = Path("/proc/self/fd"), set()
    for entry in folder.iterdir() if folder.is_dir() else ():
        try:
            target = str(entry.readlink())
        except OSError:
            continue
        if target.startswith("socket:"):
            found.add(target)
    return found
