"""Downloads from a server of our own that keeps its word, breaks off, or knows no ranges."""

import numpy as np
import pytest

from jser import download
from jser.errors import InputError

CONTENT = np.random.default_rng(0).bytes(3_000_000)


@pytest.fixture(autouse=True)
def content(server):
    server.content = CONTENT


def get(server, folder):
    target = folder / "deep" / "file.bin"
    download.fetch(server.url, target, "download file", "fetch it by hand")
    return target


def test_whole(server, tmp_path):
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["file.bin"]


def test_taken_up_where_it_broke_off(server, tmp_path):
    server.breaks_after = 1_000_000
    for have in ("1.0", "2.0"):
        with pytest.raises(InputError, match=rf"{have} MB are kept, the same command goes on"):
            get(server, tmp_path)
    server.breaks_after = None
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=1000000-", "bytes=2000000-"]


def test_a_server_without_ranges(server, tmp_path):
    server.breaks_after = 1_000_000
    with pytest.raises(InputError):
        get(server, tmp_path)
    server.breaks_after, server.ranges = None, False
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_the_file_has_become_shorter(server, tmp_path):
    server.breaks_after = 1_000_000
    with pytest.raises(InputError):
        get(server, tmp_path)
    server.breaks_after, server.content = None, CONTENT[:500]
    assert get(server, tmp_path).read_bytes() == CONTENT[:500]


def test_not_there(server, tmp_path):
    server.content = None
    with pytest.raises(InputError, match=r"cannot be downloaded \(Not Found\); fetch it by hand"):
        get(server, tmp_path)
    server.shutdown()
    server.server_close()
    with pytest.raises(InputError, match="cannot be downloaded"):
        get(server, tmp_path)
    assert not list((tmp_path / "deep").iterdir())
