"""What the location lane does in a second, beside other ways to do the same; run by `make bench-lane`."""
