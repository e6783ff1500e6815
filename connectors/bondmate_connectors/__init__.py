"""Connectors: the hub's side of each platform of others.

A connector translates between the hub's records and one platform, and keeps that platform's handshake.

- `contract` and `errors` are what a connector is written against, `testing` is the suite that tries it.
- `formats` translate one standard each, `transports` move bytes, and `platforms` join both into connectors.
- `runtime` runs connectors: it owns retry, order, dead letters and commits.
- `chains`, `error_table`, `settings_table` and `translate` serve several connectors; `replay` serves the gateway alone.
"""
