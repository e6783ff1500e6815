"""What an operator asks an admin endpoint for, and how it refuses: data between the endpoint and the command line."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


class RefusedError(Exception):
    """An order is not carried out; `code` and `status` go into the problem document (RFC 9457)."""

    def __init__(self, status: int, code: str, title: str, detail: str = "") -> None:
        super().__init__(title)
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail


def _one_line(text: str) -> str:
    text = text.strip()
    if not text or not text.isprintable():
        raise ValueError("one line of printable text")
    return text


class SteeringOrder(BaseModel):
    """Who asks, and why; both stand in the audit trail."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    operator: Annotated[str, Field(max_length=200), AfterValidator(_one_line)]
    reason: Annotated[str, Field(max_length=500), AfterValidator(_one_line)]


class TakeoverOrder(SteeringOrder):
    """The same, and which device takes the place."""

    spare: Annotated[str, Field(max_length=200), AfterValidator(_one_line)]


class PauseOrder(SteeringOrder):
    """The same, and for how long."""

    seconds: float | None = Field(default=None, gt=0)
