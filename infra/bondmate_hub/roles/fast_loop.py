"""How the hub's processes run: their event loop and their interpreter."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import sys
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")
_SWITCH_SECONDS: Final = 0.001
_M_ARENA_MAX: Final = -8
_ARENAS: Final = 2
_EVENTS: Final = 20_000
_BATCHES: Final = 200_000
"""Objects that may be new before garbage collection looks at them."""


def run_fast(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on uvloop where there is one: what a role does is mostly network."""
    if sys.platform == "win32":
        return asyncio.run(main)
    import uvloop  # noqa: PLC0415

    return uvloop.run(main)


def tune(*, batches: bool = False) -> None:
    """Set the interpreter for processes whose event loop must answer while threads beside it decode.

    A loop gives up the interpreter's lock at every call of the system, and waits a switch interval, 5 ms by default, to
    get it back from a thread that computes. What was imported stays out of garbage collection, and the rest is looked
    at less often: events make few cycles, and `batches` are many objects that come and go together.
    The client library's threads share few heaps, not one each (mallopt(3)).
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.collect()
    gc.freeze()
    gc.set_threshold(_BATCHES if batches else _EVENTS, 20, 50)
