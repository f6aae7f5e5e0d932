"""Who writes a run on a store: an object that its writer renews, and nobody else touches.

A machine that was taken away cannot give it back. So a lease that is old is taken over, and one
that may be alive is watched until it is renewed, or old.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from datetime import UTC, datetime
from typing import Any

from jser import interrupt, progress
from jser.errors import InputError
from jser.store.objects import Objects, StoreError

NAME = "jser_lease.json"
# Seconds between two renewals, after which nobody believes in one, and between two looks at it.
RENEW, STALE, LOOK = 20.0, 120.0, 2.0
# After a lease was taken over, another may have done the same at the same moment.
SETTLE = 1.0


class Lease:
    """The right to write a run."""

    def __init__(self, objects: Objects, owner: str):
        """Take nothing yet; `owner` is the mirror's identity, which one program holds at a time."""
        self._objects = objects
        self._owner = owner
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self.lost = False

    def take(self) -> None:
        """Take the lease, and renew it from now on.

        Raises:
            InputError: another program has it.
            StoreError: the store cannot be used.
        """
        # Looked for first, as there are servers that let a condition pass unheard.
        found = read(self._objects)
        if found is not None or not self._objects.create(NAME, self._content()):
            self._take_over()
        self._thread = threading.Thread(target=self._renew, name="jser-lease", daemon=True)
        self._thread.start()

    def _take_over(self) -> None:
        found = read(self._objects)
        if found is not None and found["owner"] != self._owner:
            self._wait_until_stale(found)
        self._objects.write(NAME, self._content())
        if found is not None and found["owner"] == self._owner:
            return  # of this mirror's program before, which was killed
        time.sleep(SETTLE)
        self.check()

    def _wait_until_stale(self, found: dict[str, Any]) -> None:
        """Watch another's lease, by this machine's clock too: the other's may be wrong."""
        first, since = found, time.monotonic()
        told = False
        while not is_stale(found) and time.monotonic() - since < STALE:
            interrupt.check()
            time.sleep(LOOK)
            again = read(self._objects)
            if again is None:
                return
            if again["owner"] != first["owner"] or again["time"] != first["time"]:
                raise self._refusal(again)
            found = again
            if not told:
                progress.say(
                    f"{self._objects.url}: {_who(found)} was at work in this run; if it does not "
                    f"say so again, it is taken for dead {STALE:.0f} s after it last did"
                )
                told = True

    def _refusal(self, found: dict[str, Any]) -> InputError:
        return InputError(
            f"{self._objects.url}: another jser is at work in this run ({_who(found)}); wait for "
            f"it, or choose another --workdir; if it is dead, delete {self._objects.url}/{NAME}"
        )

    def check(self) -> None:
        """See that it is still ours.

        Raises:
            InputError: another program has taken it over.
            StoreError: the store cannot be used.
        """
        found = read(self._objects)
        if self.lost or found is None or found["owner"] != self._owner:
            self.lost = True
            whose = "has gone" if found is None else f"is now {_who(found)}'s"
            raise InputError(
                f"{self._objects.url}/{NAME}: {whose}, so this jser writes there no more; give "
                "the same command again to go on from what is there"
            )

    def _renew(self) -> None:
        while not self._ended.wait(RENEW):
            try:
                self.check()
                self._objects.write(NAME, self._content())
            except StoreError:
                continue  # not to be reached now: it is tried again, and may be lost by then
            except InputError:
                return  # lost, which the next push says

    def give_back(self) -> None:
        """Let the next one in at once; a store that cannot be reached lets him in later."""
        self._ended.set()
        if self._thread:
            self._thread.join()
        with contextlib.suppress(InputError):
            self.check()
            self._objects.delete([NAME])

    def _content(self) -> bytes:
        tree = {
            "owner": self._owner,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "time": time.time(),
        }
        return json.dumps(tree).encode() + b"\n"


def read(objects: Objects) -> dict[str, Any] | None:
    """The lease on a run: owner, host, pid and time of its last renewal; None: there is none."""
    content = objects.read(NAME)
    if content is None:
        return None
    try:
        tree = json.loads(content)
        return {
            "owner": str(tree["owner"]),
            "host": str(tree["host"]),
            "pid": int(tree["pid"]),
            "time": float(tree["time"]),
        }
    except (ValueError, KeyError, TypeError):
        return {"owner": "", "host": "nobody known", "pid": 0, "time": 0.0}


def is_stale(found: dict[str, Any]) -> bool:
    """Whether its owner has not renewed it for so long that he is taken for dead."""
    return time.time() - float(found["time"]) >= STALE


def _who(found: dict[str, Any]) -> str:
    at = datetime.fromtimestamp(found["time"], UTC).isoformat(timespec="seconds")
    return f"{found['host']}, process {found['pid']}, at {at}"
