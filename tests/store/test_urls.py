"""URLs: which are taken, and what is shown in place of local folders."""

import subprocess
import sys
from pathlib import Path

import pytest

from jser.errors import InputError
from jser.store import urls
from tests.conftest import refused


@pytest.mark.parametrize("place", ["s3://b/run", "GS://b", "ftp://x", "memory://a"])
def test_urls(place):
    assert urls.is_url(place)


@pytest.mark.parametrize("place", ["runs/a", "/a//b", "C:/a", "", None, Path("s3:/b")])
def test_no_urls(place):
    assert not urls.is_url(place)


def test_one_spelling():
    assert urls.checked("S3://b//a/", "--workdir") == "s3://b/a"


@pytest.mark.parametrize("url", ["memory://b/a", "file:///a", "ftp://h/a"])
def test_other_schemes_are_refused(url):
    with pytest.raises(InputError, match=r"--workdir=.* gs://BUCKET/PATH or s3://BUCKET/PATH"):
        urls.checked(url, "--workdir")


@pytest.mark.parametrize("url", ["s3://", "s3:///a", "gs://b/../a", "s3://b/a\nb"])
def test_no_place_is_refused(url):
    with pytest.raises(InputError, match=r"--workdir="):
        urls.checked(url, "--workdir")


def test_the_longest_folder_is_shown(tmp_path):
    urls.show(tmp_path / "a", "s3://b/a")
    urls.show(tmp_path / "a" / "run", "s3://b/run")
    assert urls.shown(tmp_path / "a" / "run" / "x") == "s3://b/run/x"
    assert urls.shown(f"{tmp_path}/a/y: bad") == "s3://b/a/y: bad"
    assert urls.shown(f"{tmp_path}/b") == f"{tmp_path}/b"


def test_two_urls_have_two_folders(monkeypatch, tmp_path):
    monkeypatch.setenv("JSER_CACHE", str(tmp_path))
    folders = {urls.folder_of(url, "runs") for url in ("s3://b/x/run", "s3://b/y/run", "gs://b/x")}
    assert len(folders) == 3
    assert all(folder.parent == tmp_path / "runs" for folder in folders)


def test_the_cache_is_local_though_the_data_are_not(monkeypatch):
    monkeypatch.delenv("JSER_CACHE", raising=False)
    monkeypatch.setenv("JSER_DATA", "s3://b/data")
    assert urls.cache_dir() == Path.home() / "jser_data" / "cache" / "stores"


def test_a_run_on_an_unknown_store_is_refused(run):
    found = run("train", "--config=dcnn_blstm:synthetic", "--workdir=ftp://host/run")
    refused(found, 1, "--workdir=ftp://host/run", "s3://BUCKET/PATH")


def test_a_sweep_wants_a_disk(run):
    pytest.importorskip("optuna")
    found = run("sweep", "--config=dcnn_blstm:synthetic", "--workdir=s3://bucket/sweep")
    refused(found, 1, "--workdir=s3://bucket/sweep", "disk")


def test_nothing_is_imported_for_a_disk():
    code = (
        "import sys; from jser import cli, commands, status\n"
        "from jser.training import checkpoints\n"
        "from jser.records import corpus\n"
        "sys.exit(bool({'s3fs', 'gcsfs', 'aiobotocore'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=100)


@pytest.mark.parametrize(("scheme", "package"), [("s3", "s3fs"), ("gs", "gcsfs")])
def test_without_the_extra(scheme, package):
    code = (
        f"import sys; sys.modules['{package}'] = None\n"
        "from jser import cli\n"
        f"sys.exit(cli.main(['status', '{scheme}://bucket/run']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, timeout=100, capture_output=True, text=True
    )
    found = done.returncode, done.stdout, done.stderr
    refused(found, 1, f"{scheme}://bucket/run", package, f"; pip install {package}")
