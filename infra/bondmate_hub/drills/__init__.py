"""Drills: TEST alerts that go the whole way, from the devices' interface to one control room and back.

Belongs here: how one is sent and judged from outside, as its device sees it. What the hub makes of one on its way is in
`bondmate_streams.logic.drills`.
"""
