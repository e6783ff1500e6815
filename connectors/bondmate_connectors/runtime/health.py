"""The status of each connector, with a reason: logged on change only, one gauge, and a snapshot for `/health`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from bondmate_monitoring import metrics

from bondmate_connectors.contract import Status

_log = structlog.get_logger(__name__)
_FINAL = {Status.PERMANENT_ERROR, Status.FATAL_ERROR}
_OF_ALL = {"broker"}
"""Parts that all connectors of a process share: they outlive each."""
# Worst last: a connector is as well as the worst of its parts.
_SEVERITY = (
    Status.OK,
    Status.CREATED,
    Status.STOPPED,
    Status.STARTING,
    Status.STOPPING,
    Status.RECOVERABLE_ERROR,
    Status.PAUSED,
    Status.PERMANENT_ERROR,
    Status.FATAL_ERROR,
)


@dataclass(frozen=True, slots=True)
class State:
    """A status and why, in constant words."""

    status: Status
    reason: str = ""


class ConnectorHealth:
    """Keep the state of every connector of this process; used from the event loop only."""

    def __init__(self) -> None:
        self._parts: dict[str, dict[str, State]] = {}
        self._shown: dict[str, State] = {}

    def begin(self, name: str) -> None:
        """Note that a connector is built, or built anew: what its parts said before counts no more."""
        kept = {part: state for part, state in self._parts.get(name, {}).items() if part in _OF_ALL}
        self._parts[name] = {**kept, "connector": State(Status.STARTING)}
        self._show(name)

    def report(self, name: str, part: str, status: Status, reason: str = "") -> None:
        """Note the status of a `part` (link, sink, source, broker …) of the connector `name`.

        PERMANENT_ERROR and FATAL_ERROR of an end stay until it begins anew.
        """
        self._parts.setdefault(name, {})[part] = State(status, reason)
        self._show(name)

    def finish(self, name: str, status: Status, reason: str = "") -> None:
        """Note the end of a connector, whatever its parts said last."""
        if self.of(name).status not in _FINAL:
            self._parts[name] = {"connector": State(status, reason)}
            self._show(name)

    def of(self, name: str) -> State:
        """Return the state of one connector."""
        return self._shown.get(name, State(Status.CREATED))

    def snapshot(self) -> Mapping[str, State]:
        """Return the state of every connector, by name."""
        return dict(self._shown)

    def _show(self, name: str) -> None:
        before = self._shown.get(name)
        now = max(self._parts[name].values(), key=lambda state: _SEVERITY.index(state.status))
        if now == before:
            return
        self._shown[name] = now
        if before is None or now.status is not before.status:
            self._tell(name, now)

    @staticmethod
    def _tell(name: str, state: State) -> None:
        for status in Status:
            metrics.CONNECTOR_STATUS.labels(name, status.value).set(status is state.status)
        log = _log.info if state.status in {Status.OK, Status.CREATED, Status.STARTING, Status.STOPPING,
                                            Status.STOPPED} else _log.warning  # fmt: skip
        log("connector status changed", connector=name, status=state.status.value, reason=state.reason)
