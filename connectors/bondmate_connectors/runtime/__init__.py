"""The delivery runner: retry, order, dead letters and commits for every connector."""
