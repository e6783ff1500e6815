"""The location lane: positions, worked in batches and apart from all alerts, so that their number delays no alert.

`lane` says what is done with a batch, `run` runs it. `rows` works fix by fix and is the reference; `columnar` and the
modules `column_…` do the same in columns, at a tenth of the cost; `growing` chooses. What is remembered of devices is
in `tracks`, `remembered` and `checkpoints`. The page `docs/reference/location-lane.md` has figures.
"""
