"""The settings of pages: what cannot work is refused with its place, and what changes is taken while the role runs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from bondmate_hub.pages import role
from bondmate_hub.roles.run import ROLES, roles_of
from bondmate_hub.settings import SettingsError, load

HOOK = 'webhook: {url: "https://duty.example/", secrets: [whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw]}'  # pragma: allowlist secret
MAIL = "mail: {host: mail.example, sender: a@b.example, to: [c@d.example]}"


def loaded(folder: Path, text: str):
    (folder / "hub.yaml").write_text(text)
    return load(folder / "hub.yaml")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"pages: {{steps: {{a: {{after_seconds: 5, {HOOK}}}}}}}", "pages.steps: one step at least has `after_seconds: 0`"),
        (f"pages: {{steps: {{a: {{{HOOK}, {MAIL}}}}}}}", "exactly one of `webhook`, `mail`, `alertmanager`"),
        ("pages: {steps: {a: {}}}", "exactly one of"),
        ('pages: {steps: {a: {webhook: {url: "http://duty.example/", secrets: [x]}}}}', "https, unless the host is a loopback"),
        ('pages: {steps: {a: {webhook: {url: "https://d.example/", secrets: [whsec_%]}}}}', "not base64 after whsec_"),
        ('pages: {steps: {a: {webhook: {url: "https://d.example/", secrets: []}}}}', "at least 1 item"),
        ("pages: {steps: {a: {mail: {host: m.example, tls: none, sender: a@b.example, to: [c@d.example]}}}}", "`tls: none` is for a server on loopback"),
        ("pages: {steps: {a: {mail: {host: m.example, sender: a@b.example, to: ['c@d, e@f']}}}}", "one mail address"),
        ('pages: {steps: {a: {alertmanager: {url: "https://am.example", labels: {a-b: c}}}}}', "a label's name"),
        ("pages: {link: {url: 'https://h.example', secret: sixteen-or-more-x, host: 0.0.0.0}}", "`certificate_file` must be set"),
        (f"pages: {{steps: {{A B: {{{HOOK}}}}}}}", "a step's name is of small letters"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_with_its_place(tmp_path: Path, text: str, told: str):
    with pytest.raises(SettingsError) as error:
        loaded(tmp_path, text)

    assert told in str(error.value)
    assert str(error.value).startswith(f"{tmp_path / 'hub.yaml'}:1:")


def test_levels_and_repeats_follow_from_the_steps_and_files_are_meant_from_the_folder(tmp_path: Path):
    pages = loaded(tmp_path, f"""
pages:
  repeat_seconds: 60
  steps:
    chief: {{after_seconds: 900, {MAIL.replace("{host", "{ca_file: ca.pem, host")}}}
    duty: {{{HOOK}}}
    room: {{repeat_seconds: 5, {HOOK}}}
""").pages  # fmt: skip

    assert {"chief": 2, "duty": 1, "room": 1} == {name: pages.level_of(name) for name in pages.steps}
    assert {"chief": 60, "duty": 60, "room": 5} == {name: pages.repeat_of(name) for name in pages.steps}
    assert tmp_path / "ca.pem" == pages.steps["chief"].channel.ca_file


def test_a_hub_without_steps_has_no_pager_among_all_its_roles(tmp_path: Path):
    assert set(ROLES) - {"pager", "drills"} == set(roles_of(loaded(tmp_path, "instance: a")))
    assert set(ROLES) - {"drills"} == set(roles_of(loaded(tmp_path, f"pages: {{steps: {{a: {{{HOOK}}}}}}}")))


async def test_a_secret_that_changes_is_taken_and_half_a_file_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(role, "_LOOK_SECONDS", 0.05)
    (tmp_path / "secret").write_text("old")
    settings = loaded(tmp_path, 'pages: {steps: {a: {webhook: {url: "https://d.example/", secrets: [!file secret]}}}}')
    changed = asyncio.create_task(role._changed(settings))
    await asyncio.sleep(0.3)
    (tmp_path / "secret").write_text("whsec_%")
    await asyncio.sleep(0.5)
    still = changed.done()
    (tmp_path / "secret").write_text("new one")
    fresh = await asyncio.wait_for(changed, 20)

    assert not still
    assert "new one" == fresh.pages.steps["a"].channel.secrets[0].get_secret_value()
