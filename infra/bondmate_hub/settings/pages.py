"""The settings of pages: to whom they go out, by what, and how somebody takes one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.errors import MessageError
from email.headerregistry import Address
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from bondmate_hub.settings.kafka import RegistryLoginSection
from bondmate_hub.settings.section import Section

__all__ = ["AlertmanagerSection", "LinkSection", "MailSection", "PagesSection", "StepSection", "WebhookSection"]

_NAME: Final = re.compile("[a-z0-9-]{1,40}")
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def _web_address(url: str) -> str:
    from bondmate_connectors.transports.addresses import web_address  # noqa: PLC0415  # heavy; hubs without pages

    return web_address(url)


def _mail_address(text: str) -> str:
    try:
        Address(addr_spec=text)
    except (MessageError, ValueError, IndexError):
        raise ValueError("one mail address, as duty@example.org") from None
    return text


def _usable_secret(secret: SecretStr) -> SecretStr:
    from bondmate_connectors.transports.hmac_signature import key_of  # noqa: PLC0415  # as above

    key_of(secret.get_secret_value())
    return secret


_WebAddress = Annotated[str, AfterValidator(_web_address)]
_MailAddress = Annotated[str, AfterValidator(_mail_address)]
_CaFile = Annotated[
    Path | None, Field(description="PEM file of the authority that signed their certificate; none: the system's.")
]
_Timeout = Annotated[float, Field(gt=0, le=120, description="How long one attempt may take, in seconds.")]


class WebhookSection(Section):
    """Pages by signed POST (Standard Webhooks), one at a time."""

    url: _WebAddress = Field(description="Where pages are posted as JSON; https unless on loopback.")
    secrets: Annotated[tuple[Annotated[SecretStr, AfterValidator(_usable_secret)], ...], Field(max_length=2)] = Field(
        min_length=1,
        description="Secret that signs each page: `whsec_` and base64, as Standard Webhooks' libraries take it, or"
        " plain text. Two while they are changed: every page is then signed with both.",
    )
    ca_file: _CaFile = None
    timeout_seconds: _Timeout = 10.0


class MailSection(Section):
    """Pages by mail (SMTP), those that are due together in one."""

    host: str = Field(min_length=1, description="The mail server that takes mail from us.")
    port: int = Field(default=587, ge=1, le=65535, description="Its port: 587 with `starttls`, 465 with `implicit`.")
    tls: Literal["starttls", "implicit", "none"] = Field(
        default="starttls", description="How the connection is secured; mail is never sent without, but on loopback."
    )
    login: RegistryLoginSection | None = Field(default=None, description="Account there, where it asks for one.")
    sender: _MailAddress = Field(description="Address that pages come from.")
    to: tuple[_MailAddress, ...] = Field(min_length=1, description="Addresses that pages go to.")
    ca_file: _CaFile = None
    timeout_seconds: _Timeout = 20.0

    @model_validator(mode="after")
    def _is_secured(self) -> Self:
        if self.tls == "none" and (self.host not in _LOOPBACK or self.login):
            raise ValueError("`tls: none` is for a server on loopback without `login`: take starttls or implicit")
        return self


class AlertmanagerSection(Section):
    """Pages as alerts of Prometheus' Alertmanager (API v2); one step for each member of its cluster."""

    url: _WebAddress = Field(description="Its address, without `/api/v2/alerts`; https unless on loopback.")
    login: RegistryLoginSection | None = Field(default=None, description="Account there (HTTP's basic one).")
    labels: Mapping[str, str] = Field(
        default_factory=dict, description="Further labels of each alert, by which its routes tell steps apart."
    )
    ca_file: _CaFile = None
    timeout_seconds: _Timeout = 10.0

    @field_validator("login")
    @classmethod
    def _is_for_http(cls, login: RegistryLoginSection | None) -> RegistryLoginSection | None:
        if login and ":" in login.username:
            raise ValueError("username: no colon in it (RFC 7617)")
        return login

    @field_validator("labels")
    @classmethod
    def _are_names(cls, labels: Mapping[str, str]) -> Mapping[str, str]:
        if wrong := [name for name in labels if not (name.isascii() and name.isidentifier())]:
            raise ValueError(f"{', '.join(wrong)}: a label's name is of letters, digits and `_`")
        return labels


class StepSection(Section):
    """One way of paging, and after how long it is gone: exactly one of webhook, mail and Alertmanager."""

    after_seconds: float = Field(
        default=0, ge=0, le=86_400, description="How long a page waits for somebody to take it before it goes here."
    )
    repeat_seconds: float | None = Field(
        default=None, ge=1, le=86_400, description="How often it goes here again; none: as `pages.repeat_seconds`."
    )
    webhook: WebhookSection | None = Field(default=None, description="By signed webhook.")
    mail: MailSection | None = Field(default=None, description="By mail.")
    alertmanager: AlertmanagerSection | None = Field(default=None, description="By Alertmanager.")

    @model_validator(mode="after")
    def _is_one_way(self) -> Self:
        if len(self._channels) != 1:
            raise ValueError("exactly one of `webhook`, `mail`, `alertmanager`")
        return self

    @property
    def channel(self) -> WebhookSection | MailSection | AlertmanagerSection:
        """How it pages."""
        (channel,) = self._channels
        return channel

    @property
    def _channels(self) -> tuple[WebhookSection | MailSection | AlertmanagerSection, ...]:
        return tuple(channel for channel in (self.webhook, self.mail, self.alertmanager) if channel is not None)

    def from_folder(self, folder: Path) -> Self:
        """Return the same with paths that are meant from `folder`."""
        channel = self.channel
        if channel.ca_file is None:
            return self
        name = next(name for name in ("webhook", "mail", "alertmanager") if getattr(self, name) is channel)
        return self.model_copy(update={name: channel.model_copy(update={"ca_file": folder / channel.ca_file})})


class LinkSection(Section):
    """The link in a page by which somebody takes it; the pager serves it."""

    url: _WebAddress = Field(description="Where people reach the pager, e.g. https://hub.example.org/pages.")
    secret: SecretStr = Field(min_length=16, description="Key that links are made with; at least 16 characters.")
    valid_minutes: float = Field(
        default=60, ge=1, le=1440, description="How long a link can be used; each repeat brings a new one."
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on; beyond loopback with a certificate only.")
    port: int = Field(default=8088, ge=1, le=65535, description="TCP port to listen on.")
    certificate_file: Path | None = Field(
        default=None, description="PEM file of our certificate with its chain; needed unless `host` is loopback."
    )
    key_file: Path | None = Field(default=None, description="PEM file of our key; none: it is in `certificate_file`.")

    @model_validator(mode="after")
    def _is_secured(self) -> Self:
        if self.host not in _LOOPBACK and not self.certificate_file:
            raise ValueError("`certificate_file` must be set unless `host` is a loopback address")
        return self

    def from_folder(self, folder: Path) -> Self:
        """Return the same with paths that are meant from `folder`."""
        names = ("certificate_file", "key_file")
        return self.model_copy(update={name: folder / path for name in names if (path := getattr(self, name))})


class PagesSection(Section):
    """Pages of operations: to whom they go out until somebody takes them. The role `pager` sends them."""

    repeat_seconds: float = Field(
        default=300, ge=1, le=86_400, description="How often a page that nobody has taken goes out again."
    )
    steps: dict[str, StepSection] = Field(
        default_factory=dict, description="Steps by name. None: pages stand on their topic and in the log alone."
    )
    link: LinkSection | None = Field(
        default=None, description="Link by which a page is taken; none: `hub pages take` alone."
    )

    @field_validator("steps")
    @classmethod
    def _are_names(cls, steps: dict[str, StepSection]) -> dict[str, StepSection]:
        if wrong := [name for name in steps if not _NAME.fullmatch(name)]:
            raise ValueError(f"{', '.join(wrong)}: a step's name is of small letters, digits and `-`, 40 at most")
        return steps

    @field_validator("steps")
    @classmethod
    def _one_is_at_once(cls, steps: dict[str, StepSection]) -> dict[str, StepSection]:
        if steps and all(step.after_seconds > 0 for step in steps.values()):
            raise ValueError("one step at least has `after_seconds: 0`, else nobody is paged at once")
        return steps

    def repeat_of(self, step: str) -> float:
        """Return how often a step repeats, in seconds."""
        return self.steps[step].repeat_seconds or self.repeat_seconds

    def level_of(self, step: str) -> int:
        """Return the level of escalation that a step is of, 1 for those at once."""
        return sorted({each.after_seconds for each in self.steps.values()}).index(self.steps[step].after_seconds) + 1

    def from_folder(self, folder: Path) -> Self:
        """Return the same with paths that are meant from `folder`."""
        link = self.link and self.link.from_folder(folder)
        steps = {name: step.from_folder(folder) for name, step in self.steps.items()}
        return self.model_copy(update={"steps": steps, "link": link})
