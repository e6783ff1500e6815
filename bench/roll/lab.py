"""Two streams workers as processes beside an Apache Kafka, alerts flowing, and what a change of their group costs."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bondmate_hub.broker.apache import ApacheBroker
from bondmate_hub.broker.child import Child, wait_until
from bondmate_hub.registry.server import RegistryConfig, serving_in_thread
from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.provisioning import apply
from bondmate_kafka.registration import register_schemas
from bondmate_kafka.registry import RegistrySchemaIds
from bondmate_schemas import catalogue
from bondmate_schemas.codec import Codec, schema_text
from bondmate_schemas.models import AuditRecord
from bondmate_streams.logic.audit import breaks
from confluent_kafka.admin import AdminClient

from bench.roll import worker
from bench.roll.kept import Kept
from bench.roll.load import Ends, Load

_ROOMS: Final = ("schemas", "monitoring", "streams", "connectors", "infra")
_READY_SECONDS: Final = 60.0
_END_SECONDS: Final = 60.0
_MANY_SECONDS: Final = 600.0
_STILL_SECONDS: Final = 2.0
"""How long all is left alone between two changes, so that each is measured alone."""


@dataclass(frozen=True, slots=True)
class Held:
    """What one change of the group cost."""

    run: int
    change: str
    longest_seconds: float
    late_alerts: int
    """Records held longer than half a second."""


class Worker:
    """One worker's process, started and ended as an operator would."""

    def __init__(self, kafka: KafkaConfig, folder: Path, instance: str, older: Path | None = None) -> None:
        """Name the worker; with `older`, a checkout, it runs what is there."""
        self._log = folder / f"{instance}.log"
        self._child = Child(f"worker {instance}", self._log, on_parent_death=signal.SIGKILL)
        program = (sys.executable, str(Path(worker.__file__).resolve()))
        path = os.pathsep.join(str((older or Path()).resolve() / room) for room in _ROOMS)
        told = (kafka.bootstrap, kafka.registry_url, str(folder / instance), instance)
        self._command = ("/usr/bin/env", f"PYTHONPATH={path}", *program, *told)
        self._starts = 0

    @property
    def pid(self) -> int:
        """The process, 0 while none runs."""
        return self._child.pid

    def start(self) -> None:
        """Start it and wait until it says that events flow."""
        self._starts = self._said() + 1
        self._child.start(self._command)
        self._child.wait_ready(lambda: self._said() >= self._starts, _READY_SECONDS)

    def stop(self) -> None:
        """End it with SIGTERM and wait."""
        self._child.stop(_END_SECONDS)

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._child.kill()

    def _said(self) -> int:
        return self._log.read_text(errors="replace").splitlines().count(worker.READY) if self._log.exists() else 0


class Lab:
    """A broker with topics, load, and two workers, the second of which does not run yet."""

    def __init__(self, load: Load, ends: Ends, kept: Kept, workers: Sequence[Worker]) -> None:
        self.load, self.ends, self.kept = load, ends, kept
        self.first, self.second = workers

    def restart_both(self) -> None:
        """Restart one worker after the other, each when the one before is ready."""
        for each in (self.first, self.second):
            each.stop()
            each.start()

    def held(self, change: Callable[[], object]) -> tuple[float, int]:
        """Make a change; return the longest hold of what was published meanwhile, and how many were late."""
        begun = time.monotonic()
        change()
        time.sleep(_STILL_SECONDS)
        sent = self.load.sent.copy()  # at once: the load goes on meanwhile
        marks = [mark for mark, at in sent.items() if at >= begun - 1]
        wait_until(lambda: not self.missing(marks), deadline_seconds=_END_SECONDS, what="alerts after a change")
        holds = [self.ends.came[name, mark] - self.load.sent[mark] for mark in marks for name in worker.DESTINATIONS]
        return max(holds), sum(hold > 0.5 for hold in holds)

    def missing(self, marks: Sequence[str]) -> list[tuple[str, str]]:
        """Return what has not come out, by destination and mark."""
        wanted = ((name, mark) for mark in marks for name in worker.DESTINATIONS)
        return [each for each in wanted if each not in self.ends.came]


def registered(registry: str) -> Codec:
    """Register the schemas as they are now; return the codec that has their ids."""
    register_schemas(registry, catalogue.topics(destinations=list(worker.DESTINATIONS)), schema_text)
    return Codec(RegistrySchemaIds(registry))


@contextmanager
def laboratory(
    bootstrap: str, folder: Path, a_second: int, *, open_alerts: int = 0, older: Path | None = None
) -> Iterator[Lab]:
    """Make the topics, start the first worker, have `open_alerts` told, and then `a_second` flow.

    With `older`, a checkout, the first worker is of the version that is there.
    """
    wanted = catalogue.topics(destinations=list(worker.DESTINATIONS))
    apply(AdminClient({"bootstrap.servers": bootstrap}), wanted, limits=ApacheBroker.limits)
    with ExitStack() as stack:
        registry = stack.enter_context(serving_in_thread(RegistryConfig(folder / "registry")))
        kafka = KafkaConfig(bootstrap, registry, {"log_level": 0})
        workers = [Worker(kafka, folder, "one", older), Worker(kafka, folder, "two")]
        for each in workers:
            stack.callback(each.kill)
        workers[0].start()
        codec = registered(registry)
        ends, load = Ends(kafka, codec, worker.DESTINATIONS), Load(kafka, codec, a_second)
        stack.enter_context(ends.read())
        lab = Lab(load, ends, Kept(kafka, codec, worker.DESTINATIONS), workers)
        load.at_once(open_alerts)
        wait_until(lambda: not lab.missing(list(load.sent)), deadline_seconds=_MANY_SECONDS, what="the open alerts")
        stack.enter_context(load.flowing())
        time.sleep(_STILL_SECONDS)
        yield lab


def measure(lab: Lab, runs: int) -> Iterator[Held]:
    """Make the changes of each run, one after the other."""
    for run in range(1, runs + 1):
        yield Held(run, "join", *lab.held(lab.second.start))
        yield Held(run, "rolling restart", *lab.held(lab.restart_both))
        yield Held(run, "leave", *lab.held(lab.second.stop))


def wrong(lab: Lab) -> list[str]:
    """End the load; return what went wrong with its alerts."""
    lab.load.stop()
    marks = list(lab.load.sent)
    wait_until(lambda: not lab.missing(marks), deadline_seconds=_END_SECONDS, what="the last alerts")
    two = [place for place, ids in lab.ends.ids.items() if len(ids) > 1]
    backward = [place for place, order in lab.ends.order.items() if order != sorted(order, reverse=True)]
    found: dict[str, Sequence[object]] = {
        "told under two ids": two,
        "told out of order": backward,
        "of another state than told": _untrue(lab),
    }
    broken = [f"{len(places)} alerts {what}: {places[:3]}" for what, places in found.items() if places]
    return broken + [f"audit trail: {each}" for each in breaks(lab.kept.records(catalogue.AUDIT, AuditRecord))]


def _untrue(lab: Lab) -> list[str]:
    """Wait for the last receipts; return the alerts whose state is not what was done and what the receipts tell."""
    end = time.monotonic() + _END_SECONDS
    while untrue := lab.kept.untrue(lab.load.sent):
        if time.monotonic() > end:
            break
        time.sleep(0.5)
    return untrue
