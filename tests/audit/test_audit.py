"""A corpus with planted copies, from the command line to text, JSON and page."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from jser import protocols
from jser.audit import content, duplicates, fingerprints, page, text
from jser.audit.fingerprints import Pair
from jser.datasets.synthetic import fake
from jser.evaluation.page.markup import document
from jser.records import corpus as records
from jser.records import on_disk
from jser.records.builder import build
from tests.audit.made import COPIES, floats, pcm
from tests.conftest import refused
from tests.evaluation import browser
from tests.evaluation.html_tree import parse

COPY, ORIGINAL = "m2_s1_fear", "f1_s1_anger"
SAME, OF = "m1_s1_neutral", "m1_s1_sadness"


@pytest.fixture(scope="module")
def planted(once, xla_cache):
    """Twenty utterances; one is another speaker's at -12 dB, 8 kHz and MP3, one is there twice."""

    def make(folder):
        source = fake.make(folder / "source", sentences=1)
        original = floats(soundfile.read(source / f"{ORIGINAL}.wav", dtype="int16")[0])
        soundfile.write(
            source / f"{COPY}.wav",
            pcm(COPIES["12 dB quieter, 37 ms cut, 8 kHz, MP3"](original)),
            16000,
        )
        shutil.copy(source / f"{OF}.wav", source / f"{SAME}.wav")
        cut = source / "f2_s1_fear.wav"
        loud, rate = soundfile.read(cut, dtype="int16")
        soundfile.write(cut, loud[: len(loud) // 2], rate)
        build("synthetic", source, folder, "waveform", allow_partial=True)

    return once("planted", make)


@pytest.fixture(scope="module")
def audit(planted):
    return content.gather("synthetic", planted, "leave_one_speaker_out", 1)


def test_copies_are_named(audit):
    assert audit["identical"] == [[SAME, OF]]
    (pair,) = audit["near_duplicates"]
    assert (pair["first"], pair["second"]) == (ORIGINAL, COPY)
    assert pair["similarity"] > fingerprints.SIMILAR
    assert pair["level_db"] == pytest.approx(-12, abs=0.5)
    assert pair["lag_seconds"] == pytest.approx(597 / 16000, abs=0.006)
    assert (pair["same_speaker"], pair["same_class"]) == (False, False)
    assert pair in audit["protocol"]["near_duplicates"]


def test_near_duplicates_across_parts_are_counted_fold_by_fold(audit):
    counts = {f["name"]: f["near_duplicates"] for f in audit["protocol"]["folds"]}
    part = {
        fold["name"]: {s: p for p, names in fold["speakers"].items() for s in names}
        for fold in audit["protocol"]["folds"]
    }
    for name, there in counts.items():
        expected = dict.fromkeys(("train_dev", "train_test", "dev_test"), 0)
        a, b = sorted((part[name]["f1"], part[name]["m2"]), key=["train", "dev", "test"].index)
        if a != b:
            expected[f"{a}_{b}"] = 1
        assert there == expected
    assert sum(n for there in counts.values() for n in there.values()) >= 2


def test_training_certifies_the_same_count(planted):
    corpus = records.load("synthetic", planted)
    protocol = protocols.make("leave_one_speaker_out", corpus, 1)
    plain = protocols.certificate(corpus, protocol)
    assert plain.near_duplicates is None
    full = duplicates.certified(plain, corpus, protocol, planted)
    # Each pair once, in however many folds it lies.
    assert full.near_duplicates["train_test"] == 1
    assert full.to_json()["near_duplicates"] == full.near_duplicates


def test_another_order_is_not_read_from_the_cache(planted):
    corpus = records.load("synthetic", planted)
    turned = np.arange(len(corpus.label))[::-1]
    fields = ("utterance_id", "speaker", "label", "pcm_sha256", "offset", "length")
    other = dataclasses.replace(corpus, **{f: getattr(corpus, f)[turned] for f in fields})
    (one,), (two,) = (duplicates.find(c, planted) for c in (corpus, other))
    assert {one.first, one.second} == {turned[two.first], turned[two.second]}


def test_across_counts_by_hand():
    names = dict.fromkeys(("train", "dev", "test"), ("x",))

    def fold(name, **parts):
        index = {part: np.array(parts[part], np.int32) for part in names}
        speakers = {f"{part}_speakers": who for part, who in names.items()}
        return protocols.Fold(name, **index, **speakers)

    protocol = protocols.Protocol(
        "made",
        (fold("1", train=[0, 1], dev=[2], test=[3]), fold("2", train=[2, 3], dev=[0], test=[1])),
        "speaker",
        None,
        "",
    )
    pairs = [Pair(a, b, 0.9, 0.0, 0.0) for a, b in ((0, 1), (0, 3), (1, 2))]
    one, two = duplicates.across(pairs, protocol, 4)
    assert one == {"train_dev": [pairs[2]], "train_test": [pairs[1]], "dev_test": []}
    assert two == {"train_dev": [pairs[1]], "train_test": [pairs[2]], "dev_test": [pairs[0]]}


def test_findings_start_with_what_weighs_most(audit):
    weights = [finding["weight"] for finding in audit["findings"]]
    assert weights == sorted(weights, key=["alert", "warn", "note", "good"].index)
    said = {finding["text"]: finding["weight"] for finding in audit["findings"]}

    def weight(words):
        (found,) = [w for t, w in said.items() if words in t]
        return found

    assert weight("synthetic: made by a generator") == "alert"
    assert weight("incomplete: missing by class") == "alert"
    near = f"1 pair of near-duplicates lies in two parts of a fold: {ORIGINAL}"
    assert weight(near) == "alert"
    assert weight(f"sample by sample: {SAME} = {OF}") == "warn"
    assert weight("ends abruptly: 1 of 20 (more than -15 dB): f2_s1_fear") == "warn"
    assert weight("share no speaker, recording or utterance") == "good"
    assert weight("none: clipped") == "good"


def test_the_second_audit_is_read_from_the_cache(audit, planted, monkeypatch):
    def never(*_, **__):
        raise AssertionError("measured again")

    monkeypatch.setattr(content.sound, "measure", never)
    monkeypatch.setattr(fingerprints, "near_duplicates", never)
    again = content.gather("synthetic", planted, "leave_one_speaker_out", 1)
    assert json.dumps(again) == json.dumps(audit)


@pytest.mark.parametrize("damage", ["{", "[]", '{"pairs": [{"no": 1}], "sounds": [{"no": 1}]}'])
def test_damaged_cache_is_made_again(audit, planted, tmp_path, damage):
    mine = tmp_path / "data"
    shutil.copytree(planted / "synthetic", mine / "synthetic")
    content.gather("synthetic", mine)
    files = list((mine / "cache" / "audit").iterdir())
    assert len(files) == 2
    for file in files:
        file.write_text(damage)
    again = content.gather("synthetic", mine)
    assert again["near_duplicates"] == audit["near_duplicates"]
    assert again["sound"] == audit["sound"]


def test_records_without_sound(data, tmp_path):
    shutil.copytree(data / "synthetic" / "log_mel", tmp_path / "synthetic" / "log_mel")
    made = content.gather("synthetic", tmp_path)
    assert made["sound"] is None
    assert "`jser build synthetic --variant=waveform`" in made["sound_missing"]
    assert any("not listened to" in f["text"] for f in made["findings"])
    assert {row["fact"] for row in made["give_aways"]} <= {"sentence", "sex", "duration"}
    assert "Not listened to" in parse(page.render(made)).id("sound").text()
    assert "How it sounds" not in text.text(made)
    assert json.loads(json.dumps(made)) == made


def test_text_fits_100_columns_and_names_all(audit):
    shown = text.text(audit)
    assert max(map(len, shown.splitlines())) <= 100
    straddled = sum(any(f["near_duplicates"].values()) for f in audit["protocol"]["folds"])
    words = [
        "20 of 240 recordings, 4 speakers",
        ORIGINAL,
        COPY,
        SAME,
        "f2_s1_fear (",
        "clean: train, dev and test share no speaker, no recording and no utterance, and train no "
        "session with the others; but near-duplicates are shared",
        f"near-duplicates lie in two parts in {straddled} of 4 folds",
        "peak level",
    ]
    for word in words:
        assert word in " ".join(shown.split())


def test_page_has_what_the_json_has(audit):
    tree = parse(page.render(audit))
    parts = [s.attributes["id"] for s in tree.all("section")]
    assert parts == ["findings", "classes", "sentences", "giveaways", "twice", "sound", "protocol",
                     "data"]  # fmt: skip
    links = [a.attributes["href"] for a in tree.one("nav").all("a")]
    assert links == [f"#{name}" for name in parts]
    findings = tree.id("findings")
    assert [li.text() for li in findings.all("li")] == [
        f"{ {'alert': 'mind', 'warn': 'look', 'note': 'know', 'good': 'fine'}[f['weight']] } "
        f"{' '.join(f['text'].split())}"
        for f in audit["findings"]
    ]
    assert f"{SAME} = {OF}" in tree.id("twice").text()
    (row,) = [r for r in tree.id("twice").all("tr") if ORIGINAL in r.text()]
    assert COPY in row.text()
    assert "another" in row.text()
    counts = audit["balance"]["speakers"]["f1"]["classes"]
    titles = [t.text() for t in tree.id("classes").all("title")]
    assert {f"f1, {name}: {n}" for name, n in counts.items()} <= set(titles)
    assert "SYNTHETIC:" in tree.one("header").text()
    assert "PARTIAL:" in tree.one("header").text()
    # Every panel says how many it counts.
    counted = [h.text() for h in tree.id("sound").all("h3")]
    assert "ends abruptly 1 of 20" in counted
    for element in tree.all():
        for name in ("src", "href"):
            assert not (element.attributes.get(name) or "").startswith(("http", "//"))


def test_without_a_protocol(planted):
    made = content.gather("synthetic", planted)
    assert made["protocol"] is None
    assert "protocol" not in [s.attributes["id"] for s in parse(page.render(made)).all("section")]
    assert "clean: " not in text.text(made)


def test_leaking_protocol_is_marked_and_not_refused(planted):
    """The audit shows what training refuses; a split that says itself that it leaks is taken."""
    made = content.gather("synthetic", planted, "random:4")
    assert made["protocol"]["leak"].startswith("random split")
    assert not made["protocol"]["refused"]
    assert any(f["weight"] == "alert" and "leaks" in f["text"] for f in made["findings"])


def test_command_writes_all_three(run, planted, audit, tmp_path):
    html, data = tmp_path / "new" / "a ü.html", tmp_path / "new" / "a.json"
    status, out, err = run(
        "audit", "synthetic", "--protocol=leave_one_speaker_out", "--dev_speakers=1",
        f"--data_dir={planted}", f"--html={html}", f"--json={data}",
    )  # fmt: skip
    assert status == 0, err
    assert json.loads(data.read_text(encoding="utf-8")) == json.loads(json.dumps(audit))
    assert html.read_text(encoding="utf-8") == page.render(audit)
    assert out.startswith(text.text(audit).rstrip("\n"))
    assert f"page: {html}" in out
    assert sorted(p.name for p in html.parent.iterdir()) == ["a ü.html", "a.json"]


def test_what_cannot_be_written_is_said_before_anything_is_measured(
    run, planted, tmp_path, monkeypatch
):
    monkeypatch.setattr(content, "gather", lambda *_: pytest.fail("measured first"))
    (tmp_path / "file").write_text("")
    where = f"--data_dir={planted}"
    for option in ("html", "json"):
        result = run("audit", "synthetic", where, f"--{option}={tmp_path}")
        refused(result, 1, f"--{option}={tmp_path}: is a folder")
        result = run("audit", "synthetic", where, f"--{option}={tmp_path / 'file' / 'x'}")
        refused(result, 1, f"--{option}=", "cannot be written", "name another file")
    assert (tmp_path / "file").read_text() == ""


def test_hostile_names_stay_text(audit):
    name = "<script>alert(1)</script>&\"'\u202e"
    hostile = json.loads(json.dumps(audit).replace(ORIGINAL, json.dumps(name)[1:-1]))
    made = page.render(hostile)
    assert "<script>alert" not in made
    assert name in parse(made).id("twice").text()
    assert document("x").count("<script>") == made.count("<script>")


@pytest.mark.slow
@pytest.mark.skipif(browser.binary() is None, reason="no Chromium here")
@pytest.mark.parametrize("width", [1200, 420, 320])
def test_nothing_sticks_out_in_a_browser(audit, tmp_path, width):
    path = Path(tmp_path / "audit.html")
    path.write_text(page.render(audit), encoding="utf-8")
    with browser.started(tmp_path / "profile") as tab:
        tab.size(width)
        tab.open(path)
        tab.ask("document.querySelectorAll('details').forEach(d => d.open = true), 1")
        assert tab.ask("document.scrollingElement.scrollWidth") <= width
        asked = [
            e["params"]["request"]["url"]
            for e in tab.events
            if e.get("method") == "Network.requestWillBeSent"
        ]
        assert [u for u in asked if not u.startswith(("file:///", "data:", "about:"))] == []


def test_records_that_stay_on_disk_are_audited_alike(planted, tmp_path, monkeypatch):
    for part in planted.iterdir():
        if part.name != "cache":
            (tmp_path / part.name).symlink_to(part)
    in_memory = content.gather("synthetic", planted)
    monkeypatch.setattr(on_disk, "SHARE", 0)
    loaded = []
    load = records.load
    monkeypatch.setattr(records, "load", lambda *a, **k: loaded.append(load(*a, **k)) or loaded[-1])
    there = content.gather("synthetic", tmp_path)
    assert not isinstance(loaded[0].frames, np.ndarray)
    assert there == in_memory
