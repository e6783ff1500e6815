"""What every folder of tests shares: the corpus of recorded messages, and the rule that a skip in CI is a failure."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How fast examples are made and run says how busy the machine is: speeds are measured by `make bench`.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# Enough to show what a change broke, at a quarter of the time; `make test-properties` tries all.
settings.register_profile("brief", settings.get_profile("untimed"), max_examples=25)
settings.load_profile("untimed")

pytest_plugins = ["pytester", "bondmate_hub.testing"]
_WAITED_FOR = {"broker", "embedded_broker", "new_broker", "kafka"}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that wait for a broker: they take longest, and the last of them would run alone."""
    waiting = {item.path for item in items if _WAITED_FOR & set(getattr(item, "fixturenames", ()))}
    items.sort(key=lambda item: item.path not in waiting)


@pytest.fixture(scope="session")
def corpus() -> Path:
    """Give the folder of recorded messages: BONDMATE_CORPUS, else `shared/corpus` beside the repository."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "corpus"
    folder = Path(os.environ.get("BONDMATE_CORPUS") or beside)
    if not folder.is_dir():
        pytest.skip(f"no corpus of recorded messages at {folder}; set BONDMATE_CORPUS to its folder")
    return folder


@pytest.fixture(scope="session")
def cases() -> Path:
    """The folder of small inputs that broke an earlier version: `cases/2026-11` beside the corpus."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "cases" / "2026-11"
    if corpus_of_caller := os.environ.get("BONDMATE_CORPUS"):
        folder = Path(corpus_of_caller).parent / "cases" / "2026-11"
    if not folder.is_dir():
        pytest.skip(f"no cases at {folder}: they lie beside the corpus")
    return folder


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Turn a run that would have passed into a failed one when CI is set and anything was skipped."""
    if session.exitstatus == pytest.ExitCode.OK and _skips_forbidden(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which skips made the run red, and why each was skipped."""
    if skips := _skips_forbidden(config):
        terminalreporter.section("a skip in CI is a failure", red=True)
        for skip in skips:
            terminalreporter.line(skip, red=True)


def _skips_forbidden(config: pytest.Config) -> list[str]:
    # An xdist worker has no terminal reporter: its controller hears of every skip and decides alone.
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or os.environ.get("CI", "").lower() in {"", "0", "false"}:
        return []
    return sorted({f"{report.nodeid}: {_reason(report)}" for report in reporter.getreports("skipped")})


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    where = report.longrepr  # of a skip: (file, line, "Skipped: reason")
    return str(where[2]) if isinstance(where, tuple) else str(where)
