"""The role's frame: a pager for as long as its settings are the same, and the next by the new ones."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import structlog
from bondmate_monitoring.health import RoleHealth

from bondmate_hub.pages.pager import Pager
from bondmate_hub.settings import Settings, SettingsError, files_named, load
from bondmate_hub.settings.pages import PagesSection
from bondmate_hub.settings.watch import FileVersion, file_version

__all__ = ["run_pager"]

_log = structlog.get_logger(__name__)
_LOOK_SECONDS: Final = 2.0


async def run_pager(settings: Settings, stop: asyncio.Event, health: RoleHealth) -> None:
    """Page until `stop`; settings under `pages` and the files they name are read again when they change."""
    stopped = asyncio.create_task(stop.wait())
    while not stop.is_set():
        paging = asyncio.create_task(Pager(settings, health).run())
        changed = asyncio.create_task(_changed(settings))
        await asyncio.wait({paging, changed, stopped}, return_when=asyncio.FIRST_COMPLETED)
        fresh = changed.result() if changed.done() else settings
        changed.cancel()
        if not paging.done():
            paging.cancel()
        await asyncio.wait({paging})
        if not paging.cancelled():
            paging.result()
        settings = fresh


async def _changed(settings: Settings) -> Settings:
    """Return settings whose pages are not as in `settings`, once there are such that can be used."""
    if settings.file is None:
        await asyncio.Event().wait()
        raise AssertionError
    said, known = "", await asyncio.to_thread(_versions, settings)
    last = known
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        now = await asyncio.to_thread(_versions, settings)
        # Two looks in a row find the same: nobody is writing.
        is_settled, last = now == last, now
        if not is_settled or now == known:
            continue
        before, known = known, now
        try:
            pages = (await asyncio.to_thread(load, settings.file)).pages
        except SettingsError as error:
            if str(error) != said:
                _log.warning("settings not taken, the old ones stay in use", section="pages", problem=str(error))
            said = str(error)
            continue
        if pages != settings.pages or any(now.get(path) != before.get(path) for path in _certificates(pages)):
            _log.info("settings taken", section="pages")
            return settings.model_copy(update={"pages": pages})


def _versions(settings: Settings) -> dict[Path, FileVersion]:
    """Return the versions of the files that the settings of pages come from."""
    file = settings.file
    named = [each.path for each in files_named(file) if each.setting[0] == "pages"] if file else []
    return {path: file_version(path) for path in [*([file] if file else []), *named, *_certificates(settings.pages)]}


def _certificates(pages: PagesSection) -> Iterator[Path]:
    found = [step.channel.ca_file for step in pages.steps.values()]
    if pages.link:
        found += [pages.link.certificate_file, pages.link.key_file]
    return (path for path in found if path is not None)
