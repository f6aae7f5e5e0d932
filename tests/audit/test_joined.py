"""Corpora audited together: what lies in both, what was taken of each, and a protocol across."""

import json
import shutil

import numpy as np
import pytest
import soundfile

from jser.audit import content, page, text
from jser.datasets.synthetic import fake
from jser.records.builder import build
from jser.records.manifest import corpus as own
from tests.audit.made import COPIES, RATE, floats, pcm
from tests.conftest import refused
from tests.evaluation.html_tree import parse

ORIGINAL, COPY = "synthetic/f1_s1_anger", "mine/copy"
SAME, ALSO = "synthetic/m1_s1_sadness", "mine/same"


def voice(k):
    """Half a second of a vowel whose pitch and loudness move, another for each k."""
    rng = np.random.default_rng(k)
    t = np.arange(RATE // 2) / RATE
    pitch = 120 + 60 * np.cumsum(rng.standard_normal(len(t))) / len(t) ** 0.5
    wave = sum(np.sin(2 * np.pi * n * np.cumsum(pitch) / RATE) / n for n in range(1, 9))
    return 0.1 * wave * (1 + np.sin(2 * np.pi * (3 + k) * t)) + 0.001 * rng.standard_normal(len(t))


@pytest.fixture(scope="module")
def joined(once, xla_cache):
    """`synthetic` (20 utterances) and `mine` (14), which has two recordings of the other."""

    def make(folder):
        source = fake.make(folder / "source", sentences=1)
        build("synthetic", source, folder, "waveform", allow_partial=True)
        table = ["path,label,speaker,id"]
        for k in range(12):
            soundfile.write(source / f"{k}.wav", voice(k), RATE)
            label = ("anger", "sadness", "calm", "surprise")[k % 4]
            table.append(f"{k}.wav,{label},{'abc'[k % 3]},u{k}")
        sound = floats(soundfile.read(source / f"{ORIGINAL[10:]}.wav", dtype="int16")[0])
        quiet = COPIES["12 dB quieter, 37 ms cut, 8 kHz, MP3"](sound)
        soundfile.write(source / "copy.wav", pcm(quiet), RATE)
        shutil.copy(source / f"{SAME[10:]}.wav", source / "same.wav")
        table += ["copy.wav,sadness,b,copy", "same.wav,sadness,a,same"]
        (source / "mine.csv").write_text("\n".join(table) + "\n")
        own.build(source / "mine.csv", data_dir=folder, variant="waveform")

    return once("audit-joined", make)


@pytest.fixture(scope="module")
def audit(joined):
    return content.gather(
        "synthetic+mine", joined, "leave_one_corpus_out", 1, labels="calm_as_neutral"
    )


def test_what_lies_in_two_corpora_is_found(audit):
    (pair,) = [p for p in audit["near_duplicates"] if not p["same_corpus"]]
    assert (pair["first"], pair["second"]) == (COPY, ORIGINAL)
    assert pair["level_db"] == pytest.approx(12, abs=0.5)
    assert (pair["same_speaker"], pair["same_class"]) == (False, False)
    assert audit["identical"] == [[ALSO, SAME]]
    said = {f["text"]: f["weight"] for f in audit["findings"]}
    assert said[f"1 pair of near-duplicates lies in two corpora: {COPY} ~ {ORIGINAL}"] == "alert"
    (alert,) = [t for t in said if t.startswith("1 recording of one corpus lies in another too")]
    assert said[alert] == "alert"
    assert f"{ALSO} = {SAME}" in alert
    assert not any("lies in two of the corpora" in t for t in said)


def test_the_protocol_is_over_both(audit):
    made = audit["protocol"]
    assert [fold["name"] for fold in made["folds"]] == ["mine", "synthetic"]
    assert made["refused"], "one recording is in train and test"
    for fold in made["folds"]:
        part = {s: part for part, names in fold["speakers"].items() for s in names}

        def counts(one, other, part=part):
            a, b = sorted((part[one], part[other]), key=["train", "dev", "test"].index)
            return dict.fromkeys(("train_dev", "train_test", "dev_test"), 0) | {f"{a}_{b}": 1}

        assert fold["near_duplicates"] == counts("mine/b", "synthetic/f1")
        shared = {pair: things["recordings"] for pair, things in fold["shared"].items()}
        assert shared == counts("mine/a", "synthetic/m1")


def test_what_was_taken_is_counted(audit):
    made = audit["joined"]
    assert made["labels"] == "calm_as_neutral"
    mine, other = made["corpora"]
    # Of `mine` three of each class and the two copies; surprise is in no other corpus.
    assert (mine["name"], mine["n_utterances"], mine["n_whole"]) == ("mine", 11, 14)
    assert mine["classes"] == {"anger": 3, "sadness": 5, "neutral": 3}
    assert mine["taken"]["neutral"] == {"calm": 3}
    assert mine["left_out"] == {"surprise": 3}
    assert (other["n_utterances"], other["n_whole"], other["n_speakers"]) == (12, 20, 4)
    assert other["left_out"] == {"fear": 4, "happiness": 4}
    said = [f["text"] for f in audit["findings"]]
    assert any(
        t.startswith("labels calm_as_neutral: taken calm (3) for neutral in mine") for t in said
    )
    assert "mine: 3 of 14 utterances are of classes that are left out: surprise 3" in said


def test_what_was_noted_at_the_build_is_merged(audit, joined):
    built = audit["built"]
    assert built["n_utterances"] == 23
    assert built["n_expected"] is None, "of one's own corpus nothing is published"
    assert {name: entry["found"] for name, entry in built["classes"].items()} == {
        "anger": 7, "sadness": 9, "neutral": 7
    }  # fmt: skip
    short = content.gather("synthetic", joined)["built"]["missing"]
    assert built["missing"]["classes"] == {
        f"synthetic/{name}": n for name, n in short["classes"].items()
        if name in ("anger", "sadness", "neutral")
    }  # fmt: skip
    assert built["sample_rates"] == {"16000": 34}
    alone = [content.gather(name, joined) for name in ("mine", "synthetic")]
    # Peaks weigh by how many utterances there are.
    noted = [(one["built"]["classes"]["sadness"]["peak_db"], n)
             for one, n in zip(alone, (5, 4), strict=True)]  # fmt: skip
    expected = sum(peak * n for peak, n in noted) / 9
    assert built["classes"]["sadness"]["peak_db"] == pytest.approx(expected)
    lengths = {
        name: entry["seconds"]
        for one, prefix in zip(alone, ("mine/", "synthetic/"), strict=True)
        for name, entry in [(prefix + k, v) for k, v in one["balance"]["classes"].items()]
    }
    total = sum(lengths[f"{c}/{k}"] for c, k in (
        ("mine", "anger"), ("mine", "sadness"), ("mine", "calm"), ("synthetic", "anger"),
        ("synthetic", "sadness"), ("synthetic", "neutral")))  # fmt: skip
    assert built["seconds"]["total"] == pytest.approx(total)


def test_sound_is_measured_once_for_each_corpus(audit, joined, monkeypatch):
    """And by utterance, whatever classes are taken of which corpus."""

    def never(*_, **__):
        raise AssertionError("measured again")

    monkeypatch.setattr(content.sound, "measure", never)
    alone = {name: content.gather(name, joined)["sound"] for name in ("mine", "synthetic")}
    for kind, entry in audit["sound"].items():
        for name, value in entry["worst"].items():
            corpus, _, utterance = name.partition("/")
            if utterance in alone[corpus][kind]["worst"]:
                assert alone[corpus][kind]["worst"][utterance] == value
    part = content.gather("synthetic", joined, classes=["anger", "sadness"])
    assert part["corpus"] == "synthetic (2 of 5 classes)"
    assert part["built"]["n_utterances"] == 8
    published = content.gather("synthetic", joined)["built"]["classes"]
    assert part["built"]["n_expected"] == published["anger"]["expected"] * 2
    assert [c["left_out"] for c in part["joined"]["corpora"]] == [
        {"happiness": 4, "neutral": 4, "fear": 4}
    ]  # fmt: skip
    assert not any("two of the corpora" in f["text"] for f in part["findings"])


def test_text_and_page_show_the_corpora(audit):
    shown = text.text(audit)
    assert max(map(len, shown.splitlines())) <= 100
    assert "11 of 14" in shown
    assert COPY in shown
    tree = parse(page.render(audit))
    names = [s.attributes["id"] for s in tree.all("section")]
    assert names[:3] == ["findings", "corpora", "classes"]
    _, mine, other = tree.id("corpora").all("tr")[:3]
    assert mine.text().split()[:4] == ["mine", "11", "14", "3"]
    assert other.text().split()[:4] == ["synthetic", "12", "20", "4"]
    titles = [t.text() for t in tree.id("corpora").all("title")]
    assert {"mine, sadness: 5", "synthetic, neutral: 4"} <= set(titles)
    (row,) = [r for r in tree.id("twice").all("tr") if COPY in r.text()]
    assert row.text().split()[-3:] == ["another"] * 3
    labels = [t.text() for t in tree.id("classes").all("text")]
    assert any(t.startswith("synthetic/f1") for t in labels)


def test_the_command(run, joined, audit, tmp_path):
    html, data = tmp_path / "a.html", tmp_path / "a.json"
    where = f"--data_dir={joined}"
    status, out, err = run(
        "audit", "synthetic+mine", "--protocol=leave_one_corpus_out", "--dev_speakers=1", where,
        "--labels=calm_as_neutral", f"--html={html}", f"--json={data}",
    )  # fmt: skip
    assert status == 0, err
    assert json.loads(data.read_text(encoding="utf-8")) == json.loads(json.dumps(audit))
    assert html.read_text(encoding="utf-8") == page.render(audit)
    assert out.startswith(text.text(audit).rstrip("\n"))
    refused(run("audit", "synthetic+mine", where, "--labels=calm"), 1, "no map between label sets")
    result = run("audit", "synthetic+mine", where, "--classes=anger,fear")
    refused(result, 1, "'fear' is not among the classes of mine and synthetic")
    refused(run("audit", "synthetic+synthetic", where), 1, "names synthetic twice")
    refused(run("audit", "synthetic+gone", where), 1, "'gone' is no known corpus")
    refused(run("audit", "synthetic+", where), 1, "write A+B")
    refused(run("audit", "fi", where, "--labels=shared"), 2, "is for recordings")
    alone = run("audit", "synthetic", where, "--protocol=leave_one_corpus_out")
    refused(alone, 1, "needs two corpora or more")
