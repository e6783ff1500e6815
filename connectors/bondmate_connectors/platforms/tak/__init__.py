"""TAK: Cursor on Target over one TCP or mutual-TLS connection to a TAK server, both ways."""

from __future__ import annotations

from bondmate_schemas.enums import Level

from bondmate_connectors.contract import ConnectorSpec, imported
from bondmate_connectors.formats.cot.error_codes import COT_CODES
from bondmate_connectors.formats.error_codes import XML_CODES
from bondmate_connectors.platforms.tak.config import TakConfig

CONNECTOR = ConnectorSpec(
    name="tak",
    summary="Alerts, positions, texts and incidents to a TAK server; operators' chat answers back.",
    stability="beta",
    owner="BondMate hub developers",
    config=TakConfig,
    accepts=frozenset({"ALERT", "LOCATION", "MESSAGE", "INCIDENT", "RECEIPT"}),
    emits=frozenset({"DeliveryReceipt", "DeviceMessage", "IncidentEvent"}),
    proves=Level.DELIVERED,
    marks_test="the type is a marker's (`a-u-G`), none of an emergency; callsign, remarks and chat begin with TEST",
    max_in_flight=64,
    alert_position_seconds=1.0,
    alert_positions_a_second=0.0,
    refusals=dict.fromkeys(
        ("not_authenticated", "mode_differs", "not_its_own", "no_offer"),
        "a GeoChat line with the reason, to the writer alone, or to who placed the marker; not, where it names nobody",
    ),
    error_codes=(*XML_CODES, *COT_CODES),
    build=imported("bondmate_connectors.platforms.tak.connector:Tak"),
    waivers={
        "refusal_passes": "holds, but the server of this suite speaks plain TCP and refuses nobody: test_tak_platform"
        " shows it with a certificate that is wrong for a while",
        "retry_after_is_honoured": "CoT has no way to ask for a pause; a full server stops reading, and TCP waits",
        "success_with_failure_inside_is_no_success": "a server answers a ping or does not (then nothing is claimed),"
        " and says nothing else",
        "settled_is_not_given_again": "holds, but its test speaks while nobody is connected, which TAK does not keep",
        "ten_taken_five_settled_five_after_restart": "a TAK server repeats nothing: what the hub could not keep is"
        " given again by this process only",
    },
)
