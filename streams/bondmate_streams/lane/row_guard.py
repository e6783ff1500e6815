"""The guard of the location lane: what fails over one position is a dead letter, and the batch goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from bondmate_kafka.records import Arrived, Outgoing, dead_letter, utc_now
from bondmate_schemas.codec import CodecError, SchemaUnavailableError

from bondmate_streams.errors import BadEventError, log_fault

T = TypeVar("T")


def judged(
    stage: str, record: T, body: Callable[[T], str], form: Callable[[T], Arrived]
) -> tuple[str, Outgoing | None]:
    """Run `body` on one record of a batch; return its outcome, and the dead letter where it failed.

    A batch is settled at once: the caller writes the dead letter before it commits. `form` returns the record as it
    arrived; only a dead letter asks for it.

    Raises:
        SchemaUnavailableError: a schema is not known now; wait and call again.
    """
    try:
        return body(record), None
    except SchemaUnavailableError:
        raise
    except (CodecError, BadEventError) as error:
        code = error.code
    except Exception as error:  # noqa: BLE001  # the guard of the lane
        log_fault(stage, form(record), error)
        code = "lane_failed"
    return "dead_lettered", dead_letter(stage, form(record), stage=stage, code=code, now=utc_now())
