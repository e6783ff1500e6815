"""Why brokers let a client not in is said for as long as it is why."""

from __future__ import annotations

from bondmate_kafka.client import KafkaError, Refusals


def test_a_refusal_is_said_until_no_broker_can_be_reached_and_anew_after_that():
    refusals = Refusals()

    def after(*codes: int) -> str:
        for code in codes:
            refusals.note(KafkaError(code))
        return refusals.why

    # The client says of every refusal too that no broker is left.
    assert after(KafkaError._SSL, KafkaError._ALL_BROKERS_DOWN).startswith("no TLS with the broker")
    assert "" == after(KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN)
    assert after(KafkaError._AUTHENTICATION).startswith("the broker refuses the login")
