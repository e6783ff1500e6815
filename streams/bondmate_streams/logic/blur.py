"""How positions are made less exact before a destination gets them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from bondmate_schemas.models import Position

_METRES_A_DEGREE: Final = 111_320.0
_MOST_DECIMALS: Final = 6
_LARGEST_SQUARE_M: Final = 100_000.0


def position_change(mode: str) -> Callable[[Position], Position] | None:
    """Return what a mode of an agreement makes of a position; None where it is none for positions."""
    found = blurred(mode)
    if found is None:
        return None
    return _rounded(found) if found.name == "round" else _coarse(found)


@dataclass(frozen=True, slots=True)
class Blur:
    """By how much positions are made less exact; columns do the same arithmetic, to the last bit alike."""

    name: Literal["round", "coarse"]
    amount: float
    """To so many decimals of a degree, or to the middle of a square of so many metres."""

    @property
    def scale(self) -> float:
        """Return the multiple of which a rounded degree is a whole number."""
        return float(10.0**self.amount)

    @property
    def step_deg(self) -> float:
        """Return the side of a square in degrees of latitude."""
        return self.amount / _METRES_A_DEGREE

    @property
    def error_m(self) -> float:
        """Return how far off a position is then, at most."""
        side = self.amount if self.name == "coarse" else _METRES_A_DEGREE * 10.0**-self.amount
        return side / 2 * math.sqrt(2)

    def across_deg(self, latitude: float) -> float:
        """Return the side of a square in degrees of longitude, at the latitude of its middle."""
        # A degree of longitude shrinks toward the poles; at the pole itself one square is as good as another. The edge
        # nearer to the equator is the longest, and none is to be longer than it is said to be.
        edge = max(abs(latitude) - self.step_deg / 2, 0.0)
        return min(self.step_deg / max(math.cos(math.radians(edge)), 1e-6), 360.0)


def blurred(mode: str) -> Blur | None:
    """Read a mode of an agreement; None where it is none for positions."""
    name, _, text = mode.partition(":")
    if name == "round" and text.isdecimal() and int(text) <= _MOST_DECIMALS:
        return Blur("round", float(text))
    if name == "coarse" and text.isdecimal() and 1 <= int(text) <= _LARGEST_SQUARE_M:
        return Blur("coarse", float(text))
    return None


def _rounded(blur: Blur) -> Callable[[Position], Position]:
    scale, error_m = blur.scale, blur.error_m

    def change(position: Position) -> Position:
        latitude = math.floor(position.latitude * scale + 0.5) / scale
        return _moved(position, latitude, math.floor(position.longitude * scale + 0.5) / scale, error_m)

    return change


def _coarse(blur: Blur) -> Callable[[Position], Position]:
    step_deg, error_m = blur.step_deg, blur.error_m

    def change(position: Position) -> Position:
        latitude = _middle(position.latitude, step_deg, 90.0)
        longitude = _middle(position.longitude, blur.across_deg(latitude), 180.0)
        return _moved(position, latitude, longitude, error_m)

    return change


def _middle(value: float, step: float, limit: float) -> float:
    return max(-limit, min(limit, (math.floor(value / step) + 0.5) * step))


def _moved(position: Position, latitude: float, longitude: float, error_m: float) -> Position:
    accuracy = (position.accuracy_m or 0.0) + error_m
    return position.model_copy(update={"latitude": latitude, "longitude": longitude, "accuracy_m": accuracy})
