"""Webhook, mail and Alertmanager: what they send, and what they make of a far end that refuses; then it recovers."""

from __future__ import annotations

import json
import ssl
import subprocess
from datetime import UTC, datetime
from email import message_from_bytes

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from bondmate_connectors.errors import ConnectorError
from bondmate_hub.broker.child import free_port
from bondmate_hub.pages.book import Happened
from bondmate_hub.pages.channels import channel_of, code_of
from bondmate_hub.pages.notices import Notice, alert_of, mail_of
from bondmate_hub.settings.pages import StepSection
from bondmate_schemas.enums import Mode
from bondmate_schemas.models import OperationsPage
from page_receivers import inbox
from standardwebhooks import Webhook
from tcp_server import listening

NOW = datetime(2026, 12, 1, 3, 0, 5, tzinfo=UTC)
LINK = f"https://hub.example/p/{'t' * 150}"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # pragma: allowlist secret


def notice(number: int = 1, happened: Happened = Happened.RAISED, link: str = LINK) -> Notice:
    page = OperationsPage(page_id="page-1", reason="alert_unanswered", subject="alert-1", incident_id="incident-1",
                          mode=Mode.ACTUAL, waited_seconds=60, raised_at=NOW.replace(second=0))  # fmt: skip
    return Notice(page, happened, number, 1, NOW, "hub-1", link)


async def sent(channel, *notices: Notice) -> str:
    """Send; return the code of why not, or nothing."""
    try:
        await channel.open()
        await channel.send(notices)
    except ConnectorError as error:
        return code_of(error)
    finally:
        await channel.close()
    return ""


async def test_a_webhook_is_signed_so_that_standard_webhooks_own_library_takes_it():
    with inbox() as found:
        channel = channel_of(
            StepSection(webhook={"url": f"http://127.0.0.1:{found.port}/", "secrets": [SECRET]}),
            lambda: datetime.now(UTC),
        )
        found.status = 500
        refused = await sent(channel, notice())
        found.status = 200
        taken = await sent(channel, notice())
    ((headers, body),) = found.posts
    lower = {name.lower(): value for name, value in headers.items()}

    assert ("http_500", "") == (refused, taken)
    assert json.loads(body) == Webhook(SECRET).verify(body, lower)
    assert "page-1.raised.1" == lower["webhook-id"]
    assert {
        "type": "page.raised",
        "timestamp": "2026-12-01T03:00:05.000Z",
        "data": {
            "page_id": "page-1", "reason": "alert_unanswered", "mode": "ACTUAL", "subject": "alert-1",
            "incident_id": "incident-1", "raised_at": "2026-12-01T03:00:00.000Z", "open_seconds": 65, "level": 1,
            "number": 1, "hub": "hub-1", "link": LINK,
        },
    } == json.loads(body)  # fmt: skip


async def test_alertmanager_is_told_of_open_pages_and_of_ends_with_its_login():
    with inbox() as found:
        section = {"url": f"http://127.0.0.1:{found.port}/am", "login": {"username": "hub", "password": "pw"}}
        channel = channel_of(StepSection(alertmanager=section), lambda: NOW)
        outcome = await sent(channel, notice(), notice(2, Happened.TAKEN, ""))
    ((headers, _),) = found.posts
    ((raised, taken),) = found.documents()

    assert ("", "Basic aHViOnB3") == (outcome, headers["Authorization"])
    assert raised["labels"] == taken["labels"]
    assert ("2026-12-02T03:00:05.000Z", "2026-12-01T03:00:05.000Z") == (raised["endsAt"], taken["endsAt"])
    assert LINK == raised["generatorURL"]


def test_an_alert_never_ends_before_it_began_whatever_the_clocks_say():
    found = notice(happened=Happened.OVER)
    early = Notice(found.page, found.happened, 1, 1, NOW.replace(year=2025), "hub-1")

    assert alert_of(early, {})["startsAt"] < alert_of(early, {})["endsAt"]


def test_a_mail_has_one_id_at_every_attempt_and_no_line_of_its_subject_is_another_header():
    page = notice().page.model_copy(update={"subject": "a\r\nBcc: x@example.org"})
    wrong = Notice(page, Happened.RAISED, 1, 1, NOW, "hub-1")
    mails = [mail_of([wrong], "hub@ops.example", ["duty@ops.example"]) for _ in range(2)]

    assert 1 == len({mail["Message-ID"] for mail in mails})
    assert (None, "auto-generated") == (mails[0]["Bcc"], mails[0]["Auto-Submitted"])
    assert mails[0]["Message-ID"] != mail_of([notice(2)], "hub@ops.example", ["duty@ops.example"])["Message-ID"]


class Handler:
    """Takes mail, or answers what it is told to."""

    def __init__(self) -> None:
        self.mails, self.answers = [], {}

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802  # aiosmtpd's name
        if address in self.answers:
            return self.answers[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802  # as above
        if "data" in self.answers:
            return self.answers["data"]
        self.mails.append((tuple(envelope.rcpt_tos), message_from_bytes(envelope.content)))
        return "250 OK"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mail")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
         "key.pem", "-out", "cert.pem", "-subj", "/CN=mail", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    return folder


@pytest.fixture
def server(certificate):
    """A mail server by STARTTLS and login, and the settings that reach it."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    handler, port = Handler(), free_port()

    def login(server, session, envelope, mechanism, data):
        return AuthResult(success=(data.login, data.password) == (b"hub", b"right"), handled=False)

    controller = Controller(handler, hostname="127.0.0.1", port=port, tls_context=context, require_starttls=True,
                            auth_required=True, authenticator=login)  # fmt: skip
    controller.start()
    settings = {"host": "127.0.0.1", "port": port, "sender": "hub@ops.example", "to": ["a@ops.example", "b@ops.example"],
                "ca_file": certificate / "cert.pem", "login": {"username": "hub", "password": "right"}}  # fmt: skip
    try:
        yield handler, settings
    finally:
        controller.stop()


async def test_pages_go_together_in_one_mail_over_tls_with_a_login(server):
    handler, settings = server
    outcome = await sent(channel_of(StepSection(mail=settings), lambda: NOW), notice(), notice(2, Happened.TAKEN, ""))
    ((to, mail),) = handler.mails

    assert ("", ("a@ops.example", "b@ops.example")) == (outcome, to)
    assert "[hub-1] raised alert_unanswered ACTUAL alert-1, taken alert_unanswered ACTUAL alert-1" == mail[
        "Subject"
    ].replace("\r\n", "")
    assert f"  {LINK}" in mail.get_payload().splitlines()


@pytest.mark.parametrize(
    ("change", "answers", "code"),
    [
        ({"login": {"username": "hub", "password": "wrong"}}, {}, "smtp_login"),
        ({"login": None}, {}, "smtp_530"),
        ({"ca_file": None}, {}, "tls_certificate"),
        ({"tls": "implicit"}, {}, "tls_refused"),
        ({}, {"data": "451 later"}, "smtp_451"),
        ({}, {"a@ops.example": "550 no", "b@ops.example": "550 no"}, "smtp_recipients_refused"),
    ],
)
async def test_a_mail_that_is_not_taken_says_why_and_is_taken_when_that_is_mended(server, change, answers, code):
    handler, settings = server
    handler.answers = answers
    refused = await sent(channel_of(StepSection(mail=settings | change), lambda: NOW), notice())
    handler.answers = {}
    taken = await sent(channel_of(StepSection(mail=settings), lambda: NOW), notice())

    assert (code, "") == (refused, taken)
    assert 1 == len(handler.mails)


async def test_one_wrong_address_keeps_the_page_from_nobody_else(server):
    handler, settings = server
    handler.answers = {"a@ops.example": "550 gone"}
    outcome = await sent(channel_of(StepSection(mail=settings), lambda: NOW), notice())

    assert ("", [("b@ops.example",)]) == (outcome, [to for to, _ in handler.mails])


async def test_a_server_that_is_not_there_or_says_nothing_is_given_up_in_time():
    async def silent(reader, _):
        await reader.read()

    settings = {"host": "127.0.0.1", "sender": "a@b.example", "to": ["c@d.example"], "timeout_seconds": 0.2}
    absent = await sent(channel_of(StepSection(mail=settings | {"port": free_port()}), lambda: NOW), notice())
    async with listening(silent) as port:
        silence = await sent(channel_of(StepSection(mail=settings | {"port": port}), lambda: NOW), notice())

    assert ("unreachable", "timeout") == (absent, silence)
