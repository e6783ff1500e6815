"""Stream processors: what happens to an event between the devices and the control rooms.

`logic` decides and does no I/O, `agents` carry it out, `faust_adapter` hides faust from them, and `lane` works
positions. `routes_file` and `applied_routes` bring the routes, `errors` says what a failure asks for, `audit_tail` and
`misplaced` look after topics.
"""
