"""`python -m stream_monitor`: the command line. Knows nothing but where it is."""

import sys

from stream_monitor.cli import main

if __name__ == "__main__":
    sys.exit(main())
