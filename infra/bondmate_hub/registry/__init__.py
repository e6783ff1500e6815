"""A small schema registry the hub serves itself, compatible with what Confluent's Python client asks."""
