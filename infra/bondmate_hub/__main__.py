"""`python -m bondmate_hub`: the same as the command `hub`."""

from __future__ import annotations

from bondmate_hub.cli import main

if __name__ == "__main__":
    main()
