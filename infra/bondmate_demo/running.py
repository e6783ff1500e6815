"""The processes of a running demo, and the books of its far ends."""

from __future__ import annotations

import os
import sys
import threading
from functools import partial
from pathlib import Path

from bondmate_hub.broker import Broker
from bondmate_hub.roles.supervisor import Command, Supervisor, role_command
from bondmate_schemas.outside_ids import OutsideIds

from bondmate_demo import ledger
from bondmate_demo.files import ROLES, Files
from bondmate_demo.fleet import Fleet
from bondmate_demo.plan import DemoPlan
from bondmate_demo.processes import resident_mib, tree


class Running:
    """Everything that runs, and the books of its far ends."""

    def __init__(self, plan: DemoPlan, files: Files, broker: Broker, fleet: Fleet) -> None:
        self.plan = plan
        self.files = files
        self.broker = broker
        self.fleet = fleet
        self.supervisor = _supervisor(files)
        self.taky_pid = 0
        self.started_at = _process_start()
        outside = OutsideIds.of(files.pseudonym_secret.encode())
        self.tak = ledger.TakBook(partial(outside.back, ledger.TAK))
        self.cap = ledger.CapBook(partial(outside.back, ledger.CAP))
        self._reading = threading.Lock()
        self._tak_tail, self._cap_tail = ledger.Tail(files.tak_book), ledger.Tail(files.cap_book)

    def look(self) -> None:
        """Read what the far ends have written since the last look; two may look at once, each from its own thread."""
        with self._reading:
            self.tak.read(self._tak_tail)
            self.cap.read(self._cap_tail)

    def weigh(self) -> dict[str, float]:
        """Return the memory of every process of the demo in MiB, by name."""
        named = {
            "demo": [os.getpid()],
            "broker": tree(self.broker.pid) + tree(getattr(self.broker, "relay_pid", 0)),
            "taky": tree(self.taky_pid),
        }
        named |= {name: tree(pid) for name, pid in self.supervisor.pids.items()}
        return {name: sum(resident_mib(pids).values()) for name, pids in named.items() if pids}

    def outstanding(self) -> int:
        """Count what the far ends do not have yet, or have not answered."""
        return self.missing() + self.unanswered() + self.lost_positions()

    def missing(self) -> int:
        """Count accepted events that a destination which should have them has not."""
        return sum(len(ledger.count(self.fleet.accepted, book, frozenset())[1]) for book in (self.tak, self.cap))

    def unanswered(self) -> int:
        """Count alerts the CAP room has and has not yet acknowledged."""
        return sum(seen.accepted and not seen.acknowledged for seen in self.cap.events.values())

    def lost_positions(self) -> int:
        """Count devices of whose newest accepted position the TAK client has neither it nor a newer one."""
        there, uid = self.tak.last_fix, self.files.tak_uid
        return sum(there.get(uid(device), 0) < taken - 0.001 for device, taken in self.fleet.last_fix.items())


def _supervisor(files: Files) -> Supervisor:
    rooms = [
        Command("tak_room", (sys.executable, "-m", "bondmate_demo.tak_room", "--host", "127.0.0.1", "--port",
                             str(files.taky_port), "--out", str(files.tak_book), "--answer")),
        Command("cap_room", (sys.executable, "-m", "bondmate_demo.cap_room", "--port", str(files.cap_room_port),
                             "--hub", files.cap_back_url, "--secret-file", str(files.cap_secret), "--out",
                             str(files.cap_book))),
    ]  # fmt: skip
    return Supervisor([*rooms, *(role_command(role, files.config) for role in ROLES)], files.logs)


def _process_start() -> float:
    """Return when this process was started, epoch seconds: the command's first moment, imports included."""
    ticks = int(Path("/proc/self/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[19])
    boot = next(
        line for line in Path("/proc/stat").read_text(encoding="ascii").splitlines() if line.startswith("btime")
    )
    return int(boot.split()[1]) + ticks / os.sysconf("SC_CLK_TCK")
