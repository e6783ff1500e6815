"""`hub connectors restart`, `pause` and `resume`: steer a connector of a running role, audited."""

from __future__ import annotations

import asyncio
import getpass
import re
import sys
from datetime import timedelta
from typing import Annotated, Any, Final

import typer

from bondmate_hub.cli.options import Config, Json, Operator, Reason, in_words, show

Name = Annotated[str, typer.Argument(help="A connector, as the settings name it.")]
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours"}
_WAIT_SECONDS: Final = 15.0


def restart(
    name: Name, reason: Reason, operator: Operator = None, config: Config = None, as_json: Json = False
) -> None:
    """Build a connector of a running role anew, with its settings as they are now; it asks its platform at once.

    Nothing is lost: what was not settled is read again. Exit 1 when it does not run then.

    Example: hub connectors restart tak --reason "their certificate was renewed" --config hub.yaml
    """
    _steer(config, name, "restart", _order(operator, reason), "RUNNING", as_json=as_json)


def pause(
    name: Name,
    reason: Reason,
    lasts: Annotated[str | None, typer.Option("--for", help="How long: 90s, 30m, 2h; default by the settings.")] = None,
    operator: Operator = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Pause a connector: nothing is sent to its platform and nothing taken from it, and nothing is lost.

    The pause outlives a restart and ends by itself. An ACTUAL alert that waits behind it pages operations at once.

    Example: hub connectors pause cap-room --for 30m --reason "their maintenance, ticket 4711" --config hub.yaml
    """
    order = _order(operator, reason)
    if lasts is not None:
        order["seconds"] = _seconds(lasts)
    _steer(config, name, "pause", order, "PAUSED", as_json=as_json)


def resume(name: Name, reason: Reason, operator: Operator = None, config: Config = None, as_json: Json = False) -> None:
    """End the pause of a connector.

    Example: hub connectors resume cap-room --reason "they are back" --config hub.yaml
    """
    _steer(config, name, "resume", _order(operator, reason), "RUNNING", as_json=as_json)


def _order(operator: str | None, reason: str) -> dict[str, Any]:
    if not reason.strip():
        raise typer.BadParameter("--reason: say why; it stands in the audit trail")
    return {"operator": operator or getpass.getuser(), "reason": reason}


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text.strip())
    if not found or float(found[1]) <= 0:
        raise typer.BadParameter("--for: a number and its unit, as 90s, 30m or 2h")
    return timedelta(**{_UNITS[found[2]]: float(found[1])}).total_seconds()


def _steer(config: Any, name: str, verb: str, order: dict[str, Any], until: str, *, as_json: bool) -> None:
    from aiohttp import ClientError

    from bondmate_hub.admin.client import SteeringError, steer
    from bondmate_hub.settings import load

    settings = load(config)
    try:
        with in_words(SteeringError):
            found = asyncio.run(steer(settings.data_dir, name, verb, order, until=until, wait_seconds=_WAIT_SECONDS))
    except (ClientError, TimeoutError, OSError) as error:
        print(f"the role did not answer to the end ({type(error).__name__}): look at `hub connectors status`",
              file=sys.stderr)  # fmt: skip
        sys.exit(1)
    for each in found:
        status = each.status
        state, facts = status["connector"]["state"], {key: status[key] for key in ("status", "reason", "paused")}
        text = f"{each.name} ({each.role}): {state}" + (f": {status['reason']}" if status["reason"] else "")
        show({"connector": each.name, "role": each.role, "instance": each.instance, "state": state, **facts}, text,
             as_json=as_json)  # fmt: skip
    sys.exit(0 if all(each.status["connector"]["state"] == until for each in found) else 1)
