"""Dead letters for people: see what lies there, send it again, or put it aside with a reason."""
