"""Kafka: the package that builds every client of the broker and of the schema registry (ADR 0032).

- How clients are let in, TLS and logins: `security`; what each client sets beside: `config`, `config_check`.
- Write: `producer`. Read: `consumer`, with `offsets` and `partitions`; `topic_reader` and `topic_view` join no group.
- What lies on a topic: `records` (envelope, headers, dead letters). Its schemas: `registry`, `registration`.
- Make and watch topics: `provisioning`, `admin`, `consumer_lag`.
- `client` and `errors` are the names of the client library that other packages may use; `threads` runs a blocking loop.

faust's consumer alone is built elsewhere, in `bondmate_streams.faust_adapter`, from the same `security`.
"""
