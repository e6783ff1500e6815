"""The location lane: positions in batches."""
