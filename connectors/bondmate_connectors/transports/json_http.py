"""JSON over HTTP to one platform, with a bearer token: what most interfaces of control rooms are.

Errors are those of `http_client`; besides, an answer that is no JSON is `Transient("not_json")`.
"""

from __future__ import annotations

from typing import Any, Final, Self
from urllib.parse import unquote

import orjson
from pydantic import Field, SecretStr
from yarl import URL

from bondmate_connectors.contract import ConnectorConfig, Context, Proof
from bondmate_connectors.errors import Rejected, Transient
from bondmate_connectors.transports.addresses import AddressPolicy, WebAddress, is_loopback_host
from bondmate_connectors.transports.http_client import ADDRESS_REFUSED, HttpClient
from bondmate_connectors.transports.tls import TlsConfig

_MEDIA_TYPE: Final = "application/json"
_UPWARD: Final = frozenset({".", ".."})


class JsonHttpConfig(ConnectorConfig):
    """Where a platform answers, and how we prove to it who we are."""

    url: WebAddress = Field(description="Address of the platform's interface; https unless on loopback.")
    token: SecretStr = Field(min_length=1, description="Bearer token that the platform gave us.")
    timeout_seconds: float = Field(default=10.0, gt=0, le=120, description="How long one request may take.")
    allow_private_networks: bool = Field(
        default=False, description="Whether `url` may resolve to a private address (RFC 1918, RFC 4193)."
    )
    tls: TlsConfig | None = Field(
        default=None, description="Authority to trust and own certificate; system's when not set."
    )

    @property
    def proof(self) -> Proof:
        """What its answers prove: over https that it is the platform, else that it is on this machine."""
        return Proof.LOGIN if URL(self.url).scheme == "https" else Proof.LOOPBACK


class JsonHttp:
    """The link to one platform; opened and closed by its connector, or used as an async context."""

    def __init__(self, config: JsonHttpConfig, context: Context) -> None:
        self._url = URL(config.url.rstrip("/") + "/")
        policy = AddressPolicy(
            private_networks=config.allow_private_networks, loopback=is_loopback_host(self._url.host)
        )
        self._client = HttpClient(policy, context.clock, timeout_seconds=config.timeout_seconds, tls=config.tls)
        self._headers = {
            "Authorization": f"Bearer {config.token.get_secret_value()}",
            "Accept": _MEDIA_TYPE,
            "Content-Type": _MEDIA_TYPE,
        }

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Get ready to ask; idempotent, connects to nothing. Raises Misconfigured when a file of `tls` is unusable."""
        await self._client.open()

    async def close(self) -> None:
        """Close every connection; idempotent."""
        await self._client.close()

    async def call(self, method: str, path: str, body: object = None) -> Any:
        """Ask once for `path` below the platform's address and return the document it answers, None for no content.

        `body` is a document, or the bytes of one.

        Raises:
            NotConnected: not open, or cut.
            Rejected("address_refused"): `path` leads elsewhere than below the platform's address; nobody was asked.
            AuthFailed, Misconfigured, Rejected, Throttled, Transient: by the table at the head of `http_client`.
        """
        sent = body if body is None or isinstance(body, bytes) else orjson.dumps(body)
        answer = await self._client.request(method, self._below(path), headers=self._headers, body=sent)
        try:
            return orjson.loads(answer.body) if answer.body else None
        except orjson.JSONDecodeError:
            raise Transient("not_json") from None

    def _below(self, path: str) -> URL:
        """Return the address of `path`; refuse one that something unquoted in it leads elsewhere: the token goes along.

        Raises:
            Rejected: it is another's address, or not below ours.
        """
        try:
            found = self._url.join(URL(path))
        except ValueError:
            raise Rejected(ADDRESS_REFUSED) from None
        steps = path.partition("?")[0].partition("#")[0].split("/")
        is_ours = (found.scheme, found.raw_authority) == (self._url.scheme, self._url.raw_authority)
        if (
            not is_ours
            or not found.raw_path.startswith(self._url.raw_path)
            or _UPWARD.intersection(map(unquote, steps))
        ):
            raise Rejected(ADDRESS_REFUSED)
        return found
