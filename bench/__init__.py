"""What measures the hub; run by `make bench`, never by the tests."""
