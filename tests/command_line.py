"""Our commands as their callers meet them, in this process: a new one spends a second on its imports."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from unittest.mock import patch

import bondmate_device.cli
import bondmate_hub.cli


def hub(*arguments: str, cwd: Path) -> CompletedProcess[str]:
    """Return what `hub` with these arguments printed in a folder, and its exit code."""
    with contextlib.chdir(cwd):
        return _done(bondmate_hub.cli.main, arguments)


def device(*arguments: str) -> CompletedProcess[str]:
    """Return what `python -m bondmate_device` with these arguments printed, and its exit code."""
    return _done(bondmate_device.cli.main, arguments)


def _done(main: Callable[[], int | None], arguments: tuple[str, ...]) -> CompletedProcess[str]:
    out, err = io.StringIO(), io.StringIO()
    with (
        patch.object(sys, "argv", ["command", *arguments]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            code = main()
        except SystemExit as end:
            code = end.code  # type: ignore[assignment]  # our commands end with numbers
    return CompletedProcess(arguments, code or 0, out.getvalue(), err.getvalue())
