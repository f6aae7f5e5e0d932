"""What runs on a store have written, copied for a look: without checkpoints, and with no lease."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from jser.errors import InputError
from jser.store import index as indices
from jser.store import lease, urls
from jser.store.objects import Objects


@dataclass(frozen=True)
class Snapshot:
    """A local copy of what lies below a URL.

    Attributes:
        folder: the copy; a checkpoint is an empty folder of its time.
        held: folder in the copy, of a run or a series -> whether a program is at work in it.
    """

    folder: Path
    held: dict[Path, bool]

    def is_held(self, run_dir: Path) -> bool:
        """Whether a program is at work in a run, or in the series that it belongs to."""
        return any(held for folder, held in self.held.items() if run_dir.is_relative_to(folder))


@contextlib.contextmanager
def taken(url: str, wanted: Callable[[str], bool]) -> Iterator[Snapshot]:
    """Copy a run, or a folder of runs, into a folder that passes.

    Args:
        url: as the user gave it.
        wanted: whether a file of this last name is copied.

    Raises:
        InputError: no run there, or the store cannot be used.
    """
    url = urls.checked(url, "RUN")
    objects = Objects(url)
    there = objects.sizes()
    found = [name for name in there if PurePosixPath(name).name == indices.NAME]
    if not found:
        raise InputError(f"{url}: no run there; give the --workdir of a `jser train`")
    with tempfile.TemporaryDirectory(prefix="jser-") as passing:
        folder = Path(passing).resolve() / "copy"
        folder.mkdir()
        urls.show(folder, url)
        held = {}
        for name in found:
            at = PurePosixPath(name).parent
            run = Objects(url if str(at) == "." else f"{url}/{at}")
            content = run.read(indices.NAME)
            if content is not None:
                _stand_in(indices.of_bytes(content, run.url), folder / at)
            theirs = lease.read(run)
            held[folder / at] = theirs is not None and not lease.is_stale(theirs)
        for name in there:
            last = PurePosixPath(name).name
            if wanted(last) and not indices.in_checkpoints(name) and last not in _OURS:
                objects.download(name, folder / name, lambda n: None)
        yield Snapshot(folder, held)


_OURS = (indices.NAME, lease.NAME)


def _stand_in(index: indices.Index, folder: Path) -> None:
    """Empty folders for checkpoints."""
    for name, at in index.saved.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        os.utime(folder / name, (at, at))
    folder.mkdir(parents=True, exist_ok=True)
