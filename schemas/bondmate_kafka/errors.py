"""What goes wrong with a broker, by what the caller does.

BrokerError                 show its message and exit with 1
└── ProvisioningError       broker or registry does not answer or refuses: mend what the message names, call again
"""

from __future__ import annotations

from typing import Final

NO_ANSWER: Final = "the broker does not answer: is it running, and is `kafka.bootstrap` its address?"


class BrokerError(Exception):
    """A broker is not there, does not answer or refuses; the message says what to mend."""


class ProvisioningError(BrokerError):
    """Broker or registry does not answer or refuses: the message names topic or subject, and the mend."""
