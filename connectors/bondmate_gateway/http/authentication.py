"""Who is calling: the device whose token a request carries."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from bondmate_gateway.enrolment.directory import EnrolledDevice, UnauthenticatedError, token_hash
from bondmate_gateway.enrolment.register import DeviceRegister
from bondmate_gateway.http.problems import ProblemKind, Refused


@dataclass(frozen=True, slots=True)
class Caller:
    """A device that has proved to be itself."""

    device: EnrolledDevice
    token_hash: str


class Authentication:
    """Recognises callers by their bearer tokens (RFC 6750)."""

    def __init__(self, register: DeviceRegister) -> None:
        self._register = register

    def caller(self, request: web.Request) -> Caller:
        """Return the device that calls; raises Refused when its token is not good."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise Refused(ProblemKind.unauthorized, headers={"WWW-Authenticate": "Bearer"})
        try:
            hashed = token_hash(token.strip())
            return Caller(self._register.directory.holder(hashed), hashed)
        except UnauthenticatedError:
            challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            raise Refused(ProblemKind.unauthorized, headers=challenge) from None

    def is_good(self, caller: Caller) -> bool:
        """Whether a caller of before is still enrolled: it may have been revoked meanwhile."""
        try:
            return bool(self._register.directory.holder(caller.token_hash))
        except UnauthenticatedError:
            return False
