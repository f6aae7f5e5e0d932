"""Records of pictures: built, resumed, read back lazily, audited, refused."""

import dataclasses
import hashlib
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from jser import datasets, protocols
from jser.datasets import drawings
from jser.datasets.fi import fake
from jser.datasets.fi.fi_dataset_builder import Fi
from jser.errors import InputError
from jser.frontend import image
from jser.frontend.image import ImageSpec
from jser.protocols.making import RANDOM_PICTURES_LEAK
from jser.records import corpus, picture_audit, picture_kind, pictures, places, sidecar
from jser.records.builder import build
from tests.conftest import refused

N = 40


@pytest.fixture(scope="session")
def source(once):
    return once("fi", lambda folder: fake.make(folder, per_class=5))


@pytest.fixture(scope="session")
def built(once, source):
    return once("fi_data", lambda folder: build("fi", source, folder))


@pytest.fixture
def copy(source, tmp_path):
    return shutil.copytree(source, tmp_path / "copy")


def files(folder):
    return sorted(folder.rglob("*.jpg"))


def test_round_trip_is_exact(source, built):
    c = pictures.load("fi", built)
    paths = {f"{p.parent.name}/{p.stem}": p for p in files(source)}
    assert list(c.utterance_id) == sorted(paths)
    assert len(c) == N
    expected = [image.load(paths[name]) for name in c.utterance_id]
    found = c.images(np.arange(N))
    assert (found.shape, found.dtype) == ((N, 256, 256, 3), np.uint8)
    for k, picture in enumerate(expected):
        np.testing.assert_array_equal(found[k], picture.pixels)
        assert c.pixel_sha256[k] == picture.pixel_sha256
        assert c.utterance_id[k].startswith(c.classes[c.label[k]] + "/")
    assert c.label.dtype == np.int32
    assert {*c.speaker, *c.session, *c.text_id, *c.split} == {""}
    assert (c.sex, c.side, c.partial, c.synthetic, c.note) == ({}, 256, False, False, None)
    text = "".join(
        f"{u}\t{h}\t{c.classes[k]}\n"
        for u, h, k in zip(c.utterance_id, c.pixel_sha256, c.label, strict=True)
    )
    assert c.fingerprint == hashlib.sha256(text.encode()).hexdigest()


def test_pixels_are_read_as_they_are_asked_for(built, monkeypatch):
    monkeypatch.setattr(pictures, "AT_ONCE", 7)
    c = pictures.load("fi", built)
    whole = c.images(np.arange(N))
    rows = np.array([39, 0, 0, 17, 3, 39, 8, 9])
    np.testing.assert_array_equal(c.images(rows), whole[rows])
    seen = [(rows, images) for rows, images in c.batches(9)]
    assert [len(rows) for rows, _ in seen] == [9, 9, 9, 9, 4]
    np.testing.assert_array_equal(np.concatenate([i for _, i in seen]), whole)
    np.testing.assert_array_equal(np.concatenate([rows for rows, _ in seen]), np.arange(N))
    assert c.images(np.array([], int)).shape == (0, 256, 256, 3)
    # What is held is small.
    held = [v for v in vars(c).values() if isinstance(v, np.ndarray)]
    assert sum(v.nbytes for v in held) < N * 1000


def test_sidecar_and_features(built):
    folder = places.records_dir(built, "fi", "image")
    content = json.loads((folder / places.SIDECAR).read_text())
    assert content["front_end"] == {"side": 256}
    assert content["front_end_hash"] == ImageSpec().hash()
    assert content["shards"] == sidecar.shard_hashes(folder)
    assert (content["partial"], content["audit"]["kind"]) == (False, "picture")
    features = json.loads((folder / "features.json").read_text())
    fields = set(features["featuresDict"]["features"])
    assert fields == {
        "utterance_id", "speaker", "session", "text_id", "split", "label", "pixel_sha256", "image",
    }  # fmt: skip


def test_second_build_does_nothing(source, built):
    before = pictures.load("fi", built)
    again = build("fi", source, built)
    assert (again.already_built, again.computed, again.audio_seconds) == (True, 0, 0.0)
    assert again.audit == before.audit


def test_another_file_of_the_same_pixels_is_the_same_corpus(built, copy, tmp_path):
    for path in files(copy):
        with Image.open(path) as picture:
            picture.convert("RGB").save(path.with_suffix(".png"))
        path.unlink()
    build("fi", copy, tmp_path)
    assert pictures.load("fi", tmp_path).fingerprint == pictures.load("fi", built).fingerprint


def test_another_size_leads_to_a_rebuild(source, tmp_path):
    build("fi", source, tmp_path, spec=ImageSpec(32))
    assert pictures.load("fi", tmp_path, ImageSpec(32)).images([0]).shape == (1, 32, 32, 3)
    with pytest.raises(InputError, match=r"pictures of 32 pixels.*this program's have 256.*build"):
        pictures.load("fi", tmp_path)
    assert not build("fi", source, tmp_path).already_built
    assert pictures.load("fi", tmp_path).side == 256


def test_interrupted_build_goes_on(source, tmp_path, monkeypatch):
    monkeypatch.setattr(picture_kind, "BATCH_FILES", 10)
    load, calls = image.load, []

    def dies(*words):
        calls.append(words)
        if len(calls) > 35:
            raise KeyboardInterrupt
        return load(*words)

    monkeypatch.setattr(image, "load", dies)
    with pytest.raises(KeyboardInterrupt):
        build("fi", source, tmp_path)
    with pytest.raises(InputError, match="no records of fi there; build them with `jser build fi"):
        pictures.load("fi", tmp_path)
    monkeypatch.setattr(image, "load", load)
    result = build("fi", source, tmp_path)
    assert 10 <= result.resumed <= 30
    assert result.resumed + result.computed == N
    assert len(pictures.load("fi", tmp_path)) == N
    assert not list((tmp_path / "cache").rglob("*.npz"))


def test_broken_pictures_are_named(copy, tmp_path):
    bad = files(copy)[:12]
    bad[0].write_bytes(b"")
    bad[1].write_bytes(bad[1].read_bytes()[:400])
    for path in bad[2:]:
        path.write_bytes(b"<html>404</html>")
    with pytest.raises(InputError) as caught:
        build("fi", copy, tmp_path)
    lines = str(caught.value).splitlines()
    assert "12 of 40 pictures cannot be used" in lines[0]
    assert "--allow_partial" in lines[0]
    assert lines[1].startswith(f"amusement/{bad[0].name}: is empty")
    listed = places.faults_list(tmp_path, "fi", "image")
    assert len(listed.read_text().splitlines()) == 12
    result = build("fi", copy, tmp_path, allow_partial=True)
    assert (result.resumed, result.computed) == (28, 0)
    assert len(result.audit["missing"]["broken"]) == 12
    assert pictures.load("fi", tmp_path).partial


def test_damaged_shard_is_refused(copy, tmp_path):
    path = build("fi", copy, tmp_path).path
    shard = next(path.glob("*.array_record*"))
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    with pytest.raises(InputError, match=r"shard is damaged.*`jser build fi"):
        pictures.load("fi", tmp_path)
    assert not build("fi", copy, tmp_path).already_built


class Gone:
    def __getitems__(self, rows):
        raise OSError(f"{rows}: no such shard")


def test_records_that_vanish_while_in_use(built):
    c = dataclasses.replace(pictures.load("fi", built), _records=Gone())
    with pytest.raises(InputError, match=r"fi: its records can no longer be read.*build it again"):
        c.images([1])


def test_audit_finds_what_is_odd(copy, tmp_path):
    first, second, third, fourth = files(copy)[:4]
    shutil.copy(first, copy / "anger" / "again.jpg")
    large = Image.fromarray(drawings.draw("photograph", 900, 600))
    large.save(second, quality=95)
    large.resize((450, 300)).save(copy / "amusement" / "smaller.jpg", quality=60)
    large.convert("L").point(lambda v: 255 - v).save(third)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(drawings.draw("turned", 500, 400)).save(fourth, exif=exif)
    (copy / "notes.jpg").write_bytes(b"in no emotion's folder: skipped unread")
    found = build("fi", copy, tmp_path).audit
    assert found["duplicates"] == [sorted(["amusement/amusement_00000", "anger/again"])]
    assert [pair[:2] for pair in found["near_duplicates"]] == [
        ["amusement/amusement_00001", "amusement/smaller"]
    ]
    assert found["two_labels"] == 1
    assert found["modes"] == {"RGB": 41, "L": 1}
    assert found["rotated"] == ["amusement/amusement_00003"]
    assert found["shorter_side"] == {"smallest": 64, "median": 64, "largest": 600}
    assert len(found["enlarged"]) == 38
    text = picture_audit.render(json.loads(json.dumps(found)))
    for part in (
        "fi: 42 pictures, shorter side 64 to 600 pixels (median 64)",
        "who took or painted them is not known: 42 pictures",
        "not checked against published counts",
        "same picture: 2: amusement/amusement_00000 = anger/again",
        "nearly the same picture: 1: amusement/amusement_00001 ~ amusement/smaller",
        "same or nearly the same picture under two labels: 1",
        "made RGB: 1 L",
        "turned upright as Exif says: 1: amusement/amusement_00003",
        "smaller than 256 pixels, enlarged: 38:",
        "skipped: 1 x file name is not of this corpus",
    ):
        assert part in text
    table = text.splitlines()[2:4]
    assert table[0].split() == ["speaker", *found["classes"], "all"]
    assert table[1].split() == ["all", "6", "6", *"555555", "42"]


def test_near_pairs_against_the_plain_loop(monkeypatch):
    monkeypatch.setattr(picture_audit, "_ROWS_AT_ONCE", 3)
    rng = np.random.default_rng(0)
    numbers = [int.from_bytes(rng.bytes(32), "big") for _ in range(20)]
    for bits in (0, 5, 32, 33):  # Neighbours of the first ones.
        flips = rng.choice(256, bits, replace=False)
        numbers.append(numbers[bits % 7] ^ sum(1 << int(b) for b in flips))
    flat = [1, 3, (1 << 256) - 1]  # No structure: near, and not to be compared.
    found = picture_audit.near_pairs([f"{n:064x}" for n in numbers + flat])
    expected = [
        (i, j, (numbers[i] ^ numbers[j]).bit_count())
        for i in range(len(numbers))
        for j in range(i + 1, len(numbers))
        if (numbers[i] ^ numbers[j]).bit_count() <= 32
    ]
    assert sorted(found) == expected
    assert {bits for *_, bits in expected} == {0, 5, 32}
    assert picture_audit.near_pairs([]) == []


def test_protocols(built):
    c = pictures.load("fi", built)
    for name in ("leave_one_speaker_out", "speaker_k_fold:3"):
        with pytest.raises(InputError, match=r"fi: some pictures have no author.*use picture_k"):
            protocols.make(name, c)
    made = protocols.make("random:5", c)
    assert made.leak == RANDOM_PICTURES_LEAK
    certificate = protocols.certificate(c, made)
    assert certificate.leak == RANDOM_PICTURES_LEAK
    assert certificate.found == ()
    assert any("who took or painted 40 of the 40 test pictures" in w for w in certificate.warnings)


def test_a_picture_on_both_sides_is_counted(copy, tmp_path):
    first = files(copy)[0]
    for k in range(8):
        shutil.copy(first, copy / "fear" / f"gone_{k}.jpg")
    build("fi", copy, tmp_path)
    c = pictures.load("fi", tmp_path)
    certificate = protocols.certificate(c, protocols.make("random:5", c))
    assert any("1 picture in" in sentence for sentence in certificate.summary)
    assert any(w.startswith("The test was seen in training") for w in certificate.warnings)


def test_what_the_audit_found_alike_stays_together(copy, tmp_path):
    """Stored again, smaller, under another class; and copies of it, byte for byte."""
    first = copy / "amusement" / "amusement_00001.jpg"
    with Image.open(first) as picture:
        smaller = picture.resize((80, 54))
    for emotion in ("amusement", "fear", "awe", "anger", "sadness"):
        smaller.save(copy / emotion / "again.png")
    shutil.copy(first, copy / "disgust" / "copy.jpg")
    build("fi", copy, tmp_path)
    c = pictures.load("fi", tmp_path)
    assert c.audit["near_duplicates"]
    tied = np.isin(c.pixel_sha256, c.pixel_sha256[[
        list(c.utterance_id).index(name) for name in ("amusement/amusement_00001", "awe/again")
    ]])  # fmt: skip
    assert tied.sum() == 7
    for seed in range(5):
        for name in ("picture_split", "picture_k_fold:5"):
            protocol = protocols.make(name, c, seed=seed)
            for fold in protocol.folds:
                sides = [int(tied[part].sum()) for part in (fold.train, fold.dev, fold.test)]
                assert sorted(sides) == [0, 0, 7]
            certificate = protocols.certificate(c, protocol)
            assert certificate.leak is None
            assert "7 pictures that are or nearly are another" in certificate.description
    loose = protocols.certificate(c, protocols.make("random:5", c))
    assert sum(loose.near_duplicates.values()) > 0


def test_each_kind_is_refused_where_the_other_is_needed(built, run):
    with pytest.raises(InputError, match="fi is a corpus of pictures, and a system for speech"):
        corpus.load("fi", built)
    with pytest.raises(InputError, match=r"'synthetic' is no corpus of pictures.* artphoto, fi"):
        pictures.load("synthetic", built)
    where = f"--config.data_dir={built}"
    refused(
        run("train", "--config=dcnn_blstm:fi", "--workdir=run", where),
        1,
        "fi is a corpus of pictures, and --config=dcnn_blstm needs recordings of speech",
    )
    refused(
        run("train", "--config=dcnn_blstm", "--config.corpus=fi", "--workdir=run", where),
        1,
        "fi is a corpus of pictures",
    )
    with pytest.raises(InputError, match="variant 'log_mel' is none of image"):
        build("fi", built, built, "log_mel")
    with pytest.raises(InputError, match="variant 'image' is none of log_mel, waveform"):
        build("emodb", built, built, "image")


def test_commands(source, tmp_path, run):
    data = f"--data_dir={tmp_path}"
    status, out, err = run("build", "fi", f"--corpus_dir={source}", data)
    assert status == 0, err
    assert "fi: 40 pictures" in out
    assert "built 40 pictures in" in out
    assert "a second): " in out
    status, out, err = run("audit", "fi", "--protocol=random:5", data, f"--json={tmp_path}/a.json")
    assert status == 0, err
    assert "fi: 40 pictures" in out
    assert "LEAK: random split of pictures" in " ".join(out.split())
    found = json.loads((tmp_path / "a.json").read_text())
    assert found["built"]["n_utterances"] == 40
    assert found["protocol"]["leak"] == RANDOM_PICTURES_LEAK
    refused(run("audit", "fi", data, "--protocol=leave_one_speaker_out"), 1, "picture_k_fold:K")
    status, out, err = run("audit", "fi", "--protocol=picture_k_fold:5", data)
    assert status == 0, err
    assert "clean: train, dev and test share no picture" in out
    assert "test pictures of unknown authors: 40" in out
    refused(run("build", "fi"), 1, "fi: give --corpus_dir=DIR; ask its authors for the lists")


def test_tensorflow_stays_out(source, tmp_path):
    script = (
        "import sys\n"
        "from jser.records import builder, pictures\n"
        "builder.build('fi', sys.argv[1], sys.argv[2])\n"
        "pictures.load('fi', sys.argv[2]).images([0])\n"
        "bad = [m for m in sys.modules if m.split('.')[0] in ('tensorflow', 'apache_beam')]\n"
        "assert not bad, bad\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(source), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""


def test_registry_says_the_kind():
    assert Fi.KIND is picture_kind.PICTURE
    for name in datasets.PICTURES:
        assert datasets.builder_class(name).KIND is picture_kind.PICTURE
