"""What holds of devices until a person says otherwise, as every worker reads it: who is under duress."""

from __future__ import annotations

from collections.abc import Callable

from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.topic_view import Seen, TopicView
from bondmate_schemas.catalogue import DEVICE_MARKS
from bondmate_schemas.codec import Codec
from bondmate_schemas.duress import BEGUN, ENDED, is_under, mark_id
from bondmate_schemas.models import DeviceMark
from bondmate_schemas.takeover import REPLACED, before, current

from bondmate_streams.agents.context import decoded


class DeviceMarks:
    """The marks on devices by their ids: there are few, and a device without one costs one look."""

    def __init__(self, kafka: KafkaConfig, instance: str, codec: Codec) -> None:
        """Read the topic once started."""
        self.view = TopicView(kafka, f"bondmate-device-marks-{instance}", (DEVICE_MARKS,), self.see)
        self._codec = codec
        self._marks: dict[str, DeviceMark] = {}
        self._successors: dict[str, str] = {}
        """Devices that took the place of another, by that other."""
        self._took: dict[str, DeviceMark] = {}
        """The marks by which a device took the place of another, by that device."""
        self.on_replaced: Callable[[str], None] = lambda _: None
        """Called, mostly in the thread of the view, with each device that takes another's place."""

    def replaced(self, device_id: str) -> DeviceMark | None:
        """Return the mark by which another device took the place of this one."""
        return self._marks.get(mark_id(REPLACED, device_id)) if device_id in self._successors else None

    def is_replaced(self, device_id: str) -> bool:
        """Whether another device took the place of this one; asked for every fix."""
        return device_id in self._successors

    def took(self, device_id: str) -> DeviceMark | None:
        """Return the mark by which this device took the place of another last."""
        return self._took.get(device_id)

    def current(self, device_id: str) -> str:
        """Return the device that has the place of this one now, mostly itself."""
        return current(device_id, self._successors)

    def before(self, device_id: str) -> list[str]:
        """Return the devices whose place this one took, and those whose place they had; asked for every fix."""
        # A copy, since the view's thread adds to it.
        return before(device_id, self._successors.copy()) if device_id in self._took else []

    def of(self, mark: str, device_id: str) -> DeviceMark | None:
        """Return a mark on a device."""
        return self._marks.get(mark_id(mark, device_id))

    def begun(self, device_id: str) -> DeviceMark | None:
        """Return the mark by which the duress of a device began last."""
        return self._marks.get(mark_id(BEGUN, device_id))

    def is_under_duress(self, device_id: str) -> bool:
        """Whether the officer of a device is under duress."""
        begun = self.begun(device_id)
        return begun is not None and is_under(begun, self._marks.get(mark_id(ENDED, device_id)))

    def set(self, mark: DeviceMark) -> None:
        """Take a mark of our own at once; an older one than is known changes nothing."""
        known = self._marks.get(mark.mark_id)
        if known is None or known.since <= mark.since:
            self._marks[mark.mark_id] = mark
            if mark.mark != REPLACED:
                return
            # Another has the place of the device now, or itself again.
            if mark.other_device_id:
                self._successors[mark.device_id] = mark.other_device_id
                self._took[mark.other_device_id] = mark
            else:
                self._successors.pop(mark.device_id, None)
            self.on_replaced(mark.other_device_id or mark.device_id)

    def see(self, seen: Seen) -> None:
        """Take what the topic has; called in the thread of the view, so it is one step of a dict."""
        if seen.value is None:
            self._marks.pop(seen.key, None)
        elif mark := decoded(self._codec, seen.value, DeviceMark):
            self.set(mark)
