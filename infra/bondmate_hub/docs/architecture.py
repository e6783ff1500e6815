"""The four ways of data through the hub, hop by hop, and their page; each hop bears its name in the code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

__all__ = ["WAYS", "Band", "Hop", "Way", "architecture_page"]

_TREE = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True)
class Hop:
    """One step: a topic, or `module:name` of what does the work; outside of the hub a word."""

    name: str
    does: str

    @property
    def title(self) -> str:
        """Return what stands large in its box."""
        return self.name.rpartition(":")[2]

    @property
    def module(self) -> str:
        """Return the module, empty for a topic and for what is outside."""
        return self.name.rpartition(":")[0]


@dataclass(frozen=True, slots=True)
class Band:
    """The hops that one process takes, or the topic between two processes."""

    where: str
    hops: tuple[Hop, ...]

    @property
    def is_topic(self) -> bool:
        """Whether this is Kafka's."""
        return self.where == _KAFKA


@dataclass(frozen=True, slots=True)
class Way:
    """One way of data: the file of its drawing, its heading, what is promised on it, and its bands in order."""

    file: str
    title: str
    promise: str
    bands: tuple[Band, ...]


_KAFKA: Final = "Kafka"
_RUNTIME = "bondmate_connectors.runtime"
_CAP = "bondmate_connectors.platforms.cap_webhook"


def _topic(name: str, does: str) -> Band:
    return Band(_KAFKA, (Hop(name, does),))


WAYS: Final = (
    Way(
        "alert-out",
        "An alert goes out",
        "Each step keeps an officer's press until the next one has it: the device repeats until it has a 202, the "
        "streams acknowledge what they have written, and the runner commits after a receipt.",
        (
            Band("device", (
                Hop("bondmate_device.client:Client", "writes the press to disk first"),
                Hop("bondmate_device.outbox:SendingQueue", "alerts first, again until the hub has them"),
            )),
            Band("hub run gateway", (
                Hop("bondmate_gateway.http.uplink:Uplink", "who calls, may they, what do they say"),
                Hop("bondmate_gateway.http.records.alerts:alert", "makes a DeviceAlert of it"),
                Hop("bondmate_gateway.handover:HandoverQueue", "holds the answer until Kafka has it"),
                Hop(f"{_RUNTIME}.source_runner:SourceRunner", "publishes and settles: 202"),
            )),
            _topic("bondmate.device.alerts", "by device_id"),
            Band("hub run streams", (
                Hop("bondmate_streams.faust_adapter.guard:Guard", "nothing escapes: a failure is a dead letter"),
                Hop("bondmate_streams.agents.device_alerts:DeviceAlertIntake", "drops repeats, finds the incident"),
            )),
            _topic("bondmate.streams.alert-changes", "by event_id"),
            Band("hub run streams", (
                Hop("bondmate_streams.agents.alert_life:AlertLife", "keeps the state of each alert"),
                Hop("bondmate_streams.logic.routing:Route", "who is told, and why"),
                Hop("bondmate_streams.logic.policy:DisclosurePolicy", "what they may see, by their agreement"),
            )),
            _topic("bondmate.to.<destination>", "by incident_id"),
            Band("hub run runner", (
                Hop(f"{_RUNTIME}.sink_runner:SinkRunner", "one key at a time; sends, waits, tries again"),
                Hop(f"{_CAP}.sink:CapSink", "the platform: signs and posts what the format wrote"),
                Hop("bondmate_connectors.formats.cap.write:compose", "the format: writes the CAP document"),
            )),
            Band("control room", (Hop("control room", "has the alert, and says so"),)),
            Band("hub run runner", (
                Hop(f"{_CAP}.sink:receipt_of", "delivered or accepted, as the answer proves"),
                Hop(f"{_RUNTIME}.receipts:receipt_for", "writes it down as a DeliveryReceipt"),
            )),
            _topic("bondmate.receipts", "by event_id; then the offset is committed"),
        ),
    ),
    Way(
        "answer-back",
        "An answer comes back",
        "No level is shown before it is true. An answer counts only from who may give it, and the device is shown what "
        "the life cycle makes of it, never what a connector says.",
        (
            Band("control room", (Hop("control room", "a person acknowledges, sends a unit, closes"),)),
            Band("hub run runner", (
                Hop(f"{_CAP}.source:CapSource", "takes the signed document"),
                Hop("bondmate_connectors.formats.cap.read:read", "makes a DeliveryReceipt of it"),
                Hop(f"{_RUNTIME}.authority:Authority", "who may speak for whom"),
                Hop(f"{_RUNTIME}.source_runner:SourceRunner", "publishes, then answers the room"),
            )),
            _topic("bondmate.receipts", "by event_id"),
            Band("hub run streams", (
                Hop("bondmate_streams.agents.alert_life:AlertLife", "takes the receipt of its alert"),
                Hop("bondmate_streams.logic.answers:is_foreign", "was it told? does it mean this alert?"),
                Hop("bondmate_streams.logic.heard:receive", "decides level and status, by STAGES and RULES"),
            )),
            _topic("bondmate.state.alerts", "by event_id; compacted"),
            Band("hub run gateway", (
                Hop("bondmate_gateway.mailbox.mailboxes:Mailboxes", "where each device's alerts stand"),
                Hop("bondmate_gateway.http.downlink:Downlink", "long poll, stream or look-up"),
            )),
            Band("device", (
                Hop("bondmate_device.listener:DownlinkListener", "hears it"),
                Hop("bondmate_device.raised_alerts:RaisedAlerts", "the level that the officer sees"),
            )),
        ),
    ),
    Way(
        "message-to-officer",
        "A message goes to an officer",
        "A control room reaches whom the routes let it reach, and hears what became of it. A message waits for its "
        "device in the mailbox of every gateway. Nothing there is the only copy: each gateway reads the topics from "
        "their start.",
        (
            Band("control room", (Hop("control room", "a dispatcher writes to an officer"),)),
            Band("hub run runner", (
                Hop(f"{_CAP}.source:CapSource", "takes the signed document"),
                Hop("bondmate_connectors.formats.cap.read:read", "makes a DeviceMessage of it"),
                Hop(f"{_RUNTIME}.authority:Authority", "who may speak for whom"),
                Hop(f"{_RUNTIME}.source_runner:SourceRunner", "publishes, then answers the room"),
            )),
            _topic("bondmate.messages", "addressed as its sender wrote it"),
            Band("hub run streams", (
                Hop("bondmate_streams.agents.messages:Messages", "takes it, or an emergency in it"),
                Hop("bondmate_streams.logic.addressing:resolve", "whom it reaches, if its sender may"),
                Hop("bondmate_streams.logic.messages:addressed", "makes one for each device"),
            )),
            _topic("bondmate.messages", "by device_id; each to one device"),
            Band("hub run gateway", (
                Hop(f"{_RUNTIME}.replay_runner:ReplayRunner", "reads all that the topics keep"),
                Hop("bondmate_gateway.mailbox.mailboxes:Mailboxes", "what waits for each device"),
                Hop("bondmate_gateway.http.downlink:Downlink", "long poll or stream"),
            )),
            Band("device", (
                Hop("bondmate_device.listener:DownlinkListener", "hears it"),
                Hop("bondmate_device.client:Client", "shows it; says so, or that it was confirmed"),
            )),
            Band("hub run gateway", (
                Hop("bondmate_gateway.http.records.messages:receipt", "makes a DeliveryReceipt of it"),
                Hop(f"{_RUNTIME}.source_runner:SourceRunner", "publishes"),
            )),
            _topic("bondmate.receipts", "by event_id, here that of the message"),
            Band("hub run streams", (
                Hop("bondmate_streams.agents.message_receipts:MessageReceipts", "tells its sender what became of it"),
            )),
            _topic("bondmate.to.<destination>", "by incident_id; then as an alert goes"),
            Band("control room", (Hop("control room", "reads: delivered, opened, confirmed, or why not"),)),
        ),
    ),
    Way(
        "positions",
        "Positions",
        "Plentiful and soon stale: worked in columns by the location lane, apart from all alerts. After an outage a "
        "destination gets the newest of each device. The streams read the last fixes too: an open alert follows its "
        "device (`bondmate_streams.agents.following`).",
        (
            Band("device", (Hop("bondmate_device.outbox:SendingQueue", "the newest first, behind every alert"),)),
            Band("hub run gateway", (
                Hop("bondmate_gateway.http.records.locations:locations", "many fixes of one request"),
                Hop(f"{_RUNTIME}.source_runner:SourceRunner", "publishes"),
            )),
            _topic("bondmate.device.locations", "by device_id"),
            Band("hub run lane", (
                Hop("bondmate_streams.lane.lane:LocationLane", "a batch: all written, then committed"),
                Hop("bondmate_streams.lane.column_judge:judge", "late, doubtful, jumped, known"),
                Hop("bondmate_streams.lane.column_routes:chosen", "who is due which fix"),
                Hop("bondmate_streams.lane.column_views:ColumnView", "what they may see"),
            )),
            Band(_KAFKA, (
                Hop("bondmate.to.<destination>.locations", "by device_id"),
                Hop("bondmate.state.last-location", "by device_id; for Following of the streams"),
            )),
            Band("hub run runner", (
                Hop(f"{_RUNTIME}.superseding:Superseding", "passes over what is stale"),
                Hop("bondmate_connectors.platforms.tak.session:Session", "the platform: one connection"),
                Hop("bondmate_connectors.formats.cot.write:write", "the format: writes CoT"),
            )),
            Band("control room", (Hop("control room", "sees where officers are"),)),
        ),
    ),
)  # fmt: skip

_HEAD: Final = Path(__file__).with_name("architecture.md.in")


def architecture_page() -> str:
    """Return the page; the drawings lie beside it.

    Raises:
        ValueError: a hop names a module that is not there.
    """
    head = re.sub(r"@(\S+?)@", lambda found: _link(found[1]), _HEAD.read_text(encoding="utf-8"))
    return head + "".join(map(_section, WAYS))


def _section(way: Way) -> str:
    rows, hops = "", [(band, hop) for band in way.bands for hop in band.hops]
    for number, (band, hop) in enumerate(hops, 1):
        name = f"`{hop.title}` in {_link(hop.module)}" if hop.module else f"`{hop.name}`" if band.is_topic else ""
        rows += f"| {number} | {band.where} | {name} | {hop.does} |\n"
    return (
        f"\n## {way.title}\n\n{way.promise}\n\n![{way.title}, hop by hop](architecture/{way.file}.svg)\n\n"
        f"| | where | hop | does |\n|---|---|---|---|\n{rows}"
    )


def _link(module: str) -> str:
    found = find_spec(module)
    if found is None or found.origin is None:
        raise ValueError(f"architecture.py names {module}, which is not there: say where it went")
    return f"[{module}]({Path('..') / Path(found.origin).relative_to(_TREE)})"
