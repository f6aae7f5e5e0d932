"""A small formant synthesiser that speaks nonsense with emotion.

Source: a Rosenberg (1971) glottal pulse train with jitter, aspiration and spectral tilt. Filter:
five resonators in cascade (Klatt 1980) whose formants move from sound to sound. The emotions act on
the mean and range of F0, speaking rate, energy, voice quality (tilt, open quotient, aspiration) and
jitter, in the directions that these found:

- Murray and Arnott 1993, J. Acoust. Soc. Am. 93(2), 1097-1108;
- Burkhardt and Sendlmeier 2000, Verification of acoustical correlates of emotional speech using
  formant-synthesis, ISCA Workshop on Speech and Emotion;
- Schroeder 2001, Emotional speech synthesis: a review, Eurospeech.

The sizes are our own choice, with enough variation inside a class that speakers and emotions
overlap, as they do in people.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import signal

RATE = 16000
# Filter coefficients change at this step: 5 ms.
STEP = 80
EMOTIONS = ("neutral", "anger", "happiness", "sadness", "fear")


@dataclass(frozen=True)
class Manner:
    """How an emotion changes a neutral voice.

    Attributes:
        f0: factor on the mean of F0, in octaves.
        range: factor on the excursion of F0.
        rate: factor on the speaking rate.
        level: energy, dB.
        tilt: corner of the spectral tilt, octaves (up: brighter).
        open: change of the open quotient (down: pressed voice).
        breath: aspiration, dB.
        jitter: change of the cycle-to-cycle variation of F0, factor in octaves.
        formants: factor on the formants, in octaves (a smile shortens the tract).
    """

    f0: float = 0.0
    range: float = 0.0
    rate: float = 0.0
    level: float = 0.0
    tilt: float = 0.0
    open: float = 0.0
    breath: float = 0.0
    jitter: float = 0.0
    formants: float = 0.0


# All exponents of 2 are octaves: `range` and `rate` too, so that strengths scale them evenly.
MANNERS = {
    "neutral": Manner(),
    "anger": Manner(
        f0=0.30, range=0.7, rate=0.20, level=6.0, tilt=1.4, open=-0.15, breath=-4.0, jitter=0.2
    ),
    "happiness": Manner(
        f0=0.60, range=1.1, rate=0.10, level=2.5, tilt=0.5, open=-0.03, formants=0.14
    ),
    "sadness": Manner(
        f0=-0.15, range=-0.9, rate=-0.35, level=-6.0, tilt=-1.4, open=0.10, breath=6.0, jitter=0.6
    ),
    "fear": Manner(
        f0=0.75, range=-0.1, rate=0.35, level=-1.0, tilt=-0.6, open=0.06, breath=8.0, jitter=1.4
    ),
}
# Standard deviations of the same quantities from one utterance to the next.
SPREAD = Manner(
    f0=0.08, range=0.25, rate=0.08, level=1.4, tilt=0.2, open=0.03, breath=1.5, jitter=0.3,
    formants=0.015,
)  # fmt: skip


@dataclass(frozen=True)
class Speaker:
    """A voice: sex, mean F0 in Hz, formant factor, jitter (share of F0), aspiration in dB."""

    sex: str
    f0: float
    formants: float
    jitter: float
    breath: float


SPEAKERS = {
    "f1": Speaker("f", 198.0, 1.14, 0.008, -24.0),
    "f2": Speaker("f", 216.0, 1.19, 0.010, -20.0),
    "f3": Speaker("f", 176.0, 1.10, 0.007, -26.0),
    "m1": Speaker("m", 104.0, 0.96, 0.010, -28.0),
    "m2": Speaker("m", 122.0, 1.02, 0.008, -24.0),
    "m3": Speaker("m", 140.0, 1.05, 0.012, -26.0),
}

# First three formants of a man, Hz (Peterson and Barney 1952); 4 and 5 hardly move.
VOWELS = {
    "a": (730, 1090, 2440),
    "e": (530, 1840, 2480),
    "i": (270, 2290, 3010),
    "o": (570, 840, 2410),
    "u": (300, 870, 2240),
    "@": (500, 1500, 2500),
}
HIGH_FORMANTS = (3500, 4500)
BANDWIDTHS = (70, 95, 150, 220, 300)
# Consonants: voicing amplitude, noise amplitude, noise band in Hz, seconds; nasals and liquids
# borrow the formants given last.
CONSONANTS = {
    "m": (0.45, 0.0, (0, 0), 0.060, (250, 1100, 2200)),
    "n": (0.45, 0.0, (0, 0), 0.050, (250, 1500, 2500)),
    "l": (0.60, 0.0, (0, 0), 0.055, (360, 1300, 2700)),
    "s": (0.0, 0.16, (4200, 7600), 0.085, None),
    "S": (0.0, 0.20, (2100, 5600), 0.085, None),
    "f": (0.0, 0.05, (1200, 7600), 0.070, None),
    "t": (0.0, 0.22, (2800, 7000), 0.022, None),
    "k": (0.0, 0.22, (1300, 3200), 0.028, None),
}
# Consonant and vowel in turn; capital vowels are stressed, a dash is a pause.
SENTENCES = (
    "mA ti lO s@ nA",
    "tU k@ lI - fa mE",
    "sE la kO m@ tI na",
    "nI S@ mU - ta lA",
    "kA f@ tE lo nI",
    "lO n@ sA - ki mU t@",
    "fI ma tO s@ lE",
    "SE ku nA - l@ tO mi",
)
GAP = {"t": 0.035, "k": 0.035}
PAUSE = 0.10
VOWEL_SECONDS = 0.155
STRESSED_SECONDS = 0.215


def utterance(speaker: str, emotion: str, sentence: int, seed: int = 0) -> np.ndarray:
    """One spoken sentence, int16 [samples] at 16 kHz, about 1.2 to 2.2 s.

    The same arguments give the same samples, whatever was made before.
    """
    rng = np.random.default_rng(
        [seed, list(SPEAKERS).index(speaker), EMOTIONS.index(emotion), sentence]
    )
    voice = SPEAKERS[speaker]
    strength = rng.uniform(0.7, 1.25)
    aim, spread = vars(MANNERS[emotion]), vars(SPREAD)
    m = Manner(**{key: strength * aim[key] + spread[key] * rng.normal() for key in aim})
    track = _score(SENTENCES[sentence], 2.0**m.rate, rng)
    f0 = _f0(track, voice.f0 * 2.0**m.f0, 0.16 * 2.0**m.range, rng)
    pulses = _source(f0, voice.jitter * 2.0**m.jitter, 0.62 + m.open, rng)
    hiss = rng.normal(size=len(f0)) * 10 ** ((voice.breath + m.breath) / 20)
    source = track.voicing * (pulses + hiss * np.where(pulses != 0, 1.0, 0.4))
    corner = 1400.0 * 2.0**m.tilt
    pole = np.exp(-2 * np.pi * np.clip(corner, 250, 6000) / RATE)
    source = signal.lfilter([1 - pole], [1, -pole], source)
    speech = _tract(source, track.formants * voice.formants * 2.0**m.formants)
    speech = speech / (np.sqrt(np.mean(speech[track.voicing > 0.5] ** 2)) + 1e-9)
    speech = speech + 6.0 * _noise(track, rng)
    level = -26.0 + m.level
    room = _room_noise(len(speech), rng) * 10 ** (-62 / 20)
    out = speech * 10 ** (level / 20) + room
    # Loud voices are caught by a soft limiter rather than clipped.
    out = np.tanh(out / 0.9) * 0.9
    return np.rint(out * 32767).astype(np.int16)


@dataclass(frozen=True)
class _Track:
    """A sentence as curves: voicing [n], noise amplitude and band by piece, formants [steps, 5]."""

    voicing: np.ndarray
    stress: np.ndarray
    formants: np.ndarray
    bursts: list[tuple[int, int, float, tuple[int, int]]]


def _score(sentence: str, rate: float, rng: np.random.Generator) -> _Track:
    """Sounds in time: amplitudes, stress and formant targets, smoothed like a moving tongue."""
    voicing: list[np.ndarray] = []
    stress: list[np.ndarray] = []
    target: list[np.ndarray] = []
    bursts = []
    at = 0
    last = np.array(VOWELS["@"], float)

    def add(seconds: float, voiced: float, accent: float, formants: np.ndarray) -> None:
        nonlocal at
        n = max(1, round(seconds * RATE))
        voicing.append(np.full(n, voiced))
        stress.append(np.full(n, accent))
        target.append(np.tile(formants, (n, 1)))
        at += n

    add(rng.uniform(0.05, 0.12), 0.0, 0.0, last)
    for word in sentence.split():
        if word == "-":
            add(PAUSE / rate * rng.uniform(0.6, 1.6), 0.0, 0.0, last)
            continue
        voiced, noisy, band, seconds, nasal = CONSONANTS[word[0]]
        vowel = np.array(VOWELS[word[1].lower()], float) * rng.normal(1, 0.03, 3)
        stretch = rng.uniform(0.85, 1.2) / rate
        if word[0] in GAP:
            add(GAP[word[0]] * stretch, 0.0, 0.0, last)
        if noisy:
            bursts.append((at, round(seconds * stretch * RATE), noisy, band))
        add(seconds * stretch, voiced, 0.0, vowel if nasal is None else np.array(nasal, float))
        accent = word[1].isupper()
        add((STRESSED_SECONDS if accent else VOWEL_SECONDS) * stretch, 1.0, float(accent), vowel)
        last = vowel
    add(rng.uniform(0.06, 0.14), 0.0, 0.0, last)
    high = np.tile(np.array(HIGH_FORMANTS, float), (at, 1))
    curves = np.concatenate([np.concatenate(target), high], axis=1)
    return _Track(
        voicing=_smooth(np.concatenate(voicing), 0.012),
        stress=_smooth(np.concatenate(stress), 0.060),
        formants=_smooth(curves, 0.030)[::STEP],
        bursts=bursts,
    )


def _smooth(curve: np.ndarray, seconds: float) -> np.ndarray:
    """Moving average of `seconds` along time, the ends held."""
    n = round(seconds * RATE) | 1
    padded = np.pad(curve, [(n // 2 + 1, n // 2)] + [(0, 0)] * (curve.ndim - 1), mode="edge")
    total = np.cumsum(padded, axis=0)
    return (total[n:] - total[:-n]) / n


def _f0(track: _Track, mean: float, excursion: float, rng: np.random.Generator) -> np.ndarray:
    """F0 [n] in Hz: falling through the sentence, rising on stressed vowels, wandering a little."""
    n = len(track.voicing)
    fall = np.linspace(0.6, -0.8, n)
    wander = _smooth(rng.normal(size=n), 0.15) * 20
    octaves = excursion * (fall + 1.4 * (track.stress - 0.35) * rng.uniform(0.7, 1.3) + wander)
    return np.clip(mean * 2.0**octaves, 60, 600)


def _source(
    f0: np.ndarray, jitter: float, open_quotient: float, rng: np.random.Generator
) -> np.ndarray:
    """Derivative of Rosenberg's glottal flow [n], jittered cycle by cycle."""
    cycles = int(f0.sum() / RATE) + 2
    warp = np.exp(np.clip(jitter, 0, 0.06) * rng.normal(size=cycles))
    phase = np.cumsum(f0 * warp[(np.cumsum(f0) / RATE).astype(int)]) / RATE
    x = phase % 1.0
    rise = 0.66 * np.clip(open_quotient, 0.35, 0.85)
    close = 0.34 * np.clip(open_quotient, 0.35, 0.85)
    opening = np.sin(np.pi * x / rise) * (np.pi / 2 / rise)
    closing = -np.sin(np.pi / 2 * (x - rise) / close) * (np.pi / 2 / close)
    flow = np.where(x < rise, opening, np.where(x < rise + close, closing, 0.0))
    shimmer = np.exp(0.05 * rng.normal(size=int(phase[-1]) + 1))
    return flow * shimmer[phase.astype(int)] / 6.0


def _tract(source: np.ndarray, formants: np.ndarray) -> np.ndarray:
    """Cascade of five resonators whose coefficients change every `STEP` samples."""
    f = np.clip(formants, 150, 7600)
    radius = np.exp(-np.pi * np.array(BANDWIDTHS) / RATE)
    b1 = 2 * radius * np.cos(2 * np.pi * f / RATE)
    b2 = -(radius**2) * np.ones_like(f)
    sections = np.zeros((len(f), f.shape[1], 6))
    sections[..., 0] = 1 - b1 - b2
    sections[..., 3] = 1.0
    sections[..., 4] = -b1
    sections[..., 5] = -b2
    out = np.empty_like(source)
    state = np.zeros((f.shape[1], 2))
    for k, sos in enumerate(sections):
        part = slice(k * STEP, (k + 1) * STEP)
        out[part], state = signal.sosfilt(sos, source[part], zi=state)
    return out


def _noise(track: _Track, rng: np.random.Generator) -> np.ndarray:
    """Fricatives and bursts: filtered noise where the score has them."""
    out = np.zeros(len(track.voicing))
    for start, n, amplitude, band in track.bursts:
        sos = signal.butter(2, band, btype="bandpass", fs=RATE, output="sos")
        shape = np.hanning(n) if n > 600 else np.exp(-np.arange(n) / (0.3 * n))
        piece = signal.sosfilt(sos, rng.normal(size=n)) * shape
        out[start : start + n] += amplitude * piece[: len(out) - start]
    return out


def _room_noise(n: int, rng: np.random.Generator) -> np.ndarray:
    """Noise that falls with frequency, as rooms and microphones have."""
    return signal.lfilter([1.0], [1, -0.9], rng.normal(size=n))
