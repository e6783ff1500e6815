"""The device's client: what officers do goes to disk first and then to the hub, until the hub has it.

    async with Client(Settings("https://gateway.example:8443", token, Path("queue.db"))) as device:
        alert_id = await device.raise_alert("SOS", position=Position(50.8466, 4.3528, accuracy_m=8))
        await device.until(lambda: device.status(alert_id).help_is_coming)

All of it runs on one event loop. Leave the context, or die, at any moment: whatever a verb has returned from is sent
after the next start, under the same ids.
"""

from __future__ import annotations

import asyncio
import uuid
import warnings
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Self

from bondmate_device import bodies
from bondmate_device.engine import ClientEngine
from bondmate_device.model import HubLink, Message, Position, RaisedAlert, RefusedEvent
from bondmate_device.settings import Settings


class Client:
    """One device. Enter it to work; only one process at a time may, for one queue file.

    Making one raises ValueError for a URL that cannot be used, entering it StoreInUseError when another process has the
    queue file. Verbs return once the event is on disk, before it is sent. When the disk fails they return all the same,
    the event is sent from memory, and `link.disk` says so: no alert is held up for want of a disk.
    """

    def __init__(self, settings: Settings) -> None:
        self._engine = ClientEngine(settings)
        self._clock = settings.clock

    async def __aenter__(self) -> Self:
        await self._engine.start()
        return self

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        await self._engine.stop(error if isinstance(error, asyncio.CancelledError) else None)

    # What an officer does.

    async def raise_alert(
        self,
        kind: str = "SOS",
        *,
        position: Position | None = None,
        text: str | None = None,
        silent: bool | None = None,
        press_count: int | None = None,
        battery_percent: int | None = None,
        real: bool | None = None,
    ) -> str:
        """Raise an alert and return the device's id of it. A position that cannot be one is left out.

        `real`, on a device of an exercise, is the gesture that says that this is none.
        """
        return await self._raise(
            str(uuid.uuid4()), kind, silent=silent, position=position, text=text, press_count=press_count,
            battery_percent=battery_percent, real=real,
        )  # fmt: skip

    async def _raise(self, alert_id: str, kind: str, *, silent: bool | None = None, **more: Any) -> str:
        item = bodies.alert(
            "raise", message_id=str(uuid.uuid4()), alert_id=alert_id, at=self._clock(), kind=kind, silent=silent, **more
        )
        await self._engine.keep(item, self._engine.core.raised(alert_id, kind, item.at, silent=silent))
        return alert_id

    async def update(
        self, alert_id: str, *, kind: str | None = None, position: Position | None = None, text: str | None = None,
        press_count: int | None = None, battery_percent: int | None = None,
    ) -> None:  # fmt: skip
        """Add to an alert, where it is now for example; words and presses take back an earlier cancel."""
        statuses = self._engine.core.statuses
        known, is_press = statuses.get(alert_id), text is not None or press_count is not None
        await self._engine.keep(
            bodies.alert(
                "update", message_id=str(uuid.uuid4()), alert_id=alert_id, at=self._clock(),
                kind=kind or (known.kind if known else None), position=position, text=text, press_count=press_count,
                battery_percent=battery_percent,
            ),
            statuses.pressed(alert_id) if is_press else None,
        )  # fmt: skip

    async def cancel(self, alert_id: str, *, text: str | None = None) -> None:
        """Take an alert back. Of SOS, DURESS and OFFICER_DOWN it is a request: a person closes the alert."""
        known = self._engine.core.statuses.get(alert_id)
        item = bodies.alert(
            "cancel", message_id=str(uuid.uuid4()), alert_id=alert_id, at=self._clock(),
            kind=known.kind if known else None, text=text,
        )  # fmt: skip
        await self._engine.keep(item, self._engine.core.statuses.cancelling(alert_id))

    async def owe_check_in(
        self, due_in_seconds: float, *, kind: str = "OFFICER_DOWN", position: Position | None = None,
        text: str | None = None, check_in_id: str | None = None,
    ) -> str:  # fmt: skip
        """Owe a check-in, at the begin of a countdown for example, and return its id; with an id, move it.

        Where none comes in time the hub raises the alert of that id, also when this device is destroyed by then. It
        keeps only what it has: as long as `has_check_in` is False, show the officer that nobody would notice. Under
        duress there is no countdown: the alert is raised at once, silently.
        """
        check_in_id = check_in_id or str(uuid.uuid4())
        if self._engine.core.under_duress:
            # A countdown would show, and give time to end it to whoever holds the officer.
            return await self._raise(check_in_id, kind, position=position, text=text)
        self._engine.core.check_ins.discard(check_in_id)
        await self._engine.keep(
            bodies.check_in(
                "due", message_id=str(uuid.uuid4()), check_in_id=check_in_id, at=self._clock(), kind=kind,
                due_in_seconds=due_in_seconds, position=position, text=text,
            )
        )  # fmt: skip
        return check_in_id

    async def check_in(self, check_in_id: str) -> None:
        """Check in: nothing is due any more once the hub has it."""
        self._engine.core.check_ins.discard(check_in_id)
        item = bodies.check_in("done", message_id=str(uuid.uuid4()), check_in_id=check_in_id, at=self._clock())
        await self._engine.keep(item)

    def has_check_in(self, check_in_id: str) -> bool:
        """Return whether the hub has a check-in as it was said last; not known after a restart, so False."""
        return check_in_id in self._engine.core.check_ins

    def was_not_due(self, check_in_id: str) -> bool:
        """Return whether the hub waited for nothing under the id of a check-in that came: another is still due."""
        return check_in_id in self._engine.core.nothing_due

    @property
    def owed_check_ins(self) -> dict[str, str]:
        """When the hub waits for which check-in, as it said last: a spare has those of the device before it too."""
        return dict(self._engine.core.owed)

    async def fix(self, position: Position, *, on_duty: bool | None = None, battery_percent: int | None = None) -> int:
        """Send a position; return its number, which counts up over restarts (gaps mean nothing).

        Raises:
            ValueError: it cannot be a position.
        """
        if not bodies.is_sound(position):
            raise ValueError(bodies.NOT_SOUND)
        sequence = await self._engine.number_a_fix()
        await self._engine.keep(
            bodies.fix(sequence, position, self._clock(), on_duty=on_duty, battery_percent=battery_percent)
        )
        return sequence

    async def report(
        self,
        *,
        title: str | None = None,
        category: str = "observation",
        facts: Sequence[str] = (),
        assessments: Sequence[str] = (),
        position: Position | None = None,
        alert_id: str | None = None,
        report_id: str | None = None,
        **more: Any,
    ) -> str:
        """Send a report and return its id; of an earlier one, with `action="update"`, `"note"` or `"cancel"`.

        `more` are further fields of `ReportRequest` in the gateway's interface; a wrong one is refused there, whole.

        Raises:
            ValueError: the position cannot be one, or a field cannot be written.
        """
        report_id = report_id or str(uuid.uuid4())
        told = [{"nature": "fact", "text": text} for text in facts]
        told += [{"nature": "assessment", "text": text} for text in assessments]
        await self._engine.keep(
            bodies.report(
                message_id=str(uuid.uuid4()), report_id=report_id, at=self._clock(), position=position,
                title=title, category=category, statements=told or None, alert_id=alert_id, **more,
            )
        )  # fmt: skip
        return report_id

    async def say(self, text: str, *, in_reply_to: str | None = None, alert_id: str | None = None) -> None:
        """Send a text of the officer."""
        await self._engine.keep(
            bodies.text(
                message_id=str(uuid.uuid4()), at=self._clock(), text=text, in_reply_to=in_reply_to,
                alert_id=alert_id,
            )
        )  # fmt: skip

    async def acknowledge(self, message_id: str) -> bool:
        """Send the sender word that the officer has confirmed a message, which also counts as shown.

        Gives False, and tells nobody, when no such message came to this device.
        """
        if not self._engine.core.inbox.knows(message_id):
            return False
        await self._engine.keep(bodies.receipt(message_id, "acknowledged", self._clock()))
        await self.shown(message_id)
        return True

    # What an officer sees.

    def status(self, alert_id: str) -> RaisedAlert:
        """Return where an alert stands.

        Raises:
            KeyError: this device has raised no such alert, or it was closed long ago.
        """
        found = self._engine.core.statuses.get(alert_id)
        if found is None:
            raise KeyError("no such alert")
        return found

    def statuses(self) -> list[RaisedAlert]:
        """Return where the alerts of this device stand, the oldest first."""
        return list(self._engine.core.statuses)

    def standing(self, alert_id: str) -> RaisedAlert:
        """Return `status(alert_id)`, by its name of the release before."""
        warnings.warn("Client.standing is now Client.status", DeprecationWarning, stacklevel=2)
        return self.status(alert_id)

    def standings(self) -> list[RaisedAlert]:
        """Return `statuses()`, by its name of the release before."""
        warnings.warn("Client.standings is now Client.statuses", DeprecationWarning, stacklevel=2)
        return self.statuses()

    async def messages(self) -> AsyncIterator[Message]:
        """Yield the messages in the hub's order, for ever, as they come; for one reader.

        A message counts as shown when the next one is asked for, or when `shown` or `acknowledge` is called. One that
        was not is given again after a restart, and none is given twice otherwise.
        """
        while True:
            await self.until(lambda: self.next_message() is not None)
            message = self.next_message()
            assert message is not None
            yield message
            await self.shown(message.message_id)

    def next_message(self) -> Message | None:
        """Return the first message that was not shown yet, or None."""
        return self._engine.core.next_message(self._clock())

    async def shown(self, message_id: str) -> None:
        """Note that a message was shown."""
        await self._engine.shown(message_id)

    @property
    def refusals(self) -> tuple[RefusedEvent, ...]:
        """The latest events the hub will never take, the oldest first."""
        return tuple(self._engine.refusals)

    @property
    def link(self) -> HubLink:
        """How this device and the hub get on."""
        return self._engine.link

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition`, which looks at this client, holds; put a timeout around it."""
        await self._engine.until(condition)

    def network_is_back(self) -> None:
        """Try at once, and not after the wait that failures brought about."""
        self._engine.hurry()
