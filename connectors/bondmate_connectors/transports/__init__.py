"""Move bytes: TCP, TLS, HTTP, folders."""
