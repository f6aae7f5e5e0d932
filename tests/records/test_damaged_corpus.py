"""A corpus of which 500 recordings are damaged: all are named, nothing is lost or half-written."""

import json
import shutil

import pytest

from jser.datasets.emodb import fake
from jser.frontend import waveform
from jser.records import corpus, faults, places
from tests.conftest import refused
from tests.frontend import damage

GOOD = 35


@pytest.fixture(scope="module")
def source(once):
    """All 535 names of EMO-DB, 500 of them damaged; `fate.json` says what `load` makes of each."""

    def make(folder):
        fake.make_complete(folder, seconds=0.1)
        paths = sorted((folder / "wav").iterdir())
        fate = {}
        for path, case in zip(paths[GOOD:], damage.cases(), strict=True):
            path.unlink()
            case.write(path)
        for path in paths:
            try:
                waveform.load(path)
            except waveform.AudioError as error:
                fate[path.stem] = error.reason
        (folder / "fate.json").write_text(json.dumps(fate))

    folder = once("damaged_corpus", make)
    return folder, json.loads((folder / "fate.json").read_text())


def test_every_damaged_file_is_named(run, source, tmp_path):
    folder, fate = source
    assert len(fate) > 400
    data = tmp_path / "data"
    command = ("build", "emodb", f"--corpus_dir={folder}", f"--data_dir={data}")
    status, out, err = run(*command)
    assert status == 1
    assert "Traceback" not in err
    assert out == ""
    lines = err[err.index("jser: ") :].splitlines()
    assert f"{len(fate)} of 535 recordings cannot be used" in lines[0]
    assert "--allow_partial" in lines[0]
    assert len(lines) == 1 + faults.SHOWN + 1
    listed = places.faults_list(data, "emodb", "waveform")
    assert f"all {len(fate)} are listed in {listed}" in lines[-1]
    wanted = {f"wav/{name}.wav: {reason}" for name, reason in fate.items()}
    assert set(listed.read_text().splitlines()) == wanted
    assert lines[1:-1] == listed.read_text().splitlines()[: faults.SHOWN]
    # Nothing that looks like records; what was good is kept for the next time.
    assert not (data / "emodb").exists()
    assert not list(data.rglob("*.part"))

    status, out, err = run(*command, "--allow_partial")
    assert status == 0, err
    assert f"every broken recording, one a line: {listed}" in out
    assert f"{535 - len(fate)} taken from an unfinished build" in out
    assert len(out.splitlines()) < 80
    built = corpus.load("emodb", data)
    assert built.partial
    assert sorted(built.utterance_id) == sorted(
        path.stem for path in (folder / "wav").glob("*.wav") if path.stem not in fate
    )
    assert set(built.audit["missing"]["broken"]) == wanted


def test_the_list_goes_when_the_files_are_mended(run, source, tmp_path):
    folder, fate = source
    copy = tmp_path / "copy" / "wav"
    copy.mkdir(parents=True)
    for name in list(fate)[:12]:
        (copy / f"{name}.wav").write_bytes(b"")
    good = sorted(p for p in (folder / "wav").iterdir() if p.stem not in fate)[0]
    shutil.copy(good, copy)
    data = tmp_path / "data"
    command = ("build", "emodb", f"--corpus_dir={copy.parent}", f"--data_dir={data}")
    listed = places.faults_list(data, "emodb", "waveform")
    assert run(*command, "--allow_partial")[0] == 0
    assert len(listed.read_text().splitlines()) == 12
    for name in list(fate)[:12]:
        (copy / f"{name}.wav").unlink()
    assert run(*command, "--allow_partial")[0] == 0
    assert not listed.exists()


def test_nothing_but_damage(run, tmp_path):
    (tmp_path / "wav").mkdir()
    for name in ("03a01Fa", "03a01Wa"):
        (tmp_path / "wav" / f"{name}.wav").write_bytes(b"")
    words = ("--allow_partial", f"--data_dir={tmp_path / 'data'}")
    status, _, err = run("build", "emodb", f"--corpus_dir={tmp_path}", *words)
    assert status == 1
    assert err.count("is empty (0 bytes)") == 2
    assert "none of its 2 recordings can be used" in err
    assert not (tmp_path / "data" / "emodb").exists()


def test_odd_places(run, tmp_path):
    """Names with line breaks and other bytes, folders that are links, a folder named as a file."""
    real = fake.make(tmp_path / "real", speakers=["03"])
    odd = tmp_path / "corpus" / "new\nline nicht \udce4"
    odd.mkdir(parents=True)
    (tmp_path / "corpus" / "linked").symlink_to(real / "wav")
    (tmp_path / "corpus" / "round").symlink_to(tmp_path / "corpus")
    (odd / "08a01Wa.wav").write_bytes(b"")
    (odd / "08a02Wa.wav").mkdir()
    data = tmp_path / "data"
    status, out, err = run(
        "build", "emodb", f"--corpus_dir={odd.parent}", f"--data_dir={data}", "--allow_partial"
    )
    assert status == 0, err
    assert "14 of 535 recordings" in out
    assert "new\\nline nicht \\udce4/08a01Wa.wav: is empty" in out
    assert "08a02Wa.wav: is a folder" in out
    assert len(corpus.load("emodb", data).label) == 14


def test_a_folder_that_cannot_be_read(run, tmp_path, monkeypatch):
    from jser.records import files

    fake.make(tmp_path / "c", speakers=["03"])

    def walk(top, onerror, followlinks):
        onerror(PermissionError(13, "Permission denied", str(tmp_path / "c" / "08")))
        return iter(())

    monkeypatch.setattr(files.os, "walk", walk)
    result = run("build", "emodb", f"--corpus_dir={tmp_path / 'c'}", f"--data_dir={tmp_path}")
    refused(result, 1, "c/08: cannot be read (Permission denied)")
