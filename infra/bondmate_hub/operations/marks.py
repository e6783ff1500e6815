"""What people say of devices: a mark is in the audit trail before it is set; every worker and gateway reads it."""

from __future__ import annotations

import fcntl
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from bondmate_kafka.client import KafkaException
from bondmate_kafka.producer import BlockingWriter
from bondmate_kafka.records import Envelopes, Outgoing, utc_now
from bondmate_kafka.registry import RegistrySchemaIds
from bondmate_kafka.topic_reader import TopicMissingError, stored
from bondmate_schemas.catalogue import AUDIT, DEVICE_MARKS
from bondmate_schemas.codec import Codec, CodecError, SchemaUnavailableError
from bondmate_schemas.duress import BEGUN, ENDED, ended_by, is_under, mark_id
from bondmate_schemas.enums import AuditAction
from bondmate_schemas.models import DeviceMark
from bondmate_schemas.takeover import REPLACED
from bondmate_streams.audit_tail import chain_so_far
from bondmate_streams.logic.audit import AuditEntry, audit_name

from bondmate_hub.settings import Settings

_HINT = "nothing was changed; mend it and call again"


class MarksError(Exception):
    """The mark cannot be set; the message says why, and what to mend."""


class MarksUnavailableError(MarksError):
    """Nobody can be told now; the same may be asked for again."""


def end_duress(settings: Settings, device_id: str, operator: str, reason: str) -> DeviceMark:
    """End the duress of a device, in the name of a person of its owner.

    Raises:
        MarksError: the device is not under duress, or broker or registry do not answer.
    """
    marks = Marks(settings)
    with alone(settings), told():
        known = marks.known()
        begun = known.get(mark_id(BEGUN, device_id))
        if begun is None or not is_under(begun, known.get(mark_id(ENDED, device_id))):
            raise MarksError("no officer is under duress at this device")
        mark = ended_by(begun, operator, reason, utc_now())
        marks.set(mark)
        return mark


class Marks:
    """The marks that stand, and how one more is set; one at a time on a machine."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._kafka = settings.kafka.config()
        self._codec = Codec(RegistrySchemaIds.of(self._kafka))
        # The host's name is in it: two machines of one hub would break each other's chain.
        self._name = f"devices-{settings.instance}-{socket.gethostname()}"

    def known(self) -> dict[str, DeviceMark]:
        """Return the newest of each mark, by its id."""
        found: dict[str, DeviceMark] = {}
        for message in stored(self._kafka.consumer("bondmate-marks", self._name), [DEVICE_MARKS]):
            try:
                mark = self._codec.decode(message.value(), DeviceMark)
            except CodecError:
                continue  # of a later version of the hub
            found[mark.mark_id] = mark
        return found

    def set(self, mark: DeviceMark) -> None:
        """Write a mark, what is logged of it first."""
        chain = chain_so_far(self._kafka, self._codec, self._name)
        _, record = chain.append(self._entry(mark), utc_now())
        envelopes = Envelopes(self._codec)
        self._write(envelopes.pack(AUDIT, record.writer, record))
        self._write(envelopes.pack(DEVICE_MARKS, mark.mark_id, mark))

    def _entry(self, mark: DeviceMark) -> AuditEntry:
        streams = self._settings.streams
        secret = streams.pseudonym_secret.get_secret_value().encode() if streams else None
        subjects = (audit_name(secret, mark.device_id),) if secret else ()
        what = "replaced_undone" if mark.mark == REPLACED and not mark.other_device_id else mark.mark
        return AuditEntry(
            AuditAction.OTHER, mark.operator, mark.event_id, subjects, fields=(what,), purpose=mark.justification
        )

    def _write(self, record: Outgoing) -> None:
        if code := BlockingWriter(self._kafka, f"bondmate-{self._name}").write([record])[0]:
            raise MarksUnavailableError(f"the broker does not take it: {code}; {_HINT}")


@contextmanager
def told() -> Iterator[None]:
    """Translate what reading raises."""
    try:
        yield
    except (KafkaException, SchemaUnavailableError, TimeoutError) as error:
        raise MarksUnavailableError(f"broker or registry do not answer ({type(error).__name__}); {_HINT}") from error
    except TopicMissingError as error:
        raise MarksUnavailableError(f"topic {error} is not there; run `hub topics apply`") from error


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """Hold off a second writer, which would break the audit chain."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with (settings.data_dir / "devices.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
