"""Routes and agreements as the hub applies them.

Belongs here: versions that were applied, what `hub lint` warns of, what a destination sees. Decisions are in
`bondmate_streams.logic`.
"""
