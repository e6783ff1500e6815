"""The contract suite's part of pytest: there wherever the hub is installed, without effect until a contract is used.

It stands outside of `testing`, which it must not import: pytest loads it before it can rewrite that package's asserts.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest

REFRESH = "BONDMATE_REFRESH_GOLDEN"
"""Set to 1 it means `--refresh-golden`."""

pytest.register_assert_rewrite("bondmate_connectors.testing")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of the suite."""
    parser.getgroup("bondmate", "contract suite of the connectors").addoption(
        "--refresh-golden",
        action="store_true",
        help="write golden files anew from what the formats do now; look at the difference before you commit it",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Pass the option on to the suite, and to the workers of pytest-xdist."""
    if config.getoption("--refresh-golden") and REFRESH not in os.environ:
        os.environ[REFRESH] = "1"
        config.add_cleanup(_forget)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: Sequence[pytest.Item]) -> None:
    """Report what is missing where the contract's coroutines could not be run.

    Raises:
        UsageError: pytest-asyncio is not there, or waits for a mark on each test.
    """
    if not any(getattr(getattr(item, "cls", None), "is_connector_contract", False) for item in items):
        return
    if not config.pluginmanager.has_plugin("asyncio"):
        raise pytest.UsageError("the contract suite needs pytest-asyncio: pip install 'bondmate-hub[testing]'")
    if config.getoption("asyncio_mode", None) != "auto" and config.getini("asyncio_mode") != "auto":
        raise pytest.UsageError(
            'the contract suite needs asyncio_mode = "auto": write it in pyproject.toml under [tool.pytest.ini_options]'
        )


def _forget() -> None:
    os.environ.pop(REFRESH, None)
