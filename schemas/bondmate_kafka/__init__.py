"""Kafka: the one room that builds clients of the broker and of the schema registry."""
