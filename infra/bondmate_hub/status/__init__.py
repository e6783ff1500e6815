"""Whether an alert would get through now: facts are gathered at the edge, and judged by one pure function.

`gather` asks broker, registry, roles and topics; `verdict` judges what it brings. `hub status`, `hub doctor` and
`hub connectors status` show the same facts.
"""
