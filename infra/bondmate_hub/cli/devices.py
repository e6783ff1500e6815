"""`hub devices`: enrol a device, revoke its token, list what is enrolled."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated

import typer

from bondmate_hub.cli.options import Config, Json, Reason, in_words, show

app = typer.Typer(help="Devices and their tokens.", no_args_is_help=True)
Operator = Annotated[
    str, typer.Option("--operator", envvar="BONDMATE_OPERATOR", help="Who says so: a person of the device's agency.")
]
File = Annotated[Path, typer.Option("--file", "-f", envvar="BONDMATE_DEVICES", help="The device file.")]


def _told() -> AbstractContextManager[None]:
    """Translate what is wrong with the device file or the request into a usage error."""
    from bondmate_gateway.enrolment.commands import DeviceFileError, EnrolmentError

    return in_words(DeviceFileError, EnrolmentError, code=2)


@app.command()
def enrol(
    device_id: Annotated[str, typer.Argument(help="The device.")],
    file: File,
    agency: Annotated[str, typer.Option(help="Owning agency.")],
    profile: Annotated[str, typer.Option(help="Profile in the device file.")] = "default",
    mode: Annotated[str, typer.Option(help="ACTUAL, EXERCISE, TEST or SYSTEM.")] = "TEST",
    officer_ref: Annotated[str | None, typer.Option(help="Pseudonymous officer.")] = None,
    unit: Annotated[str | None, typer.Option(help="Unit.")] = None,
    callsign: Annotated[str | None, typer.Option(help="Radio callsign.")] = None,
    language: Annotated[
        str | None, typer.Option(help="The officer's language, as `de` or `el-GR`; else that of the profile.")
    ] = None,
    drill: Annotated[str, typer.Option(help="For drills of this destination, and nothing else; see `hub drill`.")] = "",
    replace: Annotated[bool, typer.Option("--replace", help="The device is known: give it a new token.")] = False,
    as_json: Json = False,
) -> None:
    """Enrol a device and print its token, once: the file keeps only its hash.

    Example: hub devices enrol bm-0001 --file devices.yaml --agency pd-north --mode ACTUAL
    """
    from bondmate_gateway.enrolment.commands import Enrolment
    from bondmate_gateway.enrolment.commands import enrol as enrolled

    with _told():
        wanted = Enrolment(device_id, agency, mode, officer_ref, unit, callsign, profile, replace, language, drill)
        token = enrolled(file, wanted)
    show({"device_id": device_id, "token": token}, token, as_json=as_json)


@app.command()
def revoke(device_id: Annotated[str, typer.Argument(help="The device.")], file: File) -> None:
    """Revoke every token of a device; gateways refuse it within a minute.

    Example: hub devices revoke bm-0001 --file devices.yaml
    """
    from bondmate_gateway.enrolment.commands import revoke as revoked

    with _told():
        revoked(file, device_id)


@app.command("duress-end")
def duress_end(
    device_id: Annotated[str, typer.Argument(help="The device.")],
    operator: Operator,
    reason: Reason,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """End the duress of an officer: from now on what comes to the device may sound. The alert stays as it is.

    Exit 1 when the device is not under duress, or nobody can be told.

    Example: hub devices duress-end bm-0001 --operator "inspector 4711" --reason "seen safe by unit 7"
    """
    from bondmate_hub.operations.marks import MarksError, end_duress
    from bondmate_hub.settings import load

    if not operator.strip() or not reason.strip():
        raise typer.BadParameter("--operator and --reason: who ends it and why must be said")
    with in_words(MarksError):
        mark = end_duress(load(config), device_id, operator.strip(), reason.strip())
    show(mark.model_dump(mode="json"), f"{device_id}: duress ended at {mark.since:%H:%M:%S} UTC", as_json=as_json)


@app.command()
def takeover(
    device_id: Annotated[str, typer.Argument(help="The device that the officer has no more.")],
    operator: Operator,
    reason: Reason,
    spare: Annotated[str, typer.Argument(help="The enrolled device that takes its place.")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="Give the device its own place again, instead.")] = False,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="The device file, else the gateways'.")] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Let a spare take the place of a device: its open alerts, messages and duress move to the spare.

    The spare must be enrolled, of the same agency and mode. Called again with another spare, that one has the place.
    The old device is told nothing any more; a press there reaches its own agency alone, all else is refused.

    Example: hub devices takeover bm-0001 bm-0907 --operator "inspector 4711" --reason "lost in the river"
    """
    from bondmate_hub.operations.marks import MarksError
    from bondmate_hub.operations.takeovers import take_over
    from bondmate_hub.settings import load

    if not operator.strip() or not reason.strip():
        raise typer.BadParameter("--operator and --reason: who says so and why must be said")
    if bool(spare) is undo:
        raise typer.BadParameter("either the spare must be named, or --undo")
    with in_words(MarksError):
        mark = take_over(load(config), device_id, spare, operator.strip(), reason.strip(), file=file)
    show(mark.model_dump(mode="json"), f"{spare or device_id} has the place of {device_id}", as_json=as_json)


@app.command("list")
def list_(file: File, as_json: Json = False) -> None:
    """List the enrolled devices; never their tokens.

    Example: hub devices list --file devices.yaml --json
    """
    from bondmate_gateway.enrolment.commands import list_devices

    with _told():
        devices = list_devices(file)
    for device in devices:
        show(device, "  ".join(str(value) for value in device.values()), as_json=as_json)
