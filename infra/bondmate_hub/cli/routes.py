"""`hub route explain`: why an event goes where it goes, and what it shows there."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from bondmate_hub.cli.options import Config, Json, show

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from bondmate_schemas.models import Payload
    from bondmate_streams.logic.districts import Districts
    from bondmate_streams.logic.routing import Ground, Routes, RouteVerdict

app = typer.Typer(help="Routes and agreements.", no_args_is_help=True)


@app.command()
def explain(
    event: Annotated[
        Path, typer.Argument(help="A canonical event, JSON, as `hub sample` prints it; - is standard input.")
    ],
    record: Annotated[
        str | None, typer.Option(help="Its record: DeviceAlert, IncidentEvent, …; left out, by what it holds.")
    ] = None,
    routes: Annotated[Path | None, typer.Option(help="File of routes; default: the one in the settings.")] = None,
    districts: Annotated[
        Path | None, typer.Option(help="GeoJSON file of the districts; default: the one in the settings.")
    ] = None,
    map_file: Annotated[
        Path | None,
        typer.Option("--map", help="Write a map too: districts, place, who is told; GeoJSON for any viewer."),
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Explain, rule by rule, why an event goes to a destination or does not, and what the destination would see.

    Of each destination that gets the event: every field as it would see it, and by which clause of its agreement.
    With --config also whether the destination's connector takes such events at all. Of an alert without a place no rule
    holds that asks for one: it falls through to those that do not.

    Example: hub route explain alert.json --routes routes.yaml --map told.geojson
    """
    from bondmate_streams.logic.routing import explain as explained
    from bondmate_streams.logic.vain import by_connectors
    from bondmate_streams.routes_file import marks_in

    from bondmate_hub.routes.destination_view import views_of

    payload, table = _event(event, record), _routes(routes, config)
    area = map_of(districts, config)
    verdicts = by_connectors(explained(payload, table, ground_of(area, table)), payload, _takes(config))
    if area is not None and type(payload).__name__ in {"DeviceAlert", "IncidentEvent"}:
        _show_place(payload, area, table, verdicts, map_file, as_json=as_json)
    elif map_file:
        raise typer.BadParameter("--map: of alerts and incidents, with --districts or `streams.districts`")
    for line in verdicts:
        show(line.as_json(), str(line), as_json=as_json)
    path = _path(routes, config)
    for view in views_of(payload, table, verdicts, str(path), marks_in(path)):
        show({"view": view.as_json()}, str(view), as_json=as_json)


def _show_place(
    payload: Payload, area: Districts, table: Routes, verdicts: Sequence[RouteVerdict], map_file: Path | None, *,
    as_json: bool,
) -> None:  # fmt: skip
    """Show where an event is, and write the map of it that was asked for."""
    from bondmate_streams.logic.told_map import told_map, where

    place = where(payload, area, table)
    show({"where": place.as_json()}, str(place), as_json=as_json)
    if map_file:
        try:
            map_file.write_text(json.dumps(told_map(payload, area, table, verdicts), ensure_ascii=False), "utf-8")
        except OSError as error:
            raise typer.BadParameter(f"--map: {map_file}: cannot be written: {type(error).__name__}") from None


def _event(path: Path, record: str | None) -> Payload:
    from bondmate_schemas.codec import RECORDS
    from bondmate_streams.logic.routing import RECORD_OF
    from pydantic import ValidationError

    if record not in {*RECORD_OF.values(), None}:
        raise typer.BadParameter(f"--record: one of {', '.join(RECORD_OF.values())}")
    try:
        values = json.loads(sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8"))
    except OSError as error:
        raise typer.BadParameter(f"{path}: cannot be read: {type(error).__name__}; name a file of one event") from None
    except (ValueError, RecursionError):
        raise typer.BadParameter(f"{path}: not JSON; the file must hold one event") from None
    if isinstance(values, dict) and "events" in values and "header" not in values:
        raise typer.BadParameter(f"{path}: a line of `hub translate`; keep one of its `events` as the whole file")
    record = record or _record_of(values, path)
    try:
        return cast("Payload", RECORDS[record].model_validate(values))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"])) or "the whole file"
        raise typer.BadParameter(f"{path}: not a {record}: {place}: {first['msg']}; or name another --record") from None


def _record_of(values: object, path: Path) -> str:
    """Return the one record that has every field of an event."""
    from bondmate_schemas.codec import RECORDS
    from bondmate_streams.logic.routing import RECORD_OF

    given = set(values) if isinstance(values, dict) else set()
    found = [name for name in RECORD_OF.values() if given and given <= set(RECORDS[name].model_fields)]
    if len(found) != 1:
        raise typer.BadParameter(f"{path}: several records could hold it, or none: say --record")
    return found[0]


def map_of(path: Path | None, config: Path | None) -> Districts | None:
    """Return the map: the file named, or that of the settings; None where there is none."""
    from bondmate_hub.settings import load

    section = load(config).streams if config and path is None else None
    path = path or (section.districts if section else None)
    if path is None:
        return None
    from bondmate_streams.logic.districts import load_districts

    return load_districts(path)


def ground_of(area: Districts | None, table: Routes) -> Ground | None:
    """Return the map as `table` asks for it; None where there is none, or nobody asks."""
    if area is None:
        return None
    from bondmate_streams.logic.ground import MapGround

    return MapGround.of(area, table)


def _takes(config: Path | None) -> Mapping[str, Collection[str]]:
    """Return what each connector takes; nothing is known without settings, or with ones that `hub lint` refuses."""
    from bondmate_hub.connectors.instances import takes
    from bondmate_hub.settings import SettingsError, load

    try:
        return takes(load(config)) if config else {}
    except SettingsError:
        return {}


def _routes(path: Path | None, config: Path | None, *, strict: bool = True) -> Routes:
    from bondmate_streams.routes_file import load_routes

    return load_routes(_path(path, config), strict=strict)


def _path(path: Path | None, config: Path | None) -> Path:
    from bondmate_hub.settings import SettingsError, load

    if path is not None:
        return path
    settings = load(config)
    if settings.streams is None:
        raise SettingsError(["streams: required: name the file of routes in `streams.routes`, or give --routes"])
    return settings.streams.routes
