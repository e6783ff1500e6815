"""The settings of the broker and of the schema registry: where they are, and how every client is let in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal, Self

from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.security import Credentials, Mechanism, RegistryAccess, Security, Tls
from bondmate_schemas.catalogue import PARTITIONS
from pydantic import Field, PrivateAttr, SecretStr, field_validator, model_validator

from bondmate_hub.settings.section import Section

__all__ = ["ClientSection", "KafkaSection", "LoginSection", "RegistryLoginSection", "TlsSection"]

_Value = str | int | float | bool
_OLD_NAMES: Final = {
    "ssl.ca.location": ("tls", "ca_file"),
    "ssl.certificate.location": ("tls", "certificate_file"),
    "ssl.key.location": ("tls", "key_file"),
    "ssl.key.password": ("tls", "key_password"),
    "sasl.mechanism": ("login", "mechanism"),
    "sasl.mechanisms": ("login", "mechanism"),
    "sasl.username": ("login", "username"),
    "sasl.password": ("login", "password"),
}
_PROTOCOL: Final = "security.protocol"
_SECTIONS_OF: Final = {
    "PLAINTEXT": (),
    "SSL": ("tls",),
    "SASL_PLAINTEXT": ("login",),
    "SASL_SSL": ("tls", "login"),
}
_SECURITY: Final = ("ssl.", "sasl.", "security.", "enable.ssl.", "enable.sasl.")


class TlsSection(Section):
    """TLS: whom we trust, and who we are."""

    ca_file: Path | None = Field(
        default=None, description="PEM file of the authority that signed the server's certificate; none: the system's."
    )
    certificate_file: Path | None = Field(
        default=None, description="PEM file of our certificate with its chain, where the server asks for one."
    )
    key_file: Path | None = Field(
        default=None, description="PEM file of our private key; none: it is in `certificate_file`."
    )
    key_password: SecretStr = Field(default=SecretStr(""), description="Password of the private key.")

    def from_folder(self, folder: Path) -> Self:
        """Return the same with paths that are meant from `folder`."""
        names = ("ca_file", "certificate_file", "key_file")
        return self.model_copy(update={name: folder / path for name in names if (path := getattr(self, name))})

    def tls(self) -> Tls:
        """Return it as clients take it."""
        return Tls(self.ca_file, self.certificate_file, self.key_file, self.key_password.get_secret_value())


class RegistryLoginSection(Section):
    """A name and its password."""

    username: str = Field(min_length=1, description="The name we log in with.")
    password: SecretStr = Field(description="Its password.")

    def login(self) -> Credentials:
        """Return it as clients take it."""
        return Credentials(self.username, self.password.get_secret_value())


class LoginSection(RegistryLoginSection):
    """How we log in to the brokers (SASL)."""

    mechanism: Mechanism = Field(
        default="SCRAM-SHA-512", description="How the password is shown; PLAIN sends it as it is: only with `tls`."
    )

    def login(self) -> Credentials:
        """Return it as clients take it."""
        return Credentials(self.username, self.password.get_secret_value(), self.mechanism)


class ClientSection(Section):
    """What brokers ask of a client: it holds for every role, the streams' own consumer and `hub topics` too."""

    tls: TlsSection | None = Field(
        default=None, description="TLS to every broker; `{}` trusts the system's authorities."
    )
    login: LoginSection | None = Field(default=None, description="Login at every broker.")
    librdkafka: dict[str, _Value] = Field(
        default_factory=dict,
        description="Further settings of the client library, by its names, such as socket.keepalive.enable. The"
        " streams' own consumer has another library, and does not take them.",
    )

    _old_names: tuple[str, ...] = PrivateAttr(())

    @property
    def old_names(self) -> tuple[str, ...]:
        """Each setting that stands under the name it had before, and what it is called now."""
        return self._old_names

    @model_validator(mode="wrap")
    @classmethod
    def _takes_old_names(cls, values: Any, handler: Any) -> Any:
        """Take what stood here under the client library's names, for one release."""
        if not isinstance(values, dict):
            return handler(values)
        old = {name: value for name, value in values.items() if name not in cls.model_fields}
        found = handler({**{name: values[name] for name in values if name not in old}, **_renamed(old, values)})
        found._old_names = tuple(  # noqa: SLF001  # our own
            f"kafka.client.{name} is now {_new_name(name)}" for name in old
        )
        return found

    @field_validator("librdkafka")
    @classmethod
    def _is_known(cls, settings: dict[str, Any]) -> dict[str, Any]:
        for name in settings:
            if name == "partitioner":
                raise ValueError(
                    "partitioner is not for settings to choose: every writer of the hub shares one; remove it"
                )
            if name.startswith(_SECURITY):
                raise ValueError(
                    f"{name} is no setting here: sections `tls` and `login` have those that every role knows"
                )
        if settings:
            from bondmate_kafka.config_check import refusal  # noqa: PLC0415  # the library is heavy, this is rare

            if told := refusal(settings):
                raise ValueError(told)
        return settings

    def security(self) -> Security:
        """Return it as clients take it."""
        return Security(self.tls.tls() if self.tls else None, self.login.login() if self.login else None)


def _renamed(old: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """Return the sections that say what `old` names say."""
    if not old:
        return {}
    protocol = str(old.get(_PROTOCOL, "PLAINTEXT")).upper()
    if protocol not in _SECTIONS_OF:
        raise ValueError(f"{_PROTOCOL} is one of {', '.join(_SECTIONS_OF)}; better: sections `tls` and `login`")
    wanted = _SECTIONS_OF[protocol]
    sections: dict[str, Any] = {name: dict(values.get(name) or {}) for name in wanted}
    library = dict(values.get("librdkafka") or {})
    for name, value in old.items():
        if name in _OLD_NAMES:
            section, field = _OLD_NAMES[name]
            if section not in wanted:
                raise ValueError(f"{name} has no effect, since {_PROTOCOL} is {protocol}: write it in `{section}`")
            sections[section][field] = value
        elif name != _PROTOCOL and not isinstance(value, _Value):
            raise ValueError(f"{name}: no such setting; there are {', '.join(ClientSection.model_fields)}")
        elif name != _PROTOCOL:
            library[name] = value
    return {**sections, "librdkafka": library}


def _new_name(old: str) -> str:
    if old == _PROTOCOL:
        return "sections: kafka.client.tls for SSL, kafka.client.login for SASL"
    return ".".join(("kafka.client", *_OLD_NAMES.get(old, ("librdkafka", old))))


class KafkaSection(Section):
    """The broker and the schema registry."""

    bootstrap: str = Field(default="127.0.0.1:9092", description="Addresses of the brokers, host:port, by commas.")
    registry_url: str = Field(default="http://127.0.0.1:8081", description="Address of the schema registry.")
    registry_login: RegistryLoginSection | None = Field(
        default=None, description="Login at the schema registry (HTTP's basic one)."
    )
    registry_tls: TlsSection | None = Field(
        default=None, description="TLS to a schema registry whose URL has https; none: the system's authorities."
    )
    replication_factor: int = Field(default=1, ge=1, le=9, description="Copies of each topic; 3 in production.")
    partitions: int = Field(
        default=PARTITIONS,
        ge=1,
        le=1000,
        description="Partitions of each topic: the most processes of a role that can share its work. Tables go by them,"
        " so keep the number once topics are made.",
    )
    destination_compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = Field(
        default="none",
        description="Codec of `bondmate.to.*`, and of the hub's own records that are written one by one (alerts,"
        " incidents, dead letters); what is gathered has zstd. `compression.type` in `client.librdkafka` goes"
        " before it. Every client reads `none` and `gzip`; kafkajs, for one, reads no other without a plug-in.",
    )
    client: ClientSection = Field(default=ClientSection(), description="How every client of the hub is let in.")

    def config(self) -> KafkaConfig:
        """Return what the hub's clients are made by."""
        access = RegistryAccess(
            self.registry_tls.tls() if self.registry_tls else None,
            self.registry_login.login() if self.registry_login else None,
        )
        return KafkaConfig(
            self.bootstrap,
            self.registry_url,
            self.client.librdkafka,
            self.client.security(),
            access,
            self.destination_compression,
        )

    def from_folder(self, folder: Path) -> Self:
        """Return the same with paths that are meant from `folder`."""
        tls, registry_tls = self.client.tls, self.registry_tls
        client = self.client.model_copy(update={"tls": tls.from_folder(folder)}) if tls else self.client
        return self.model_copy(
            update={"client": client, "registry_tls": registry_tls and registry_tls.from_folder(folder)}
        )

    def unusable_files(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Yield each section of TLS whose files cannot be used, and why."""
        found = {("kafka", "client", "tls"): self.client.tls, ("kafka", "registry_tls"): self.registry_tls}
        for where, section in found.items():
            if section is None:
                continue
            try:
                section.tls().context()
            except OSError as error:
                yield where, f"a file cannot be read or used: {error.strerror or type(error).__name__}"
