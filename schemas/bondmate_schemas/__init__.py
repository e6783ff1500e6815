"""Records, codec and topic catalogue: what every part of the hub says to every other."""
