"""Settings of one TAK server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, Self

from bondmate_schemas.enums import Mode
from bondmate_schemas.labels import Language
from pydantic import Field, model_validator

from bondmate_connectors.contract import ConnectorConfig, Proof
from bondmate_connectors.formats.cot.options import LEAN_BYTES, Contact, Lifetimes
from bondmate_connectors.formats.cot.types import HUB_UID, NEUTRAL_CALLSIGN
from bondmate_connectors.platforms.tak.timing import Timing
from bondmate_connectors.platforms.tak.wording import ACKNOWLEDGE_WORDS, TOGETHER_WORDS
from bondmate_connectors.transports.addresses import is_this_machine
from bondmate_connectors.transports.tcp import TcpAddress
from bondmate_connectors.transports.tls import TlsConfig

Said = Literal["assigned", "en_route", "on_scene", "withdrawn", "resolved", "called_off"]


class TakConfig(ConnectorConfig):
    """How to reach a TAK server, and what to take from it."""

    host: str = Field(description="Name or address of the TAK server.")
    port: int = Field(default=8089, ge=1, le=65535, description="Port of its CoT stream: usually 8089 TLS, 8087 plain.")
    tls: TlsConfig | None = Field(
        default=None, description="Mutual TLS. May be left out only where `host` is this machine (loopback)."
    )
    mode: Mode = Field(
        default=Mode.UNKNOWN,
        description="What all that comes from this server is for; CoT itself does not say so reliably.",
    )
    agency_id: str = Field(default="", description="Agency that owns what comes from this server.")
    stale_seconds: float = Field(
        default=30.0,
        gt=0,
        description="How long clients show an alert that is not refreshed; more than the route's refresh.",
    )
    position_stale_seconds: float = Field(default=120.0, gt=0, description="How long clients show a position, seconds.")
    other_stale_seconds: float = Field(
        default=86400.0, gt=0, description="How long clients keep a marker without an expiry, or a chat line, seconds."
    )
    connect_timeout_seconds: float = Field(default=10.0, gt=0, description="How long connecting may take.")
    pong_timeout_seconds: float = Field(
        default=10.0,
        gt=0,
        description="How long a ping may stay unanswered: then the connection of a server that answers pings counts as"
        " lost, and what another one was sent as not proven.",
    )
    ping_gap_seconds: float = Field(
        default=0.05,
        ge=0,
        le=60,
        description="Least time between two pings under load; it grows by itself to 5 s while a ping stays unanswered.",
    )
    ping_after_seconds: float = Field(
        default=15.0, gt=0, le=60, description="Silence of either side after which the server is pinged."
    )
    lost_after_seconds: float = Field(
        default=25.0, gt=0, description="Silence of the server after which the connection counts as lost."
    )
    callsign: str | None = Field(
        default=None,
        min_length=1,
        max_length=60,
        description="Name by which people see the hub as a contact and write to it; default `BondMate-<connector>`.",
    )
    uid: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_-]{1,120}$",
        description="The contact's uid, one no other client of the network has; default `bondmate-hub-<connector>`.",
    )
    team: str = Field(default="Cyan", description="Team the contact is shown in: one of the colours TAK clients know.")
    team_role: str = Field(default="HQ", description="The contact's role in its team, as TAK clients name it.")
    identity_seconds: float = Field(
        default=60.0, gt=0, description="How often the contact is announced again; clients drop one that is silent."
    )
    identity_delay_seconds: float = Field(
        default=0.5,
        ge=0,
        le=30,
        description="How long after connecting it is announced first: some servers lose what comes too early.",
    )
    witness: bool = Field(
        default=False,
        description="Whether a second connection must hear what is written to everybody before it counts as delivered:"
        " for OpenTAKServer, which answers pings on connections of which it passes on nothing.",
    )
    protobuf: bool = Field(
        default=True, description="Whether to take up a server's offer of TAK protocol 1, which has no limit of size."
    )
    max_event_bytes: int = Field(
        default=LEAN_BYTES,
        ge=LEAN_BYTES,
        le=1024 * 1024,
        description="Largest event written in XML; longer texts go out in several chat lines. goatak takes 2048.",
    )
    qos_and_opex: bool = Field(
        default=False,
        description="Whether events carry `qos` and `opex`, as MITRE has them; FreeTAKServer drops such events.",
    )
    language: Language = Field(
        default="en",
        description="Language of the hub's own words; what people wrote stays as it is, after its own language.",
    )
    acknowledge_words: tuple[str, ...] = Field(
        default=ACKNOWLEDGE_WORDS,
        min_length=1,
        description="An answer that begins with one of these, and ends there or goes on after a comma or the alert's"
        " reference, acknowledges the alert; the first is the one people are told to write.",
    )
    decline_words: tuple[str, ...] = Field(
        default=(),
        description="An answer that begins with one of these, as a whole word, declines the alert; any other text is"
        " passed on and raises nothing.",
    )
    together_words: tuple[str, ...] = Field(
        default=TOGETHER_WORDS,
        description="Words by which an answer to one alert is meant of all that are open of its event, as `ack K7Q2"
        " both`; who closes or declines names each.",
    )
    response_words: Mapping[Said, tuple[str, ...]] = Field(
        default_factory=dict,
        description="Words by which people say more than that they have seen an alert, said as the acknowledging ones"
        " are: `assigned`, `en_route`, `on_scene` promise help, `withdrawn` takes it back, `resolved` and `called_off`"
        " close this room's part. None by default: no other text says any of it.",
    )
    link_words: tuple[str, ...] = Field(
        default=(),
        description="Words by which people say that two alerts are of one event, as `same M3P4 K7Q2`: the first is"
        " linked to the second, where this room's agency owns both. None by default.",
    )
    unlink_words: tuple[str, ...] = Field(
        default=(), description="Words by which people take an alert out of an event again, as `apart M3P4`."
    )
    aloud_words: tuple[str, ...] = Field(
        default=(),
        description="Words before a line to an officer under duress, as `aloud: where are you?`, by which it sounds all"
        " the same; only of those whom `duress_contacts` names. None by default.",
    )
    rooms: Mapping[str, str] = Field(
        default_factory=dict,
        description="Chat rooms that officers hear, by their id (`All Chat Rooms` is one), each with the agency whose"
        " devices on shift get what is written there; the destination's `may_message` must name that agency.",
    )
    duress_contacts: Mapping[str, str] = Field(
        default_factory=dict,
        description="Clients that alone get what a device under duress says, by uid, each with its callsign. Without"
        " any it is refused (`open_room`): else whoever holds the officer might read that an alarm was raised.",
    )
    emit: tuple[Literal["DeviceMessage", "IncidentEvent"], ...] = Field(
        default=(),
        description="What to take besides answers to us: DeviceMessage, chat among TAK users; IncidentEvent, markers"
        " and casualty evacuations.",
    )

    @model_validator(mode="after")
    def _encrypted_unless_local(self) -> Self:
        if self.tls is None and not is_this_machine(self.host):
            raise ValueError("tls: must be set, since host is not this machine")
        return self

    @model_validator(mode="after")
    def _pinged_before_lost(self) -> Self:
        if self.lost_after_seconds <= self.ping_after_seconds:
            raise ValueError("lost_after_seconds: must be more than ping_after_seconds, so that a ping can be answered")
        return self

    def duress_receivers(self) -> tuple[Contact, ...]:
        """Return who alone gets what a device under duress says."""
        return tuple(Contact(uid, callsign) for uid, callsign in self.duress_contacts.items())

    def contact(self, name: str) -> Contact:
        """Return who the hub is on this network; `name` is the connector's."""
        readable = re.sub(r"[^A-Za-z0-9_-]", "-", name)
        return Contact(self.uid or f"{HUB_UID}-{readable}", self.callsign or f"{NEUTRAL_CALLSIGN}-{readable}")

    @property
    def timing(self) -> Timing:
        """When to ping and when to give up."""
        return Timing(
            gap=self.ping_gap_seconds,
            pong=self.pong_timeout_seconds,
            ping_after=self.ping_after_seconds,
            lost_after=self.lost_after_seconds,
            identity_every=self.identity_seconds,
        )

    @property
    def lifetimes(self) -> Lifetimes:
        """When what we send goes stale."""
        return Lifetimes(self.stale_seconds, self.position_stale_seconds, self.other_stale_seconds)

    @property
    def proof(self) -> Proof:
        """How the server proves who it is: by mutual TLS, else by nothing but being on this machine."""
        if self.tls is not None and self.tls.certificate_file:
            return Proof.MUTUAL_TLS
        return Proof.LOOPBACK if is_this_machine(self.host) else Proof.NONE

    def address(self) -> TcpAddress:
        """Return where to connect, with the certificates that these settings stand for.

        Raises:
            Misconfigured: a certificate or key file cannot be read.
        """
        if self.tls is None:
            return TcpAddress(self.host, self.port)
        return TcpAddress(self.host, self.port, self.tls.client_context(), self.tls.server_name)
