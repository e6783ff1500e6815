"""What all contract classes share: rules, waivers, and a word for a scenario nobody has given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, ClassVar, NoReturn, TypeVar

import pytest

from bondmate_connectors.contract import ConnectorSpec, Link
from bondmate_connectors.errors import AuthFailed, NotConnected, Transient

T = TypeVar("T")

Scenario = Callable[[], AbstractAsyncContextManager[Any]]
"""A trouble of the platform: it lasts as long as the context."""
Refusals = Mapping[str, Scenario]
"""Ways in which the platform refuses us for a while, by the code that `AuthFailed` carries then."""


class Absent:
    """Stands for a fixture that a connector's test has not given: calling it fails."""

    def __init__(self, fixture: str | None, what: str) -> None:
        self._fixture = fixture
        self._what = what

    def __call__(self, *_: object) -> NoReturn:
        """Fail the test, saying which fixture it needs, what that is, and what to do."""
        pytest.fail(
            f"give the fixture `{self._fixture}`: a method under @pytest.fixture in the test's class. It is: "
            f"{self._what} Where the platform knows no such thing, waive this rule, the test's name "
            'without `test_`: ConnectorSpec(waivers={"<rule>": "the reason in some words"}).',
            pytrace=False,
        )


def needed(what: str) -> Any:
    """Return a fixture for the connector's test to give: `what` says what it is, and nothing runs without it."""

    def missing(_: object, request: pytest.FixtureRequest) -> NoReturn:
        Absent(request.fixturename, what)()

    missing.__doc__ = what
    return pytest.fixture(missing)


def waivable(what: str) -> Any:
    """Return one whose rules may be waived: it is missed where a test uses it, so that the test itself fails."""

    def missing(_: object, request: pytest.FixtureRequest) -> Absent:
        return Absent(request.fixturename, what)

    missing.__doc__ = what
    return pytest.fixture(missing)


def need(fixture: object) -> None:
    """Fail when `fixture` was not given."""
    if isinstance(fixture, Absent):
        fixture()


class Contract:
    """Base of the contract classes.

    A rule is the name of a test without `test_`; `sink.` or `source.` stands before it where it fails in one role only.
    `spec.waivers` may except a connector from a rule, with a reason. The test runs all the same and must fail: a waiver
    of a rule that holds is stale and fails.
    """

    role: ClassVar[str] = ""
    is_connector_contract: ClassVar[bool] = True
    """By which the suite's plugin of pytest knows its classes."""

    spec = needed("The connector's specification, `CONNECTOR`.")

    @pytest.fixture(autouse=True)
    def _waiver(self, request: pytest.FixtureRequest, spec: ConnectorSpec) -> None:
        rule = request.node.originalname.removeprefix("test_")
        reason = spec.waivers.get(f"{self.role}.{rule}", spec.waivers.get(rule))
        if reason is not None:
            request.applymarker(pytest.mark.xfail(reason=f"waived: {reason}", strict=True))


class LinkContract(Contract):
    """What sinks and sources keep alike: the fixture `sink` or `source`, by the role, is the one that is tried."""

    outage = waivable("The scenario of a platform that cannot be reached; what is connected loses its connection.")
    refusals = waivable("The scenarios of a platform that refuses us, by code: a 401, a redirect, a wrong certificate.")

    @pytest.fixture
    def link(self, request: pytest.FixtureRequest) -> Link:
        """The sink or source, not connected."""
        link: Link = request.getfixturevalue(self.role)
        return link

    @pytest.fixture
    def link_with_bad_credentials(self, request: pytest.FixtureRequest) -> Link:
        """The same with credentials that the platform refuses."""
        link: Link = request.getfixturevalue(f"{self.role}_with_bad_credentials")
        return link

    @pytest.fixture
    async def connected(self, link: Link) -> AsyncIterator[Link]:
        """The sink or source, connected; closed at the end."""
        async with opened(link):
            yield link

    async def test_close_without_connect(self, link: Link) -> None:
        """`close` is safe when `connect` never ran."""
        await link.close()

    async def test_close_twice(self, link: Link) -> None:
        """`close` is safe a second time."""
        async with opened(link):
            await link.close()

    async def test_check_tells_bad_credentials(self, link_with_bad_credentials: Link) -> None:
        """`check` raises `AuthFailed` when the platform refuses the credentials."""
        need(link_with_bad_credentials)
        with pytest.raises(AuthFailed):
            await link_with_bad_credentials.check()
        await link_with_bad_credentials.close()


@asynccontextmanager
async def opened(link: Link) -> AsyncIterator[None]:
    """Connect a sink or source, and close it at the end."""
    await link.connect()
    try:
        yield
    finally:
        await link.close()


async def persist(link: Link, call: Callable[[], Awaitable[T]], seconds: float) -> T:
    """Call as the runner would: again after a trouble, connecting when the link is gone.

    Raises:
        AssertionError: it did not work within `seconds`.
    """
    try:
        async with asyncio.timeout(seconds):
            while True:
                try:
                    return await call()
                except NotConnected:
                    with suppress(NotConnected, Transient):
                        await link.connect()
                except Transient:
                    pass
                await asyncio.sleep(0.05)
    except TimeoutError as error:
        raise AssertionError(f"not within {seconds:g} s of the recovery") from error


def rules_of(*contracts: type[Contract]) -> frozenset[str]:
    """Return the names of the rules of `contracts`, alone and with their role."""
    return frozenset(
        prefix + name.removeprefix("test_")
        for contract in contracts
        for name in dir(contract)
        if name.startswith("test_")
        for prefix in ("", f"{contract.role}.")
    )
