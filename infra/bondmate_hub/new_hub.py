"""A first folder of a hub that works: settings, routes, an empty device file, and secrets for its eyes alone."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bondmate_connectors.transports.hmac_signature import new_secret

__all__ = ["NewHubError", "create", "write_secret"]

_TEMPLATES: Final = Path(__file__).with_name("first_files")
_AGENCY: Final = "pd-north"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_OWN_FILE, _OWN_FOLDER = 0o600, 0o700
_DEVICES: Final = "# Written by `hub devices`.\n{}\n"
_KEPT_OUT: Final = "data/\ndevices.yaml\nsecrets/\n"


class NewHubError(Exception):
    """The files cannot be written; the message says why, and what would do."""


def create(folder: Path, agency: str = _AGENCY) -> list[Path]:
    """Write the files of a first hub into `folder`, and return them; a folder that is not there is made.

    Raises:
        NewHubError: one of the files is there already, none can be written, or the agency has no name that does.
    """
    if not _NAME.fullmatch(agency):
        raise NewHubError(
            "--agency: letters, digits, dots, hyphens and underscores, at most 64, a letter or digit first"
        )
    texts = dict(_texts(agency))
    if there := sorted(name for name in texts if (folder / name).exists()):
        raise NewHubError(f"{', '.join(there)} in {folder}: there already, and left as they are; name another folder")
    try:
        (folder / "secrets").mkdir(mode=_OWN_FOLDER, parents=True, exist_ok=True)
        for name, text in texts.items():
            _write(folder / name, text)
    except OSError as error:
        raise NewHubError(f"{folder}: cannot be written: {error.strerror}") from None
    return [folder / name for name in texts]


def write_secret(path: Path, *, replace: bool = False) -> None:
    """Write a new secret into a file that nobody else on this machine can read.

    Raises:
        NewHubError: there is such a file and `replace` is not set, or none can be written.
    """
    if path.exists() and not replace:
        raise NewHubError(f"{path} is there already: name another file, or replace its secret (--replace)")
    try:
        path.parent.mkdir(mode=_OWN_FOLDER, parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        _write(path, f"{new_secret()}\n")
    except OSError as error:
        raise NewHubError(f"{path}: cannot be written: {error.strerror}") from None


def _texts(agency: str) -> Iterator[tuple[str, str]]:
    for template in ("hub.yaml", "routes.yaml"):
        yield template, (_TEMPLATES / template).read_text(encoding="utf-8").replace(_AGENCY, agency)
    yield "devices.yaml", _DEVICES
    yield "secrets/pseudonyms", f"{new_secret()}\n"
    yield "secrets/cap-room", f"{new_secret()}\n"
    yield ".gitignore", _KEPT_OUT


def _write(path: Path, text: str) -> None:
    """Write a new file for its owner alone, whatever the umask says."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWN_FILE), "w", encoding="utf-8") as file:
        file.write(text)
