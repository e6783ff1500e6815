"""What all contract classes share: rules, waivers, and a word for a scenario nobody has given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar, NoReturn

import pytest

from bondmate_connectors.contract import ConnectorSpec

Scenario = Callable[[], AbstractAsyncContextManager[Any]]
"""A trouble of the platform: it lasts as long as the context."""


Refusals = Mapping[str, Scenario]
"""Ways in which the platform refuses us for a while, by the code that `AuthFailed` carries then."""


class Contract:
    """Base of the contract classes.

    A rule is the name of a test without `test_`; `sink.` or `source.` stands before it where it fails in one role only.
    `spec.waivers` may except a connector from a rule, with a reason. The test runs all the same and must fail: a waiver
    of a rule that holds is stale and fails.
    """

    role: ClassVar[str] = ""

    @pytest.fixture
    def spec(self) -> ConnectorSpec:
        """Give the connector's specification."""
        Absent("spec")()

    @pytest.fixture(autouse=True)
    def _waiver(self, request: pytest.FixtureRequest, spec: ConnectorSpec) -> None:
        rule = request.node.originalname.removeprefix("test_")
        reason = spec.waivers.get(f"{self.role}.{rule}", spec.waivers.get(rule))
        if reason is not None:
            request.applymarker(pytest.mark.xfail(reason=f"waived: {reason}", strict=True))


class Absent:
    """Stand for a fixture that a connector's test has not given: calling it fails."""

    def __init__(self, fixture: str) -> None:
        self._fixture = fixture

    def __call__(self, *_: object) -> NoReturn:
        """Fail the test, saying which fixture it needs."""
        pytest.fail(f"give the fixture `{self._fixture}`, or waive this rule in the specification", pytrace=False)


def need(fixture: object) -> None:
    """Fail when `fixture` was not given."""
    if isinstance(fixture, Absent):
        fixture()


def rules_of(*contracts: type[Contract]) -> frozenset[str]:
    """Give the names of the rules of `contracts`, alone and with their role."""
    return frozenset(
        prefix + name.removeprefix("test_")
        for contract in contracts
        for name in dir(contract)
        if name.startswith("test_")
        for prefix in ("", f"{contract.role}.")
    )
