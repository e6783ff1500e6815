"""Pages reach a person: which are open, what is due at which step, and how one is taken.

`book` keeps what is known of pages, `notices` words them; `channels` send them; `links` and
`link_server` have the link by which somebody takes one; `pager` is the role that does it all.
"""
