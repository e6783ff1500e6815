"""Hub to control room: each Delivery posted as one signed CAP document."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

import orjson
from bondmate_schemas.enums import DeliveryReason, Level
from bondmate_schemas.labels import Labels
from bondmate_schemas.models import Delivery
from yarl import URL

from bondmate_connectors.contract import Context, Receipt, Refusal
from bondmate_connectors.errors import AuthFailed, Rejected
from bondmate_connectors.formats.cap.codes import MEDIA_TYPE
from bondmate_connectors.formats.cap.write import compose, compose_leanest
from bondmate_connectors.platforms.cap_webhook.config import DeliverConfig
from bondmate_connectors.transports.addresses import AddressPolicy, is_loopback_host
from bondmate_connectors.transports.hmac_signature import sign
from bondmate_connectors.transports.http_client import HttpAnswer, HttpClient

REFUSED_INSIDE: Final = "refused_by_platform"
"""Code of an answer whose status says success and whose body says failure."""

_REMEMBERED: Final = 10_000
_LONGEST_ID: Final = 256
_FAILURES: Final = frozenset({"error", "failed", "failure", "fail", "rejected", "refused", "nok", "invalid"})
_ONLY_POST: Final = frozenset({400, 404, 405, 406, 415, 422, 501})
"""What a service that takes only POST answers a GET; 501 is that of Python's own server."""

Compose = Callable[[Delivery, tuple[str, ...], datetime | None, Labels], bytes | Refusal]


class CapSink:
    """Posts; keeps nothing but the times of what it sent, so that later messages can refer to them."""

    def __init__(self, config: DeliverConfig, context: Context) -> None:
        self._config = config
        self._keys = config.keys
        self._context = context
        self._labels = Labels(config.language)
        self._raised: OrderedDict[str, datetime] = OrderedDict()
        self._client = self._new_client()

    async def open(self) -> None:
        """Make the session; raises Misconfigured when a certificate file cannot be used."""
        await self._client.open()

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()

    async def send(self, event: Delivery) -> Receipt:
        """Post `event`; see `Sink.send`."""
        return await self._post(event, compose, _message_id(event))

    async def send_lean(self, event: Delivery) -> Receipt:
        """Post an alert in its leanest form; see `LeanSink.send_lean`.

        Another message, since it has other bytes: a room that remembers ids would answer as it did to the whole.
        """
        return await self._post(event, compose_leanest, f"{_message_id(event)}-lean")

    async def _post(self, event: Delivery, compose: Compose, message_id: str) -> Receipt:
        document = compose(event, self._config.addresses, self._raised.get(event.header.event_id), self._labels)
        if isinstance(document, Refusal):
            raise Rejected(document.code, document.path)
        headers = self._signed(message_id, document)
        headers |= {"Content-Type": MEDIA_TYPE, "Idempotency-Key": message_id}
        answer = await self._client.request(
            "POST", URL(self._config.url), headers=headers, body=document, pages=self._config.answers_pages
        )
        receipt = receipt_of(answer)
        self._remember(event)
        return receipt

    async def check(self) -> None:
        """Ask for nothing with a signed GET: whoever wants to see the signature can, and nothing is created.

        A room that takes only POST answers that it does not take this; that it answers is what can be proved then.
        """
        now = self._context.clock()
        headers = self._signed(f"check-{int(now.timestamp() * 1000)}", b"")
        # Its own: `check` may run before `connect`, and beside it.
        client = self._new_client()
        await client.open()
        try:
            answer = await client.ask("GET", URL(self._config.check_url or self._config.url), headers=headers)
        finally:
            await client.close()
        if self._config.check_url is not None or answer.status not in _ONLY_POST:
            _raise_for_check(answer, now, pages=self._config.answers_pages)

    def _new_client(self) -> HttpClient:
        config = self._config
        return HttpClient(
            AddressPolicy(
                private_networks=config.allow_private_networks, loopback=is_loopback_host(URL(config.url).host)
            ),
            self._context.clock,
            timeout_seconds=config.timeout_seconds,
            tls=config.tls,
        )

    def _signed(self, message_id: str, body: bytes) -> dict[str, str]:
        login = self._config.login
        headers = {"Authorization": login.basic()} if login else {}
        return headers | (sign(self._keys, message_id, body, self._context.clock()) if self._keys else {})

    def _remember(self, event: Delivery) -> None:
        if event.reason is DeliveryReason.NEW and event.receipt is None:
            self._raised[event.header.event_id] = event.event.header.occurred_at
            while len(self._raised) > _REMEMBERED:
                self._raised.popitem(last=False)


def _message_id(event: Delivery) -> str:
    # Ids may hold anything; headers may not.
    return quote(event.id, safe=":@+")


def receipt_of(answer: HttpAnswer) -> Receipt:
    """Read an answer of success: with a record of theirs it is accepted, without one only delivered.

    Raises:
        Rejected: the body says that it failed after all.
    """
    body = _document(answer)
    if _says_failure(body):
        raise Rejected(REFUSED_INSIDE)
    found = body.get("id")
    platform_id = str(found) if isinstance(found, (str, int)) and not isinstance(found, bool) else ""
    platform_id = platform_id.strip() or answer.headers.get("Location", "").strip()
    # A header may hold bytes of any encoding, and a text half a surrogate pair: no record can carry either.
    platform_id = platform_id.encode("utf-8", "replace").decode()
    if not platform_id:
        return Receipt(Level.DELIVERED)
    return Receipt(Level.ACCEPTED, platform_id[:_LONGEST_ID])


def _raise_for_check(answer: HttpAnswer, now: datetime, *, pages: bool) -> None:
    try:
        answer.raise_for_status(now)
    except Rejected as refused:
        raise AuthFailed(refused.code, "see check_url") from None
    if not pages:
        answer.raise_for_page()


def _document(answer: HttpAnswer) -> Mapping[str, Any]:
    try:
        body = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _says_failure(body: Mapping[str, Any]) -> bool:
    status = body.get("status")
    failed = isinstance(status, str) and status.strip().casefold() in _FAILURES
    return failed or body.get("success") is False or body.get("ok") is False or bool(body.get("error"))
