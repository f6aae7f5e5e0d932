"""`python -m jser` is `jser`."""

import sys

from jser.cli import main

if __name__ == "__main__":  # A worker process imports this file too.
    sys.exit(main())
