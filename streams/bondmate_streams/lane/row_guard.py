"""The guard of the location lane: what fails over one position is a dead letter, and the batch goes on.

Records of the lane's consumer are taken as they came where they are not worked as positions.
"""

from __future__ import annotations

from collections.abc import Callable

from bondmate_kafka.client import Message
from bondmate_kafka.records import Arrived, Outgoing, dead_letter, headers_of, utc_now
from bondmate_schemas.codec import CodecError, SchemaUnavailableError

from bondmate_streams.errors import BadEventError, log_fault


def arrived(message: Message) -> Arrived:
    """Return a record as it came from Kafka."""
    place = message.topic() or "", message.partition() or 0, message.offset() or 0
    return Arrived(*place, message.key(), message.value(), headers_of(message.headers()))


def judged(stage: str, message: Message, body: Callable[[Message], str]) -> tuple[str, Outgoing | None]:
    """Run `body` on one record of a batch; return its outcome, and the dead letter where it failed.

    A batch is settled at once: the caller writes the dead letter before it commits.

    Raises:
        SchemaUnavailableError: a schema is not known now; wait and call again.
    """
    try:
        return body(message), None
    except SchemaUnavailableError:
        raise
    except (CodecError, BadEventError) as error:
        code = error.code
    except Exception as error:  # noqa: BLE001  # the guard of the lane
        log_fault(stage, arrived(message), error)
        code = "lane_failed"
    return "dead_lettered", dead_letter(stage, arrived(message), stage=stage, code=code, now=utc_now())
