"""The connectors of this hub: which are installed and configured, and how each of them is doing.

Belongs here: what asks about connectors from outside. What runs one is in `bondmate_connectors.runtime`.
"""

from __future__ import annotations

__all__ = ["GATEWAY"]

GATEWAY = "device_http"
"""The connector that the role `gateway` runs; the role `runner` runs all others."""
