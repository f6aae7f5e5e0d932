"""A run directory on a store, and the local folder that mirrors it while a program is at work.

Whoever works in the run works in the mirror, on a disk, with its renames and locks. What is done
is pushed: files of new checkpoints, then all other files that have changed, then the index, which
makes the checkpoints count, then `LAST`, which says that a run is done; then what has gone is
deleted. Cut off anywhere, what lies on the store is what a kill at some moment leaves on a disk.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import threading
import time
import uuid
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import file_digest
from pathlib import Path, PurePosixPath

from jser.errors import InputError
from jser.store import index as indices
from jser.store import lease
from jser.store.index import File, Index
from jser.store.objects import Objects, arrivals

# Requests at a time.
PARALLEL = 8
# How often a push begins again when files vanish under it.
AGAIN = 20
# Files that say that something is done, and so may not be there before what they speak of.
LAST = frozenset(("report.json",))
# Of a mirror, beside the run: its identity, and that of the run in it.
_STATE = "mirror.json"


class Mirror:
    """The local folder of a run on a store.

    Attributes:
        run_dir: local, as any other run directory.
    """

    def __init__(self, url: str, holder: Path):
        """Open nothing yet.

        Args:
            url: checked (`urls.checked`).
            holder: local folder for the mirror and what belongs to it, locked by the caller.
        """
        self.url = url
        self.run_dir = holder / "run"
        self._holder = holder
        self._objects = Objects(url)
        self._id, self._run = self._state()
        self._lease = lease.Lease(self._objects, self._id)
        self._lock = threading.Lock()
        self._index: Index | None = None  # the store's
        self._pushed: dict[str, tuple[int, int]] = {}  # other files, as they were
        self._hashes: dict[str, tuple[tuple[int, int], File]] = {}  # of checkpoints' files
        self._stray: set[str] = set()  # checkpoints' files on the store that no index may list

    def open(self, must_exist: bool = False) -> None:
        """Take the run's lease, and bring the mirror to where the run is.

        Args:
            must_exist: refuse where there is no run, instead of beginning one.

        Raises:
            InputError: see `Objects` and `Lease`; or what lies there is no run, or damaged.
        """
        there = self._objects.sizes()
        if must_exist and indices.NAME not in there:
            raise InputError(f"{self.url}: no run there; give the --workdir of a `jser train`")
        self._lease.take()
        try:
            self._pull()
        except BaseException:
            self._lease.give_back()
            raise

    def _pull(self) -> None:
        there = self._objects.sizes()  # again, as the one who wrote before may have ended since
        content = self._objects.read(indices.NAME)
        if content is None:
            if any(name not in (lease.NAME, indices.NAME) for name in there):
                raise InputError(
                    f"{self.url}: is not empty and holds no run of jser's (no {indices.NAME}); "
                    "choose a new place for --workdir"
                )
            if self._run:  # was deleted there
                self._begin_anew("")
            self.run_dir.mkdir(parents=True, exist_ok=True)
            return
        found = indices.of_bytes(content, self.url)
        gone = indices.deleted_by_hand(found, there)
        found = _without(found, gone)
        self._stray = {n for n in there if indices.in_checkpoints(n) and n not in found.files}
        if found.run == self._run and found.by == self._id and self.run_dir.is_dir():
            # Nobody has pushed since this mirror did: it is as far, or further.
            for folder in gone:
                shutil.rmtree(self.run_dir / folder, ignore_errors=True)
        else:
            self._fetch(found, there)
        # From here on it can be seen that others' mirrors are behind.
        self._put_index(replace(found, by=self._id))

    def _fetch(self, found: Index, there: Mapping[str, int]) -> None:
        """Put the store's run in the mirror's place."""
        wanted = {
            name: size
            for name, size in there.items()
            if name in found.files
            or not (indices.in_checkpoints(name) or name in (lease.NAME, indices.NAME))
        }
        for name in found.files:
            if name not in there:
                raise self._damaged(name, "is not there")
        arriving = self._holder / "arriving"
        shutil.rmtree(arriving, ignore_errors=True)
        arriving.mkdir(parents=True)
        download(self._objects, wanted, arriving, f"fetch {PurePosixPath(self.url).name}", found)
        self._begin_anew(found.run)
        os.replace(arriving, self.run_dir)
        for name in wanted:
            path = self.run_dir / name
            if name in found.files:
                self._hashes[name] = (_stamp(path), found.files[name])
            else:
                self._pushed[name] = _stamp(path)

    def _damaged(self, name: str, what: str) -> InputError:
        return damaged(self.url, name, what)

    def _begin_anew(self, run: str) -> None:
        """Forget the run that the mirror holds, for one of identity `run`."""
        (self._holder / _STATE).unlink(missing_ok=True)
        shutil.rmtree(self.run_dir, ignore_errors=True)
        if self.run_dir.exists():
            raise InputError(f"{self._holder}: cannot be emptied; remove it and go on")
        self._keep(run)

    # --- pushing ----------------------------------------------------------------------------------

    def push(self) -> None:
        """Bring the store to where the mirror is; whoever calls meanwhile waits.

        Raises:
            InputError: see `Objects`; or another program has taken the run over.
        """
        with self._lock:
            for k in range(AGAIN):
                if not self.run_dir.is_dir() or not (self._holder / _STATE).exists():
                    raise InputError(
                        f"{self._holder}: was removed while a run was at work in it; give the same "
                        f"command again to go on from what is on {self.url}"
                    )
                try:
                    return self._push()
                except FileNotFoundError:  # an old checkpoint was removed meanwhile
                    if k == AGAIN - 1:
                        raise
                    time.sleep(0.05)

    def _push(self) -> None:
        whole, others = indices.local_files(self.run_dir)
        others = {n: p for n, p in others.items() if self._pushed.get(n) != _stamp(p)}
        here = {name: self._hashed(name, path) for name, path in whole.items()}
        there = dict(self._index.files) if self._index else {}
        if here == there and not others:
            return
        self._lease.check()
        if self._index is None:
            self._run = self._run or uuid.uuid4().hex
            self._put_index(Index(self._run, self._id))
        new = {name: file for name, file in here.items() if there.get(name) != file}
        if written_over := {n for n in new if n in there}:
            # A checkpoint was made again with other bytes: it counts no more until it is whole.
            self._put_index(
                _without(self._known(), {indices.checkpoint_of(n) or n for n in written_over})
            )
        self._stray |= set(new)
        self._put(new, whole)
        at = {name: path.stat().st_mtime_ns for name, path in others.items()}
        for name in sorted(others.keys() - _last(others), key=lambda name: at[name]):
            self._put_other(name, others[name])
        if here != self._known().files:
            self._lease.check()
            self._put_index(Index(self._run, self._id, here, _saved(self.run_dir, here)))
        for name in sorted(_last(others)):
            self._put_other(name, others[name])
        self._stray = (self._stray | set(there)) - set(here)
        vanished = {n for n in self._pushed if not (self.run_dir / n).exists()}
        self._objects.delete(sorted(self._stray | vanished))
        self._stray = set()
        for name in vanished:
            del self._pushed[name]

    def _known(self) -> Index:
        assert self._index is not None
        return self._index

    def _put(self, names: Iterable[str], paths: Mapping[str, Path]) -> None:
        with ThreadPoolExecutor(PARALLEL) as pool:
            for _ in pool.map(lambda name: self._objects.upload(name, paths[name]), sorted(names)):
                pass

    def _put_other(self, name: str, path: Path) -> None:
        stamp = _stamp(path)  # before it is read: what is written meanwhile is pushed next time
        self._objects.upload(name, path)
        self._pushed[name] = stamp

    def _put_index(self, index: Index) -> None:
        self._objects.write(indices.NAME, indices.to_bytes(index))
        self._index = index
        self._keep(index.run)

    def _hashed(self, name: str, path: Path) -> File:
        stamp = _stamp(path)
        if name not in self._hashes or self._hashes[name][0] != stamp:
            with path.open("rb") as file:
                sha256 = file_digest(file, "sha256").hexdigest()
            self._hashes[name] = (stamp, File(stamp[0], sha256))
        return self._hashes[name][1]

    def close(self) -> None:
        """Give the lease back; what is not pushed stays in the mirror."""
        self._lease.give_back()
        with contextlib.suppress(OSError):
            self.run_dir.rmdir()  # nothing was begun

    # --- who it is --------------------------------------------------------------------------------

    def _state(self) -> tuple[str, str]:
        try:
            tree = json.loads((self._holder / _STATE).read_text(encoding="utf-8"))
            return str(tree["mirror"]), str(tree["run"])
        except (OSError, ValueError, KeyError, TypeError):
            # Nobody knows any more what lies in it.
            shutil.rmtree(self.run_dir, ignore_errors=True)
            identity = uuid.uuid4().hex
            self._id = identity
            self._keep("")
            return identity, ""

    def _keep(self, run: str) -> None:
        path = self._holder / _STATE
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps({"mirror": self._id, "run": run, "url": self.url}) + "\n")
        os.replace(temporary, path)
        self._run = run


def download(
    objects: Objects,
    wanted: Mapping[str, int],
    folder: Path,
    what: str,
    index: Index | None = None,
) -> None:
    """Fetch objects into a folder, with a bar.

    Args:
        objects: of the run.
        wanted: name -> bytes.
        folder: gets them.
        what: label of the bar.
        index: of the run, whose files are verified.

    Raises:
        InputError: the store cannot be used, or a checkpoint is damaged.
    """
    with arrivals(sum(wanted.values()), what) as count:
        for name in sorted(wanted):
            sha256 = objects.download(name, folder / name, count)
            if index and name in index.files and index.files[name].sha256 != sha256:
                raise damaged(objects.url, name, f"has not the sha256 of {indices.NAME}")


def damaged(url: str, name: str, what: str) -> InputError:
    """What is said of a checkpoint's file on a store."""
    return InputError(
        f"{url}/{name}: {what}; delete {url}/{indices.checkpoint_of(name)} there to go on from the "
        "checkpoint before"
    )


def _without(index: Index, folders: set[str]) -> Index:
    """An index that does not list the checkpoints in `folders`."""
    files = {n: f for n, f in index.files.items() if indices.checkpoint_of(n) not in folders}
    saved = {n: at for n, at in index.saved.items() if n not in folders}
    return replace(index, files=files, saved=saved)


def _saved(run_dir: Path, names: Iterable[str]) -> dict[str, float]:
    folders = {folder for name in names if (folder := indices.checkpoint_of(name))}
    found = {}
    for folder in folders:
        with contextlib.suppress(FileNotFoundError):
            found[folder] = (run_dir / folder).stat().st_mtime
    return found


def _last(names: Iterable[str]) -> set[str]:
    return {name for name in names if PurePosixPath(name).name in LAST}


def _stamp(path: Path) -> tuple[int, int]:
    about = path.stat()
    return about.st_size, about.st_mtime_ns
