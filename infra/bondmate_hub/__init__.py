"""The hub's command and processes: what reads the settings and puts all other packages together.

- `cli` is the command `hub`; `settings` and `routes` read `hub.yaml` and `routes.yaml`.
- `roles` are the processes of `hub run`; `connectors` builds the configured ones.
- `broker` and `registry` are embedded ones for trials; `wanted` makes topics and schemas as they should be.
- `operations`, `dlq`, `admin` and `doctor` are what operations use.
- `docs` writes the generated pages; `new_connector` and `connector_template` begin a connector.
"""
