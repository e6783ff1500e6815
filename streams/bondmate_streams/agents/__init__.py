"""The agents: each takes the records of a topic, asks `logic` what to do, and carries it out on tables and topics.

`app` puts the agents of one worker together, `run` runs them, `context` is what each has at hand, and `config` has
their settings.

- Alerts: `device_alerts` takes what devices send, `alert_life` keeps each alert, `alert_steps` carries a step out,
  `receipts` hands on what rooms answer. `open_alerts` remembers whose time comes, `nearby` what may be of one event.
- Open alerts that move: `following` and `crossing`; `last_locations`, `whereabouts` and `officers` know who is where.
- Messages: `messages` finds the devices that a text is for, `message_receipts` tells its sender what became of it.
- Incidents: `incidents`. Emergencies that a room starts: `starting`. What did not come: `check_ins`, `silent_devices`.
- Who is told: `routing_service`. What is remembered: `known_devices`, `known_links`, `device_marks`, `audit_writer`.
- For operations: `connector_watch`; `healing` brings home what earlier versions left elsewhere.
"""
