"""Low-level acoustic descriptors of speech, one row every 10 ms, on the log-Mel's frames.

Row t describes the same 25 ms as row t of the log-Mel spectrogram; pitch and voice quality use a
longer window around the same middle. What each column is, its unit and its source:
docs/descriptors.md.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import librosa
import numpy as np

from jser.errors import InputError
from jser.frontend import spectral
from jser.frontend.formants import FORMANTS, formants, harmonic_levels
from jser.frontend.framing import cut, frame_count, windows
from jser.frontend.level import LEVELS, standardised
from jser.frontend.pitch import (
    PitchSpec,
    best_path,
    candidates,
    harmonics_to_noise,
)
from jser.frontend.voice import HUSH, cycles, hush

BLOCK_FRAMES = 64
BATCH_BLOCKS = 64
# Frames in one call of what runs along whole utterances: few long or many short ones.
CALL_FRAMES = 8192
SHORTEST_BUCKET = 128
SEMITONES_FROM = 27.5


@dataclasses.dataclass(frozen=True)
class DescriptorSpec:
    """Everything that decides the numbers of descriptors and functionals.

    Attributes:
        sample_rate: Hz.
        window: samples of the Hamming window of the spectrum (400 = 25 ms).
        hop: samples from frame to frame (160 = 10 ms).
        n_fft: FFT length of the spectrum.
        bands: auditory (Mel) bands from 20 Hz to 8 kHz.
        cepstra: MFCC from the 0th on.
        pitch: how F0 is found.
        smooth: frames of the moving average over every contour; odd, 1 for none.
        active_db: a frame is speech while its loudness level is no further below the loudest.
        level: ``recorded``; ``peak``: each recording's highest sample is put to 1 first;
            ``variance``: each recording is put to mean 0 and variance 1 first. With these two
            nothing depends on the level of the recording.
    """

    sample_rate: int = 16000
    window: int = 400
    hop: int = 160
    n_fft: int = 512
    bands: int = 26
    cepstra: int = 15
    pitch: PitchSpec = dataclasses.field(default_factory=PitchSpec)
    smooth: int = 3
    active_db: float = 30.0
    level: str = "recorded"

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            raise InputError(f"descriptors.level: {self.level!r} is none of {', '.join(LEVELS)}")
        if self.smooth < 1 or self.smooth % 2 == 0:
            raise InputError(f"descriptors.smooth: {self.smooth} must be odd and at least 1")

    def hash(self) -> str:
        """First 16 hex digits of the sha256 of the specification."""
        # The leading version changes when the computation changes and the fields do not.
        text = "descriptors/3 " + json.dumps(dataclasses.asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclasses.dataclass(frozen=True)
class Descriptor:
    """One column.

    Attributes:
        name: with its unit, where it has one.
        where: frames on which functionals look at it: ``speech`` (first to last active frame,
            pauses included), ``active`` or ``voiced``.
        level: it changes with the level of the recording.
    """

    name: str
    where: str
    level: bool = False


def table(spec: DescriptorSpec) -> list[Descriptor]:
    """The columns of :func:`descriptors`, in order."""
    voiced = (
        "f0_semitones", "hnr_db", "jitter_percent", "shimmer_percent", "h1_h2_db",
        *(f"h1_a{k}_db" for k in (1, 2, 3)),
        *(f"f{k}_hz" for k in (1, 2, 3)),
        *(f"f{k}_bandwidth_hz" for k in (1, 2, 3)),
    )  # fmt: skip
    shape = (
        "zcr_hz", "centroid_hz", "spread_hz", "skewness", "kurtosis",
        "slope_0_500_db_per_khz", "slope_500_1500_db_per_khz", "alpha_ratio_db", "hammarberg_db",
        "flux", "entropy", "flatness_db", "sharpness",
        *(f"rolloff_{100 * q:.0f}_hz" for q in spectral.ROLLOFFS),
    )  # fmt: skip
    return [
        *(Descriptor(name, "voiced") for name in voiced),
        Descriptor("voicing", "speech"),
        Descriptor("loudness", "speech", True),
        Descriptor("energy_db", "speech", True),
        *(Descriptor(name, "active") for name in shape),
        Descriptor("energy_250_650_db", "active", True),
        Descriptor("energy_1000_4000_db", "active", True),
        *(Descriptor(f"mfcc_{k:02d}", "active", k == 0) for k in range(spec.cepstra)),
        *(Descriptor(f"band_{k:02d}", "active", True) for k in range(spec.bands)),
    ]


def descriptor_names(spec: DescriptorSpec) -> list[str]:
    """Names of the D columns."""
    return [d.name for d in table(spec)]


def margins(spec: DescriptorSpec) -> tuple[int, int]:
    """Samples that a block needs before its first frame and from its last frame's beginning."""
    # A pitch window on samples that `hush` has smoothed, which reaches further.
    side = (spec.pitch.window - spec.window) // 2 + len(HUSH) // 2
    return max(side, spec.hop), spec.window + side


def pitch_frames(blocks: jax.Array, spec: DescriptorSpec) -> jax.Array:
    """Long windows [B, T, pitch.window] around the middle of each frame; of a block T is 64."""
    before, after = margins(spec)
    count = (blocks.shape[1] - before - after) // spec.hop + 1
    start = before - (spec.pitch.window - spec.window) // 2
    return windows(blocks, start, spec.pitch.window, spec.hop, count)


def candidates_of(blocks: jax.Array, peak: jax.Array, spec: DescriptorSpec) -> jax.Array:
    """Blocks [B, n] and their recordings' peaks [B] -> [B, T, 2 K + 1]."""
    found = candidates(pitch_frames(blocks, spec), peak[:, None], spec.pitch, spec.sample_rate)
    lag, strength, unvoiced = found
    return jnp.concatenate([lag, strength, unvoiced[..., None]], axis=-1)


def track_of(found: jax.Array, length: jax.Array, spec: DescriptorSpec) -> jax.Array:
    """Candidates [B, T, 2 K + 1] -> [B, T, 3]: period in samples (0 unvoiced), voicing, HNR."""
    k = spec.pitch.candidates

    def one(found, length):
        lag, strength, unvoiced = found[:, :k], found[:, k : 2 * k], found[:, -1]
        path = best_path(lag, strength, unvoiced, length, spec.pitch, spec.sample_rate)
        voiced = path < k
        pick = jnp.minimum(path, k - 1)[:, None]
        period = jnp.where(voiced, jnp.take_along_axis(lag, pick, 1)[:, 0], 0)
        strongest = jnp.maximum(strength.max(axis=1), 0)
        own = jnp.where(voiced, jnp.take_along_axis(strength, pick, 1)[:, 0], strongest)
        return jnp.stack([period, strongest, harmonics_to_noise(own)], axis=-1)

    return jax.vmap(one)(found, length)


def raw_columns(
    blocks: jax.Array, track: jax.Array, spec: DescriptorSpec
) -> tuple[list[jax.Array], jax.Array, jax.Array]:
    """Raw descriptors of blocks [B, n] with their track [B, T, 3], in the order of the table.

    Returns:
        The columns [B, T] in front of the MFCC, the MFCC [B, T, cepstra] and the auditory bands
        [B, T, bands]. Under `jax.jit`, what is not used is not computed.
    """
    before, _ = margins(spec)
    period, voicing, hnr = track[..., 0], track[..., 1], track[..., 2]
    # One frame more in front: flux compares with it.
    framed = windows(blocks, before - spec.hop, spec.window, spec.hop, track.shape[1] + 1)
    framed = framed - framed.mean(-1, keepdims=True)
    spectrum = jnp.fft.rfft(framed * np.hamming(spec.window).astype(np.float32), n=spec.n_fft)
    power = jnp.square(spectrum.real) + jnp.square(spectrum.imag)
    power, previous, framed = power[:, 1:], power[:, :-1], framed[:, 1:]
    hz = np.fft.rfftfreq(spec.n_fft, 1 / spec.sample_rate)
    level = spectral.DB * jnp.log(power + spectral.FLOOR)
    edges = (20.0, spec.sample_rate / 2)
    mel = spectral.matmul(
        power, spectral.mel_bands(spec.sample_rate, spec.n_fft, spec.bands, *edges)
    )
    log_mel = jnp.log(mel + spectral.FLOOR)
    auditory = jnp.cbrt(mel * spectral.equal_loudness(spec.bands, *edges))
    centres = librosa.mel_frequencies(spec.bands + 2, fmin=20, fmax=edges[1], htk=True)[1:-1]
    frequency, bandwidth = formants(power, hz)
    long = pitch_frames(blocks, spec) * np.hanning(spec.pitch.window).astype(np.float32)
    long_spectrum = jnp.fft.rfft(long, n=spec.pitch.n_fft)
    long_power = jnp.square(long_spectrum.real) + jnp.square(long_spectrum.imag)
    long_hz = np.fft.rfftfreq(spec.pitch.n_fft, 1 / spec.sample_rate)
    longest = int(np.ceil(spec.sample_rate / spec.pitch.f0_min)) + 1
    jitter, shimmer = cycles(pitch_frames(hush(blocks), spec), period, longest)
    f0 = spec.sample_rate / jnp.where(period > 0, period, 1)
    semitones = jnp.where(period > 0, 12 * jnp.log2(f0 / SEMITONES_FROM), 0)
    signs = framed >= 0
    zcr = (signs[..., 1:] != signs[..., :-1]).sum(-1) * (spec.sample_rate / (spec.window - 1))
    energy = spectral.DB * jnp.log(jnp.square(framed).mean(-1) + 1e-10)
    columns = [
        semitones,
        jnp.where(period > 0, hnr, 0),
        jitter,
        shimmer,
        *harmonic_levels(long_power, long_hz, jnp.where(period > 0, f0, 0), frequency),
        *(frequency[..., k] for k in range(FORMANTS)),
        *(bandwidth[..., k] for k in range(FORMANTS)),
        voicing,
        auditory.sum(-1),
        energy,
        zcr,
        *spectral.shape(power, hz),
        spectral.slope(level, hz, 0, 500),
        spectral.slope(level, hz, 500, 1500),
        spectral.alpha_ratio(power, hz),
        spectral.hammarberg(power, hz),
        spectral.flux(power, previous),
        spectral.entropy(power),
        spectral.flatness(power),
        spectral.sharpness(auditory, centres),
        *spectral.rolloff(power, hz),
        spectral.DB * jnp.log(spectral.band_power(power, hz, 250, 650) + spectral.FLOOR),
        spectral.DB * jnp.log(spectral.band_power(power, hz, 1000, 4000) + spectral.FLOOR),
    ]
    cepstra = spectral.matmul(log_mel, spectral.cosines(spec.bands, spec.cepstra))
    return columns, cepstra, auditory


def rows_of(blocks: jax.Array, track: jax.Array, spec: DescriptorSpec) -> jax.Array:
    """Blocks [B, n] and their track [B, T, 3] -> raw descriptors [B, T, D]."""
    columns, cepstra, auditory = raw_columns(blocks, track, spec)
    return jnp.concatenate([jnp.stack(columns, -1), cepstra, auditory], axis=-1)


# Of blocks and recordings of a few common shapes.
_candidates = jax.jit(candidates_of, static_argnames="spec")
_track = jax.jit(track_of, static_argnames="spec")
_rows = jax.jit(rows_of, static_argnames="spec")


def bucket(length: int) -> int:
    """Padded length: the next power of two, at least 128."""
    return max(SHORTEST_BUCKET, 1 << (length - 1).bit_length())


def along(function, arrays: Sequence[np.ndarray], spec: DescriptorSpec) -> list[np.ndarray]:
    """Apply a compiled function of padded utterances, one shape a bucket of lengths.

    Args:
        function: (float32 [B, T, C], int32 lengths [B], spec) -> [B, ...].
        arrays: float32 [T_i, C].
        spec: passed on.

    Returns:
        One row of the result for each array, padding included.
    """
    out: list[np.ndarray] = [np.zeros(0)] * len(arrays)
    members: dict[int, list[int]] = {}
    for i, x in enumerate(arrays):
        members.setdefault(bucket(len(x)), []).append(i)
    for t, who in sorted(members.items()):
        b = max(1, CALL_FRAMES // t)
        for start in range(0, len(who), b):
            batch = who[start : start + b]
            padded = np.zeros((b, t, arrays[0].shape[1]), np.float32)
            length = np.ones(b, np.int32)
            for row, i in enumerate(batch):
                padded[row, : len(arrays[i])] = arrays[i]
                length[row] = len(arrays[i])
            result = np.asarray(function(padded, length, spec=spec))
            for row, i in enumerate(batch):
                out[i] = result[row]
    return out


def _by_blocks(function, blocks, others, spec: DescriptorSpec) -> np.ndarray:
    """Apply a compiled function of (blocks, others) in batches of one shape."""
    parts = []
    for start in range(0, len(blocks), BATCH_BLOCKS):
        batch, other = (a[start : start + BATCH_BLOCKS] for a in (blocks, others))
        missing = BATCH_BLOCKS - len(batch)
        if missing:
            batch, other = (
                np.pad(a, ((0, missing),) + ((0, 0),) * (a.ndim - 1)) for a in (batch, other)
            )
        parts.append(function(batch, other, spec=spec))
    return np.concatenate([np.asarray(p) for p in parts])[: len(blocks)]


@dataclasses.dataclass(frozen=True)
class Tracked:
    """Recordings in blocks, with their pitch known: what frames are computed from.

    Attributes:
        blocks: float32 [blocks, n], see `cut`.
        track: float32 [blocks, 64, 3]: period in samples (0 where unvoiced), voicing 0..1, HNR dB.
        lengths: frames T_i of each recording.
        spec: of the descriptors; its level is seen to.
    """

    blocks: np.ndarray
    track: np.ndarray
    lengths: list[int]
    spec: DescriptorSpec

    def rows(self, function) -> list[np.ndarray]:
        """Views float32 [T_i, C] of a compiled function of (blocks, track, spec=) -> [B, 64, C]."""
        made = _by_blocks(function, self.blocks, self.track, self.spec)
        return _by_recording(made, self.lengths)


def _by_recording(rows: np.ndarray, lengths: Sequence[int]) -> list[np.ndarray]:
    """[blocks, 64, C] -> views [T_i, C]."""
    n_blocks = [-(-t // BLOCK_FRAMES) for t in lengths]
    edges = np.concatenate([[0], np.cumsum(n_blocks)])
    return [
        rows[a:b].reshape(-1, rows.shape[-1])[:t]
        for a, b, t in zip(edges[:-1], edges[1:], lengths, strict=True)
    ]


def tracked(waveforms: Sequence[np.ndarray], spec: DescriptorSpec) -> Tracked:
    """Cut recordings float32 [samples_i] (at least one) into blocks and follow their pitch."""
    if spec.level == "variance":
        waveforms = [standardised(x) for x in waveforms]
    peaks = np.array([np.abs(x).max(initial=0) for x in waveforms], np.float32)
    if spec.level == "peak":
        waveforms = [x / max(p, 1e-9) for x, p in zip(waveforms, peaks, strict=True)]
        peaks = np.ones_like(peaks)
    spec = dataclasses.replace(spec, level="recorded")  # all are one compiled program
    lengths = [frame_count(len(x), spec.window, spec.hop) for x in waveforms]
    before, after = margins(spec)
    blocks = cut(waveforms, lengths, block=BLOCK_FRAMES, hop=spec.hop, before=before, after=after)
    n_blocks = [-(-t // BLOCK_FRAMES) for t in lengths]
    found = _by_blocks(_candidates, blocks, np.repeat(peaks, n_blocks), spec)
    track = np.zeros((len(blocks), BLOCK_FRAMES, 3), np.float32)
    paths = along(_track, _by_recording(found, lengths), spec)
    for to, of in zip(_by_recording(track, lengths), paths, strict=True):
        to[:] = of[: len(to)]
    return Tracked(blocks, track, lengths, spec)


def descriptors(waveforms: Sequence[np.ndarray], spec: DescriptorSpec) -> list[np.ndarray]:
    """Descriptors of recordings of any lengths.

    Args:
        waveforms: float32 [samples_i], full scale is 1.
        spec: the specification.

    Returns:
        One float32 array [T_i, D] a recording, T_i as the log-Mel has, columns
        as :func:`descriptor_names` names them; F0, HNR, jitter and shimmer are 0 where unvoiced. A
        recording's numbers do not depend on the others in the call.
    """
    if not waveforms:
        return []
    return [x.copy() for x in tracked(waveforms, spec).rows(_rows)]
