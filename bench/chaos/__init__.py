"""The fault laboratory: the hub under load while its parts are killed, paused and cut off; `make chaos`.

`scenarios.py` says what happens, `lab.py` runs the hub and its far ends, `faults.py` does the harm and shows that it
bit, `checker.py` holds everything accepted against everything that arrived.
"""
