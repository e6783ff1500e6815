"""The receivers that the how-to shows take what the hub posts, and nothing that is not signed with their secret."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bondmate_connectors.contract import Receipt
from bondmate_connectors.errors import AuthFailed
from bondmate_connectors.platforms.cap_webhook import CONNECTOR, CapWebhookConfig
from bondmate_connectors.testing import context, sos
from bondmate_connectors.transports.hmac_signature import new_secret
from bondmate_schemas.enums import Level
from how_to import HowTo, free_ports
from tak_servers.environments import NodeEnvironment, install

NODE = NodeEnvironment("receiver", Path(__file__).parent / "receiver")


@contextmanager
def room(folder: Path, command: list[str], port: str) -> Iterator[subprocess.Popen[str]]:
    """A receiver of the page, in an own process, once it listens."""
    with subprocess.Popen([*command, port], cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        try:
            while not _listens(int(port)):
                assert process.poll() is None
                time.sleep(0.05)
            yield process
        finally:
            process.kill()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def post(port: str, secret: str):
    config = CapWebhookConfig.model_validate({"deliver": {"url": f"http://127.0.0.1:{port}/cap", "secrets": [secret]}})
    connector = CONNECTOR.build(config, context("room"))
    try:
        await connector.connect()
        await connector.check()
        return await connector.send(sos())
    finally:
        await connector.close()


async def taken(folder: Path, command: list[str]) -> tuple[Receipt, list[str]]:
    """Return the receipt of what was posted under the room's secret, and the words that the room printed of it."""
    secret = new_secret()
    (folder / "secrets").mkdir()
    (folder / "secrets" / "cap-room").write_text(f"{secret}\n")
    (port,) = free_ports("9000").values()
    with room(folder, command, port) as process:
        with pytest.raises(AuthFailed):
            await post(port, new_secret())
        receipt = await post(port, secret)
        assert process.stdout is not None
        line = await asyncio.to_thread(process.stdout.readline)
    return receipt, line.split()


async def test_the_receiver_in_python(tmp_path):
    (tmp_path / "room.py").write_text(HowTo("receive-alerts").files()["room.py"])

    receipt, printed = await taken(tmp_path, [sys.executable, "room.py"])

    assert Level.ACCEPTED is receipt.level
    assert [receipt.platform_id, "Alert"] == printed[:2]


@pytest.mark.system
@pytest.mark.node
@pytest.mark.timeout(300)
async def test_the_receiver_in_node(tmp_path):
    await asyncio.to_thread(install, [NODE])
    (NODE.folder / "room.mjs").write_text(HowTo("receive-alerts").files()["room.mjs"])

    receipt, printed = await taken(tmp_path, NODE.command("room.mjs"))

    assert Level.ACCEPTED is receipt.level
    assert [receipt.platform_id, "Alert"] == printed[:2]
