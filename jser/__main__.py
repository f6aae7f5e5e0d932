"""`python -m jser` is `jser`."""

import sys

from jser.cli import main

sys.exit(main())
