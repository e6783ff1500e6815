"""`hub status`: would an alert get through now, and if not, where would it stop?"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from bondmate_hub.cli.options import Config, Json

if TYPE_CHECKING:
    from bondmate_hub.status.facts import Facts
    from bondmate_hub.status.verdict import Verdict

_AGAIN_SECONDS = 2.0


def status(
    config: Config = None,
    as_json: Json = False,
    watch: Annotated[bool, typer.Option("--watch", help="Look again every two seconds, until interrupted.")] = False,
) -> None:
    """Show whether an alert would get through now: every role, destination, the broker and the registry.

    Exit 1 when an alert of mode ACTUAL has a destination that it would not reach; a paused one is not reached. It says
    where the alert would stop.

    Example: hub status --config hub.yaml
    """
    if not as_json:
        # At once: what follows is loaded, and asked for, while this is read.
        print(f"hub status  {time.strftime('%Y-%m-%d %H:%M:%S')}", flush=True)
    from bondmate_hub.settings import load

    settings = load(config)
    while True:
        from bondmate_hub.status.gather import gather
        from bondmate_hub.status.verdict import judge

        facts = gather(settings)
        verdict = judge(facts)
        print(_json(facts, verdict) if as_json else _text(facts, verdict), flush=True)
        if not watch:
            sys.exit(0 if verdict.ok else 1)
        try:
            time.sleep(_AGAIN_SECONDS)
        except KeyboardInterrupt:
            sys.exit(0 if verdict.ok else 1)


def _json(facts: Facts, verdict: Verdict) -> str:
    return json.dumps({"at": facts.at.isoformat(), **verdict.as_json(), **facts.as_json()}, ensure_ascii=False)


def _text(facts: Facts, verdict: Verdict) -> str:
    from bondmate_hub.status.lines import lines

    return "\n".join(lines(facts, verdict))
