"""`hub dlq`: dead letters for people. What is listed holds no content; content is shown for a reason, and logged."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bondmate_hub.cli.options import Config, Json, in_words, show
from bondmate_hub.cli.options import Operator as Name

if TYPE_CHECKING:
    from bondmate_hub.dlq.model import DeadLetter, Selection
    from bondmate_hub.dlq.plan import ReplayPlan
    from bondmate_hub.dlq.service import Operator
    from bondmate_hub.settings import Settings

app = typer.Typer(help="Dead letters: see them, send them again, put them aside.", no_args_is_help=True)
Place = Annotated[str | None, typer.Option(help="Only of this stage, source or destination.")]
Code = Annotated[str | None, typer.Option(help="Only with this error code, or its number.")]
Since = Annotated[str | None, typer.Option(help="Only since then: 90m, 2h, 7d ago, or ISO 8601 (UTC without a zone).")]
Until = Annotated[str | None, typer.Option(help="Only before then.")]
Id = Annotated[str | None, typer.Option("--id", help="Only the letter of this id.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Tell what would be done; write nothing.")]
_MOST_NAMED = 20


@app.command("list")
def list_(
    place: Place = None,
    code: Code = None,
    since: Since = None,
    until: Until = None,
    letter_id: Id = None,
    letters: Annotated[bool, typer.Option("--letters", help="One line a letter, not counts.")] = False,
    done: Annotated[bool, typer.Option("--all", help="Also what was replayed or discarded.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Count the dead letters that wait, by place, code and day; exit 1 when there are any. Leaves no trace.

    Example: hub dlq list --place tak --since 2h
    """
    from bondmate_hub.dlq.from_settings import survey
    from bondmate_hub.dlq.model import groups

    with _errors_in_words():
        found, standing = survey(_settings(config), _selection(place, code, since, until, letter_id))
    waiting = _waiting(found, standing)
    shown = found if done else waiting
    if letters:
        for letter in shown:
            fact = _facts(letter, standing[letter.id])
            show(fact, "  ".join(str(fact[name]) for name in _COLUMNS), as_json=as_json)
    else:
        counted = groups(shown, standing)
        for group in counted:
            known = _known(group.code)
            text = f"{group.place}  {group.code} ({known['number']})  {group.day}  {group.standing}  {group.count}"
            show({**asdict(group), **known}, text, as_json=as_json)
        for each in () if as_json else sorted({group.code for group in counted}):
            known = _known(each)
            number = f" ({known['number']})" if known["number"] else ""
            print(f"\n{each}{number}: {known['meaning']}\n  {known['hint']}")
    sys.exit(1 if waiting else 0)


@app.command("show")
def show_(
    letter_id: Annotated[str, typer.Argument(help="The letter, as `hub dlq list --letters` names it.")],
    content: Annotated[bool, typer.Option("--content", help="Also what is in it: a consultation, logged.")] = False,
    reason: Annotated[str | None, typer.Option(help="Why the content must be seen.")] = None,
    operator: Name = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show the facts of a letter and what its code means; its content only for a reason, which is audited.

    Example: hub dlq show 2c5ea4c0-4067-5fe9-8bd1-8a0f6ee0a1f5 --content --reason "ticket 4711"
    """
    from bondmate_hub.dlq.from_settings import content_of, survey
    from bondmate_hub.dlq.model import Selection

    if content and not (reason or "").strip():
        raise typer.BadParameter("--reason: required with --content: the audit trail must say why it was seen")
    settings = _settings(config)
    with _errors_in_words():
        found, standing = survey(settings, Selection(id=letter_id))
        if not found:
            raise typer.BadParameter("no letter of this id; see `hub dlq list --letters --all`")
        fact = _facts(found[0], standing[letter_id])
        if content:
            fact["content"] = content_of(settings, found[0], _operator(operator, str(reason)))
    show(fact, "\n".join(f"{name}: {value}" for name, value in fact.items()), as_json=as_json)


@app.command()
def replay(
    place: Place = None,
    code: Code = None,
    since: Since = None,
    until: Until = None,
    letter_id: Id = None,
    dry_run: DryRun = False,
    most: Annotated[int | None, typer.Option(min=1, help="So many at most; the next call goes on.")] = None,
    most_replays: Annotated[int, typer.Option(min=1, help="What came back so often is quarantined.")] = 3,
    force: Annotated[bool, typer.Option("--force", help="Replay what is quarantined too.")] = False,
    reason: Annotated[str, typer.Option(help="Why; kept with the decision.")] = "",
    operator: Name = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Send letters back where they came from: same bytes, key and headers, in the order of each key.

    Killed half way it goes on where it was; at most a batch is sent twice, under the same ids. Exit 1 when not all go.

    Example: hub dlq replay --place tak --code http_400 --dry-run
    """
    from bondmate_hub.dlq.from_settings import replay as replayed
    from bondmate_hub.dlq.from_settings import replay_plan

    settings = _settings(config)
    chosen = _selection(place, code, since, until, letter_id)
    with _errors_in_words():
        plan = replay_plan(settings, chosen, most_replays=most_replays, force=force, most=most)
        summary = _planned(plan)
        if not dry_run:
            with _progress("replaying", len(plan.replay)) as progress:
                outcome = replayed(settings, plan, _operator(operator, reason), progress, place=place)
            summary |= {"replayed": outcome.replayed, "failed": dict(outcome.failed), "held_back": outcome.held_back}
    show(summary, "\n".join(f"{name}: {value}" for name, value in summary.items()), as_json=as_json)
    stuck = plan.quarantine or plan.impossible or summary.get("failed") or summary.get("held_back")
    sys.exit(1 if stuck else 0)


@app.command()
def discard(
    reason: Annotated[str, typer.Option(help="Why nobody needs them; kept in the audit trail.")],
    place: Place = None,
    code: Code = None,
    since: Since = None,
    until: Until = None,
    letter_id: Id = None,
    every: Annotated[bool, typer.Option("--all", help="Every letter that waits, at all places.")] = False,
    dry_run: DryRun = False,
    operator: Name = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Put letters aside for good, with a reason; audited. Their bytes stay until their topic's retention ends.

    Example: hub dlq discard --place tak --code expired --reason "told by telephone"
    """
    from bondmate_hub.dlq.from_settings import discard as discarded
    from bondmate_hub.dlq.from_settings import survey

    chosen = _selection(place, code, since, until, letter_id)
    if chosen.is_all and not every:
        raise typer.BadParameter("say which: --place, --code, --since, --until, --id, or --all")
    if not reason.strip():
        raise typer.BadParameter("--reason: must say why")
    settings = _settings(config)
    with _errors_in_words():
        waiting = _waiting(*survey(settings, chosen))
        if not dry_run:
            with _progress("discarding", len(waiting)) as progress:
                discarded(settings, waiting, _operator(operator, reason), progress)
    name = "would_discard" if dry_run else "discarded"
    show({name: len(waiting)}, f"{name}: {len(waiting)}", as_json=as_json)


_COLUMNS = ("id", "place", "code", "number", "at", "standing", "record", "size_bytes", "replays")


def _operator(name: str | None, reason: str) -> Operator:
    from bondmate_hub.dlq.service import Operator

    return Operator(name or getpass.getuser(), reason)


def _settings(config: Any) -> Settings:
    from bondmate_hub.settings import load

    return load(config)


def _selection(
    place: str | None, code: str | None, since: str | None, until: str | None, letter_id: str | None
) -> Selection:
    from bondmate_connectors.error_table import error_table

    from bondmate_hub.dlq.model import Selection, moment

    times = {}
    for name, text in (("since", since), ("until", until)):
        try:
            times[name] = moment(text, datetime.now(UTC)) if text else None
        except ValueError as error:
            raise typer.BadParameter(f"--{name}: {error}") from None
    return Selection(place=place, code=code and error_table().code_of(code), id=letter_id, **times)


def _waiting(found: list[DeadLetter], standing: dict[str, Any]) -> list[DeadLetter]:
    from bondmate_hub.dlq.model import LetterState

    return [letter for letter in found if standing[letter.id] in {LetterState.OPEN, LetterState.QUARANTINED}]


def _facts(letter: DeadLetter, standing: str) -> dict[str, Any]:
    return {**letter.as_json(), "standing": standing, **_known(letter.code)}


def _known(code: str) -> dict[str, Any]:
    from bondmate_connectors.error_table import error_table

    known = error_table().find(code)
    # `mend` is what `hint` was called until release 0.2; it goes with 0.3.
    return {"number": known.number, "meaning": known.meaning, "hint": known.hint, "mend": known.hint}


def _planned(plan: ReplayPlan) -> dict[str, Any]:
    """Return what a plan comes to; the letters that cannot go are named, as far as a person can take in."""
    return {
        "to_replay": len(plan.replay),
        "left_for_next_call": plan.left,
        "quarantined": len(plan.quarantine),
        "cannot_be_replayed": len(plan.impossible),
        "named": [
            f"{letter.id}: quarantined after {letter.replays} replays" for letter in plan.quarantine[:_MOST_NAMED]
        ]
        + [f"{letter.id}: {why}" for letter, why in plan.impossible[:_MOST_NAMED]],
    }


@contextmanager
def _errors_in_words() -> Iterator[None]:
    """Translate what stops a command into a sentence on standard error."""
    from bondmate_schemas.codec import SchemaUnavailableError

    from bondmate_hub.dlq.kafka_io import DeadLetterError, UnknownPlaceError

    with in_words(DeadLetterError):
        try:
            yield
        except UnknownPlaceError as error:
            raise typer.BadParameter(f"--place: {error}") from None
        except SchemaUnavailableError as error:
            print(f"{error}; check `kafka.registry_url` and `hub topics apply`, then call again", file=sys.stderr)
            raise typer.Exit(1) from None


@contextmanager
def _progress(what: str, total: int) -> Iterator[Any]:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=total)
        yield lambda count: progress.advance(task, count)
