"""The corpora: names, counts, codes, layouts, download, the synthesiser."""

import functools
import http.server
import importlib.util
import os
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest

from jser import datasets, emotions
from jser.datasets.emodb import fake as emodb_fake
from jser.datasets.synthetic import fake as synthetic_fake
from jser.datasets.synthetic import speech
from jser.errors import InputError
from jser.records import corpus, download
from jser.records.builder import build
from jser.records.files import Skipped, Utterance

SIZES = {
    "casia": 1200,
    "cremad": 7441,
    "emodb": 535,
    "emodb_4class": 339,
    "emodb_first2s": 535,
    "emovo": 588,
    "enterface": 1287,
    "esd_english": 17500,
    "esd_mandarin": 17500,
    "iemocap_2280": 2280,
    "iemocap_2943": 2943,
    "iemocap_4490": 4490,
    "iemocap_5531": 5531,
    "iemocap_7380": 7380,
    "jl": 1200,
    "jl_all": 2400,
    "meld": 13706,
    "nemo": 4481,
    "ravdess": 1440,
    "ravdess_song": 1012,
    "savee": 480,
    "synthetic": 240,
    "tess": 2800,
    "urdu": 400,
}

# Not published, or not confirmed.
UNCOUNTED = (
    "abc",
    "artphoto",
    "cremad_perceived",
    "fi",
    "iaps_subset",
    "msp_podcast",
    "msp_podcast_4class",
    "shemo",
)


def test_registry():
    assert datasets.names() == sorted([*SIZES, *UNCOUNTED])
    with pytest.raises(InputError, match="'ravdes' is no known corpus; did you mean 'ravdess'"):
        datasets.builder_class("ravdes")
    with pytest.raises(InputError, match="known are abc, "):
        datasets.builder_class("qqq")


@pytest.mark.parametrize("name", sorted(SIZES))
def test_published_counts_agree(name):
    info = datasets.builder_class(name).INFO
    assert info.name == name
    assert sum(info.counts.values()) == SIZES[name]
    assert tuple(info.counts) == info.classes
    assert set(info.classes) <= set(emotions.LABELS)
    if info.counts_by_speaker is not None:
        assert sum(info.counts_by_speaker.values()) == SIZES[name]
    if info.counts_by_speaker and info.speakers:
        assert set(info.counts_by_speaker) == set(info.speakers)
    if info.speakers is not None:
        one_sex = {"savee": {"m"}, "tess": {"f"}}
        assert set(info.speakers.values()) == one_sex.get(name, {"f", "m"})
    assert info.synthetic == (name == "synthetic")


@pytest.mark.parametrize("name", UNCOUNTED)
def test_corpora_without_counts(name):
    info = datasets.builder_class(name).INFO
    assert (info.name, info.counts, info.counts_by_speaker) == (name, None, None)
    assert set(info.classes) <= set(emotions.LABELS)


@pytest.mark.parametrize("name", [*sorted(SIZES), *UNCOUNTED])
def test_kind_is_known_without_its_builder(name):
    kind = datasets.builder_class(name).KIND
    assert (kind.name == "picture") == (name in datasets.PICTURES)


def test_notes():
    assert "first 2 s" in datasets.builder_class("emodb_first2s").INFO.note
    assert "synthetic" in datasets.builder_class("synthetic").INFO.note


FOLDERS = sorted({module.split(".")[2] for module, _ in datasets._BUILDERS.values()})


@pytest.mark.parametrize("name", FOLDERS)
def test_papers_lie_beside_the_builder(name):
    folder = Path(datasets.__file__).parent / name
    assert "@" in (folder / "CITATIONS.bib").read_text()
    assert (folder / "README.md").read_text().startswith("# ")
    assert importlib.util.find_spec(f"jser.datasets.{name}.fake")


def test_every_corpus_is_in_the_table():
    table = (Path(datasets.__file__).parent / "README.md").read_text()
    for name in datasets.names():
        assert f"\n| [`{name}`](" in table


def touch(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_bytes(b"")
    return folder


def find(name, folder):
    return datasets.builder_class(name).find(folder)


def test_emodb_names(tmp_path):
    (one,) = find("emodb", touch(tmp_path, "wav/16b10Tb.wav"))
    assert one == Utterance(tmp_path / "wav/16b10Tb.wav", "16b10Tb", "16", "16", "b10", "sadness")


@pytest.mark.parametrize(
    ("name", "file", "sentence"),
    [
        ("emodb", "03a01Xx.wav", "03a01Xx.wav: emotion code 'X' is none of W L E A F T N"),
        ("emodb", "04a01Wa.wav", "04a01Wa.wav: speaker '04' is none of 03 08 09 10 11 12 13"),
        ("emodb", "03a09Wa.wav", "03a09Wa.wav: text 'a09' is none of a01 a02"),
        ("ravdess", "03-01-09-01-01-01-01.wav", "emotion code '09' is none of 01 02 03"),
        ("ravdess", "03-01-08-01-01-01-25.wav", "actor '25' is none of 01 to 24"),
        ("ravdess", "03-03-08-01-01-01-24.wav", "vocal channel '03' is none of 01 02"),
        ("synthetic", "f1_s1_boredom.wav", "emotion 'boredom' is none of neutral anger"),
        ("emodb", "noise.wav", "expected EMO-DB's file names, for example wav/03a01Fa.wav"),
        ("ravdess", "03a01Wa.wav", "expected RAVDESS' file names, for example Actor_12/03-01"),
    ],
)
def test_wrong_names(tmp_path, name, file, sentence):
    with pytest.raises(InputError) as caught:
        find(name, touch(tmp_path / "c", file))
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_wrong_names_at_once(tmp_path):
    folder = touch(tmp_path, "03a01Xa.wav", "03a01Ya.wav", "03a01Wa.wav")
    with pytest.raises(InputError) as caught:
        find("emodb", folder)
    sentence, *lines = str(caught.value).splitlines()
    assert "2 files hold unknown codes" in sentence
    assert [line.split(":")[0] for line in lines] == ["03a01Xa.wav", "03a01Ya.wav"]


@pytest.mark.parametrize("name", [*sorted(SIZES), *UNCOUNTED])
def test_missing_empty_and_packed_folders(tmp_path, name):
    with pytest.raises(InputError, match="no such folder"):
        build(name, tmp_path / "nowhere", tmp_path / "data")
    touch(tmp_path / "c", "readme.txt", "._03a01Wa.wav", ".x/03a01Wa.wav", "__MACOSX/03a01Wa.wav")
    what = "picture file" if name in datasets.PICTURES else "wav or flac file"
    with pytest.raises(InputError, match=f"no {what}.* in it"):
        build(name, tmp_path / "c", tmp_path / "data")
    with pytest.raises(InputError, match="unpack it"):
        build(name, touch(tmp_path, "all.zip") / "all.zip", tmp_path / "data")


def test_ravdess_needs_a_folder(tmp_path):
    with pytest.raises(InputError, match=r"give --corpus_dir=DIR; fetch Audio_Speech.*zenodo"):
        build("ravdess", None, tmp_path)


def test_ravdess_names_and_skips(tmp_path):
    folder = touch(
        tmp_path,
        "Actor_12/03-01-06-02-01-02-12.wav",
        "Actor_12/03-02-06-02-01-02-12.wav",
        "Actor_12/01-01-06-02-01-02-12.wav",
    )
    found = find("ravdess", folder)
    (one,) = (f for f in found if isinstance(f, Utterance))
    assert (one.speaker, one.session, one.text_id, one.label) == ("12", "12", "01", "fear")
    reasons = sorted(f.reason for f in found if isinstance(f, Skipped))
    assert reasons == ["modality 01 (audio and video)", "song, not speech"]
    info = datasets.builder_class("ravdess").INFO
    assert (info.speakers["01"], info.speakers["12"]) == ("m", "f")
    song = touch(tmp_path / "song", "03-02-06-02-01-02-12.wav")
    with pytest.raises(InputError, match=r"no recording of ravdess .* 1 x song"):
        build("ravdess", song, tmp_path / "data")


def test_four_classes_are_a_part_of_the_whole(tmp_path):
    source = emodb_fake.make(tmp_path / "s", speakers=["03", "08"], per_class=1)
    result = build("emodb_4class", source, tmp_path, allow_partial=True)
    c = corpus.load("emodb_4class", tmp_path)
    assert c.classes == ("anger", "happiness", "neutral", "sadness")
    assert len(c.label) == 8
    assert result.skipped["boredom is not in emodb_4class"] == 2
    assert sum(result.skipped.values()) == 6


def test_first_two_seconds(tmp_path):
    source = emodb_fake.make(tmp_path / "s", speakers=["03"], per_class=1, seconds=2.3)
    build("emodb", source, tmp_path, "waveform", allow_partial=True)
    build("emodb_first2s", source, tmp_path, "waveform", allow_partial=True)
    whole = corpus.load("emodb", tmp_path, "waveform")
    short = corpus.load("emodb_first2s", tmp_path, "waveform")
    assert {len(w) for w in short.waveform} == {32000}
    assert set(short.length) == {198}
    assert "first 2 s" in short.note
    for a, b in zip(whole.waveform, short.waveform, strict=True):
        np.testing.assert_array_equal(a[:32000], b)


def serve(folder):
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    handler.log_message = lambda *_: None
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture
def site(tmp_path, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "site").mkdir()
    server = serve(tmp_path / "site")
    yield tmp_path / "site", f"http://127.0.0.1:{server.server_port}/download.zip"
    server.shutdown()
    server.server_close()


def test_emodb_downloads_itself(tmp_path, site, monkeypatch):
    folder, url = site
    source = emodb_fake.make(tmp_path / "s", speakers=["03"], per_class=1)
    with zipfile.ZipFile(folder / "download.zip", "w") as archive:
        for path in source.rglob("*.wav"):
            archive.write(path, path.relative_to(source))
        archive.writestr("../outside.wav", b"x")
    monkeypatch.setattr(datasets.builder_class("emodb"), "SOURCE_URL", url)
    data = tmp_path / "data"
    # The archive's stray file is kept inside the folder, and is not of this corpus.
    assert build("emodb", None, data, allow_partial=True).computed == 7
    assert not (data / "downloads" / "outside.wav").exists()
    (folder / "download.zip").unlink()  # A second build, and the relatives, need no network.
    assert build("emodb", None, data, allow_partial=True).already_built
    assert build("emodb_4class", None, data, allow_partial=True).computed == 4


@pytest.mark.parametrize(
    ("content", "sentence"), [(None, "cannot be downloaded"), (b"<html>", "is not a zip archive")]
)
def test_failed_download_names_the_way_out(tmp_path, site, monkeypatch, content, sentence):
    folder, url = site
    if content is not None:
        (folder / "download.zip").write_bytes(content)
    with pytest.raises(InputError, match=sentence) as caught:
        download.zip_archive(url, tmp_path / "d" / "emodb", "emodb")
    assert url in str(caught.value)
    assert "--corpus_dir=DIR" in str(caught.value)
    assert not list((tmp_path / "d").iterdir())


def test_synthesiser_is_deterministic_and_varied():
    one = speech.utterance("f1", "anger", 0)
    np.testing.assert_array_equal(one, speech.utterance("f1", "anger", 0))
    assert one.dtype == np.int16
    assert 0.9 < len(one) / speech.RATE < 2.6
    assert 1000 < np.abs(one.astype(int)).max() < 32767
    assert len(one) != len(speech.utterance("f1", "anger", 0, seed=1))


def pitch(samples):
    """Median F0 in Hz of the loud frames, by autocorrelation."""
    x = samples.astype(float)
    found = []
    for start in range(0, len(x) - 640, 160):
        frame = x[start : start + 640] * np.hanning(640)
        if np.sqrt(np.mean(frame**2)) < 0.5 * x.std():
            continue
        r = np.fft.irfft(np.abs(np.fft.rfft(frame, 2048)) ** 2)[40:267]
        found.append(speech.RATE / (40 + r.argmax()))
    return np.median(found)


def test_emotions_move_the_voice_as_published():
    def mean(measure, emotion):
        return np.mean(
            [measure(speech.utterance(s, emotion, k)) for s in ("f1", "m1") for k in range(3)]
        )

    def level(x):
        return 10 * np.log10(np.mean(x.astype(float) ** 2))

    f0 = {emotion: mean(pitch, emotion) for emotion in speech.EMOTIONS}
    assert f0["sadness"] < f0["neutral"] < f0["anger"]
    assert f0["neutral"] < f0["happiness"]
    assert f0["neutral"] < f0["fear"]
    assert mean(level, "sadness") < mean(level, "neutral") < mean(level, "anger")
    assert mean(len, "sadness") > mean(len, "neutral") > mean(len, "fear")


def test_synthetic_corpus_is_generated(tmp_path):
    source = synthetic_fake.make(tmp_path / "s", speakers=["f1", "m1"], sentences=1)
    build("synthetic", source, tmp_path, allow_partial=True)
    c = corpus.load("synthetic", tmp_path)
    assert c.synthetic
    assert len(c.label) == 10
    assert set(c.text_id) == {"s1"}


# --- real corpora -------------------------------------------------------------------------------


# Licensed recordings are no part of the project: who has them runs these with -m slow.
CORPORA = os.environ.get("JSER_CORPORA")


@pytest.mark.slow
@pytest.mark.skipif(not CORPORA, reason="JSER_CORPORA names no folder of real corpora")
@pytest.mark.parametrize(
    ("name", "folder"),
    [("emodb_4class", "emodb"), ("emodb_first2s", "emodb_first2s"), ("ravdess", "ravdess")],
)
def test_real_corpus(tmp_path, name, folder):
    result = build(name, Path(CORPORA) / folder, tmp_path)
    c = corpus.load(name, tmp_path)
    assert (len(c.label), c.partial) == (SIZES[name], False)
    expected = [["03-01-03-01-02-01-07", "03-01-03-01-02-02-07"]] if name == "ravdess" else []
    assert result.audit["duplicates"] == expected
    assert not result.audit["stereo"]
    if name == "emodb_first2s":
        at = (c.speaker == "08") & (c.label == c.classes.index("disgust"))
        assert not at.any()
        assert c.length.max() <= 198


@pytest.mark.slow
def test_whole_synthetic_corpus(tmp_path):
    result = build("synthetic", None, tmp_path)
    assert result.audit["n_utterances"] == 240
    assert not result.audit["missing"]["classes"]
    assert not result.audit["duplicates"]
    assert build("synthetic", None, tmp_path).already_built
