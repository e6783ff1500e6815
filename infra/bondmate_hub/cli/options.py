"""Options that several commands share."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from bondmate_kafka.config import KafkaConfig
    from bondmate_schemas.codec import Codec

    from bondmate_hub.settings import Settings
_BESIDE = Path("hub.yaml")


def _or_beside(context: typer.Context, named: Path | None) -> Path | None:
    """Return the settings of this folder where the call names neither settings nor routes of its own."""
    is_asked = named is None and context.params.get("routes") is None and not context.resilient_parsing
    return _BESIDE if is_asked and _BESIDE.is_file() else named


Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        envvar="BONDMATE_CONFIG",
        help="The hub's settings, a YAML file; default: hub.yaml of this folder, where there is one.",
        dir_okay=False,
        callback=_or_beside,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]
Operator = Annotated[str | None, typer.Option("--operator", envvar="BONDMATE_OPERATOR", help="Who acts; default: you.")]
Reason = Annotated[str, typer.Option(help="Why; it stands in the audit trail.")]


def show(value: dict[str, Any], text: str, *, as_json: bool) -> None:
    """Print one finding, as JSON or as text."""
    print(json.dumps(value, ensure_ascii=False, default=str) if as_json else text)


@contextmanager
def in_words(*errors: type[Exception], code: int = 1) -> Iterator[None]:
    """Print what stops a command in the words of its error, on standard error, and exit with `code`."""
    try:
        yield
    except errors as error:
        print(error, file=sys.stderr)
        raise typer.Exit(code) from None


def opened(config: Path | None) -> tuple[Settings, KafkaConfig, Codec]:
    """Return the settings, what the hub's clients are made by, and the codec of its records."""
    from bondmate_kafka.registry import RegistrySchemaIds
    from bondmate_schemas.codec import Codec

    from bondmate_hub.settings import load

    settings = load(config)
    kafka = settings.kafka.config()
    return settings, kafka, Codec(RegistrySchemaIds.of(kafka))
