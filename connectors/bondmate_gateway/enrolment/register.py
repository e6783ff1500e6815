"""Keeps the directory of devices as fresh as its file, and the last good one while the file is broken."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bondmate_connectors.contract import Context, Status

from bondmate_gateway.enrolment.device_file import DeviceFileError
from bondmate_gateway.enrolment.directory import Directory, EnrolledDevice, load

Version = tuple[int, int, int]


class DeviceRegister:
    """The devices as they are now."""

    def __init__(self, path: Path, context: Context, changed: Callable[[], None]) -> None:
        self._path = path
        self._context = context
        self._changed = changed
        self._directory: Directory | None = None
        self._seen: Version | None = None
        self._broken = False

    async def open(self) -> None:
        """Read the file for the first time.

        Raises:
            DeviceFileError: it is missing or wrong; the gateway must not start without its devices.
        """
        seen = _version(self._path)
        self._directory = await _in_thread(self._path)
        self._seen, self._broken = seen, False

    def authenticate(self, token: str) -> EnrolledDevice:
        """Return the device that holds `token`; raises UnauthenticatedError."""
        return self._current.authenticate(token)

    def holder(self, hashed: str) -> EnrolledDevice:
        """Return the device of a token's hash; raises UnauthenticatedError."""
        return self._current.holder(hashed)

    def device(self, device_id: str) -> EnrolledDevice | None:
        """Return an enrolled device, also a revoked one; None when there is none of this id."""
        return self._current.devices.get(device_id)

    def revoked(self) -> tuple[EnrolledDevice, ...]:
        """Return the devices that were revoked."""
        return self._current.revoked

    async def follow(self, seconds: float) -> None:
        """Look at the file every so many seconds until cancelled, and take it over when it has changed."""
        while True:
            await asyncio.sleep(seconds)
            seen = _version(self._path)
            if seen != self._seen:
                self._seen = seen
                await self._reload()

    @property
    def _current(self) -> Directory:
        if self._directory is None:
            raise AssertionError("opened before anybody asks")
        return self._directory

    async def _reload(self) -> None:
        try:
            self._directory = await _in_thread(self._path)
        except DeviceFileError as error:
            self._tell_broken(error)
            return
        if self._broken:
            self._broken = False
            self._context.log.info("device_file_mended")
            self._context.report(Status.OK, "device file mended")
        self._changed()

    def _tell_broken(self, error: DeviceFileError) -> None:
        self._broken = True
        self._context.log.warning(
            "device_file_broken", problems=error.problems[:20], kept="the last good one", count=len(error.problems)
        )
        self._context.report(Status.RECOVERABLE_ERROR, "device file broken, the last good one is in use")


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
