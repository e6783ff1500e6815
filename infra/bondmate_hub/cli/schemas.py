"""`hub schemas`: the compatibility check of schema changes."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from bondmate_hub.cli.options import Json, show

app = typer.Typer(help="Schemas and their released versions.", no_args_is_help=True)


@app.command()
def check(as_json: Json = False) -> None:
    """Compare every schema with all its released versions, FULL_TRANSITIVE; exit 1 when one breaks another.

    Example: hub schemas check
    """
    from dataclasses import asdict

    from bondmate_schemas.compatibility_check import check as findings

    found = findings()
    for finding in found:
        show(asdict(finding), str(finding), as_json=as_json)
    if not found and not as_json:
        print("every schema can read and be read by all its released versions")
    sys.exit(1 if found else 0)


@app.command()
def release(
    anew: Annotated[bool, typer.Option("--anew", help="Before the first release only: write version 1 again.")] = False,
) -> None:
    """Freeze every changed schema as its next released version.

    Example: hub schemas release
    """
    from bondmate_schemas.codec import RECORDS
    from bondmate_schemas.compatibility_check import release as freeze

    for record in RECORDS:
        if path := freeze(record, anew=anew):
            print(path)


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List the records that stand on topics, and what each is.

    Example: hub schemas list
    """
    from bondmate_schemas.codec import RECORDS, schema

    for record in RECORDS:
        doc = schema(record)["doc"]
        show({"record": record, "doc": doc}, f"{record}: {doc}", as_json=as_json)
