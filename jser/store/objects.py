"""The objects under a URL: the only module that knows fsspec.

etils' epath, on which Orbax and TFDS read stores, has neither a put on the condition that nothing
is there, nor time limits, nor sizes in its listings; so its fsspec is used directly.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from jser import progress
from jser.errors import InputError

# Seconds for a connection and for an answer; each request is tried a few times.
CONNECT, ANSWER, TRIES = 5, 30, 2
CHUNK_BYTES = 8 << 20
# The package behind a scheme.
PACKAGES = {"s3": "s3fs", "gs": "gcsfs"}
# What is no fault of a store's: the local disk.
_LOCAL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
# Names of errors, in the libraries' words.
_NO_CREDENTIALS = (
    "NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError", "TokenRetrieval",
)  # fmt: skip
_DENIED = (
    "PermissionError", "Forbidden", "Unauthorized", "InvalidAccessKeyId", "SignatureDoesNotMatch",
)  # fmt: skip


class StoreError(InputError):
    """A store cannot be used, now or at all."""


class Objects:
    """The objects whose names begin with a URL.

    Names are relative to it. All methods raise `StoreError` where the store cannot be used, and
    may be called from several threads.
    """

    def __init__(self, url: str):
        """Open nothing yet; `url` is checked (`urls.checked`)."""
        self.url = url
        self._root = url.partition("://")[2]
        self._fs = _filesystem(url)

    def sizes(self) -> dict[str, int]:
        """Name -> bytes of every object.

        Raises:
            StoreError: there is no such bucket, besides.
        """
        with self._faults():
            try:
                found = self._fs.find(self._root, detail=True)
            except FileNotFoundError as error:
                bucket = self._root.partition("/")[0]
                raise StoreError(
                    f"{self.url}: there is no bucket {bucket}, or it may not be seen; make it, or "
                    "give another"
                ) from error
        start = self._root + "/"
        return {
            path[len(start) :]: int(entry.get("size") or 0)
            for path, entry in found.items()
            if path.startswith(start) and not path.endswith("/")
        }

    def read(self, name: str) -> bytes | None:
        """The content of a small object; None where there is none."""
        with self._faults():
            try:
                return bytes(self._fs.cat_file(self._path(name)))
            except FileNotFoundError:
                return None

    def write(self, name: str, content: bytes) -> None:
        """Put a small object, whole or not at all."""
        with self._faults():
            self._fs.pipe_file(self._path(name), content)

    def create(self, name: str, content: bytes) -> bool:
        """Put an object if there is none; False: there is one."""
        with self._faults():
            try:
                self._fs.pipe_file(self._path(name), content, mode="create")
            except FileExistsError:
                return False
            return True

    def upload(self, name: str, path: Path) -> None:
        """Put a local file, whole or not at all.

        Raises:
            FileNotFoundError: it has gone.
        """
        size = path.stat().st_size
        if size < CHUNK_BYTES:  # one request, where put_file makes several
            self.write(name, path.read_bytes())
            return
        try:
            with self._faults():
                self._fs.put_file(os.fspath(path), self._path(name))
        except StoreError:
            path.stat()
            raise

    def download(self, name: str, path: Path, tick: Callable[[int], None]) -> str:
        """Write an object to a local file, whose folder is made.

        Args:
            name: of the object.
            path: of the file.
            tick: is told how many bytes more have arrived.

        Returns:
            Its hex sha256.

        Raises:
            StoreError: there is no such object, besides.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        found = hashlib.sha256()
        with self._faults(), path.open("wb") as file:
            try:
                with self._fs.open(
                    self._path(name), "rb", block_size=CHUNK_BYTES, cache_type="readahead"
                ) as source:
                    while chunk := source.read(CHUNK_BYTES):
                        file.write(chunk)
                        found.update(chunk)
                        tick(len(chunk))
            except FileNotFoundError as error:
                raise StoreError(
                    f"{self.url}/{name}: is not there any more; give the same command again"
                ) from error
        return found.hexdigest()

    def delete(self, names: Iterable[str]) -> None:
        """Remove objects; those that are gone are no fault."""
        with self._faults():
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    self._fs.rm_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        """One sentence for whatever the libraries raise of a store."""
        try:
            yield
        except (InputError, AttributeError, TypeError):
            raise
        except FileNotFoundError as error:
            raise StoreError(f"{self.url}: its bucket is not there any more; make it") from error
        except Exception as error:
            if isinstance(error, OSError) and error.errno in _LOCAL:
                raise
            raise StoreError(f"{self.url}: {_sentence(error)}") from error


def _filesystem(url: str) -> Any:
    """fsspec's, whose clients all objects of a scheme share."""
    scheme = url.partition("://")[0]
    try:
        return filesystem(scheme)
    except ImportError as error:
        raise StoreError(
            f"{url}: {scheme}:// needs {PACKAGES[scheme]}, which is not installed; "
            f"pip install {PACKAGES[scheme]}"
        ) from error
    except Exception as error:  # gcsfs looks for credentials at once
        raise StoreError(f"{url}: {_sentence(error)}") from error


@functools.cache
def filesystem(scheme: str) -> Any:
    """fsspec's file system of a scheme, with our time limits."""
    import fsspec

    limits: dict[str, Any] = {}
    if scheme == "s3":
        retries = {"max_attempts": TRIES, "mode": "standard"}
        limits["config_kwargs"] = {
            "connect_timeout": CONNECT,
            "read_timeout": ANSWER,
            "retries": retries,
        }
    elif os.environ.get("STORAGE_EMULATOR_HOST"):
        limits["token"] = "anon"  # it knows no credentials
    # What they log of a request that failed is said in a sentence, or was tried again.
    for name in (PACKAGES[scheme], "aiobotocore", "botocore", "google.auth"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    kind: Any = fsspec.get_filesystem_class(scheme)
    if scheme == "gs":
        # The one that fsspec gives asks Google about each bucket first, by gRPC and for long.
        from gcsfs.core import GCSFileSystem

        kind = GCSFileSystem
    # No instance of another place, and no listing of before.
    found = kind(skip_instance_cache=True, use_listings_cache=False, **limits)
    found.retries = TRIES
    return found


def _sentence(error: Exception) -> str:
    """What is amiss, and the way out."""
    chain: list[BaseException] = [error]
    while (behind := chain[-1].__cause__) is not None and len(chain) < 5:
        chain.append(behind)
    words = " ".join(f"{type(one).__name__} {str(one)[:300]}" for one in chain)
    what = f"{type(error).__name__}: {' '.join(str(error).split())[:150]}"
    if any(name in words for name in _NO_CREDENTIALS):
        return (
            "no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
            "AWS_PROFILE, for gs:// GOOGLE_APPLICATION_CREDENTIALS"
        )
    if any(name in words for name in _DENIED):
        return f"access is denied ({what}); see the credentials and the bucket's permissions"
    return f"the store cannot be reached ({what}); give the same command again when it can"


@contextlib.contextmanager
def arrivals(total: int, what: str) -> Iterator[Callable[[int], None]]:
    """A bar over bytes that are fetched.

    Args:
        total: bytes in all.
        what: label of the bar.

    Yields:
        What is told how many bytes more have come.
    """
    arrived = 0
    with progress.bar(max(total >> 10, 1), what, "KiB") as tick:

        def count(n: int) -> None:
            nonlocal arrived
            if more := ((arrived + n) >> 10) - (arrived >> 10):
                tick(more)
            arrived += n

        yield count
