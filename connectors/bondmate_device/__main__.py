"""Try a device by hand: `python -m bondmate_device --help`."""

import sys

from bondmate_device.cli import main

sys.exit(main())
