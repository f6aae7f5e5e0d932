"""Servers of object stores on this machine, one of each for a pytest worker."""

import hashlib
import itertools
import os
import socket
import subprocess
import sys
import time
from typing import ClassVar

import pytest

from jser.store import lease, mirror, objects, urls
from jser.store.mirror import Mirror
from jser.store.objects import Objects

_numbers = itertools.count()
GS_SERVER = """
import sys
from gcp_storage_emulator.server import create_server
create_server("127.0.0.1", int(sys.argv[1]), in_memory=True).run()
"""


def started(*words):
    """A server's process and port; `{port}` in the words stands for it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, *(word.format(port=port) for word in words)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    end = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return process, port
        except OSError:
            assert process.poll() is None, "the server has ended"
            assert time.monotonic() < end, "the server does not answer"
            time.sleep(0.05)


@pytest.fixture(scope="session")
def s3_server():
    for package in ("moto", "flask", "s3fs"):
        pytest.importorskip(package, reason="needs jser[test]: moto[server] and s3fs")
    process, port = started("-m", "moto.server", "-H", "127.0.0.1", "-p", "{port}")
    yield f"http://127.0.0.1:{port}"
    process.kill()
    process.wait()


@pytest.fixture(scope="session")
def gs_server():
    for package in ("gcp_storage_emulator", "gcsfs"):
        pytest.importorskip(package, reason="needs jser[test]: gcp-storage-emulator and gcsfs")
    process, port = started("-c", GS_SERVER, "{port}")
    yield f"http://127.0.0.1:{port}"
    process.kill()
    process.wait()


@pytest.fixture
def surroundings(monkeypatch, tmp_path):
    """Credentials that the servers take, no proxy, and a cache of the test's own."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "GOOGLE_", "STORAGE_EMULATOR")) or name.lower().endswith(
            "_proxy"
        ):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("JSER_CACHE", str(tmp_path / "cache"))
    objects.filesystem.cache_clear()
    yield
    objects.filesystem.cache_clear()


def _new_bucket(scheme):
    name = f"bucket-{next(_numbers)}"
    objects.filesystem(scheme).mkdir(name)
    return f"{scheme}://{name}"


@pytest.fixture
def s3(s3_server, surroundings, monkeypatch):
    """URL of a new bucket."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    return _new_bucket("s3")


@pytest.fixture
def gs(gs_server, surroundings, monkeypatch):
    """URL of a new bucket."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gs_server)
    return _new_bucket("gs")


@pytest.fixture(params=["s3", "gs"])
def bucket(request):
    """URL of a new bucket, of either kind."""
    return request.getfixturevalue(request.param)


class Memory(Objects):
    """Objects in this process, for tests that go through hundreds of states."""

    content: ClassVar[dict[str, bytes]] = {}

    def __init__(self, url):
        self.url = url

    def sizes(self):
        start = f"{self.url}/"
        found = {n: len(c) for n, c in self.content.items() if n.startswith(start)}
        return {name[len(start) :]: size for name, size in found.items()}

    def read(self, name):
        return self.content.get(f"{self.url}/{name}")

    def write(self, name, content):
        self.content[f"{self.url}/{name}"] = content

    def create(self, name, content):
        return self.content.setdefault(f"{self.url}/{name}", content) is content

    def upload(self, name, path):
        self.write(name, path.read_bytes())

    def download(self, name, path, tick):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.read(name))
        return hashlib.sha256(self.read(name)).hexdigest()

    def delete(self, names):
        for name in list(names):
            self.content.pop(f"{self.url}/{name}", None)


@pytest.fixture
def memory(monkeypatch):
    """URL of an empty bucket in this process."""
    monkeypatch.setattr(mirror, "Objects", Memory)
    Memory.content.clear()
    return "s3://memory"


@pytest.fixture
def quick(monkeypatch):
    """Leases that are renewed, and old, within seconds."""
    monkeypatch.setattr(lease, "RENEW", 0.2)
    monkeypatch.setattr(lease, "LOOK", 0.05)
    monkeypatch.setattr(lease, "STALE", 1.5)
    monkeypatch.setattr(lease, "SETTLE", 0.05)


@pytest.fixture
def machine(tmp_path):
    """`machine(url, name)`: the mirror of a run on a machine of that name, not yet open."""

    def made(url, name):
        holder = tmp_path / "machines" / name / urls.folder_of(url, "runs").name
        holder.mkdir(parents=True, exist_ok=True)
        return Mirror(url, holder)

    return made


def killed(mirror):
    """The program of a mirror is gone: it renews and gives back nothing."""
    mirror._lease._ended.set()
    mirror._lease._thread.join()
