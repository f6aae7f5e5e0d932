"""Records on a store: a data folder's local twin, into which what is read is fetched.

ArrayRecord reads files alone. So a URL of a data folder stands for a local folder of the same
layout. Of a corpus the sidecar is fetched when somebody asks for it, once a process, so that
records built again are noticed; the files that it lists when somebody reads them, each whole and of
its sha256, or not at all. What is derived of records (features, measures) stays in the twin.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from hashlib import file_digest
from pathlib import Path

from jser import progress
from jser.errors import InputError
from jser.store import urls
from jser.store.objects import Objects, arrivals

# Local twin -> URL, of this process; and what has been asked for.
_url_of: dict[Path, str] = {}
_asked: set[Path] = set()
# In a folder of records that were built here, and are not on the store yet, or in part.
_PUSHING = ".pushing"


def twin(url: str, option: str = "--data_dir") -> Path:
    """The local twin of a data folder on a store, made where there is none.

    Raises:
        InputError: the URL is of no store.
    """
    url = urls.checked(url, option)
    folder = urls.folder_of(url, "data")
    folder.mkdir(parents=True, exist_ok=True)
    _url_of[folder] = url
    urls.show(folder, url)
    return folder


def _store_of(folder: Path) -> tuple[Objects, str] | None:
    """The data folder's objects, and what stands before those of a corpus' `folder`; of a disk
    None.
    """
    for root, url in _url_of.items():
        if folder.is_relative_to(root):
            return Objects(url), folder.relative_to(root).as_posix()
    return None


def ask(folder: Path, sidecar: str) -> None:
    """Bring a corpus' sidecar to where it is on the store; of a folder on a disk nothing.

    Args:
        folder: of its records, in a twin.
        sidecar: name of the file.

    Raises:
        StoreError: the store cannot be used.
    """
    if not _url_of or folder in _asked or (found := _store_of(folder)) is None:
        return
    objects, before = found
    content = objects.read(f"{before}/{sidecar}")
    path = folder / sidecar
    if content is None:
        # Built here, and pushed in part: the same build goes on with pushing it.
        if not (folder / _PUSHING).exists():
            path.unlink(missing_ok=True)
    elif not path.exists() or path.read_bytes() != content:
        folder.mkdir(parents=True, exist_ok=True)
        _replace(path, content)
    _asked.add(folder)


def complete(folder: Path, hashes: Mapping[str, str], what: str) -> bool:
    """Fetch the files of a corpus that are not in the twin, or not as they should be.

    Args:
        folder: of its records.
        hashes: file -> hex sha256.
        what: name of the corpus, for the bar.

    Returns:
        All are there and verified; False: the folder is on a disk, and no twin's.

    Raises:
        InputError: a file is missing or damaged on the store, or it cannot be used.
    """
    if (found := _store_of(folder)) is None:
        return False
    missing = [name for name, sha256 in hashes.items() if _sha256(folder / name) != sha256]
    if not missing:
        return True
    objects, before = found
    there = Objects(f"{objects.url}/{before}").sizes()
    for name in missing:
        if name not in there:
            raise InputError(
                f"{objects.url}/{before}/{name}: is missing; build the records again with "
                f"--data_dir={objects.url}"
            )
    with arrivals(sum(there[name] for name in missing), f"fetch {what}") as count:
        for name in missing:
            part = folder / f".{name}.{os.getpid()}.part"
            try:
                if objects.download(f"{before}/{name}", part, count) != hashes[name]:
                    raise InputError(
                        f"{objects.url}/{before}/{name}: is damaged, or was built again this moment"
                        " (its sha256 is not the sidecar's); give the same command again, or build "
                        f"the records again with --data_dir={objects.url}"
                    )
                os.replace(part, folder / name)
            finally:
                part.unlink(missing_ok=True)
    return True


def push(folder: Path, sidecar: str) -> bool:
    """Put a finished corpus on the store, its sidecar last; what was there is replaced.

    Args:
        folder: of its records; of one on a disk nothing is done.
        sidecar: name of the file without which a folder is no built corpus.

    Returns:
        Something was pushed.

    Raises:
        StoreError: the store cannot be used.
    """
    if (found := _store_of(folder)) is None:
        return False
    objects, before = found
    content = (folder / sidecar).read_bytes()
    if objects.read(f"{before}/{sidecar}") == content:
        return False
    names = sorted(p.name for p in folder.iterdir() if p.name[0] != "." and p.name != sidecar)
    (folder / _PUSHING).touch()
    stale = Objects(f"{objects.url}/{before}").sizes().keys() - set(names) - {sidecar}
    # While files are replaced, nobody takes what is there for a corpus.
    objects.delete([f"{before}/{sidecar}"])
    with progress.bar(len(names), f"push to {objects.url}", "file") as tick:
        for name in names:
            objects.upload(f"{before}/{name}", folder / name)
            tick()
    objects.write(f"{before}/{sidecar}", content)
    (folder / _PUSHING).unlink(missing_ok=True)
    objects.delete(f"{before}/{name}" for name in sorted(stale))
    return True


def _sha256(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None


def _replace(path: Path, content: bytes) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_bytes(content)
    os.replace(part, path)


# --- the shared ledgers ---------------------------------------------------------------------------


@contextlib.contextmanager
def shared_ledger(path: Path) -> Iterator[None]:
    """Let a ledger in a twin have the lines of all machines, and the store those of this one.

    Raises:
        StoreError: the store cannot be used.
    """
    _pull_ledger(path)
    yield
    _push_ledger(path)


def _pull_ledger(path: Path) -> None:
    """Add to a twin's ledger the lines that other machines have written on the store.

    A line is an object of its own, named by its key: two machines never write the same one
    differently. Of a ledger on a disk nothing is done.
    """
    if (found := _store_of(path.parent)) is None:
        return
    objects, before = found
    lines = Objects(f"{objects.url}/{before}/{path.stem}")
    known = {line["key"] for line in _lines(path)}
    new = []
    for name in sorted(lines.sizes()):
        if name.removesuffix(".json") not in known and (content := lines.read(name)):
            new.append(json.loads(content))
    if not new:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    before_it = path.read_bytes() if path.exists() else b""
    with path.open("a", encoding="utf-8") as file:
        file.write("\n" if before_it and not before_it.endswith(b"\n") else "")
        for line in sorted(new, key=lambda line: str(line["time"])):
            file.write(json.dumps(line, sort_keys=True) + "\n")


def _push_ledger(path: Path) -> None:
    """Put the lines of a twin's ledger that are not on the store there."""
    if (found := _store_of(path.parent)) is None:
        return
    objects, before = found
    lines = Objects(f"{objects.url}/{before}/{path.stem}")
    there = lines.sizes()
    for line in _lines(path):
        if (name := f"{line['key']}.json") not in there:
            lines.write(name, (json.dumps(line, sort_keys=True) + "\n").encode())


def _lines(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    found = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and "key" in line:
            found.append(line)
    return found
