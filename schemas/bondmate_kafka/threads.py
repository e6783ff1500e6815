"""One blocking loop in a thread of its own, whose end, good or bad, an event loop can wait for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future


def in_thread(name: str, run: Callable[[], None]) -> asyncio.Future[None]:
    """Start `run` in a daemon thread and give the future of its end.

    A daemon, since a client of an unreachable broker may not come back in time and must not hold up the exit; a thread
    of its own, since the shared pool is for short calls.
    """
    done: Future[None] = Future()

    def body() -> None:
        try:
            run()
        except BaseException as error:  # noqa: BLE001  # not handled here: whoever awaits the future gets it
            done.set_exception(error)
        else:
            done.set_result(None)

    threading.Thread(target=body, name=name, daemon=True).start()
    return asyncio.wrap_future(done)
