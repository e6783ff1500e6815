"""Watches for devices that have gone quiet, and raises an alert for each, once; see `logic/silent_devices.py`."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from bondmate_kafka.records import utc_now
from bondmate_kafka.topic_view import Seen, TopicView
from bondmate_monitoring.metrics import SILENT_DEVICES
from bondmate_schemas.catalogue import DEVICE_ALERTS, DEVICE_STATUS
from bondmate_schemas.codec import Codec, SchemaUnavailableError
from bondmate_schemas.models import AlertState, DeviceAlert, DeviceLocation, DeviceStatus

from bondmate_streams.agents.config import StreamsConfig
from bondmate_streams.agents.context import AgentContext, decoded
from bondmate_streams.agents.device_marks import DeviceMarks
from bondmate_streams.errors import BrokerUnavailableError
from bondmate_streams.faust_adapter.owned_partitions import OwnedPartitions
from bondmate_streams.logic import silent_devices
from bondmate_streams.logic.headers import is_pressed_there

_LOOK_SECONDS: Final = 1.0


class SilentDevices:
    """Signs of life by device, and the alerts of those that gave none; each worker raises those of its partitions."""

    def __init__(
        self, context: AgentContext, owned: OwnedPartitions, config: StreamsConfig, marks: DeviceMarks | None = None
    ) -> None:
        """Raise when a device gave no sign for as long as the routes say; `owned` are those of device alerts.

        `marks` says of which another has taken the place: what is heard of that counts for its officer from then on.
        """
        self._is_replaced = marks.is_replaced if marks else lambda _: False
        self._current = marks.current if marks else lambda device: device
        self._after = after_seconds = config.routes.device_silent_after_seconds
        since_ms = int((time.time() - (after_seconds or 0.0)) * 1_000)
        name = f"bondmate-silence-{config.instance}"
        # What was said before is no news: of positions the last one of each device is seen anyway.
        self._view = TopicView(config.kafka, name, (DEVICE_STATUS, DEVICE_ALERTS), self._see_report, since_ms=since_ms)
        self._context = context
        self._owned = owned
        self._signs: dict[str, Seen] = {}
        self._pressed: dict[str, int] = {}
        """When somebody pressed at a device lately, whatever else is known of it."""
        self._raised: dict[str, DeviceAlert] = {}
        self._true_keys: set[str] = set()
        """Keys under which their own device was seen to report."""

    def _see_report(self, sign: Seen) -> None:
        (self._see_press if sign.topic == DEVICE_ALERTS else self._see_status)(sign)

    def _see_press(self, sign: Seen) -> None:
        """Note that somebody pressed, by whatever worker its partition is; who has a replaced device nobody knows."""
        said = decoded(self._context.codec, sign.value, DeviceAlert)
        if said is not None and is_pressed_there(said) and not self._is_replaced(sign.key):
            self._pressed[sign.key] = max(self._pressed.get(sign.key, 0), sign.timestamp_ms)

    def _see_status(self, sign: Seen) -> None:
        """Note a report of a device, whatever key it came under: strangers may write them too."""
        if sign.value is not None and sign.key not in self._true_keys:
            said = _read(self._context.codec, sign)
            if said is not None and said.device_id == sign.key:
                self._true_keys.add(sign.key)
            elif said is not None:
                sign = replace(sign, key=said.device_id)
        self.see(sign)

    def see(self, sign: Seen) -> None:
        """Note a sign of life; called in the thread of a view, so it is one step of a dict."""
        if self._after is None:
            return
        known = self._signs.get(sign.key)
        if sign.value is None:
            self._signs.pop(sign.key, None)
        elif known is not None and self._is_replaced(sign.key):
            return  # whoever has it now is heard there, and not its officer
        elif known is None or known.timestamp_ms <= sign.timestamp_ms:
            self._signs[sign.key] = sign

    def known(self, state: AlertState) -> None:
        """Note an alert of our table: whoever raised it, the device's newest is called off here, under the same id."""
        alert = silent_devices.not_over(state)
        if alert is None:
            return
        held = self._raised.get(alert.device_id)
        if held is None or held.header.received_at <= alert.header.received_at:
            self._raised[alert.device_id] = alert

    async def watch(self) -> None:
        """Raise and call off, until cancelled."""
        if self._after is None:
            await asyncio.Event().wait()
        self._view.start()
        try:
            while True:
                await asyncio.sleep(_LOOK_SECONDS)
                await self._look(utc_now())
        finally:
            await asyncio.to_thread(self._view.stop)

    async def _look(self, now: datetime) -> None:
        """Raise an alert for each device that has gone quiet, and call off that of each that was heard again."""
        assert self._after is not None
        quiet_since = (now - timedelta(seconds=self._after)).timestamp() * 1_000
        for device, sign in list(self._signs.items()):
            if sign.timestamp_ms > quiet_since or device in self._raised or self._heard(device) > quiet_since:
                continue
            with self._owned.in_partition_of(device) as ours:
                if ours:
                    await self._raise(device, sign, now)
        for device in list(self._raised):
            if self._heard(device) > quiet_since:
                await self._call_off(device, now)
        for device, at in list(self._pressed.items()):
            if at <= quiet_since:
                self._pressed.pop(device, None)
        SILENT_DEVICES.set(len(self._raised))

    def _heard(self, device: str) -> int:
        """Return when the officer of a device was heard of last, there or at the spare that took its place."""
        both = (device, self._current(device))
        return max(*(self._signs[one].timestamp_ms if one in self._signs else 0 for one in both),
                   *(self._pressed.get(one, 0) for one in both))  # fmt: skip

    async def _raise(self, device: str, sign: Seen, now: datetime) -> None:
        last, current = _read(self._context.codec, sign), self._current(device)
        # The watch goes over to the spare with the first that is heard of that.
        if last is None or not silent_devices.is_on_duty(last) or (current != device and current in self._signs):
            self._signs.pop(device, None)
            return
        alert = silent_devices.alert_of(last, datetime.fromtimestamp(self._heard(device) / 1_000, UTC), now)
        if await self._is_told(device, alert):
            self._raised[device] = alert

    async def _call_off(self, device: str, now: datetime) -> None:
        # Not for our own devices alone: who raised it may have died since.
        if await self._is_told(device, silent_devices.over(self._raised[device], now)):
            self._raised.pop(device, None)

    async def _is_told(self, device: str, alert: DeviceAlert) -> bool:
        """Write an alert; False where that must wait for the next look."""
        try:
            await self._context.writer.send(self._context.envelopes.pack(DEVICE_ALERTS, device, alert))
        except (BrokerUnavailableError, SchemaUnavailableError):
            return False
        return True


def _read(codec: Codec, sign: Seen) -> DeviceLocation | DeviceStatus | None:
    if sign.topic == DEVICE_STATUS:
        return decoded(codec, sign.value, DeviceStatus)
    return decoded(codec, sign.value, DeviceLocation)
