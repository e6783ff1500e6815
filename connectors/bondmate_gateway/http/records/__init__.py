"""What devices send, made into the hub's records: pure, no clock, no I/O.

Whose it is comes from the enrolment, never from the request: device, officer, unit, agency, mode, handling. Every id is
derived from what was sent, so that a repeat is the same event in every gateway, and a device reaches only its own.
"""
