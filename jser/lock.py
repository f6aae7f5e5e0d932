"""The lock on a folder: which the system lets go of when its holder is killed.

Windows and some network disks have none; then nobody is kept out, and nobody knows who is in.
"""

from __future__ import annotations

import os
import time

# A look holds the lock for a moment, and must keep out nobody who begins just then.
TRIES, BETWEEN_SECONDS = 5, 0.03


def take(directory: int) -> bool | None:
    """Lock an open folder until its descriptor is closed.

    Returns:
        False: another program has it; None: there are no locks here.
    """
    try:
        import fcntl
    except ImportError:
        return None
    for k in range(TRIES):
        if k:
            time.sleep(BETWEEN_SECONDS)
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        except OSError:
            return None
        return True
    return False


def is_held(folder: str | os.PathLike[str]) -> bool | None:
    """Whether a program holds a folder's lock, as far as this machine sees; None: not to be known.

    Raises:
        OSError: the folder cannot be opened.
    """
    directory = os.open(folder, os.O_RDONLY)
    try:
        taken = take(directory)
    finally:
        os.close(directory)
    return None if taken is None else not taken
