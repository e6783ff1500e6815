"""`hub doctor`: is everything there that this hub needs?"""

from __future__ import annotations

import sys
from dataclasses import asdict

from bondmate_hub.cli.options import Config, Json, show


def doctor(config: Config = None, as_json: Json = False) -> None:
    """Check settings, broker, registry, topics, schemas and connectors, with what to do about each fault.

    Beside that it shows what `hub status` shows: the roles, and whether an alert would get through now.

    Example: hub doctor --config hub.yaml
    """
    from bondmate_hub.doctor import examine
    from bondmate_hub.settings import load

    findings = examine(load(config))
    for finding in findings:
        # `mend` is what `hint` was called until release 0.2; it goes with 0.3.
        show({**asdict(finding), "mend": finding.hint}, str(finding), as_json=as_json)
    sys.exit(0 if all(finding.ok for finding in findings) else 1)
