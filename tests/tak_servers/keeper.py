"""Run one command until told to end, and let nothing of what it started outlive that. Not imported: run by its path.

    python keeper.py '{"command": […], "user": …, "environment": {…}, "folder": …, "signal": …, "patience_seconds": …}'

`bondmate_hub.broker.child.Child` starts it in a session of its own and tells it to end by SIGTERM, also when the tests
themselves were killed. The servers here fork: ending the one process that was started would leave the others behind.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any


def main(order: dict[str, Any]) -> None:
    """Start it, wait for its end or for SIGTERM, then end the whole session."""
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: told.append(number))
    user = order["user"]
    started = subprocess.Popen(
        order["command"],
        env=order["environment"],
        cwd=order["folder"],
        user=user,
        group=_group_of(user),
        extra_groups=[] if user else None,
    )
    while not told and started.poll() is None:
        time.sleep(0.05)
    if started.poll() is None:
        started.send_signal(int(str(order["signal"])))
        end = time.monotonic() + float(str(order["patience_seconds"]))
        while started.poll() is None and time.monotonic() < end:
            time.sleep(0.05)
    # The group is the session that this process leads, so it ends here too.
    os.killpg(0, signal.SIGKILL)


def _group_of(user: object) -> int | None:
    if not user:
        return None
    import pwd  # noqa: PLC0415  # not on every system

    return pwd.getpwnam(str(user)).pw_gid


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
