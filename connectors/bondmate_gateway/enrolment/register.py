"""Keeps the directory of devices as fresh as its file, and the last good one while the file is broken."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bondmate_connectors.contract import Context, Status

from bondmate_gateway.enrolment.device_file import DeviceFile, DeviceFileError
from bondmate_gateway.enrolment.directory import Directory, load

Version = tuple[int, int, int]


class DeviceRegister:
    """The devices as they are now."""

    def __init__(self, path: Path, context: Context, changed: Callable[[], None]) -> None:
        self._path = path
        self._context = context
        self._changed = changed
        self.directory = Directory(DeviceFile())
        """The devices of the file when it was last right; none before `open`."""
        self._seen: Version | None = None
        self._broken = False

    async def open(self) -> None:
        """Read the file for the first time.

        Raises:
            DeviceFileError: it is missing or wrong; the gateway must not start without its devices.
        """
        seen = _version(self._path)
        self.directory = await _in_thread(self._path)
        self._seen, self._broken = seen, False

    async def follow(self, seconds: float) -> None:
        """Look at the file every so many seconds until cancelled, and take it over when it has changed."""
        while True:
            await asyncio.sleep(seconds)
            seen = _version(self._path)
            if seen != self._seen:
                self._seen = seen
                await self._reload()

    async def _reload(self) -> None:
        try:
            self.directory = await _in_thread(self._path)
        except DeviceFileError as error:
            self._broken = True
            self._context.log.warning(
                "device_file_broken", problems=error.problems[:20], kept="the last good one", count=len(error.problems)
            )
            self._context.report(Status.RECOVERABLE_ERROR, "device file broken, the last good one is in use")
            return
        if self._broken:
            self._broken = False
            self._context.log.info("device_file_mended")
            self._context.report(Status.OK, "device file mended")
        self._changed()


async def _in_thread(path: Path) -> Directory:
    """Load beside the event loop: 2,000 devices take 0.2 s, 200,000 in YAML 20 s."""
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="device-file")
    try:
        return await asyncio.get_running_loop().run_in_executor(pool, load, path)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _version(path: Path) -> Version | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
