"""Pure decisions: no broker, no clock, no I/O."""
