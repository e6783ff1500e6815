"""The hub's settings: one YAML file, the environment above it, secrets from files; all errors told at once.

Precedence: environment (`BONDMATE__KAFKA__BOOTSTRAP=…`), file, default. Unknown keys are refused. An error names the
setting, its place and what is allowed, never its value.

Belongs here: what reads settings, or watches the files that they come from.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from bondmate_schemas.outside_ids import FIRST_KEY, KEY_NAME, OutsideIds
from bondmate_schemas.validation_messages import did_you_mean, messages
from pydantic import Field, PrivateAttr, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from bondmate_hub.settings.document import PREFIX, Document, SettingFile, SettingsError, files_named
from bondmate_hub.settings.drills import DrillsSection
from bondmate_hub.settings.kafka import KafkaSection
from bondmate_hub.settings.pages import PagesSection
from bondmate_hub.settings.section import Section

__all__ = [
    "ConnectorEntry",
    "Document",
    "SettingFile",
    "Settings",
    "SettingsError",
    "StreamsSection",
    "files_named",
    "load",
]


class OutsideIdKey(Section):
    """A key of the ids that leave the hub."""

    name: str = Field(pattern=f"^{KEY_NAME}$", description="It stands at the beginning of every id made with it.")
    secret: SecretStr | None = Field(
        default=None, min_length=16, description="At least 16 characters; none: it follows from `pseudonym_secret`."
    )


class StreamsSection(Section):
    """The stream processors."""

    routes: Path = Field(default=Path("routes.yaml"), description="File of routes and agreements.")
    districts: Path | None = Field(
        default=None,
        description="GeoJSON file of the districts that positions are put in, and by which alerts are routed; none: no"
        " position is, and no rule that asks for a place matches.",
    )
    lane_rebalance: Literal["eager", "cooperative"] = Field(
        default="eager",
        description="How lanes share positions anew: `cooperative`, each works on what it keeps meanwhile. The embedded"
        " broker knows `eager` only. Stop every lane before it is changed.",
    )
    session_seconds: float = Field(
        default=6,
        ge=2,
        le=60,
        description="After so long a worker that was killed is taken for dead, and what it had is handed on: an alert"
        " waits for that. A broker refuses less than its `group.min.session.timeout.ms`, 6 s by default. 3.5 s where it"
        " takes it: then a missed check-in is told within 5 s whichever worker died.",
    )
    pseudonym_secret: SecretStr = Field(description="Key of the pseudonyms; at least 16 characters.", min_length=16)
    outside_id_keys: tuple[OutsideIdKey, ...] = Field(
        default=(OutsideIdKey(name=FIRST_KEY),),
        min_length=1,
        description="Keys of the ids that leave the hub: the first for what is told from now on, the others, by which"
        " older ones are still understood, until nobody answers those any more.",
    )
    closed_alerts_kept_days: float = Field(
        default=7, gt=0, le=365, description="Days a closed alert is remembered; then its state is deleted everywhere."
    )

    @field_validator("outside_id_keys")
    @classmethod
    def _told_apart(cls, keys: tuple[OutsideIdKey, ...]) -> tuple[OutsideIdKey, ...]:
        names = [key.name for key in keys]
        if twins := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two keys of one name ({', '.join(twins)}): give the newer one another name")
        return keys

    def outside_ids(self) -> OutsideIds:
        """Return the ids that leave."""
        own = self.pseudonym_secret
        return OutsideIds({key.name: (key.secret or own).get_secret_value().encode() for key in self.outside_id_keys})


class MonitoringSection(Section):
    """What is served to operations staff."""

    host: str = Field(default="127.0.0.1", description="Address that /metrics and /health listen on.")
    ports: dict[str, int] = Field(default_factory=dict, description="Port of each role; a role without one takes any.")
    otlp_endpoint: str = Field(
        default="",
        pattern="^(https?://[^/]+(/.*)?)?$",
        description="Base URL of a receiver of OpenTelemetry spans (OTLP over HTTP, with protobuf), such as"
        " `http://127.0.0.1:4318`; none: no spans are made. Needs the extra `tracing`.",
    )
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$", description="Least level logged.")


class AdminSection(Section):
    """The admin endpoints, on loopback, by which `hub connectors restart|pause|resume` reach a running role."""

    ports: dict[str, int] = Field(default_factory=dict, description="Port of each role; a role without one takes any.")
    pause_minutes: float = Field(
        default=60, gt=0, le=1440, description="How long a pause of a connector lasts where nothing else is said."
    )
    longest_pause_minutes: float = Field(
        default=1440, gt=0, le=1440, description="How long a pause may last; after it the connector works by itself."
    )


class RegistrySection(Section):
    """The registry the hub serves itself (role `registry`)."""

    host: str = Field(default="127.0.0.1", description="Address the registry listens on.")
    port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="Port the registry listens on; none: that of `kafka.registry_url` where that is this machine, else"
        " 8081.",
    )


class BrokerSection(Section):
    """The embedded broker (role `broker`): for demos and quick tests."""

    port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="Loopback port the broker listens on; none: that of `kafka.bootstrap` where that is this machine,"
        " else 9092.",
    )


class DeliverySection(Section):
    """How the delivery runner treats a platform that refuses us, and an event that none takes."""

    account_retry_seconds: float = Field(
        default=900, ge=60, le=86_400, description="Between two offers of a password that was refused three times, so"
        " that no account is locked. A changed secret, or `hub connectors restart`, is tried at once.",
    )  # fmt: skip
    refused_alone_tries: int = Field(
        default=5, ge=1, le=1000, description="How often an event may be refused while its platform takes others; then"
        " it is tried in its leanest form, and dead-lettered.",
    )  # fmt: skip
    breaks_alone: int = Field(
        default=3, ge=1, le=1000, description="At how many breaks of the link an event may be alone on it, while others"
        " pass; then it is tried in its leanest form, and dead-lettered as `kills_the_link`.",
    )  # fmt: skip


class RestartSection(Section):
    """How a connector that crashed is started again."""

    first_seconds: float = Field(default=1, ge=0.5, le=3600, description="Pause after the first crash; it doubles.")
    longest_seconds: float = Field(default=60, ge=0.5, le=3600, description="Longest pause between two starts.")
    sound_seconds: float = Field(
        default=60, ge=1, le=86_400, description="Who ran for so long is started again as after a first crash."
    )


class ConnectorEntry(Section):
    """One instance of a connector: a destination, a source, or both."""

    connector: str = Field(description="Name of the connector, as `hub connectors list` shows it.")
    agency: str = Field(
        default="",
        description="The one agency whose control room this is: all that comes from there is of it. Left out, its"
        " answers count for this destination alone, and no agency is taken from what it says.",
    )
    settings: dict[str, Any] = Field(default_factory=dict, description="Settings of that connector.")


class Settings(BaseSettings):
    """All settings of a hub."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        nested_model_default_partial_update=True,
    )

    instance: str = Field(
        default="hub-1", pattern="^[a-z0-9-]+$", description="Identity of this hub in its consumer groups; keep it."
    )
    data_dir: Path = Field(default=Path("data"), description="Folder of tables, schemas and cursors.")
    kafka: KafkaSection = KafkaSection()
    streams: StreamsSection | None = None
    monitoring: MonitoringSection = MonitoringSection()
    admin: AdminSection = AdminSection()
    registry: RegistrySection = RegistrySection()
    broker: BrokerSection = BrokerSection()
    delivery: DeliverySection = DeliverySection()
    restart: RestartSection = RestartSection()
    pages: PagesSection = PagesSection()
    drills: DrillsSection = DrillsSection()
    connectors: dict[str, ConnectorEntry] = Field(default_factory=dict, description="Connectors by name.")

    _file: Path | None = PrivateAttr(None)
    _twice: tuple[str, ...] = PrivateAttr(())

    @property
    def twice(self) -> tuple[str, ...]:
        """The keys that stand twice in that file, with their places: the last one of each counts."""
        return self._twice

    @property
    def file(self) -> Path | None:
        """The YAML file they were read from."""
        return self._file

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  # the signature is pydantic's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the environment above the file, which comes in by the initialiser."""
        return env_settings, init_settings


def load(path: Path | None, *, unreadable: str | None = None) -> Settings:
    """Read the settings from a YAML file (None: defaults) and the environment.

    Relative paths in the file are meant from the file's folder. `unreadable` stands for the text of a file that cannot
    be read; without it that is an error, and so are files of Kafka's TLS that cannot be used.

    Raises:
        SettingsError: show its lines to the person and exit with 2.
    """
    document = Document.read(path, unreadable) if path else Document.empty()
    settings, problems = validated(document.values)
    told = [*unknown_environment(), *(document.problem(loc, message) for loc, message in problems)]
    if settings is None or told:
        raise SettingsError(told)
    settings._file = path  # noqa: SLF001  # pydantic's private attributes of our own class
    settings._twice = tuple(problem.told(document.name) for problem in document.marked.twice)  # noqa: SLF001
    settings = from_folder(settings, path.parent if path else Path())
    # Who reads them again has clients that are let in already: what cannot be read now is nothing to one connector.
    if unreadable is None and (
        unusable := [document.problem(loc, message) for loc, message in settings.kafka.unusable_files()]
    ):
        raise SettingsError(unusable)
    return settings


def validated(values: dict[str, Any]) -> tuple[Settings | None, list[tuple[tuple[str | int, ...], str]]]:
    """Return the settings of these values and of the environment, or None and what is wrong at which place."""
    try:
        return Settings(**values), []
    except ValidationError as error:
        return None, [*messages(error, Settings)]


def from_folder(settings: Settings, folder: Path) -> Settings:
    """Return the same with paths that are meant from `folder`."""
    streams = settings.streams and _files_from(settings.streams, folder)
    kafka = settings.kafka.from_folder(folder)
    sections = {"pages": settings.pages.from_folder(folder), "drills": settings.drills.from_folder(folder)}
    return settings.model_copy(
        update={"data_dir": folder / settings.data_dir, "streams": streams, "kafka": kafka, **sections}
    )


def _files_from(streams: StreamsSection, folder: Path) -> StreamsSection:
    districts = streams.districts and folder / streams.districts
    return streams.model_copy(update={"routes": folder / streams.routes, "districts": districts})


def unknown_environment() -> Iterator[str]:
    """Name every variable of ours that no setting reads: a typing error would otherwise be silent."""
    for name in sorted(os.environ):
        section = name.removeprefix(PREFIX).split("__")[0].lower()
        if name.startswith(PREFIX) and section not in Settings.model_fields:
            likely = did_you_mean(section, Settings.model_fields)
            yield f"environment: {name}: no such setting; remove it or correct its name{likely}"
