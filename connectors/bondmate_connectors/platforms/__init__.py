"""Platforms: one format bound to one transport, and that system's handshake; a folder each."""
