"""Start a role that breaks rules: `python -m bench.chaos.spoil NAME… ROLE CONFIG`.

The product knows nothing of it: something of it is replaced before the role begins. `python -m bench.chaos --spoiled`
runs each of these under the load and the fault that bring it to light, and the checker must find it.
"""

from __future__ import annotations

import dataclasses
import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Spoil:
    """What is replaced in which role, by what, and which finding it must lead to."""

    role: str
    where: str
    """Module and name, apart by a colon."""
    replacement: Callable[[Any], Any]
    """What takes the place of what is there."""
    finding: str


async def _nothing(*_: object) -> None:
    """Do nothing."""


def _never(_: object) -> Callable[..., bool]:
    return lambda *_: False


def _any_emergency(_: object) -> Callable[..., bool]:
    emergencies = importlib.import_module("bondmate_streams.logic.routing").EMERGENCIES
    return lambda state: state.alert.kind in emergencies


def _told_all(_: object) -> Callable[..., Any]:
    return lambda told, *_: told


def _emergency(_: object) -> Callable[..., bool]:
    """Whatever is open is followed, renewed or not."""
    life_cycle = importlib.import_module("bondmate_streams.logic.life_cycle")
    return lambda state: state.status not in life_cycle.CLOSED


def _said_by_anybody(facts: Callable[..., Any]) -> Callable[..., Any]:
    def spoiled(state: Any, receipt: Any, rooms: Any) -> Any:
        name, owner = receipt.destination, state.owner_agency_id or state.header.agency_id
        return facts(state, receipt, dataclasses.replace(rooms, agencies={**rooms.agencies, name: owner}))

    return spoiled


def _same(_: object) -> Callable[..., Any]:
    return lambda it: it


def _always(_: object) -> Callable[..., bool]:
    return lambda *_: True


def _still(_: object) -> Callable[..., None]:
    return lambda *_: None


def _helpful(words: dict[Any, Any]) -> dict[Any, Any]:
    word = importlib.import_module("bondmate_gateway.mailbox.room_statements").Word
    return dict.fromkeys(words, word.ASSIGNED)


def _wordy(words: dict[Any, Any]) -> dict[Any, Any]:
    return dict.fromkeys(words, "PERHAPS")


def _unlevelled(told: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def spoiled(*args: Any) -> dict[str, Any]:
        answer = told(*args)
        return answer | {"destinations": dict.fromkeys(answer["destinations"], "SOMETHING")}

    return spoiled


_AGENTS, _LOGIC = "bondmate_streams.agents", "bondmate_streams.logic"
_GATEWAY: Final = "bondmate_gateway"
_SAID: Final = f"{_GATEWAY}.mailbox.room_statements:_OF_RESPONSE"
SPOILS: Final = {
    "the newest fix is told to nobody": Spoil(
        "streams", f"{_AGENTS}.following:Following.look", lambda _: _nothing, "lost"
    ),
    "what rooms say is told to nobody": Spoil("streams", f"{_LOGIC}.others:due_at", _still, "lost"),
    "ended alerts are followed": Spoil("streams", f"{_AGENTS}.following:is_followed", _any_emergency, "out_of_order"),
    "no position is superseded": Spoil(
        "runner", "bondmate_connectors.runtime.sink_runner:outdates", _never, "out_of_order"
    ),
    "help that was taken back is shown": Spoil("gateway", _SAID, _helpful, "help_too_long"),
    "a word that is none is shown": Spoil("gateway", _SAID, _wordy, "level_too_high"),
    "a level that is none is shown": Spoil(
        "gateway", f"{_GATEWAY}.http.frames:alert_answer", _unlevelled, "level_too_high"
    ),
    "places are told before anybody confirms": Spoil(
        "streams", f"{_LOGIC}.starting:without_places", _told_all, "told_too_much"
    ),
    "any room confirms what another started": Spoil(
        "streams", f"{_LOGIC}.starting:facts_of", _said_by_anybody, "told_too_much"
    ),
    "what nobody renews is followed": Spoil("streams", f"{_AGENTS}.following:is_followed", _emergency, "told_too_much"),
    "a silent one is shown at its device": Spoil(
        "gateway", f"{_GATEWAY}.mailbox.device_alerts:is_hidden", _never, "told_too_much"
    ),
    "any room ends what another started": Spoil(
        "streams", f"{_LOGIC}.rooms:Rooms.is_ended_by", _always, "ended_wrongly"
    ),
    "what nobody renews goes on": Spoil("streams", f"{_LOGIC}.starting:renew_by", _still, "lost"),
    "that the silence is over is told to nobody": Spoil("streams", f"{_LOGIC}.starting:made_loud", _same, "lost"),
}


def arm(name: str) -> None:
    """Replace what is spoiled."""
    spoil = SPOILS[name]
    module, _, path = spoil.where.partition(":")
    *owners, last = path.split(".")
    owner: Any = importlib.import_module(module)
    for each in owners:
        owner = getattr(owner, each)
    setattr(owner, last, spoil.replacement(getattr(owner, last)))


def main() -> None:
    """Run the role, spoiled."""
    *names, role, config = sys.argv[1:]
    for name in names:
        arm(name)
    from bondmate_hub.cli import main as hub  # noqa: PLC0415  # after the replacement

    sys.argv = ["hub", "run", role, "--config", config]
    hub()


if __name__ == "__main__":
    main()
