"""A recording to look at and to hear: spectrogram, attention over it, sound, answer."""

from __future__ import annotations

import io
import itertools
import struct
import zlib
from collections.abc import Sequence

import numpy as np
import soundfile

from jser.evaluation.examples import Example, relative_attention
from jser.evaluation.formats import percent
from jser.evaluation.page.charts import Axis, canvas, place, text
from jser.evaluation.page.markup import Element, data_uri, folded, table, tag

RANGE_DB = 60.0  # below the loudest point of each recording
MOST_SECONDS = 60.0  # of sound on one page: 1 MB as a rule, 2.6 MB at worst
MOST_COLUMNS = 1200  # of a picture; a longer recording's frames are averaged in groups
_DB = 10.0 / np.log(10.0)

# Nine points of matplotlib's magma (CC0): lightness rises evenly, for all kinds of eyes.
_MAGMA = (
    "000004", "1d1147", "51127c", "822681", "b63679", "e65164", "fb8861", "fec287", "fcfdbf",
)  # fmt: skip
KHZ = (0.25, 0.5, 1.0, 2.0, 4.0)


def palette() -> np.ndarray:
    """256 colours from dark to bright, uint8 [256, 3]."""
    points = np.array([[int(c[i : i + 2], 16) for i in (0, 2, 4)] for c in _MAGMA], np.float64)
    at = np.linspace(0, len(points) - 1, 256)
    mixed = [np.interp(at, np.arange(len(points)), points[:, channel]) for channel in range(3)]
    return np.round(np.stack(mixed, axis=1)).astype(np.uint8)


def png(indices: np.ndarray, colours: np.ndarray) -> bytes:
    """A PNG file of palette indices uint8 [H, W] and colours uint8 [256, 3].

    PNG specification, third edition: colour type 3, eight bits, no filter.
    """
    height, width = indices.shape

    def chunk(name: bytes, content: bytes) -> bytes:
        check = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)

    rows = np.concatenate([np.zeros((height, 1), np.uint8), indices], axis=1)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            chunk(b"PLTE", colours.tobytes()),
            chunk(b"IDAT", zlib.compress(rows.tobytes(), 9)),
            chunk(b"IEND", b""),
        ]
    )


def levels(log_mel: np.ndarray) -> np.ndarray:
    """Log-Mel [T, M], natural logarithm -> palette indices uint8 [M, T], low bands at the bottom.

    255 is the recording's loudest point, 0 its softest, or `RANGE_DB` below the loudest where the
    softest lies further down: a quiet recording ends at the floor of the front end.
    """
    decibels = _DB * (log_mel.astype(np.float64) - log_mel.max())
    reach = min(RANGE_DB, float(-decibels.min())) or RANGE_DB
    share = np.clip(1 + decibels / reach, 0, 1)
    return np.round(255 * share).astype(np.uint8).T[::-1]


def shrunk(log_mel: np.ndarray, most: int = MOST_COLUMNS) -> tuple[np.ndarray, int]:
    """At most `most` frames of [T, M], each the mean of so many; the last frame fills the rest."""
    group = max(1, -(-len(log_mel) // most))
    filled = np.pad(log_mel, ((0, -len(log_mel) % group), (0, 0)), "edge")
    return filled.reshape(-1, group, log_mel.shape[1]).mean(1), group


def heard_seconds(durations: Sequence[float], budget: float = MOST_SECONDS) -> float:
    """The longest cut that keeps the sum of the cut recordings within `budget`, seconds."""
    left, still = budget, sorted(durations)
    while still:
        share = left / len(still)
        if still[0] > share:
            return share
        left -= still.pop(0)
    return max(durations, default=0.0)


def flac(waveform: np.ndarray, sample_rate: int) -> bytes:
    """16-bit samples as FLAC, which every browser plays: what the model had, at half the bytes."""
    file = io.BytesIO()
    soundfile.write(file, waveform, sample_rate, format="FLAC", subtype="PCM_16")
    return file.getvalue()


# --------------------------------------------------------------------------------------- a picture


def legend(trimmed: bool) -> Element:
    """What the colours mean."""
    colours = ", ".join(f"#{c}" for c in _MAGMA)
    return tag(
        "p",
        tag("span", f"−{RANGE_DB:g} dB, or a quiet recording's floor"),
        tag("span", class_="ramp", style=f"background:linear-gradient(to right, {colours})"),
        tag("span", "0 dB, the recording's loudest point"),
        tag("span", tag("i", class_="swatch trimmed"), "trimmed, not given to the model")
        if trimmed
        else None,
        class_="legend",
    )


def card(example: Example, classes: Sequence[str], heard: float) -> Element:
    """One example: who and what, the picture, the sound up to `heard` seconds, the answer."""
    choice = example.choice
    said = "recognised" if choice.right else f"taken for {choice.predicted}"
    title = tag(
        "h4",
        tag("span", "✓" if choice.right else "✗", class_="verdict", aria_hidden="true"),
        f" {choice.truth}, {said}",
    )
    who = f"{choice.utterance_id}, speaker {choice.speaker}, fold {choice.fold}"
    return tag(
        "article",
        title,
        tag("p", who, class_="note who"),
        _picture(example),
        _player(example, heard),
        _answer(example, classes),
        _numbers(example, classes),
        class_=f"example {'right' if choice.right else 'wrong'}",
        data_seconds=f"{example.seconds:.4f}",
    )


def _picture(example: Example) -> Element:
    seconds = example.seconds
    shown, group = shrunk(example.log_mel)
    # A frame is drawn where its window has its middle, as wide as a hop.
    offset = (example.window - example.hop) / 2
    image = tag(
        "img",
        src=data_uri("image/png", png(levels(shown), palette())),
        alt=f"log-Mel spectrogram of {example.choice.utterance_id}, {seconds:.2f} s",
        style=_box(offset / seconds, len(shown) * group * example.hop / seconds),
    )
    axis = Axis(0.0, seconds)
    times = [
        tag("span", f"{t:g}", class_="time", style=f"left:{place(axis.at(t))}")
        for t in axis.ticks(8)
    ]
    khz = [
        tag("span", f"{f:g}", class_="khz", style=f"bottom:{place(100 * _height(example, f))}")
        for f in KHZ
        if 1000 * f < example.band_hz[-1]
    ]
    overlay, top = _attention(example)
    return tag(
        "div",
        tag(
            "div",
            image,
            overlay,
            tag("div", class_="cursor", hidden=True),
            class_="plot",
        ),
        *khz,
        *times,
        tag("span", "kHz", class_="unit-y", aria_hidden="true"),
        tag("span", "s", class_="unit-x", aria_hidden="true"),
        *(
            [
                tag("span", f"×{top:.1f}", class_="times", style="bottom:100%"),
                tag("span", "×1", class_="times", style=f"bottom:{place(100 / top)}"),
            ]
            if top
            else []
        ),
        class_="spectrogram",
    )


def _box(left: float, width: float) -> str:
    return f"left:{100 * left:.3f}%;width:{100 * width:.3f}%"


def _height(example: Example, khz: float) -> float:
    """Where a frequency lies in the picture, 0 at the bottom and 1 at the top."""
    n = len(example.band_hz)
    return float(np.interp(1000 * khz, example.band_hz, (np.arange(n) + 0.5) / n))


def _attention(example: Example) -> tuple[Element | None, float | None]:
    """The curve over the picture, and the value at the picture's upper edge."""
    if example.choice.attention is None:
        return None, None
    weights = example.choice.attention[: len(example.steps)]
    relative = relative_attention(weights, example.steps, len(example.log_mel))
    if np.isnan(relative).all():
        return None, None
    top = max(2.0, float(np.nanmax(relative)) * 1.04)
    seconds = example.seconds
    offset = (example.window - example.hop) / 2

    def x(frame: int) -> float:
        return 1000 * min((offset + frame * example.hop) / seconds, 1.0)

    areas: list[str] = []
    curve: list[str] = []
    strips: list[Element] = []
    for start, stop, value in pieces(relative):
        left, right = x(start), x(stop)
        if np.isnan(value):
            strips.append(
                tag("rect", tag("title", "not given to the model: silence, trimmed"), x=left, y=0,
                    width=right - left, height=1000, class_="mark trimmed")
            )  # fmt: skip
            continue
        y = 1000 * (1 - value / top)
        curve.append(f"{'L' if curve else 'M'}{left:.1f} {y:.1f}L{right:.1f} {y:.1f}")
        areas.append(f"M{left:.1f} 1000V{y:.1f}H{right:.1f}V1000Z")
        said = (
            f"{start * example.hop:.2f} to {stop * example.hop:.2f} s: attention "
            f"{value:.2f} times even"
        )
        strips.append(
            tag("rect", tag("title", said), x=left, y=0, width=right - left, height=1000,
                class_="mark strip")
        )  # fmt: skip
    even = 1000 * (1 - 1 / top)
    drawn = "".join(curve)
    overlay = tag(
        "svg",
        tag("path", d="".join(areas), class_="area"),
        tag("line", x1=0, x2=1000, y1=even, y2=even, class_="even"),
        tag("path", d=drawn, class_="halo"),
        tag("path", d=drawn, class_="curve"),
        *strips,
        viewBox="0 0 1000 1000",
        preserveAspectRatio="none",
        role="img",
        aria_label=f"attention over time, at most {float(np.nanmax(relative)):.2f} times even",
        class_="overlay",
    )
    return overlay, top


def pieces(values: np.ndarray) -> list[tuple[int, int, float]]:
    """Runs of equal values of [T] as (first, one past the last, value); NaN equals NaN."""
    filled = np.where(np.isnan(values), -1.0, values)
    change = np.flatnonzero(np.abs(np.diff(filled)) > 1e-9) + 1
    bounds = [0, *change.tolist(), len(values)]
    return [(a, b, float(values[a])) for a, b in itertools.pairwise(bounds)]


# ------------------------------------------------------------------------------- sound and answer


def _player(example: Example, heard: float) -> Element | None:
    if example.waveform is None:
        return None
    samples = example.waveform[: round(heard * example.sample_rate)]
    cut = len(samples) < len(example.waveform)
    return tag(
        "div",
        tag(
            "audio",
            src=data_uri("audio/flac", flac(samples, example.sample_rate)),
            controls=True,
            preload="metadata",
            aria_label=f"recording {example.choice.utterance_id}",
        ),
        tag("p", f"the first {heard:.1f} of {example.seconds:.1f} s", class_="note")
        if cut
        else None,
        class_="player",
    )


def _answer(example: Example, classes: Sequence[str]) -> Element:
    """The posterior as bars: truth and answer stand out."""
    total = float(example.choice.posterior.sum()) or 1.0
    axis = Axis(0.0, 1.0, 24.0, 90.0)
    row, marks = 18.0, []
    for k, name in enumerate(classes):
        share, y = float(example.choice.posterior[k]) / total, k * row
        group = (
            "truth"
            if name == example.choice.truth
            else "answer"
            if name == example.choice.predicted
            else "rest"
        )
        said = {"truth": ", the truth", "answer": ", the answer", "rest": ""}[group]
        marks.append(
            tag(
                "g",
                tag("rect", x=0, y=y, width="100%", height=row, class_="row"),
                tag("rect", x=axis.x(0), y=y + 3, width=axis.width(0, share), height=row - 6, rx=2,
                    class_=f"bar {group}"),
                text("23%", y + 13, name, "end", f"label {group}"),
                text("100%", y + 13, percent(share), "end", f"value {group}"),
                tag("title", f"{name}: {percent(share)} %{said}"),
                class_="mark",
            )
        )  # fmt: skip
    label = f"posterior: {percent(float(example.choice.posterior.max()) / total)} % for "
    return canvas(len(classes) * row, label + example.choice.predicted, *marks, class_="posterior")


def _numbers(example: Example, classes: Sequence[str]) -> Element:
    """Posterior and steps as tables."""
    total = float(example.choice.posterior.sum()) or 1.0
    shares = [
        (name, percent(float(p) / total))
        for name, p in zip(classes, example.choice.posterior, strict=True)
    ]
    attention = example.choice.attention
    steps = None
    if attention is not None:
        steps = table(
            ["step", "from, s", "to, s", "weight, %"],
            [
                [str(s + 1), f"{a * example.hop:.2f}", f"{b * example.hop:.2f}", percent(float(w))]
                for s, ((a, b), w) in enumerate(
                    zip(example.steps.tolist(), attention[: len(example.steps)], strict=True)
                )
            ],
        )
    return folded("Numbers", table(["class", "posterior, %"], shares), steps)
