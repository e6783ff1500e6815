"""The roles of the hub as processes: what runs in each, how it is started, watched and started again.

Belongs here: what is about a process. What a role does is in its own package.
"""
