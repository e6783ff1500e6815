"""The command line with which a device team tries the client and the gateway by hand."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import ssl
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from bondmate_device.client import Client
from bondmate_device.listener import Patience
from bondmate_device.model import HubLink, Level, Message, Position, RaisedAlert
from bondmate_device.settings import Settings
from bondmate_device.store import StoreInUseError

_DONE, _FOUND, _USAGE = 0, 1, 2
_STEPS: Final = (
    Level.QUEUED, Level.RECEIVED, Level.DELIVERED, Level.ACCEPTED, Level.ACKNOWLEDGED, Level.RESPONDING, Level.RESOLVED,
)  # fmt: skip
_EXAMPLE: Final = """\
example:
  python -m bondmate_device --url http://127.0.0.1:8080 --token-file token sos --latitude 50.8466 --longitude 4.3528
  python -m bondmate_device --url http://127.0.0.1:8080 --token-file token status

What was queued and not sent is sent by the next command with the same queue file, under the same ids.
Exit codes: 0 done, 1 not done (yet), or refused, 2 usage."""

_EXAMPLES: Final = {
    "update": " ALERT_ID",
    "cancel": " ALERT_ID",
    "acknowledge": " MESSAGE_ID",
    "fix": " --latitude 50.8466 --longitude 4.3528",
    "report": ' --title "Street light out"',
    "check-in": " --due-in 30",
}
Verb = Callable[[Client, argparse.Namespace], Awaitable[tuple[int, list[dict[str, Any]]]]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    asked = _parser().parse_args(arguments)
    try:
        settings = Settings(
            asked.url,
            _token(asked.token_file),
            asked.queue_file,
            tls=_tls(asked.ca_file),
            patience=Patience(ask_seconds=1.0),
        )
        return asyncio.run(_run(settings, asked))
    except (ValueError, StoreInUseError) as error:
        print(error, file=sys.stderr)
        return _USAGE
    except KeyboardInterrupt:
        return _FOUND


async def _run(settings: Settings, asked: argparse.Namespace) -> int:
    async with Client(settings) as device:
        code, told = await asked.verb(device, asked)
        link = device.link
        for one in told:
            print(json.dumps(one) if asked.json else _words(one), flush=True)
        if not link.enrolled:
            print("not enrolled: the hub does not know this token; everything stays queued", file=sys.stderr)
        if link.disk != "ok":
            print(f"queue file: {link.disk}", file=sys.stderr)
        return code if link.enrolled else _FOUND


async def _sos(device: Client, asked: argparse.Namespace) -> tuple[int, list[dict[str, Any]]]:
    alert_id = await device.raise_alert(asked.kind, position=_position(asked), text=asked.text, real=asked.real or None)
    return await _alert_sent(device, asked, alert_id)


async def _update(device: Client, asked: argparse.Namespace) -> tuple[int, list[dict[str, Any]]]:
    await device.update(asked.alert_id, position=_position(asked), text=asked.text)
    return await _alert_sent(device, asked, asked.alert_id)


async def _cancel(device: Client, asked: argparse.Namespace) -> tuple[int, list[dict[str, Any]]]:
    await device.cancel(asked.alert_id)
    return await _alert_sent(device, asked, asked.alert_id)


async def _alert_sent(device: Client, asked: argparse.Namespace, alert_id: str) -> tuple[int, list[dict[str, Any]]]:
    def status() -> RaisedAlert | None:
        return next((one for one in device.statuses() if one.alert_id == alert_id), None)

    wanted = getattr(asked, "until", None)

    def settled() -> bool:
        found = status()
        reached = found is None or found.closed or _has_reached(found, wanted)
        return not device.link.waiting and reached and (found is None or not _may_be_stale(device.link, found))

    in_time = await _within(asked, device, settled)
    found = status()
    done = in_time and (found is None or _has_reached(found, wanted))
    return (_DONE if done else _FOUND), [_shown(device.link, found)] if found else []


def _has_reached(status: RaisedAlert, wanted: Level | None) -> bool:
    """Whether an alert has come so far; None: as far as an update or cancel of it must, to the hub."""
    if wanted is None:
        return status.level not in {Level.QUEUED, Level.REFUSED}
    if status.level is Level.DECLINED:  # the hub has it, and goes on to others
        return wanted in {Level.QUEUED, Level.RECEIVED}
    return status.level in _STEPS and _STEPS.index(status.level) >= _STEPS.index(wanted)


async def _check_in(device: Client, asked: argparse.Namespace) -> tuple[int, list[dict[str, Any]]]:
    if asked.due_in is None:
        if asked.check_in_id is None:
            raise ValueError("check-in: say --due-in, or which one is done")
        await device.check_in(asked.check_in_id)
        code, told = await _sent(device, asked, {"checked_in": asked.check_in_id})
        if device.was_not_due(asked.check_in_id):
            words = "nothing is due under this id (any more); `status` shows what is"
            return _FOUND, [{"not_checked_in": asked.check_in_id, "why": words, "refused": []}]
        return code, told
    owed = await device.owe_check_in(
        asked.due_in, kind=asked.kind, position=_position(asked), text=asked.text, check_in_id=asked.check_in_id
    )
    return await _sent(device, asked, {"check_in_id": owed})


async def _fix(device: Client, asked: argparse.Namespace) -> tuple[int, list[dict[str, Any]]]:
    position = _position(asked)
    if position is None:
        raise ValueError("fix: say --latitude and --longitude")
    return await _sent(device, asked, {"fix": await device.fix(position)})


async def _report(device: Client, asked: argparse.Namespace) -> tuple[int, list[dict[str, Any]]]:
    report_id = await device.report(
        title=asked.title, category=asked.category, facts=asked.fact, assessments=asked.assessment,
        position=_position(asked),
    )  # fmt: skip
    return await _sent(device, asked, {"report_id": report_id})


async def _acknowledge(device: Client, asked: argparse.Namespace) -> tuple[int, list[dict[str, Any]]]:
    if not await device.acknowledge(asked.message_id):
        raise ValueError("acknowledge: no such message has come to this device")
    return await _sent(device, asked, {"acknowledged": asked.message_id})


async def _sent(device: Client, asked: argparse.Namespace, told: dict[str, Any]) -> tuple[int, list[dict[str, Any]]]:
    before = len(device.refusals)
    empty = await _within(asked, device, lambda: not device.link.waiting)
    refused = [asdict(one) for one in device.refusals[before:]]
    told = {**told, "sent": empty and not refused, "refused": refused}
    return (_DONE if told["sent"] else _FOUND), [told]


async def _status(device: Client, asked: argparse.Namespace) -> tuple[int, list[dict[str, Any]]]:
    empty = await _within(asked, device, lambda: device.link.current and not device.link.waiting)
    statuses = [_shown(device.link, one) for one in device.statuses()]
    refused = [asdict(one) for one in device.refusals]
    told = {"link": asdict(device.link), "alerts": statuses, "check_ins": device.owed_check_ins, "refused": refused}
    return (_DONE if empty else _FOUND), [told]


async def _messages(device: Client, asked: argparse.Namespace) -> tuple[int, list[dict[str, Any]]]:
    """Print messages as they come, since with --follow there is no end to them."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(None if asked.follow else asked.seconds):
            async for message in device.messages():
                if not message.silent or asked.json:
                    print(json.dumps(asdict(message)) if asked.json else _line(message), flush=True)
    return (_DONE if device.link.listening != "no" else _FOUND), []


async def _within(asked: argparse.Namespace, device: Client, condition: Callable[[], bool]) -> bool:
    try:
        async with asyncio.timeout(asked.seconds):
            await device.until(lambda: condition() or not device.link.enrolled)
    except TimeoutError:
        return False
    return condition()


def _shown(link: HubLink, status: RaisedAlert) -> dict[str, Any]:
    """Return what may be shown of an alert: nobody promises help who was not asked since."""
    stale = _may_be_stale(link, status)
    help_is_coming = None if stale and status.help_is_coming else status.help_is_coming
    return {**asdict(status), "current": not stale, "help_is_coming": help_is_coming}


def _may_be_stale(link: HubLink, status: RaisedAlert) -> bool:
    return not link.current and not status.closed and status.level not in {Level.QUEUED, Level.RECEIVED}


def _words(told: dict[str, Any]) -> str:
    if "level" in told:
        return "" if told["silent"] else f"{told['alert_id']}  {_level(told)}"
    if "link" not in told:
        refused = [f"refused {_refused(one)}" for one in told["refused"]]
        shown = {name: value for name, value in told.items() if name != "refused" and value is not None}
        return "  ".join([*(f"{name}: {value}" for name, value in shown.items()), *refused])
    alerts = [f"alert {one['alert_id']}  {_level(one)}" for one in told["alerts"] if not one["silent"]]
    refused = [f"refused {_refused(one)}" for one in told["refused"]]
    link = told["link"]
    owed = [f"check-in {check_in_id}  due {due_at}" for check_in_id, due_at in told["check_ins"].items()]
    return "\n".join([f"waiting {link['waiting']}, listening by {link['listening']}", *alerts, *owed, *refused])


def _refused(one: dict[str, Any]) -> str:
    return f"{one['kind']} {one['key']}: {one['code']}"


def _level(told: dict[str, Any]) -> str:
    as_of = f" as of {told['changed_at']}: the hub was not reached, it is not known whether it still holds"
    return str(told["level"]) + ("" if told["current"] else as_of)


def _line(message: Message) -> str:
    marks = [message.mode] * (message.mode != "ACTUAL") + ["EXPIRED"] * message.expired
    marks += ["ACKNOWLEDGE"] * message.requires_acknowledgement
    return "  ".join([message.message_id, message.occurred_at, *marks, f"{message.sender}: {message.text}"])


def _position(asked: argparse.Namespace) -> Position | None:
    if (asked.latitude is None) != (asked.longitude is None):
        raise ValueError("say both --latitude and --longitude, or neither")
    return None if asked.latitude is None else Position(asked.latitude, asked.longitude, accuracy_m=asked.accuracy_m)


def _token(path: Path) -> str:
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        token = ""
    if not token or not token.isprintable():
        raise ValueError(
            "--token-file: must be a readable file with the device's token alone, as its enrolment printed it"
        )
    return token


def _tls(ca_file: Path | None) -> ssl.SSLContext | None:
    try:
        return ssl.create_default_context(cafile=ca_file) if ca_file else None
    except (OSError, ssl.SSLError):
        raise ValueError("--ca-file: must be a readable PEM file of the authority that signed the gateway") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bondmate_device",
        description="A BondMate device, by hand: queues on disk, sends until the hub has it, shows the true level.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--url", required=True, help="the gateway, https unless on this machine")
    parser.add_argument("--token-file", required=True, type=Path, help="file that holds the device's token")
    parser.add_argument(
        "--queue-file", type=Path, default=Path("bondmate-device.db"), help="the memory on disk (%(default)s)"
    )
    parser.add_argument("--ca-file", type=Path, help="PEM file of the authority that signed the gateway's certificate")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long to wait for the hub (%(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    verbs = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    sos = _verb(verbs, "sos", _sos, "raise an alert, and wait until the hub has it")
    sos.add_argument("--kind", default="SOS", help="SOS, DURESS, OFFICER_DOWN, ASSISTANCE, … (%(default)s)")
    sos.add_argument("--until", type=Level, choices=_STEPS, default=Level.RECEIVED, metavar="LEVEL",
                     help="level to wait for, for example acknowledged (%(default)s)")  # fmt: skip
    sos.add_argument("--real", action="store_true", help="on a device of an exercise: this is no exercise")
    update = _verb(verbs, "update", _update, "say more of an alert")
    cancel = _verb(verbs, "cancel", _cancel, "take an alert back; of SOS and DURESS a request")
    for alert in (update, cancel):
        alert.add_argument("alert_id")
    for alert in (sos, update):
        alert.add_argument("--text")
    fix = _verb(verbs, "fix", _fix, "send a position")
    report = _verb(verbs, "report", _report, "send a report")
    report.add_argument("--title", required=True)
    report.add_argument("--category", default="observation", choices=["observation", "community_concern", "incident"])
    report.add_argument("--fact", action="append", default=[], help="what was seen; may be said often")
    report.add_argument("--assessment", action="append", default=[], help="what the officer makes of it; often")
    check_in = _verb(verbs, "check-in", _check_in, "owe a check-in, which becomes an alert if none comes; or check in")
    check_in.add_argument(
        "check_in_id", nargs="?", help="which one is done, or moved; `status` shows those that are due"
    )
    check_in.add_argument("--due-in", type=float, metavar="SECONDS", help="owe it from now on")
    check_in.add_argument("--kind", default="OFFICER_DOWN", help="what it becomes (%(default)s)")
    check_in.add_argument("--text")
    for placed in (sos, update, check_in, fix, report):
        placed.add_argument("--latitude", type=float, help="degrees north")
        placed.add_argument("--longitude", type=float, help="degrees east")
        placed.add_argument("--accuracy-m", type=float, help="radius in metres")
    _verb(verbs, "status", _status, "send what waits, and show where the alerts stand")
    messages = _verb(verbs, "messages", _messages, "show the messages that have come, each once")
    messages.add_argument("--follow", action="store_true", help="go on until interrupted")
    acknowledge = _verb(verbs, "acknowledge", _acknowledge, "confirm a message to its sender")
    acknowledge.add_argument("message_id")
    return parser


def _verb(verbs: Any, name: str, verb: Verb, words: str) -> argparse.ArgumentParser:
    options = _EXAMPLES.get(name, "")
    example = f"example:\n  python -m bondmate_device --url http://127.0.0.1:8080 --token-file token {name}{options}"
    made: argparse.ArgumentParser = verbs.add_parser(
        name, help=words, description=words, epilog=example, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.set_defaults(verb=verb)
    return made
