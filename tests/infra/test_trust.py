"""Which answers cannot count as a connector is set: `hub lint` says so, and what mends it."""

from __future__ import annotations

import pytest
from bondmate_connectors.platforms.cap_pickup import CONNECTOR as PICKUP
from bondmate_connectors.platforms.cap_webhook import CONNECTOR as WEBHOOK
from bondmate_connectors.platforms.tak import CONNECTOR as TAK
from bondmate_connectors.runtime.run import Instance
from bondmate_gateway import CONNECTOR as GATEWAY
from bondmate_hub.routes.trust import answers_that_do_not_count

TLS = {"ca_file": "ca.pem", "certificate_file": "own.pem", "key_file": "own.key"}


def tak(agency="pd", **settings):
    return Instance("tak", TAK, TAK.config.model_validate({"host": "127.0.0.1", **settings}), agency)


@pytest.mark.parametrize(
    ("instance", "settings"),
    [
        (tak(mode="EXERCISE"), []),
        (tak(mode="ACTUAL", tls=TLS), []),
        (tak(mode="ACTUAL"), ["connectors.tak.settings.tls"]),
        (tak(mode="ACTUAL", tls={"ca_file": "ca.pem"}), ["connectors.tak.settings.tls"]),
        (tak(), ["connectors.tak.settings.mode"]),
        (tak("", mode="EXERCISE"), ["connectors.tak.agency"]),
        (tak(""), ["connectors.tak.agency", "connectors.tak.settings.mode"]),
    ],
)
def test_what_cannot_count_is_named_by_its_setting_with_the_mend(instance, settings):
    found = answers_that_do_not_count([instance])

    assert settings == [line.partition(": ")[0] for line in found]
    assert all("Mend: " in line for line in found)


def test_who_gives_no_answers_or_speaks_for_devices_is_not_spoken_of(tmp_path):
    pickup = Instance("wx", PICKUP, PICKUP.config.model_validate({"folder": tmp_path, "cursor_file": "/c"}))
    gateway = Instance("devices", GATEWAY, GATEWAY.config.model_validate({"device_file": tmp_path / "d"}))
    webhook = Instance("room", WEBHOOK, WEBHOOK.config.model_validate(
        {"listen": {"secrets": ["a secret of tests"]}}), "pd")  # fmt: skip

    assert [] == answers_that_do_not_count([pickup, gateway, webhook])
