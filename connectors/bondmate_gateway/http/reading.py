"""Reads a request: its body within a time, strictly by a model, and what its headers say of it."""

from __future__ import annotations

import asyncio
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from aiohttp import web
from pydantic import ValidationError

from bondmate_gateway.http.body import parse
from bondmate_gateway.http.problems import ProblemKind, Refused, invalid
from bondmate_gateway.http.requests import Request

M = TypeVar("M", bound=Request)


async def read_strictly(request: web.Request, model: type[M], within_seconds: float) -> tuple[M, Any]:
    """Return what a request says, and its body as parsed; raises Refused on one field that is wrong."""
    if request.content_type != "application/json":
        raise Refused(ProblemKind.unsupported_media_type)
    value = parse(await read_body(request, within_seconds))
    try:
        return model.model_validate(value), value
    except ValidationError as error:
        raise invalid(error) from None


async def read_body(request: web.Request, within_seconds: float) -> bytes:
    """Return the body; raises Refused when it does not come in time or cannot be unpacked."""
    try:
        if request.content.is_eof():  # nearly always it came with its head, and needs no timer
            return await request.read()
        async with asyncio.timeout(within_seconds):
            return await request.read()
    except TimeoutError:
        raise Refused(ProblemKind.timeout) from None
    except web.RequestPayloadError:
        raise Refused(ProblemKind.bad_request, "The body cannot be unpacked as its Content-Encoding says.") from None


def sent_at(request: web.Request) -> datetime | None:
    """Return when a request says that it was sent; None where it does not, or says no time."""
    try:
        told = parsedate_to_datetime(request.headers.get("Date", ""))
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
    return told if told.tzinfo else None
