"""Programs of strangers as child processes: on loopback, with data in a folder of their own, ended by pid."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from bondmate_hub.broker.child import Child

_KEEPER: Final = Path(__file__).with_name("keeper.py")
_STOP_SECONDS: Final = 15.0
_NOWHERE: Final = "http://127.0.0.1:1"


class Program:
    """One program. What it prints goes to `folder`/`name`.log; whatever it forks ends with it."""

    def __init__(
        self, name: str, folder: Path, *, user: str | None = None, ends_by: signal.Signals = signal.SIGKILL
    ) -> None:
        self.name = name
        self.folder = folder
        self.log = folder / f"{name}.log"
        self._user = user
        self._ends_by = ends_by
        self._child = Child(name, self.log, on_parent_death=signal.SIGTERM)

    @property
    def pid(self) -> int:
        """Process id of who keeps it, 0 while it does not run."""
        return self._child.pid

    def start(
        self, command: Sequence[str], environment: Mapping[str, str], *, ready: Callable[[], bool], seconds: float
    ) -> None:
        """Start `command` and wait until `ready()`.

        Raises:
            BrokerFailed: it ended, or was not ready in time; the end of its log is in a note.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        order = {
            "command": list(command), "environment": dict(environment), "folder": str(self.folder), "user": self._user,
            "signal": int(self._ends_by), "patience_seconds": _STOP_SECONDS - 5,
        }  # fmt: skip
        self._child.start([sys.executable, str(_KEEPER), json.dumps(order)])
        self._child.wait_ready(ready, seconds)

    def stop(self) -> None:
        """End it and all that it forked. Safe when it does not run."""
        self._child.stop(_STOP_SECONDS)


def environment(home: Path, **values: str) -> dict[str, str]:
    """Return a program's whole environment: nothing of ours but PATH, and no way out to the internet."""
    return {
        "PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1",
        "HTTP_PROXY": _NOWHERE, "HTTPS_PROXY": _NOWHERE, "NO_PROXY": "127.0.0.1,localhost", **values,
    }  # fmt: skip


def answers(host: str, port: int) -> bool:
    """Whether something takes connections there."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def unprivileged(name: str) -> str | None:
    """Return the user to run a server as that refuses to run as root; None when we are not root."""
    return name if os.geteuid() == 0 else None


def own(folder: Path, user: str | None) -> Path:
    """Make a folder that belongs to `user`."""
    folder.mkdir(parents=True, exist_ok=True)
    if user is not None:
        shutil.chown(folder, user)
    return folder
