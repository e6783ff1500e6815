"""Transports: what moves bytes between the hub and a platform, over HTTP or TCP, with TLS, and knows no event.

Whoever writes a connector begins here: `json_http` for JSON over HTTP, `http_client` and `http_server` for any other
HTTP, `tcp` for a stream. `tls` has their certificates, `hmac_signature` signs and checks, `addresses` guards what may
be called. Every failure is raised as an error of `bondmate_connectors.errors`, which says what to do next.
"""
