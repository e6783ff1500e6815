"""What somebody has who begins: a folder that lint finds nothing wrong with, events to try, secrets that libraries take."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from bondmate_connectors.transports.hmac_signature import SIGNATURE, SignatureRefused, key_of, new_secret, sign, verify
from bondmate_gateway.enrolment.commands import Enrolment, enrol
from bondmate_gateway.http.requests import AlertRequest, LocationsRequest, ReportRequest
from bondmate_hub.cli import app
from bondmate_hub.lint import lint
from bondmate_hub.new_hub import NewHubError, create, write_secret
from bondmate_hub.samples import KINDS, event, request_body
from how_to import HowTo
from standardwebhooks import Webhook, WebhookVerificationError
from typer.testing import CliRunner

BODY = '<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><note>Ñ 日本</note></alert>'
NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


def run(*arguments: str, given: str | None = None):
    return CliRunner().invoke(app, [*arguments], input=given, env={"COLUMNS": "1000"})


def test_the_first_folder_draws_the_one_warning_that_every_hub_has_and_is_for_its_owner_alone(tmp_path, monkeypatch):
    files = create(tmp_path / "mine")
    monkeypatch.chdir(tmp_path / "mine")

    assert ["broker-trusted"] == [each.rule for each in lint(Path("hub.yaml"), None)]
    assert {0o600} == {stat.S_IMODE(file.stat().st_mode) for file in files}
    assert 0o700 == stat.S_IMODE(Path("secrets").stat().st_mode)
    assert enrol(Path("devices.yaml"), Enrolment("bm-0001", "pd-north", "ACTUAL")).startswith("bmd_")


def test_the_first_files_are_those_of_the_how_to_and_take_another_agency(tmp_path):
    create(tmp_path, "county.9")

    shown = HowTo("connect-a-control-room").files()
    for name in ("hub.yaml", "routes.yaml"):
        assert shown[name].replace("pd-north", "county.9") == (tmp_path / name).read_text()


def test_what_is_there_is_left_as_it_is(tmp_path):
    (tmp_path / "routes.yaml").write_text("mine")
    refused = run("init", str(tmp_path))

    assert (2, True) == (refused.exit_code, "routes.yaml in" in refused.output)
    assert ["routes.yaml"] == [path.name for path in tmp_path.iterdir()]
    with pytest.raises(NewHubError, match="--agency"):
        create(tmp_path / "other", "pd north")
    with pytest.raises(NewHubError, match="cannot be written"):
        create(tmp_path / "routes.yaml" / "below")


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_goes_through_explain_as_it_is_printed(tmp_path, monkeypatch, kind):
    create(tmp_path)
    monkeypatch.chdir(tmp_path)
    printed = run("sample", kind, "--mode", "ACTUAL")
    explained = run("route", "explain", "-", given=printed.stdout)

    assert (0, 0) == (printed.exit_code, explained.exit_code), explained.output
    told = {"sos": "alerts -> cap-room: taken", "fix": "alerts: no match", "report": "alerts: no match"}
    assert told[kind] in explained.stdout


def test_a_sample_is_what_the_gateway_takes_and_each_one_is_another():
    for kind, model in (("sos", AlertRequest), ("fix", LocationsRequest), ("report", ReportRequest)):
        body = request_body(kind, NOW)
        assert model.model_validate_json(json.dumps(body))
        assert body["message_id"] != request_body(kind, NOW)["message_id"]
    made = [event("sos", NOW, agency="a", device="d", mode="TEST")["header"] for _ in range(2)]

    assert ("a", "TEST") == (made[0]["agency_id"], made[0]["mode"])
    assert made[0]["event_id"] != made[1]["event_id"]
    assert 2 == run("sample", "sso").exit_code == run("sample", "sos", "--mode", "REAL").exit_code


def test_a_secret_is_written_for_its_owner_and_replaced_only_where_that_is_said(tmp_path):
    file = tmp_path / "secrets" / "room"
    made = run("secrets", "new", str(file))
    first = file.read_text()
    refused = run("secrets", "new", str(file))
    write_secret(file, replace=True)

    assert (0, "", 2) == (made.exit_code, made.stdout, refused.exit_code)
    assert (0o600, 0o700) == (stat.S_IMODE(file.stat().st_mode), stat.S_IMODE(file.parent.stat().st_mode))
    assert first != file.read_text()
    assert 24 == len(key_of(run("secrets", "new").stdout.strip()))


def test_the_public_library_verifies_what_we_sign_with_a_secret_that_we_made():
    secret = new_secret()
    headers = sign([key_of("whsec_" + "b2xk" * 8), key_of(secret)], "m-1", BODY.encode(), datetime.now(UTC))

    assert 2 == len(headers[SIGNATURE].split())
    assert Webhook(secret).verify(BODY, headers, json_parse=False) is None
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(BODY, headers, json_parse=False)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY + " ", headers, json_parse=False)


def test_we_verify_what_the_public_library_signs():
    secret, now = new_secret(), datetime.now(UTC)
    signature = Webhook(secret).sign("m-1", now, BODY)
    headers = {"webhook-id": "m-1", "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}

    assert "m-1" == verify([key_of(secret)], headers.items(), BODY.encode(), now)
    with pytest.raises(SignatureRefused):
        verify([key_of(new_secret())], headers.items(), BODY.encode(), now)


@pytest.mark.parametrize(
    "secret", ["whsec_" + "YWJj" * 8, "whsec_" + "YWJj" * 8 + "YQ", "whsec_" + "YWJj" * 8 + "YQ=="]
)
def test_a_secret_means_the_same_bytes_to_both_with_padding_or_without(secret):
    headers = sign([key_of(secret)], "m-1", BODY.encode(), datetime.now(UTC))

    assert Webhook(secret).verify(BODY, headers, json_parse=False) is None
    assert b"plain text" == key_of("plain text")
    with pytest.raises(ValueError, match="not base64 after whsec_"):
        key_of("whsec_no*base64")
