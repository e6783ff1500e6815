"""Metrics, logs, tracing and health of every role."""
