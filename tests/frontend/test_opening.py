import hashlib
import os
import time

import pytest

from jser.frontend import opening
from jser.frontend.damage import Damaged


@pytest.fixture
def hashed(monkeypatch):
    """Files that are read for their hash, in turn."""
    read = []
    digest = opening.digest

    def noting(file):
        read.append(str(file.name))
        return digest(file)

    monkeypatch.setattr(opening, "digest", noting)
    monkeypatch.setattr(opening, "_hashed", {})
    return read


def settle(monkeypatch):
    """What was written just now has been lying there for a minute."""
    later = time.time_ns() + 60_000_000_000
    monkeypatch.setattr(opening.time, "time_ns", lambda: later)


def test_a_file_that_lies_still_is_hashed_once(tmp_path, monkeypatch, hashed):
    path = tmp_path / "a.wav"
    path.write_bytes(b"sound")
    settle(monkeypatch)
    sha256 = opening.content_sha256(path)
    assert sha256 == hashlib.sha256(b"sound").hexdigest()
    with opening.opened(path, "sound file", sha256) as file:
        assert file.read() == b"sound"
    assert hashed == [str(path)]


def test_a_file_that_was_written_just_now_is_hashed_again(tmp_path, hashed):
    path = tmp_path / "a.wav"
    path.write_bytes(b"sound")
    sha256 = opening.content_sha256(path)
    with opening.opened(path, "sound file", sha256):
        pass
    assert hashed == [str(path)] * 2


def test_a_file_of_the_same_size_and_time_put_in_its_place_is_refused(
    tmp_path, monkeypatch, hashed
):
    path = tmp_path / "a.wav"
    path.write_bytes(b"sound")
    settle(monkeypatch)
    sha256 = opening.content_sha256(path)
    before = path.stat()
    time.sleep(0.02)  # The clock of the file system ticks.
    path.write_bytes(b"noise")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with (
        pytest.raises(Damaged, match="has changed since its hash was taken"),
        opening.opened(path, "sound file", sha256),
    ):
        pass
    assert hashed == [str(path)] * 2


def test_another_hash_than_the_known_one_is_refused(tmp_path, monkeypatch, hashed):
    path = tmp_path / "a.wav"
    path.write_bytes(b"sound")
    settle(monkeypatch)
    opening.content_sha256(path)
    with pytest.raises(Damaged, match="has changed"), opening.opened(path, "sound file", "0" * 64):
        pass
