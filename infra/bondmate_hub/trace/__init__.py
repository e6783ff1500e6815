"""`hub trace`: the whole way of an event, from the topics and states that the hub keeps; nothing runs on its behalf.

`quoted` reads which ids a person may mean, `search` finds the records, `hops` makes of each a hop of the way, `consult`
writes into the audit trail who looks and why before anything is handed out, `lines` shows it.

Belongs here: what answers "did it get through?" after the fact.
"""
