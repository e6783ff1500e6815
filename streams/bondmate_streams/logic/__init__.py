"""Decisions of the streams as pure functions: no broker, no clock, no I/O; the time is passed in.

- An alert: `life_cycle` is its table; `states` takes what its device does, `heard` what destinations say, `timers` what
  time does; `levels` and `statements` reckon a level, `steps` tells the outcome. `alerts` reads it as it comes.
- Beside its life: `rounds` and `asking` (escalation), `handoff`, `ownership` and `rooms` (who owns and ends it),
  `reopening`, `starting`, `takeover`, `duress`, `real`, `others`, `officer`, `news`, `echoes`, `grouping`,
  `late_rooms`.
- Who is told: `routing`, read by `routes_yaml`, checked by `vain` and `shrunk`, drawn by `told_map`.
- What they may see: `policy` with `fields` and `blur`; `deliveries` makes the Delivery, `outside` the ids that leave.
- Where it is: `locations`, `following`, `crossing`, `districts`, `areas`, `cells`, `ground`.
- Answers, texts, incidents: `answers` (does it count), `messages`, `addressing`, `incidents`, `links`.
- The rest: `check_ins`, `silent_devices`, `pages` (what operations are told), `audit`, `belonging`, `healing`,
  `headers`.
"""
