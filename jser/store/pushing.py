"""A run on a store at work: pushed in the background, before a checkpoint, and at its end."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from jser import lock, progress
from jser.errors import InputError
from jser.store import urls
from jser.store.mirror import Mirror
from jser.store.objects import StoreError

# Seconds between two looks for a new checkpoint, and between two pushes of anything else.
LOOK, EVERY = 1.0, 30.0

_at_work: _Pusher | None = None


class _Pusher:
    """Pushes a mirror now and then; a store that cannot be reached stops no training."""

    def __init__(self, mirror: Mirror):
        self._mirror = mirror
        self._ended = threading.Event()
        self._fatal: InputError | None = None
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="jser-push", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        last = time.monotonic()
        seen: set[Path] = set()
        while not self._ended.wait(LOOK):
            try:
                found = set(self._mirror.run_dir.rglob("checkpoints/*/[0-9]*"))
            except FileNotFoundError:
                continue  # an old one is being removed
            found = {path for path in found if path.name.isdecimal()}  # else it is being written
            if found == seen and time.monotonic() - last < EVERY:
                continue
            try:
                self.push()
            except InputError as error:
                self._fatal = error
                return
            except OSError as error:
                # Of the local disk: whoever writes there meets it too, and says so.
                progress.say(f"jser: warning: {urls.shown(str(error))}; the push is tried again")
            seen, last = found, time.monotonic()

    def push(self) -> None:
        """Push; where the store cannot be reached, say so once, and leave it to the next time.

        Raises:
            InputError: the run is another's now.
        """
        if self._fatal:
            raise self._fatal
        try:
            self._mirror.push()
        except StoreError as error:
            if not self._failing:
                progress.say(f"jser: warning: {error}; meanwhile the work goes on here")
            self._failing = True
        else:
            self._failing = False

    def end(self) -> None:
        self._ended.set()
        self._thread.join()


@contextlib.contextmanager
def opened(url: str, option: str, must_exist: bool = False) -> Iterator[Path]:
    """A run on a store as a local run directory, pushed to the store until the end of the block.

    Args:
        url: of the run.
        option: whose value it is.
        must_exist: refuse where there is no run, instead of beginning one.

    Raises:
        InputError: it cannot be opened, or what was done could not be pushed: then it stays in the
            mirror, and the same command on the same machine pushes it.
    """
    global _at_work
    url = urls.checked(url, option)
    holder = urls.folder_of(url, "runs")
    urls.show(holder, url)
    with _only_here(holder, url):
        mirror = Mirror(url, holder)
        urls.show(mirror.run_dir, url)
        mirror.open(must_exist)
        pusher = _at_work = _Pusher(mirror)
        try:
            try:
                yield mirror.run_dir
            except BaseException:
                pusher.end()
                try:
                    mirror.push()
                except (InputError, OSError) as error:
                    progress.say(f"jser: warning: {error}; the same command here pushes the rest")
                raise
            pusher.end()
            _push_at_last(mirror, url)
        finally:
            _at_work = None
            pusher.end()
            mirror.close()


@contextlib.contextmanager
def _only_here(holder: Path, url: str) -> Iterator[None]:
    """Hold a mirror against a second program of this machine."""
    holder.mkdir(parents=True, exist_ok=True)
    directory = os.open(holder, os.O_RDONLY)
    try:
        if lock.take(directory) is False:
            raise InputError(
                f"{url}: another jser on this machine is at work in this run; wait for it, or "
                "choose another --workdir"
            )
        yield
    finally:
        os.close(directory)


def _push_at_last(mirror: Mirror, url: str) -> None:
    try:
        mirror.push()
    except StoreError as error:
        raise StoreError(
            f"{error}; the run is done and lies on this machine, where the same command pushes it "
            f"to {url}"
        ) from error


def finish() -> None:
    """See that what lies in the mirror is pushed, before a next checkpoint is written.

    Nothing happens where no run on a store is at work, or where the store cannot be reached now.

    Raises:
        InputError: the run is another's now.
    """
    if _at_work is not None:
        _at_work.push()


def is_on() -> bool:
    """Whether a run on a store is at work."""
    return _at_work is not None
