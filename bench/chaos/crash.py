"""Start a role that dies once at a named point: `python -m bench.chaos.crash POINT ROLE CONFIG`.

The product knows nothing of it: a method is replaced before the role begins. Started again the role lives, since the
folder of its settings then holds a note that it has died.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

_STREAMS, _RUNTIME = "bondmate_streams.agents", "bondmate_connectors.runtime"
_FAUST: Final = "bondmate_streams.faust_adapter"
_LANE: Final = "bondmate_streams.lane"
POINTS: Final = {
    # role: before or after which call of which class it dies
    "gateway-before-produce": (f"{_RUNTIME}.source_runner", "SourceRunner", "_publish", "before"),
    "gateway-after-produce": (f"{_RUNTIME}.source_runner", "SourceRunner", "_settle", "before"),
    "streams-before-tell": (f"{_STREAMS}.context", "AgentContext", "tell", "before"),
    "streams-after-tell": (f"{_STREAMS}.context", "AgentContext", "tell", "after"),
    "streams-before-changelog": (f"{_FAUST}.tables", "RecordTable", "put", "before"),
    "streams-after-changelog": (f"{_FAUST}.tables", "RecordTable", "put", "after"),
    "streams-before-commit": (f"{_FAUST}.driver", "AgentsConsumer", "commit", "before"),
    "lane-before-announce": (f"{_LANE}.run", "Loop", "_announced", "before"),
    "lane-before-write": (f"{_LANE}.lane", "LocationLane", "write", "before"),
    "lane-before-arrival": (f"{_LANE}.lane", "LocationLane", "write", "after"),
    "lane-after-arrival": (f"{_LANE}.checkpoints", "Checkpoints", "note_delivered", "before"),
    "lane-before-commit": (f"{_LANE}.run", "Loop", "_commit", "before"),
    "runner-before-send": (f"{_RUNTIME}.delivery_loop", "DeliveryLoop", "_send", "before"),
    "runner-after-send": (f"{_RUNTIME}.settlement", "Settlement", "sent", "before"),
    "runner-after-receipt": (f"{_RUNTIME}.settlement", "Settlement", "_settle", "before"),
}
CALLS: Final = 400
"""It dies at the call of this number."""
_FEW: Final = {"streams-before-commit": 6} | dict.fromkeys((point for point in POINTS if point.startswith("lane")), 60)
"""What happens once for many events."""


def arm(point: str, marker: Path, role: str) -> None:
    """Replace the method of `point` by one that ends the process at its `CALLS`th call."""
    module, owner, name, when = POINTS[point]
    target = getattr(importlib.import_module(module), owner)
    setattr(target, name, _dying(getattr(target, name), when, _Death(point, marker, role)))


class _Death:
    def __init__(self, point: str, marker: Path, role: str) -> None:
        self._point, self._marker = point, marker
        self._left = _FEW.get(point, CALLS)
        self._role = role

    def comes(self) -> bool:
        self._left -= 1
        return self._left <= 0

    def die(self) -> None:
        self._marker.write_text(self._point, encoding="utf-8")
        os._exit(9)


def _dying(method: Callable[..., Any], when: str, death: _Death) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        dies = death.comes()
        if dies and when == "before":
            death.die()
        found = method(*args, **kwargs)
        if not dies:
            return found
        return _then(found, death) if inspect.isawaitable(found) else death.die()

    return call


async def _then(work: Any, death: _Death) -> None:
    await work
    death.die()


def main() -> None:
    """Run the role, armed when it has not died yet."""
    point, role, config = sys.argv[1:]
    marker = Path(config).parent / f"crashed-{role}"
    if not marker.exists():
        arm(point, marker, role)
    from bondmate_hub.cli import main as hub  # noqa: PLC0415  # after the replacement

    sys.argv = ["hub", "run", role, "--config", config]
    hub()


if __name__ == "__main__":
    main()
