"""`hub pages`: what operations are paged for, and taking it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bondmate_hub.cli.options import Config, Json, show

if TYPE_CHECKING:
    from bondmate_schemas.models import OperationsPage, PageMark

app = typer.Typer(help="Pages of operations: see which are open, take one.", no_args_is_help=True)


@app.command("list")
def list_pages(
    every: Annotated[bool, typer.Option("--all", help="Those too that were taken, or whose cause is over.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """List the pages that nobody has taken, the oldest first. Exit 1 when there is any.

    Example: hub pages list --config hub.yaml
    """
    from bondmate_hub.pages.taking import known_pages
    from bondmate_hub.settings import load

    with _told():
        book = known_pages(load(config))
    is_open = {page.page_id for page in book.open_pages()}
    for page in sorted(book.pages.values(), key=lambda each: each.raised_at):
        if every or page.page_id in is_open:
            _show(page, book.end_of(page.page_id), page.page_id in is_open, as_json=as_json)
    sys.exit(1 if is_open else 0)


def _show(page: OperationsPage, end: PageMark | None, is_open: bool, *, as_json: bool) -> None:
    state = "open" if is_open else end.mark if end else "before the pager"
    by = f" by {end.operator}" if end and end.operator else ""
    found: dict[str, Any] = {**page.model_dump(mode="json"), "state": state}
    if end:
        found |= {"ended_at": end.at.isoformat(), "operator": end.operator, "justification": end.justification}
    show(found, f"{page.page_id}  {page.raised_at:%Y-%m-%d %H:%M:%S}Z  {page.mode.value:8} {page.reason:24} "
         f"{page.subject}  {state}{by}", as_json=as_json)  # fmt: skip


@app.command("take")
def take(
    page_id: Annotated[str, typer.Argument(help="The page, by its id or the beginning of it.")],
    operator: Annotated[
        str, typer.Option("--operator", envvar="BONDMATE_OPERATOR", help="Who takes it: a name that others know.")
    ],
    reason: Annotated[str, typer.Option(help="What you do about it; it stands in the audit trail.")],
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Take a page: nobody is paged for it any more, and who was hears that it is taken.

    Exit 1 when it is not open, or cannot be written down.

    Example: hub pages take 3f0c1d --operator "kim, duty desk" --reason "calling the control room" --config hub.yaml
    """
    from bondmate_hub.pages.taking import take_page
    from bondmate_hub.settings import load

    if not operator.strip() or not reason.strip():
        raise typer.BadParameter("--operator and --reason: who takes it and what they do must be said")
    with _told():
        mark = take_page(load(config), page_id.strip(), operator.strip(), reason.strip())
    show(mark.model_dump(mode="json"), f"{mark.page_id}: taken at {mark.at:%H:%M:%S} UTC", as_json=as_json)


@contextmanager
def _told() -> Iterator[None]:
    """Translate what cannot be done into its reason and exit 1."""
    from bondmate_kafka.errors import BrokerError
    from bondmate_schemas.codec import SchemaUnavailableError

    from bondmate_hub.admin.trail import TrailError
    from bondmate_hub.pages.taking import PageNotOpenError

    try:
        yield
    except TrailError as error:
        print(f"not in the audit trail, so not taken: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    except (BrokerError, PageNotOpenError, SchemaUnavailableError) as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None
