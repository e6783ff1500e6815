"""What the hub asks of a broker process it starts itself, and how such a process says no."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from bondmate_kafka.errors import BrokerError
from bondmate_kafka.provisioning import LogLimits

__all__ = ["Broker", "BrokerError", "BrokerFailed", "BrokerMissing", "LogLimits"]


@runtime_checkable
class Broker(Protocol):
    """Run one Kafka broker as a child process, blocking; from asyncio call it through `to_thread`.

    A broker may be started, stopped or killed and started again: it then has the same address and the same data.
    """

    @property
    def bootstrap(self) -> str:
        """`host:port` for `bootstrap.servers`; known from construction on, the same after every restart."""
        ...

    @property
    def pid(self) -> int:
        """The process id, 0 while it does not run."""
        ...

    @property
    def durable(self) -> bool:
        """Whether what was acknowledged with acks=all is still there after SIGKILL of the broker."""
        ...

    @property
    def limits(self) -> LogLimits:
        """How much of a topic this broker can bear to keep."""
        ...

    def start(self) -> None:
        """Start the process and wait until it answers; harmless while it runs.

        Raises:
            BrokerMissing: a program it needs is absent; the message says how to get it.
            BrokerFailed: it ended or did not answer within its deadline; the message names its log.
        """
        ...

    def stop(self) -> None:
        """End the process cleanly, data saved, and wait for it; harmless when it does not run.

        Raises:
            BrokerFailed: it did not end within its deadline and was killed.
        """
        ...

    def kill(self) -> None:
        """End the process with SIGKILL, as a power cut would; harmless when it does not run."""
        ...


class BrokerMissing(BrokerError):
    """A program or file the broker needs is absent: install it, then start again."""


class BrokerFailed(BrokerError):
    """The process ended, or did not do as told in time: read its log, then start again."""
