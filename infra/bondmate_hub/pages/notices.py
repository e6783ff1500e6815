"""Notices: what goes out of a page, worded for each channel. Codes, ids and times only: nothing is in any language.

Sources: Standard Webhooks 1.0.0 (payload); Alertmanager API v2, `postableAlerts`; RFC 5322 and RFC 3834 of mail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any, Final

import orjson
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import OperationsPage

from bondmate_hub.pages.book import Happened

__all__ = ["Notice", "alert_of", "mail_of", "webhook_body"]

_HELD: Final = timedelta(days=1)
"""Alertmanager ends an alert by itself after that, so never while a pager is away for some hours."""
_SHORTEST: Final = timedelta(milliseconds=1)
_POLICY: Final = SMTP.clone(max_line_length=998)
"""Lines as long as RFC 5322 allows: no link is broken in two, also for who reads mail undecoded."""
_NAMED: Final = 3
"""How many pages the subject of a mail names."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One page as it goes to one step: the `number`-th time, with the link by which it is taken where there is one."""

    page: OperationsPage
    happened: Happened
    number: int
    level: int
    at: datetime
    hub: str
    link: str = ""

    @property
    def id(self) -> str:
        """The same at every attempt to send it."""
        return f"{self.page.page_id}.{self.happened}.{self.number}"

    def facts(self) -> dict[str, Any]:
        """Return what is told of the page, by name; what there is not is left out."""
        page = self.page
        told = {
            "page_id": page.page_id,
            "reason": page.reason,
            "mode": page.mode.value,
            "subject": page.subject,
            "incident_id": page.incident_id,
            "agency_id": page.agency_id,
            "raised_at": _utc(page.raised_at),
            "open_seconds": round(page.waited_seconds + (self.at - page.raised_at).total_seconds()),
            "level": self.level,
            "number": self.number,
            "hub": self.hub,
            "link": self.link,
        }
        return {name: value for name, value in told.items() if value not in {None, ""}}


def webhook_body(notice: Notice) -> bytes:
    """Return the payload of a webhook: `type`, `timestamp`, `data`."""
    document = {"type": f"page.{notice.happened}", "timestamp": _utc(notice.at), "data": notice.facts()}
    return orjson.dumps(document)


def alert_of(notice: Notice, labels: dict[str, str]) -> dict[str, Any]:
    """Return an alert for Alertmanager: open for a day from now, or ended now."""
    page = notice.page
    named = {"page_id": page.page_id, "reason": page.reason, "mode": page.mode.value, "subject": page.subject}
    if page.agency_id:
        named["agency_id"] = page.agency_id
    is_open = notice.happened is Happened.RAISED
    ends_at = notice.at + _HELD if is_open else max(notice.at, page.raised_at + _SHORTEST)
    told = {name: str(value) for name, value in notice.facts().items() if name not in {*named, "hub", "link"}}
    alert: dict[str, Any] = {
        "labels": {"alertname": "BondMatePage", "severity": "page", "hub": notice.hub, **named, **labels},
        "annotations": {"summary": f"{page.reason} {page.subject}", **told},
        "startsAt": _utc(page.raised_at),
        "endsAt": _utc(ends_at),
    }
    return alert | ({"generatorURL": notice.link} if notice.link else {})


def mail_of(notices: Sequence[Notice], sender: str, to: Sequence[str]) -> EmailMessage:
    """Return the mail that carries `notices`; sent again it has the same Message-ID."""
    first = notices[0]
    message = EmailMessage(policy=_POLICY)
    message["From"] = sender
    message["To"] = ", ".join(to)
    message["Date"] = format_datetime(first.at)
    message["Subject"] = _subject(notices)
    domain = sender.rpartition("@")[2]
    message["Message-ID"] = f"<{derived_id('page-mail', *(notice.id for notice in notices), *to)}@{domain}>"
    # No robot answers it (RFC 3834, 5).
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n".join(_block(notice) for notice in notices))
    return message


def _subject(notices: Sequence[Notice]) -> str:
    named = ", ".join(
        f"{notice.happened} {notice.page.reason} {notice.page.mode.value} {notice.page.subject}"
        for notice in notices[:_NAMED]
    )
    more = f" +{len(notices) - _NAMED}" if len(notices) > _NAMED else ""
    # What a line break would do to a header stays out of it; so does what no line holds.
    return " ".join(f"[{notices[0].hub}] {named}{more}".split())[:200]


def _block(notice: Notice) -> str:
    lines = [f"{notice.happened} {notice.page.reason}"]
    lines += [f"  {name:13} {value}" for name, value in notice.facts().items() if name not in {"reason", "link"}]
    return "\n".join([*lines, *([f"  {notice.link}"] if notice.link else []), ""])


def _utc(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
