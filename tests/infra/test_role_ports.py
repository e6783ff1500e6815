"""The hub's own broker and registry listen where everybody else looks for them."""

from __future__ import annotations

import pytest
from bondmate_hub.roles.names import ROLE_NAMES
from bondmate_hub.roles.ports import broker_port, looked_for_elsewhere, registry_port
from bondmate_hub.roles.run import ROLES
from bondmate_hub.settings import Settings


@pytest.mark.parametrize(
    ("settings", "ports", "elsewhere"),
    [
        ({}, (9092, 8081), []),
        ({"kafka": {"bootstrap": "127.0.0.1:19092", "registry_url": "http://localhost:18081/"}}, (19092, 18081), []),
        ({"kafka": {"bootstrap": "kafka:9093", "registry_url": "http://registry:80"}}, (9092, 8081), []),
        ({"kafka": {"bootstrap": "127.0.0.1:1,127.0.0.1:2"}}, (9092, 8081), []),
        (
            {"kafka": {"bootstrap": "127.0.0.1:19092"}, "broker": {"port": 9092}, "registry": {"port": 18081}},
            (9092, 18081),
            ["broker.port", "registry.port"],
        ),
    ],
)
def test_a_port_is_the_one_that_is_set_else_the_one_where_clients_look(settings, ports, elsewhere):
    hub = Settings(**settings)

    assert ports == (broker_port(hub), registry_port(hub))
    assert elsewhere == [told.partition(":")[0] for told in looked_for_elsewhere(hub)]


def test_the_names_of_the_roles_are_those_that_there_are():
    assert ROLE_NAMES == tuple(ROLES)
