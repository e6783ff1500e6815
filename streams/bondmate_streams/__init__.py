"""Stream processors: life cycle, correlation, routing, policy, positions."""
