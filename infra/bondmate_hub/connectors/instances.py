"""The connectors of this hub: what is installed, what the settings configure, and whether it would work now."""

from __future__ import annotations

import asyncio
import contextlib
import operator
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from bondmate_connectors.contract import ConnectorSpec, Context
from bondmate_connectors.errors import AuthFailed, ConnectorError, Misconfigured
from bondmate_connectors.runtime.instance import Instance
from bondmate_connectors.runtime.registry import Broken, load, names
from bondmate_schemas.catalogue import DEAD_LETTER_DECISIONS, dead_letter_topic
from bondmate_schemas.enums import DeliveryKind
from bondmate_schemas.validation_messages import did_you_mean, messages
from pydantic import ValidationError

from bondmate_hub.connectors import GATEWAY
from bondmate_hub.settings import ConnectorEntry, Settings, SettingsError

if TYPE_CHECKING:
    from bondmate_gateway.config import GatewayConfig
    from bondmate_streams.logic.addressing import Officer

_CHECK_SECONDS = 5
_LOOK_SECONDS = 5.0
"""Between two looks at the device files on behalf of the lane."""


def registered() -> Iterator[tuple[str, ConnectorSpec | Broken]]:
    """Return every installed connector by name; one that cannot be imported is shown as broken."""
    for name in names():
        yield name, load(name)


def instances(settings: Settings) -> tuple[Instance, ...]:
    """Build the configured connectors' settings.

    Raises:
        SettingsError: every error of every connector at once, each with the setting's name.
    """
    return _instances(settings, settings.connectors)


def instance_of(settings: Settings, name: str) -> Instance:
    """Build the settings of one configured connector.

    Raises:
        SettingsError: every error of it, each with the setting's name; or it is not configured.
    """
    if name not in settings.connectors:
        raise SettingsError([f"connectors.{name}: not configured"])
    return _instances(settings, [name])[0]


def _instances(settings: Settings, names: Iterable[str]) -> tuple[Instance, ...]:
    problems: list[str] = []
    built = tuple(found for name in names for found in _instance(settings, name, problems))
    if problems:
        raise SettingsError(problems)
    return built


def _instance(settings: Settings, name: str, problems: list[str]) -> Iterator[Instance]:
    found = build(name, settings.connectors[name])
    if isinstance(found, Instance):
        yield found
    else:
        problems += [f"{'.'.join(('connectors', name, *loc))}: {message}" for loc, message in found]


def build(name: str, entry: ConnectorEntry) -> Instance | list[tuple[tuple[str, ...], str]]:
    """Return the connector that an entry of the settings describes, or what is wrong, each with its place in it."""
    if dead_letter_topic(name) == DEAD_LETTER_DECISIONS:
        return [((), "the hub has a topic of this name; choose another name")]
    spec = load(entry.connector)
    if isinstance(spec, Broken):
        known = names()
        likely = did_you_mean(entry.connector, known)
        told = f"{spec.code}: {spec.reason}; installed are {', '.join(known)}{likely}"
        return [(("connector",), told)]
    try:
        config = spec.config.model_validate(entry.settings)
    except ValidationError as error:
        return [(("settings", *map(str, loc)), message) for loc, message in messages(error, spec.config)]
    # TAK had it among its own settings first.
    return Instance(name, spec, config, entry.agency or getattr(config, "agency_id", ""))


def enrolled_devices(settings: Settings) -> list[str]:
    """Return the ids of the devices in the device files of this hub's gateways; none when a file cannot be read now."""
    return [str(device["device_id"]) for device in enrolled(settings)]


def enrolled_officers(settings: Settings) -> list[Officer]:
    """Return who carries the devices in those files, without revoked ones."""
    return _officers(enrolled(settings))


def _officers(devices: Iterable[dict[str, Any]]) -> list[Officer]:
    from bondmate_schemas.enums import Mode  # noqa: PLC0415
    from bondmate_streams.logic.addressing import Officer  # noqa: PLC0415

    return [
        Officer(
            str(d["device_id"]), d["agency"], Mode(d["mode"]), d["unit"], d["callsign"], officer_ref=d["officer_ref"]
        )
        for d in devices
        if not d["revoked"]
    ]


class Register:
    """Who carries the enrolled devices, by device, for the lane: as the device files were a few seconds ago."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._look_at = 0.0
        self._read: list[dict[str, Any]] = []
        self._officers: dict[str, Officer] | None = None

    def officers(self) -> dict[str, Officer] | None:
        """Return who carries which device; None where this hub has no device file, or was never able to read it."""
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + _LOOK_SECONDS
            read = list(enrolled(self._settings))
            # What cannot be read now is as it was; of what has not changed the very objects come again.
            if read and not (len(read) == len(self._read) and all(map(operator.is_, read, self._read))):
                self._read = read
                self._officers = {officer.device_id: officer for officer in _officers(read)}
        return self._officers


def takes(settings: Settings) -> dict[str, frozenset[str]]:
    """Return the Delivery kinds that each configured connector takes, with the settings it has, by its name."""
    return {instance.name: instance.accepts for instance in instances(settings)}


def untaken(settings: Settings) -> dict[str, frozenset[str]]:
    """Return the Delivery kinds that each configured connector does not take: what is written of them is counted."""
    return {name: frozenset(DeliveryKind) - kinds for name, kinds in takes(settings).items()}


def paces(settings: Settings) -> dict[str, tuple[float, float]]:
    """Return how often each configured connector takes position updates of open emergencies, by its name.

    Once in so many seconds of one, so many a second of all; 0 is no bound.
    """
    specs = {instance.name: instance.spec for instance in instances(settings)}
    return {name: (spec.alert_position_seconds, spec.alert_positions_a_second) for name, spec in specs.items()}


def receipt_takers(settings: Settings) -> list[str]:
    """Name the connectors that take receipts of the messages they sent to officers."""
    return [instance.name for instance in instances(settings) if "RECEIPT" in instance.accepts]


def enrolled(settings: Settings) -> Iterator[dict[str, Any]]:
    """Yield the devices in those files, revoked ones too, as plain values."""
    for instance in instances(settings):
        if instance.spec.name == GATEWAY:
            path = cast("GatewayConfig", instance.config).device_file
            with contextlib.suppress(OSError):
                stat = path.stat()
                yield from _devices_of(path, (stat.st_mtime_ns, stat.st_size, stat.st_ino))


@lru_cache(maxsize=4)
def _devices_of(path: Path, version: tuple[int, int, int]) -> tuple[dict[str, Any], ...]:  # noqa: ARG001  # the key
    """Read a device file once a version of it: ten thousand devices take a second."""
    from bondmate_gateway.enrolment.commands import DeviceFileError, list_devices  # noqa: PLC0415

    try:
        return tuple(list_devices(path))
    except DeviceFileError:
        return ()


async def check_connectors(settings: Settings, only: str | None = None) -> list[dict[str, Any]]:
    """Check each configured connector: `outcome` is ok, or what stands in the way, `hint` what to do.

    Raises:
        SettingsError: the settings of a connector are wrong, or `only` names none.
    """
    wanted = [instance for instance in instances(settings) if only in {None, instance.name}]
    if only and not wanted:
        raise SettingsError([f"connectors.{only}: not configured; there are {', '.join(settings.connectors)}"])
    return list(await asyncio.gather(*(_check(instance) for instance in wanted)))


async def _check(instance: Instance) -> dict[str, Any]:
    import structlog  # noqa: PLC0415  # heavy, and of no use to who only asks what is configured

    log = structlog.get_logger().bind(connector=instance.name)
    context = Context(instance.name, log, lambda *_: None, lambda: datetime.now(UTC))
    outcome, hint = "ok", ""
    try:
        connector = instance.spec.build(instance.config, context)
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                await connector.check()
        finally:
            await connector.close()
    except AuthFailed as error:
        outcome, hint = "auth_failed", f"they refuse us ({error}); a runner asks on by itself until they mend it"
    except Misconfigured as error:
        outcome, hint = "misconfigured", str(error)
    except (ConnectorError, TimeoutError) as error:
        reason = str(error) or type(error).__name__
        outcome, hint = "not_reachable", f"not there for us now ({reason}): check address and network, or ask them"
    # `mend` is what `hint` was called until release 0.2; it goes with 0.3.
    return {"name": instance.name, "outcome": outcome, "hint": hint, "mend": hint}
