"""Settings of `cap_webhook`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self

from bondmate_schemas.enums import Level
from bondmate_schemas.labels import Language
from pydantic import AfterValidator, Field, SecretStr, model_validator

from bondmate_connectors.contract import ConnectorConfig, Login
from bondmate_connectors.transports.addresses import WebAddress
from bondmate_connectors.transports.hmac_signature import MOST_SECRETS, TOLERANCE_SECONDS, key_of
from bondmate_connectors.transports.tls import ServerTlsConfig, TlsConfig

Said = Literal["assigned", "en_route", "on_scene", "withdrawn", "valid", "false_alarm"]
_REPLIES: Final = frozenset(
    {Level.UNKNOWN, Level.ACKNOWLEDGED, Level.RESPONDING, Level.RESOLVED, Level.DECLINED, Level.CANCELLED}
)


def _usable(secret: SecretStr) -> SecretStr:
    key_of(secret.get_secret_value())
    return secret


def _human(level: Level) -> Level:
    if level not in _REPLIES:
        raise ValueError(f"one of {', '.join(sorted(_REPLIES))}")
    return level


Secrets = Annotated[
    tuple[Annotated[SecretStr, AfterValidator(_usable)], ...], Field(min_length=1, max_length=MOST_SECRETS)
]
Reply = Annotated[Level, AfterValidator(_human)]


class DeliverConfig(ConnectorConfig):
    """Where alerts go, and how they are signed."""

    url: WebAddress = Field(description="Where the control room takes CAP by POST; https unless on loopback.")
    secrets: Secrets | None = Field(
        default=None,
        description="Shared secret that signs what is sent (Standard Webhooks; `whsec_` and base64, or plain text). "
        "Two while they are changed: every message is then signed with both. Needed unless `login` is set.",
    )
    login: Login | None = Field(
        default=None, description="Account at the control room, where it asks for one (HTTP Basic)."
    )
    check_url: WebAddress | None = Field(
        default=None, description="Where a signed GET proves credentials without creating anything; `url` when not set."
    )
    addresses: tuple[str, ...] = Field(
        default=(), description="Recipients, as the control room names them: messages are then Private to them, else "
        "Restricted.",
    )  # fmt: skip
    language: Language = Field(
        default="en",
        description="Language of the hub's own words; what people wrote stays as it is, after its own language.",
    )
    timeout_seconds: float = Field(default=10.0, gt=0, le=120, description="How long one attempt may take.")
    answers_pages: bool = Field(
        default=False,
        description="Whether the control room itself answers success with an HTML page; otherwise that is a login or a "
        "portal on the way, and nothing was delivered.",
    )
    allow_private_networks: bool = Field(
        default=False, description="Whether `url` may resolve to a private address (RFC 1918, RFC 4193)."
    )
    tls: TlsConfig | None = Field(
        default=None, description="Authority to trust and own certificate; system's when not set."
    )

    @property
    def keys(self) -> tuple[bytes, ...]:
        """The keys to sign with."""
        return tuple(key_of(secret.get_secret_value()) for secret in self.secrets or ())

    @model_validator(mode="after")
    def _proves_who_we_are(self) -> Self:
        if self.secrets is None and self.login is None:
            raise ValueError("`secrets` must be set, `login`, or both")
        return self


class ListenConfig(ConnectorConfig):
    """Where the control room posts CAP back, and how it proves to be the control room."""

    host: str = Field(default="127.0.0.1", description="Address to listen on; without `tls` a loopback address only.")
    port: int = Field(default=8090, ge=0, le=65535, description="TCP port to listen on; 0 takes a free one.")
    path: str = Field(default="/cap", pattern=r"^/[A-Za-z0-9/_.~-]*$", description="Path that takes CAP by POST.")
    secrets: Secrets = Field(description="Shared secret the control room signs with; two while they are changed.")
    messages_to_officers: bool = Field(
        default=False,
        description="Whether a Private Alert with `addresses` is a message to those officers instead of an incident.",
    )
    tls: ServerTlsConfig | None = Field(default=None, description="Certificate and key; needed unless on loopback.")
    tolerance_seconds: float = Field(
        default=TOLERANCE_SECONDS, gt=0, le=3600, description="How far the clock of a signed message may be off."
    )
    max_body_bytes: int = Field(default=1 << 20, ge=1024, le=10 << 20, description="Largest body taken; above it 413.")
    read_timeout_seconds: float = Field(default=15.0, gt=0, le=300, description="How long a body may take to arrive.")
    settle_timeout_seconds: float = Field(
        default=20.0, gt=0, le=300, description="How long an answer waits for the hub to keep the message; then 503."
    )
    pending_events: int = Field(default=500, ge=1, le=100_000, description="Events that may wait for the hub.")
    drain_seconds: float = Field(default=1.0, ge=0, le=60, description="How long open requests get when stopping.")

    @property
    def keys(self) -> tuple[bytes, ...]:
        """The keys that are good."""
        return tuple(key_of(secret.get_secret_value()) for secret in self.secrets)


class RepliesConfig(ConnectorConfig):
    """What an Update or Cancel that refers to a message of ours says of it; Ack and Error speak for themselves."""

    update: Reply = Field(
        default=Level.UNKNOWN,
        description="What an Update of theirs says where it does not say so itself; UNKNOWN: a note.",
    )
    cancel: Reply = Field(
        default=Level.RESOLVED, description="What a Cancel of theirs says where it does not say so itself."
    )
    words: Mapping[Said, tuple[str, ...]] = Field(
        default_factory=dict,
        description="Words by which the people there say what a parameter says, where none does: their note begins with"
        " one, and ends there or goes on after a mark, as `assigned, unit 7`. `assigned`, `en_route`, `on_scene`"
        " promise help, `withdrawn` takes it back, `valid` and `false_alarm` say of a Cancel whether there was cause."
        " None by default: no text says any of it.",
    )


class CapWebhookConfig(ConnectorConfig):
    """Settings of `cap_webhook`; at least one of the two roles."""

    deliver: DeliverConfig | None = Field(default=None, description="Sending to the control room.")
    listen: ListenConfig | None = Field(default=None, description="Taking from the control room.")
    replies: RepliesConfig = Field(default=RepliesConfig(), description="How their Updates and Cancels are read.")

    @property
    def delivers(self) -> bool:
        """Whether anything is sent to the control room."""
        return self.deliver is not None

    @property
    def listens(self) -> Mapping[str, tuple[str, int]]:
        """Where the control room posts."""
        return {"listen.port": (self.listen.host, self.listen.port)} if self.listen else {}

    @model_validator(mode="after")
    def _has_a_role(self) -> Self:
        if self.deliver is None and self.listen is None:
            raise ValueError("`deliver`, `listen` or both must be set")
        return self
