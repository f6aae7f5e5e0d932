"""`jser serve` with a model that takes its time: `python -m tests.serving.slow FLAG serve ...`.

Once the file FLAG is there, the next call lasts as many seconds as it says; it is empty then.
"""

import sys
import time
from pathlib import Path

from jser import cli
from jser.artefact.loader import Artefact


def slowed(call, flag):
    def slow(self, recordings):
        seconds = flag.read_text() if flag.exists() else ""
        if seconds:
            flag.write_text("")
            time.sleep(float(seconds))
        return call(self, recordings)

    return slow


if __name__ == "__main__":
    Artefact.__call__ = slowed(Artefact.__call__, Path(sys.argv.pop(1)))
    sys.exit(cli.main())
