"""Names of the client library that other packages may know: its errors, messages and places; none builds a client."""

from __future__ import annotations

from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

__all__ = [
    "OFFSET_BEGINNING",
    "Consumer",
    "KafkaError",
    "KafkaException",
    "Message",
    "Place",
    "Refusals",
    "TopicPartition",
    "error_name",
    "is_end_of_partition",
    "is_fatal",
    "is_no_broker",
]

Place = tuple[str, int]
"""A topic and a partition of it."""


def is_fatal(error: KafkaError) -> bool:
    """Whether a client has given up for good: make another. `fatal()` says so of some only, the code of others."""
    return bool(error.fatal()) or error.code() == KafkaError._FATAL  # noqa: SLF001  # the client's public name for it


def is_no_broker(error: KafkaError) -> bool:
    """Whether a client reaches no broker at all."""
    return bool(error.code() == KafkaError._ALL_BROKERS_DOWN)  # noqa: SLF001  # as above


def is_end_of_partition(message: Message) -> bool:
    """Whether a message says only that its partition was read to the end (`enable.partition.eof`)."""
    error = message.error()
    return error is not None and error.code() == KafkaError._PARTITION_EOF  # noqa: SLF001  # as above


class Refusals:
    """What brokers refuse a client for, in words for a person; `note` is its `error_cb`."""

    def __init__(self) -> None:
        self.why = ""
        """Empty while none refused anything."""

    def note(self, error: KafkaError) -> None:
        """Take an error of the client; a broker that cannot be reached refuses nothing any more."""
        is_unreached = error.code() == KafkaError._TRANSPORT  # noqa: SLF001  # as above
        self.why = "" if is_unreached else _REFUSALS.get(error.code(), self.why)


_LOGIN: Final = "the broker refuses the login: are name, password and mechanism of `kafka.client.login` right?"
_REFUSALS: Final = {
    KafkaError._AUTHENTICATION: _LOGIN,  # noqa: SLF001  # as above
    KafkaError.SASL_AUTHENTICATION_FAILED: _LOGIN,
    KafkaError._SSL: (  # noqa: SLF001  # as above
        "no TLS with the broker: is `kafka.client.tls.ca_file` the authority of its certificate, is `kafka.bootstrap`"
        " the name in it, and is ours one that it trusts?"
    ),
}


def error_name(error: KafkaError) -> str:
    """Return the constant name of an error, in small letters."""
    return str(error.name()).lower()
