"""One streams worker as its role runs it: `worker.py BOOTSTRAP REGISTRY FOLDER INSTANCE`, until SIGTERM.

Run as a file with an older checkout on PYTHONPATH it is a worker of that version. It registers its schemas first.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Final

from bondmate_hub.roles.fast_loop import run_fast, tune
from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.registration import register_schemas
from bondmate_schemas import catalogue
from bondmate_schemas.codec import schema_text
from bondmate_streams.agents.config import StreamsConfig
from bondmate_streams.agents.run import run_streams
from bondmate_streams.logic.routes_yaml import parse_routes

DESTINATIONS: Final = ("near", "far")
READY: Final = "ready"
_ROUTES: Final = """
destinations:
  near: {modes: [EXERCISE], fields: {alert: {text: plain}}}
  far: {modes: [EXERCISE], fields: {alert: {text: plain}}}
routes:
  - {name: alerts, when: {record: alert}, to: [near, far]}
"""


def _said() -> None:
    print(READY, flush=True)


async def _run(bootstrap: str, registry: str, folder: Path, instance: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    config = StreamsConfig(
        kafka=KafkaConfig(bootstrap, registry, {"log_level": 0}),
        data_dir=folder,
        routes=parse_routes(_ROUTES),
        secret=b"a secret of the bench",
        instance=instance,
    )
    await run_streams(config, stop, _said)


def main() -> None:
    """Work until SIGTERM."""
    bootstrap, registry, folder, instance = sys.argv[1:]
    register_schemas(registry, catalogue.topics(destinations=list(DESTINATIONS)), schema_text)
    tune()
    run_fast(_run(bootstrap, registry, Path(folder), instance))


if __name__ == "__main__":
    main()
