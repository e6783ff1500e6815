"""The HTTP API of the gateway: who calls, what they may say, what becomes of it, and what they are answered.

`application` has the routes. `uplink` takes what devices send, by way of `authentication`, `reading`, `requests` and
`records`; `downlink` brings them what their mailbox has, as `frames`. `openapi` writes the API's document.
"""
