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
    is_connector_contract: ClassVar[bool] = True
    """By which the suite's plugin of pytest knows its classes."""

    @pytest.fixture
    def spec(self) -> ConnectorSpec:
        """The connector's specification, `CONNECTOR`."""
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
        """Fail the test, saying which fixture it needs, what that is, and what to do."""
        pytest.fail(
            f"give the fixture `{self._fixture}`: a method under @pytest.fixture in the test's class. It is: "
            f"{_description(self._fixture)} Where the platform knows no such thing, waive this rule, the test's name "
            'without `test_`: ConnectorSpec(waivers={"<rule>": "the reason in some words"}).',
            pytrace=False,
        )


def _description(fixture: str) -> str:
    """Return what the contract says of a fixture, in one line."""
    found = (vars(contract).get(fixture) for contract in Contract.__subclasses__())
    described = next((each for each in found if each is not None), getattr(Contract, fixture, None))
    return " ".join((described.__doc__ or "").split())


def need(fixture: object) -> None:
    """Fail when `fixture` was not given."""
    if isinstance(fixture, Absent):
        fixture()


def rules_of(*contracts: type[Contract]) -> frozenset[str]:
    """Return the names of the rules of `contracts`, alone and with their role."""
    return frozenset(
        prefix + name.removeprefix("test_")
        for contract in contracts
        for name in dir(contract)
        if name.startswith("test_")
        for prefix in ("", f"{contract.role}.")
    )
