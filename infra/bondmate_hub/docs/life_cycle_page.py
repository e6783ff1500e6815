"""The page of the alert's life cycle, drawn from the tables that the code works by."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

from bondmate_schemas.enums import Response
from bondmate_streams.logic.life_cycle import CLOSED, ENDED_AS, RULES, STAGES, UNANIMOUS, AlertPhase

__all__ = ["life_cycle_page"]

_PAGE = Path(__file__).with_name("life_cycle.md.in")


def life_cycle_page() -> str:
    """Return the page, Markdown with diagrams in Mermaid."""
    parts = {"levels": _levels(), "whole": _whole()}
    return re.sub(r"@(\w+)@", lambda part: "\n".join(parts[part[1]]), _PAGE.read_text(encoding="utf-8"))


def _levels() -> Iterator[str]:
    yield "## At one destination\n"
    yield from _diagram(_level_arrows())
    yield "What the transport proves may pass over levels: reports come late, or not at all. Nothing of it goes back.\n"
    yield "| level | with | means | the alert is, when nobody is further | ends the escalation | help is coming |"
    yield "|---|---|---|---|---|---|"
    for stage in STAGES:
        status = f"`{stage.status}`" if stage.status else ""
        response = "" if stage.response is Response.UNSTATED else f"`{stage.response}`"
        answers, helps = ("yes" if holds else "" for holds in (stage.answers, stage.helps))
        yield f"| `{stage.level}` | {response} | {stage.doc} | {status} | {answers} | {helps} |"
    yield ""


def _level_arrows() -> Iterator[str]:
    proven = [stage for stage in STAGES if stage.delivered and not stage.said]
    yield f"[*] --> {STAGES[0].level}"
    for stage in STAGES[1:]:
        if not stage.delivered:
            yield f"{STAGES[0].level} --> {stage.level}: {stage.doc}"
            yield f"{stage.level} --> {proven[0].level}: replayed"
    for before, stage in pairwise([STAGES[0], *proven]):
        yield f"{before.level} --> {stage.level}: {stage.doc}"
    yield 'state "a person there" as said {'
    for level in dict.fromkeys(stage.level for stage in STAGES if stage.said):
        yield f"  {level}"
    yield "}"
    yield f"{proven[-1].level} --> said: a person says something, and later something else"


def _whole() -> Iterator[str]:
    yield "## As a whole\n"
    yield from _diagram(_status_arrows())
    yield "It is what the furthest destination has now. The first row that fits is what"
    yield "happens; `states.py`, `heard.py` and `timers.py` do it.\n"
    yield "| alert | event | where | outcome | becomes | destinations hear | |"
    yield "|---|---|---|---|---|---|---|"
    for rule in RULES:
        only, becomes = ", ".join(sorted(rule.only)), f"`{rule.becomes}`" if rule.becomes else ""
        tells = f"`{rule.tells}`" if rule.tells else "nothing"
        yield f"| {rule.phase or 'any'} | {rule.event} | {only} | `{rule.outcome}` | {becomes} | {tells} | {rule.doc} |"
    yield ""


def _status_arrows() -> Iterator[str]:
    yield from _made_by_rules(AlertPhase.NONE, "[*]")
    yield "state open {"
    for status in dict.fromkeys(stage.status for stage in STAGES if stage.status):
        yield f"  {status}"
    for status in UNANIMOUS.values():
        yield f"  {status}"
    yield "}"
    yield from _made_by_rules(AlertPhase.OPEN, "open")
    for level, status in ENDED_AS.items():
        yield f"open --> {status}: {level} by who ends the whole"
    for status in sorted(CLOSED):
        yield f"{status} --> [*]"


def _made_by_rules(phase: AlertPhase, before: str) -> Iterator[str]:
    for rule in RULES:
        if rule.becomes and rule.phase is phase:
            yield f"{before} --> {rule.becomes}: {rule.outcome}"


def _diagram(lines: Iterable[str]) -> Iterator[str]:
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield from (f"  {line}" for line in lines)
    yield "```\n"
