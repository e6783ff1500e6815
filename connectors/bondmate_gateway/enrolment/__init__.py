"""Which devices there are, who carries them, and what proves a device to be itself."""
