"""Records on a store: fetched once, whole or not at all, and noticed when they are built again."""

import json

import numpy as np
import pytest

from jser.datasets.synthetic import fake
from jser.errors import InputError
from jser.records import corpus, places
from jser.records.builder import build
from jser.store import data as twins
from jser.store.objects import Objects, StoreError
from tests.conftest import refused, train_command

FOLDER = "synthetic/log_mel/1.0.0"


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    """A process of its own for each test."""
    monkeypatch.setattr(twins, "_url_of", {})
    monkeypatch.setattr(twins, "_asked", set())


def put(url, data, variant="log_mel"):
    """Records on a store, as `jser build` leaves them there."""
    for path in (data / "synthetic" / variant / "1.0.0").iterdir():
        Objects(url).upload(f"synthetic/{variant}/1.0.0/{path.name}", path)


@pytest.fixture
def there(s3, data):
    """URL of a data folder with records."""
    put(f"{s3}/data", data)
    return f"{s3}/data"


@pytest.fixture
def fetched(monkeypatch):
    """Names of what was downloaded."""
    names = []
    real = Objects.download

    def download(self, name, *rest):
        names.append(name.rpartition("/")[2])
        return real(self, name, *rest)

    monkeypatch.setattr(Objects, "download", download)
    return names


def shard(url):
    (name,) = (n for n in Objects(f"{url}/{FOLDER}").sizes() if "array_record" in n)
    return name


def test_fetched_once(bucket, data, fetched):
    put(f"{bucket}/data", data)
    here = corpus.load("synthetic", data)
    for again in (False, True):
        fetched.clear()
        found = corpus.load("synthetic", f"{bucket}/data")
        assert found.fingerprint == here.fingerprint
        np.testing.assert_array_equal(found.frames, here.frames)
        assert bool(fetched) != again
    folder = places.records_dir(places.root(f"{bucket}/data"), "synthetic", "log_mel")
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_the_variable_may_be_a_url(there, data, monkeypatch):
    monkeypatch.setenv("JSER_DATA", there)
    assert corpus.load("synthetic").fingerprint == corpus.load("synthetic", data).fingerprint


def test_what_is_damaged_here_is_fetched_again(there, fetched):
    corpus.load("synthetic", there)
    path = places.root(there) / FOLDER / shard(there)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    fetched.clear()
    corpus.load("synthetic", there)
    assert fetched == [path.name]


def test_what_is_damaged_there_is_refused(there):
    name = f"{FOLDER}/{shard(there)}"
    content = Objects(there).read(name)
    Objects(there).write(name, content[:-1] + b"?")
    with pytest.raises(InputError, match=rf"{there}/{name}: is damaged"):
        corpus.load("synthetic", there)
    folder = places.root(there) / FOLDER
    assert not [path.name for path in folder.iterdir() if "array_record" in path.name]
    Objects(there).write(name, content)  # mended
    assert corpus.load("synthetic", there).label.size


def test_what_is_missing_there_is_refused(there):
    name = f"{FOLDER}/{shard(there)}"
    Objects(there).delete([name])
    with pytest.raises(InputError, match=rf"{there}/{name}: is missing"):
        corpus.load("synthetic", there)


def test_a_fetch_that_is_cut_off_leaves_nothing_half(there, monkeypatch):
    real = Objects.download

    def cut(self, name, path, tick):
        real(self, name, path, tick)
        raise StoreError("cut")

    with monkeypatch.context() as patch:
        patch.setattr(Objects, "download", cut)
        with pytest.raises(StoreError):
            corpus.load("synthetic", there)
    folder = places.root(there) / FOLDER
    assert [path.name for path in folder.iterdir()] == [places.SIDECAR]
    assert corpus.load("synthetic", there).label.size


def test_records_built_again_there_are_noticed(there, data, tmp_path, monkeypatch):
    before = corpus.load("synthetic", there)
    source = fake.make(tmp_path / "source", sentences=1)
    sorted(source.rglob("*.wav"))[0].unlink()
    build("synthetic", source, tmp_path / "other", "log_mel", allow_partial=True)
    put(there, tmp_path / "other")
    monkeypatch.setattr(twins, "_asked", set())  # another process
    after = corpus.load("synthetic", there)
    assert len(after.label) == len(before.label) - 1
    Objects(there).delete([f"{FOLDER}/{places.SIDECAR}"])
    monkeypatch.setattr(twins, "_asked", set())
    with pytest.raises(InputError, match="no records of synthetic"):
        corpus.load("synthetic", there)


def test_none_there(s3, run, tmp_path):
    url = f"{s3}/data"
    found = run(*train_command(url, tmp_path / "run"))
    refused(found, 1, f"{url}/synthetic", f"--data_dir={url}`")
    assert str(tmp_path / "cache") not in found[2]


def test_trained_on_records_of_a_store(there, run, tmp_path, xla_cache, monkeypatch):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(xla_cache))
    status, _, err = run(*train_command(there, tmp_path / "run", epochs="1"))
    assert status == 0, err
    assert "fetch synthetic" in err
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["data_dir"] == there
    assert [name for name in Objects(there).sizes() if name.startswith("ledger/")]
    assert run("audit", "synthetic", f"--data_dir={there}")[0] == 0


@pytest.fixture
def source(tmp_path):
    return fake.make(tmp_path / "source", sentences=1)


def build_words(url, source):
    return ("build", "synthetic", f"--corpus_dir={source}", f"--data_dir={url}", "--allow_partial",
            "--variant=log_mel")  # fmt: skip


def test_built_and_pushed(bucket, source, run, data, tmp_path, monkeypatch):
    url = f"{bucket}/data"
    status, out, err = run(*build_words(url, source))
    assert status == 0, err
    assert f"{url}/{FOLDER}" in out
    monkeypatch.setenv("JSER_CACHE", str(tmp_path / "another"))
    monkeypatch.setattr(twins, "_asked", set())
    assert corpus.load("synthetic", url).fingerprint == corpus.load("synthetic", data).fingerprint


def test_a_push_that_is_cut_off_leaves_no_corpus_and_goes_on(s3, source, run, monkeypatch):
    url = f"{s3}/data"
    real = Objects.write

    def cut(self, name, content):
        if name.endswith(places.SIDECAR):
            raise StoreError(f"{self.url}: the store cannot be reached")
        real(self, name, content)

    with monkeypatch.context() as patch:
        patch.setattr(Objects, "write", cut)
        refused(run(*build_words(url, source)), 1, "cannot be reached")
    assert Objects(f"{url}/{FOLDER}").sizes()
    assert Objects(url).read(f"{FOLDER}/{places.SIDECAR}") is None
    monkeypatch.setattr(twins, "_asked", set())
    status, out, _ = run(*build_words(url, source))
    assert status == 0
    assert "already built" in out  # nothing was computed again
    assert Objects(url).read(f"{FOLDER}/{places.SIDECAR}")


def test_beam_needs_files(run):
    found = run("build", "synthetic", "--runner=beam", "--data_dir=s3://bucket/data")
    refused(found, 1, "--data_dir=s3://bucket/data", "Beam")


# --- ledgers --------------------------------------------------------------------------------------


def test_machines_share_a_ledger(bucket, monkeypatch, tmp_path):
    url = f"{bucket}/data"
    for k, name in enumerate("abca"):
        monkeypatch.setenv("JSER_CACHE", str(tmp_path / name))
        book = places.root(url) / "ledger" / "f_p.jsonl"
        with twins.shared_ledger(book):
            lines = book.read_text().splitlines() if book.exists() else []
            keys = [json.loads(line)["key"] for line in lines]
            assert sorted(keys) == [f"key{n}" for n in range(k)]
            book.parent.mkdir(exist_ok=True)
            with book.open("a") as file:
                file.write(json.dumps({"key": f"key{k}", "time": f"2026-01-0{k + 1}"}) + "\n")
    assert len(Objects(f"{url}/ledger/f_p").sizes()) == 4


def test_a_ledger_on_a_disk_is_left_alone(tmp_path):
    with twins.shared_ledger(tmp_path / "ledger" / "f_p.jsonl"):
        pass
    assert not (tmp_path / "ledger").exists()
