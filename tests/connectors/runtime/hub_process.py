"""A runner in a process of its own, to be killed: `python hub_process.py <bootstrap> <destination> <url of the ledger>`."""

from __future__ import annotations

import asyncio
import signal
import sys

from bondmate_connectors.runtime.retry import Backoff
from bondmate_connectors.runtime.run import Instance, run_connectors
from bondmate_connectors.runtime.settings import RunnerSettings
from bondmate_connectors.testing.sample import CONNECTOR, TOKEN, LedgerConfig
from bondmate_kafka.config import KafkaConfig
from bondmate_schemas.codec import Codec, LocalSchemaIds


async def main(bootstrap: str, name: str, url: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    instance = Instance(name, CONNECTOR, LedgerConfig(url=url, token=TOKEN))
    settings = RunnerSettings(backoff=Backoff(base_seconds=0.02, cap_seconds=0.2), lease_seconds=1)
    codec = Codec(LocalSchemaIds())
    await run_connectors(
        [instance], KafkaConfig(bootstrap, ""), role_id="killed", stop=stop, codec=codec, settings=settings
    )


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
