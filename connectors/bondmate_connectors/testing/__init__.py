"""The contract suite every connector passes, also those of other packages: `pip install 'bondmate-hub[testing]'`.

`docs/how-to/write-a-connector.md` shows it at work, `hub connectors new` writes a package with its classes. It needs
`asyncio_mode = "auto"` in the pytest settings, and a class for each role with its fixtures; the far end is a real
implementation of the platform, in the test's event loop or beside it (`http_room` has one for HTTP)::

    class TestAcmeSink(SinkContract):
        @pytest.fixture
        async def room(self):                      # the platform
            async with AcmeRoom() as room:
                yield room

        @pytest.fixture
        def spec(self): return CONNECTOR

        @pytest.fixture
        def sink(self, room):                      # new, not connected, short timeouts
            return CONNECTOR.build(AcmeConfig(url=room.url, …), context("acme"))

        @pytest.fixture
        def event(self): return sos("acme")        # a Delivery the platform takes

        @pytest.fixture
        def bad_event(self): …                     # one it refuses for good
        @pytest.fixture
        def bad_code(self): return "too_long"      # … under this code

        @pytest.fixture
        def remote_records(self, room):            # async call: `event.id` of all it wrote down, in order, repeats once
            async def records(): return [entry.id for entry in room.entries]
            return records

        @pytest.fixture
        def outage(self, room): return room.down   # call that gives an async context

        # or waived in the specification, each with its reason:
        # sink_with_bad_credentials, throttled (its context gives the seconds), false_success, unanswered

A source gives `spec`, `source`, `emit` (the platform says n new things and gives their names), `identify` (names a
received event likewise), `restart`, `outage`, `source_with_bad_credentials`, and, where it gives answers, `answer`:
see `SourceContract`. A format's class gives `format`, `golden` and `schema_errors`, `examples` to make golden files of:
see `FormatContract`. `ConformanceContract` looks at settings, README, example and names. `sample.py` is a
complete platform and connector.

**Rules and waivers.** A rule is the name of a test without `test_`. `ConnectorSpec(waivers={"retry_after_is_honoured":
"plain TCP knows no pauses"})` excepts a connector: the test runs and must fail; when it passes the waiver is stale, and
that fails. A fixture that is not given fails the rules that need it.
"""

from bondmate_connectors.settings_table import settings_table, with_settings_table
from bondmate_connectors.testing.events import Reported, another, context, sos, update_of
from bondmate_connectors.testing.format import GOLDEN_NOW, FormatContract
from bondmate_connectors.testing.leaks import Leaks, eventually
from bondmate_connectors.testing.rules import Contract, Scenario, rules_of
from bondmate_connectors.testing.sink import RemoteRecords, SinkContract
from bondmate_connectors.testing.source import Emit, Identify, Restart, SourceContract
from bondmate_connectors.testing.telemetry import assert_sink_telemetry, by_label

__all__ = [
    "GOLDEN_NOW",
    "Contract",
    "Emit",
    "FormatContract",
    "Identify",
    "Leaks",
    "RemoteRecords",
    "Reported",
    "Restart",
    "Scenario",
    "SinkContract",
    "SourceContract",
    "another",
    "assert_sink_telemetry",
    "by_label",
    "context",
    "eventually",
    "rules_of",
    "settings_table",
    "sos",
    "update_of",
    "with_settings_table",
]
