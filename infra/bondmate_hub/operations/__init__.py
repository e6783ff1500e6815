"""What operations say to the hub: of alerts that are of one event, of devices, of a spare that takes over.

Belongs here: what a person decides and the audit trail records before it holds.
"""
