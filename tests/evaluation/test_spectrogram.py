"""Pictures and sound come back as they went in; time and frequency lie where they should."""

import base64
import io
import struct
import zlib
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile

from jser.evaluation.examples import Choice, Example
from jser.evaluation.page import spectrogram
from tests.evaluation.html_tree import parse


def decode(content):
    """A palette PNG as colours [H, W, 3], after the specification, every checksum looked at."""
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, []
    while at < len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        name, body = content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        (check,) = struct.unpack(">I", content[at + 8 + length : at + 12 + length])
        assert check == zlib.crc32(name + body)
        chunks.append((name, body))
        at += 12 + length
    assert [name for name, _ in chunks] == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]
    width, height, *rest = struct.unpack(">IIBBBBB", chunks[0][1])
    assert rest == [8, 3, 0, 0, 0]
    colours = np.frombuffer(chunks[1][1], np.uint8).reshape(-1, 3)
    rows = np.frombuffer(zlib.decompress(chunks[2][1]), np.uint8).reshape(height, width + 1)
    assert (rows[:, 0] == 0).all()
    return colours[rows[:, 1:]]


def test_png_decodes_to_its_pixels():
    indices = np.random.default_rng(0).integers(0, 256, (7, 11), dtype=np.uint8)
    colours = spectrogram.palette()
    np.testing.assert_array_equal(decode(spectrogram.png(indices, colours)), colours[indices])


def test_colours_grow_lighter():
    """Perceived lightness (CIE L* of sRGB) rises all the way, and evenly."""
    linear = spectrogram.palette() / 255
    linear = np.where(linear <= 0.04045, linear / 12.92, ((linear + 0.055) / 1.055) ** 2.4)
    y = linear @ [0.2126, 0.7152, 0.0722]
    lightness = np.where(y > 0.008856, 116 * np.cbrt(y) - 16, 903.3 * y)
    steps = np.diff(lightness)
    assert (steps > 0).all()
    assert lightness[0] < 2
    assert lightness[-1] > 97
    assert steps.max() < 3 * steps.mean()


def test_levels():
    db = np.log(10) / 10  # one decibel in natural logarithm of power
    log_mel = np.asarray([[0.0, -30 * db], [-60 * db, -90 * db]])  # [T, M]
    found = spectrogram.levels(log_mel)
    assert found.tolist() == [[128, 0], [255, 0]]  # low band at the bottom, time to the right
    quiet = np.asarray([[0.0, -10 * db], [-20 * db, -20 * db]])
    assert spectrogram.levels(quiet).tolist() == [[128, 0], [255, 0]], "its floor is dark"
    assert spectrogram.levels(np.full((3, 2), -5.0)).tolist() == [[255] * 3] * 2


def test_long_recordings_are_averaged_in_groups():
    log_mel = np.arange(10.0)[:, None] * np.ones((1, 2))
    shown, group = spectrogram.shrunk(log_mel, most=4)
    assert group == 3
    np.testing.assert_allclose(shown[:, 0], [1, 4, 7, 9])  # the last frame fills the rest
    same, group = spectrogram.shrunk(log_mel, most=10)
    assert group == 1
    np.testing.assert_array_equal(same, log_mel)


@pytest.mark.parametrize(
    ("durations", "budget", "expected"),
    [
        ([], 10, 0),
        ([1, 2, 3], 10, 3),
        ([10, 10, 1], 12, 5.5),
        ([4, 4], 8, 4),
        ([100], 12, 12),
    ],
)
def test_sound_is_cut_to_a_budget(durations, budget, expected):
    heard = spectrogram.heard_seconds(durations, budget)
    assert heard == pytest.approx(expected)
    assert sum(min(d, heard) for d in durations) <= budget + 1e-9


def test_flac_is_lossless():
    samples = np.random.default_rng(0).integers(-32768, 32768, 4000).astype(np.int16)
    back, rate = soundfile.read(io.BytesIO(spectrogram.flac(samples, 16000)), dtype="int16")
    assert rate == 16000
    np.testing.assert_array_equal(back, samples)


# --- a card ---------------------------------------------------------------------------------------

HOP, WINDOW = 0.01, 0.025


def example(n_frames=100, attention=None, steps=((0, 64), (36, 100)), sound=True, **change):
    """One tone burst at frame 50, in band 10 of 64; 100 frames are 1.015 s."""
    log_mel = np.full((n_frames, 64), -10.0, np.float32)
    log_mel[50, 10] = 0.0
    n = round((n_frames - 1) * 160 + 400)
    samples = (1000 * np.sin(np.arange(n) / 5)).astype(np.int16)
    fields = {
        "utterance_id": "u1", "speaker": "s1", "fold": "f1", "truth": "anger", "predicted": "joy",
        "posterior": np.asarray([0.3, 0.5, 0.2]),
        "attention": None if attention is None else np.asarray(attention),
    }  # fmt: skip
    return Example(
        choice=Choice(**{**fields, **change}),
        log_mel=log_mel,
        band_hz=np.linspace(100, 7900, 64),
        hop=HOP,
        window=WINDOW,
        steps=np.asarray(steps),
        waveform=samples if sound else None,
        sample_rate=16000,
    )


def card(shown, heard=10.0):
    made = spectrogram.card(shown, ["anger", "joy", "fear"], heard)
    return parse(ElementTree.tostring(made, encoding="unicode", method="html"))


def style(node):
    parts = [part.split(":", 1) for part in node.attributes["style"].split(";") if part]
    return {name: float(value.rstrip("%")) for name, value in parts}


def test_picture_lies_on_the_time_axis():
    """Frame t has its middle at t * 10 ms + 12.5 ms, and the axis ends with the recording."""
    shown = example()
    assert shown.seconds == pytest.approx(1.015)
    image = card(shown).one("img")
    box = style(image)
    kind, content = image.attributes["src"].split(",")
    assert kind == "data:image/png;base64"
    pixels = decode(base64.b64decode(content))
    assert pixels.shape == (64, 100, 3)
    row, column = np.argwhere((pixels == spectrogram.palette()[255]).all(2))[0]
    assert 63 - row == 10
    middle = (box["left"] + box["width"] * (column + 0.5) / 100) / 100 * 1.015
    assert middle == pytest.approx(50 * HOP + WINDOW / 2, abs=1e-4)


def test_axes_of_time_and_frequency():
    tree = card(example())
    for label in tree.all("span", "time"):
        assert style(label)["left"] == pytest.approx(100 * float(label.text()) / 1.015, abs=0.01)
    for label in tree.all("span", "khz"):
        # Bands are evenly spaced here, 64 of them between 100 and 7900 Hz (centres).
        band = (1000 * float(label.text()) - 100) / (7800 / 63)
        assert style(label)["bottom"] == pytest.approx(100 * (band + 0.5) / 64, abs=0.01)
    assert [label.text() for label in tree.all("span", "khz")] == ["0.25", "0.5", "1", "2", "4"]


def test_attention_lies_where_its_steps_lie():
    """Steps 20 to 60 and 60 to 90 of 100 frames; the second weighs three times the first."""
    tree = card(example(attention=[0.25, 0.75, 0.0], steps=((20, 60), (60, 90))))
    overlay = tree.one("svg", "overlay")
    strips = [n for n in overlay.all("rect") if "mark" in n.classes]
    edges = [(float(n.attributes["x"]), float(n.attributes["width"])) for n in strips]

    def at(frame):
        return 1000 * (0.0075 + frame * HOP) / 1.015

    expected = [(0, 20), (20, 60), (60, 90), (90, 100)]
    for (x, width), (start, stop) in zip(edges, expected, strict=True):
        assert x == pytest.approx(at(start), abs=0.1)
        assert x + width == pytest.approx(min(at(stop), 1000), abs=0.1)
    said = [n.text() for n in strips]
    assert said[0] == said[3] == "not given to the model: silence, trimmed"
    assert said[1] == "0.20 to 0.60 s: attention 0.50 times even"
    assert said[2] == "0.60 to 0.90 s: attention 1.50 times even"
    # The picture's upper edge is 2 times even here, so 1.5 lies at three quarters.
    (curve,) = overlay.all("path", "curve")
    assert curve.attributes["d"] == (
        f"M{at(20):.1f} 750.0L{at(60):.1f} 750.0L{at(60):.1f} 250.0L{at(90):.1f} 250.0"
    )
    assert float(overlay.one("line", "even").attributes["y1"]) == 500
    numbers = tree.one("details").all("table")[1]
    assert [[c.text() for c in r.all("td") + r.all("th")] for r in numbers.all("tr")[1:]] == [
        ["0.20", "0.60", "25.0", "1"], ["0.60", "0.90", "75.0", "2"],
    ]  # fmt: skip


def test_a_strong_peak_raises_the_scale():
    tree = card(
        example(attention=[1.0, 0.0, 0.0, 0.0], steps=((0, 25), (25, 50), (50, 75), (75, 100)))
    )
    top, even = (n for n in tree.all("span", "times"))
    assert top.text() == "×4.2"
    assert style(even)["bottom"] == pytest.approx(100 / 4.16, abs=0.01)


def test_without_attention_or_sound():
    tree = card(example(sound=False))
    assert not tree.all("audio")
    assert not tree.all("svg", "overlay")
    assert not tree.all("span", "times")
    assert tree.one("img")
    assert example(sound=False).seconds == pytest.approx(1.015)


def test_sound_is_the_recordings():
    shown = example()
    audio = card(shown).one("audio")
    kind, content = audio.attributes["src"].split(",")
    assert kind == "data:audio/flac;base64"
    back, _ = soundfile.read(io.BytesIO(base64.b64decode(content)), dtype="int16")
    np.testing.assert_array_equal(back, shown.waveform)
    cut = card(shown, heard=0.5)
    content = cut.one("audio").attributes["src"].split(",")[1]
    back, _ = soundfile.read(io.BytesIO(base64.b64decode(content)), dtype="int16")
    np.testing.assert_array_equal(back, shown.waveform[:8000])
    assert "the first 0.5 of 1.0 s" in cut.text()


def test_truth_and_answer_stand_out():
    tree = card(example())
    assert "✗ anger, taken for joy" in tree.one("h4").text()
    bars = {n.classes.pop() if len(n.classes) == 1 else (n.classes - {"bar"}).pop(): n
            for n in tree.all("rect", "bar")}  # fmt: skip
    assert set(bars) == {"truth", "answer", "rest"}
    width = {k: float(n.attributes["width"].rstrip("%")) for k, n in bars.items()}
    assert width["truth"] / width["answer"] == pytest.approx(0.6, abs=0.01)
    right = card(example(predicted="anger"))
    assert "✓ anger, recognised" in right.one("h4").text()
