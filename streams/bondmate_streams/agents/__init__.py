"""faust agents: thin edges around the logic, each inside the guard."""
