"""Connectors: what joins the hub to each platform."""
