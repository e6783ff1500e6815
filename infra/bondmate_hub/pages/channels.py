"""The channels by which pages go out: signed webhook, mail, Alertmanager. Each sends or raises.

`ConnectorError` says why it was not sent. Whatever a far end refuses it is asked again: nobody here can know when it is
mended there.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

import aiosmtplib
import orjson
import structlog
from bondmate_connectors.contract import Login
from bondmate_connectors.errors import AuthFailed, ConnectorError, Misconfigured, Rejected, Transient
from bondmate_connectors.transports.addresses import AddressPolicy, is_loopback_host
from bondmate_connectors.transports.hmac_signature import key_of, sign
from bondmate_connectors.transports.http_client import HttpClient
from bondmate_connectors.transports.tls import TlsConfig
from bondmate_connectors.transports.tls_errors import tls_refusal
from bondmate_kafka.security import Tls
from yarl import URL

from bondmate_hub.pages.notices import Notice, alert_of, mail_of, webhook_body
from bondmate_hub.settings.pages import AlertmanagerSection, MailSection, StepSection, WebhookSection

__all__ = ["Channel", "channel_of", "code_of"]

_log = structlog.get_logger(__name__)
_JSON: Final = "application/json"
_Clock = Callable[[], datetime]


class Channel(Protocol):
    """Sends notices to one far end; used by one task at a time."""

    most: int
    """How many notices go together; one that goes with others is refused with them."""

    async def open(self) -> None:
        """Make what sends; connects to nothing.

        Raises:
            Misconfigured: a certificate file cannot be used.
        """

    async def send(self, notices: Sequence[Notice]) -> None:
        """Return when the far end has taken them.

        Raises:
            ConnectorError: it has not, or nobody knows; `code_of` names why.
        """

    async def close(self) -> None:
        """Close every connection."""


def channel_of(step: StepSection, clock: _Clock) -> Channel:
    """Return the channel of a step."""
    channel = step.channel
    if isinstance(channel, MailSection):
        return _Mail(channel)
    return _Webhook(channel, clock) if isinstance(channel, WebhookSection) else _Alertmanager(channel, clock)


def code_of(error: ConnectorError) -> str:
    """Return the constant code of why something was not sent."""
    if isinstance(error, Transient):
        return error.reason
    return error.code if isinstance(error, (AuthFailed, Rejected)) else type(error).__name__


class _Webhook:
    """One signed POST for each page."""

    most = 1

    def __init__(self, config: WebhookSection, clock: _Clock) -> None:
        self._url = URL(config.url)
        self._keys = tuple(key_of(secret.get_secret_value()) for secret in config.secrets)
        self._clock = clock
        self._client = _client(self._url, clock, config.timeout_seconds, config.ca_file)

    async def open(self) -> None:
        await self._client.open()

    async def send(self, notices: Sequence[Notice]) -> None:
        for notice in notices:
            body = webhook_body(notice)
            headers = {"Content-Type": _JSON, **sign(self._keys, notice.id, body, self._clock())}
            await self._client.request("POST", self._url, headers=headers, body=body)

    async def close(self) -> None:
        await self._client.close()


class _Alertmanager:
    """One POST for many pages; sent again, an alert stays the one it is."""

    most = 100

    def __init__(self, config: AlertmanagerSection, clock: _Clock) -> None:
        self._url = URL(config.url) / "api/v2/alerts"
        self._labels = dict(config.labels)
        login = config.login
        basic = {"Authorization": Login(user=login.username, password=login.password).basic()} if login else {}
        self._headers: Mapping[str, str] = {"Content-Type": _JSON, **basic}
        self._client = _client(self._url, clock, config.timeout_seconds, config.ca_file)

    async def open(self) -> None:
        await self._client.open()

    async def send(self, notices: Sequence[Notice]) -> None:
        body = orjson.dumps([alert_of(notice, self._labels) for notice in notices])
        await self._client.request("POST", self._url, headers=self._headers, body=body)

    async def close(self) -> None:
        await self._client.close()


def _client(url: URL, clock: _Clock, timeout_seconds: float, ca_file: Path | None) -> HttpClient:
    # Operations chose these addresses themselves, and many are in their own network.
    policy = AddressPolicy(private_networks=True, loopback=is_loopback_host(url.host))
    tls = TlsConfig(ca_file=str(ca_file)) if ca_file else None
    return HttpClient(policy, clock, timeout_seconds=timeout_seconds, connections=2, tls=tls)


class _Mail:
    """One mail for many pages, over a connection of its own: pages are rare, and a server closes what idles."""

    most = 50

    def __init__(self, config: MailSection) -> None:
        self._config = config
        self._context: ssl.SSLContext | None = None

    async def open(self) -> None:
        if self._config.tls == "none":
            return
        try:
            self._context = Tls(self._config.ca_file).context()
        except OSError as error:
            raise Misconfigured("ca_file: not readable, or not what it should be") from error

    async def send(self, notices: Sequence[Notice]) -> None:
        config, login = self._config, self._config.login
        try:
            refused, _ = await aiosmtplib.send(
                mail_of(notices, config.sender, config.to),
                hostname=config.host,
                port=config.port,
                use_tls=config.tls == "implicit",
                # Never as the server likes: who stands between could leave STARTTLS out.
                start_tls=config.tls == "starttls",
                tls_context=self._context,
                username=login.username if login else None,
                password=login.password.get_secret_value() if login else None,
                timeout=config.timeout_seconds,
            )
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise _mail_error(error) from error
        if refused:
            # The others have it: to send it again would be no help to those, and a burden to these.
            _log.warning("mail not taken for some addresses", addresses=len(refused))

    async def close(self) -> None:
        """Nothing stays open."""


def _mail_error(error: Exception) -> ConnectorError:
    """Return what the runtime is told of a failed mail; the server's text may hold anything, so it stays out."""
    refusal = next((found for cause in _causes(error) if (found := tls_refusal(cause)) is not None), None)
    if refusal is not None:
        return refusal
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return AuthFailed("smtp_login", "see login")
    if isinstance(error, aiosmtplib.SMTPTimeoutError):
        return Transient("timeout")
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return Transient("smtp_recipients_refused")
    if isinstance(error, aiosmtplib.SMTPResponseException) and error.code > 0:
        return Transient(f"smtp_{error.code}")
    return Transient("unreachable" if isinstance(error, (aiosmtplib.SMTPConnectError, OSError)) else "smtp_error")


def _causes(error: BaseException | None) -> list[BaseException]:
    found = []
    while error is not None:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found
