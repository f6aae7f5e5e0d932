"""Storages of all kinds, among them a PostgreSQL server of the tests' own."""

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

pytest.importorskip("optuna")


def _programs():
    """The folder of PostgreSQL's own programs; None where it is not installed."""
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return versions[-1].parent if versions else None


def _user():
    """Who runs the server instead of root, who may not; None: whoever runs the tests."""
    if os.geteuid():
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in known)


@pytest.fixture(scope="session")
def postgresql():
    """The address of a server that listens at a socket in a folder of its own."""
    pytest.importorskip("psycopg")
    programs = _programs()
    if programs is None:
        # Not in PyPI as it is; .ci/run installs it, other machines need only Python.
        pytest.skip("PostgreSQL's initdb is not installed: apt-get install postgresql")
    user = _user()
    # pytest's own folders are closed to other users, and a socket's path is short.
    folder = Path(tempfile.mkdtemp(prefix="jser-pg-"))
    if user:
        shutil.chown(folder, user)

    def call(program, *words):
        done = subprocess.run(
            [programs / program, "-D", folder / "data", *words],
            user=user, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    try:
        call("initdb", "-A", "trust", "-U", "tester", "--no-sync", "--no-locale", "-E", "UTF8")
        options = f"-k {folder} -c listen_addresses= -c fsync=off"
        call("pg_ctl", "-w", "-o", options, "-l", folder / "log", "start")
        try:
            yield f"postgresql://tester@/postgres?host={folder}"
        finally:
            call("pg_ctl", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "journal", "postgresql"])
def url(request, tmp_path):
    """An address of each kind."""
    if request.param == "postgresql":
        return request.getfixturevalue("postgresql")
    return f"{request.param}:///{tmp_path / 'trials'}"
