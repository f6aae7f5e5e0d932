"""The benchmarks' own parts that decide a figure, and the commands their README shows."""

import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import ml_collections
import numpy as np
import pytest

from jser import protocols
from jser.frontend import augment
from jser.frontend.augment import CopySpec

FOLDER = Path(__file__).parent / "benchmarks"
README = (FOLDER / "README.md").read_text()


@pytest.fixture
def sets(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import opensmile_sets

    return opensmile_sets


@pytest.fixture
def extraction(sets):
    import opensmile_extraction

    return opensmile_extraction


def documented():
    for block in re.findall(r"```\n(.*?)```", README, re.DOTALL):
        for line in block.splitlines():
            words = line.split()
            if words[:1] == ["python"]:
                yield pytest.param(words[1:], id=line[:70])


@pytest.mark.parametrize("words", list(documented()))
def test_documented_flags_are_the_scripts_own(words):
    script = Path(words[0])
    command = [sys.executable, str(FOLDER / script.name), "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    known = set(re.findall(r"--[a-z_]+", shown))
    assert {word.partition("=")[0] for word in words[1:] if word.startswith("--")} <= known


def test_every_script_is_documented():
    scripts = {path.name for path in FOLDER.glob("*.py")} - {
        "arguments.py",
        "opensmile_extraction.py",
        "single.py",
        "timing.py",
        "torch_twins.py",
    }
    assert {script for script in scripts if f"tests/benchmarks/{script}" in README} == scripts


def test_without_opensmile_one_sentence(sets, monkeypatch):
    monkeypatch.setattr(sets.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(sys, "argv", ["opensmile_sets.py", "ravdess", "--workdir=nowhere"])
    with pytest.raises(SystemExit) as stopped:
        sets.main()
    # A text as the exit's argument is printed, and the status is 1.
    assert "pip install opensmile" in stopped.value.code


def test_functionals_are_of_sound_within_full_scale(extraction):
    heard = []

    def extract(x, rate):
        heard.append((float(x.min()), float(x.max()), rate))
        return np.array([[[x.sum()], [len(x)]]])

    sounds = [np.array([2.0, -3.0], np.float32), np.full(3, 0.5, np.float32)]
    made = extraction.functionals_by(extract, sounds)
    assert made.dtype == np.float32
    assert made[:, 1].tolist() == [2, 3]  # in the order of the recordings
    assert made[1, 0] == 1.5
    assert (-1.0, 32767 / 32768, 16000) in heard


def test_rows_are_originals_then_copies_and_computed_once(extraction, tmp_path):
    rng = np.random.default_rng(0)
    pcm = [rng.integers(-9000, 9000, n).astype(np.int16) for n in (800, 1000, 1200)]
    corpus = SimpleNamespace(
        waveform=pcm, pcm_sha256=np.array(["a", "b", "c"]), fingerprint="f" * 64
    )
    copy = CopySpec("speed:1.1")
    calls = []

    def extract(x, rate):
        calls.append(len(x))
        return np.array([np.inf if len(x) == 1000 else x[10], len(x)])

    x, odd = extraction.rows_of(extract, "set", corpus, [copy], tmp_path)
    changed = list(augment.waveforms(pcm, ["a", "b", "c"], copy, 16000))
    assert x[:, 1].tolist() == [800, 1000, 1200, *map(len, changed)]
    assert odd == 1
    assert x[1, 0] == 0
    assert x[0, 0] == np.float32(pcm[0][10] / 32768)
    assert x[3, 0] == changed[0][10]
    again, _ = extraction.rows_of(extract, "set", corpus, [copy], tmp_path)
    assert len(calls) == 6
    assert (again == x).all()


def test_one_deviation_by_own_rows_alone(sets):
    x = np.array([[1e9, 1e-6, 7], [3e9, 3e-6, 7], [5e9, 9e-6, 8]], np.float32)
    made = sets.of_one_deviation(x, np.array([0, 1]))
    np.testing.assert_allclose(made, [[-1, -1, 0], [1, 1, 0], [3, 7, 0]], rtol=1e-4)


def test_judge_fits_small_numbers_beside_large_and_writes_each_down_once(sets, tmp_path):
    rng = np.random.default_rng(1)
    n_speakers, n_each = 6, 12
    label = np.tile(np.arange(3), n_speakers * n_each // 3)
    speaker = np.repeat([f"s{i}" for i in range(n_speakers)], n_each)
    n = len(label)
    corpus = SimpleNamespace(
        name="made",
        classes=("a", "b", "c"),
        utterance_id=np.array([f"u{i:03d}" for i in range(n)]),
        speaker=speaker,
        session=np.array([""] * n),
        text_id=np.array([""] * n),
        label=label,
        pcm_sha256=np.array([f"{i}" for i in range(n)]),
        sex={f"s{i}": "fm"[i % 2] for i in range(n_speakers)},
        fingerprint="0" * 64,
    )
    config = ml_collections.ConfigDict({"refit": True, "readout": {"penalties": (0.1, 1.0)}})
    prepared = SimpleNamespace(
        config=config,
        corpus=corpus,
        protocol=protocols.make("leave_one_speaker_out", corpus),
    )
    # What tells the classes is a millionth of what does not.
    tells = 1e-6 * (np.eye(3)[label] + 0.1 * rng.standard_normal((n, 3)))
    rows = np.concatenate([tells, rng.standard_normal((n, 20))], axis=1).astype(np.float32)
    where = (prepared, tmp_path / "run", tmp_path / "ledger")
    raw = sets.judge(rows, *where, "h", "part", name="descriptors")
    even = sets.judge(rows, *where, "h", "baseline", name="other", one_deviation=True)
    again = sets.judge(rows, *where, "h", "baseline", name="other", one_deviation=True)
    trace = [float(np.trace(s.by_speaker[:, 0].sum(0))) / n for s in (raw, even)]
    assert trace[0] < 0.6
    assert trace[1] > 0.95
    (book,) = (tmp_path / "ledger").iterdir()
    roles = [json.loads(line)["role"] for line in book.read_text().splitlines()]
    assert roles == ["part", "baseline"]
    assert (even.is_new, again.is_new) == (True, False)
    assert even.configs_total == 0  # neither is a configuration
    found = sets.against({"descriptors": raw, "other": even})["other"]
    assert found["n_speakers"] == n_speakers
    assert found["difference"] > 0.3
    assert found["p_holm"] == found["p"]  # of one comparison
