"""Decisions of the streams as pure functions: no broker, no clock, no I/O; the time is passed in."""
