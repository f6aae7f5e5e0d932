"""Named sets of descriptors, one row every 10 ms: what systems on frames read.

Row t describes the same 25 ms as row t of the log-Mel. Most columns are those of
`jser.frontend.descriptors`; docs/descriptors.md defines them. The sets:

- ``lee_tashev``: Lee and Tashev 2015, Interspeech, section on features: F0, voice probability,
  zero-crossing rate, 12 MFCC and log energy, with their first derivatives: 32 columns.
- ``is09``: the 16 contours of the Interspeech 2009 Emotion Challenge (Schuller et al. 2009) and
  their derivatives, smoothed over 3 frames: RMS energy, 12 MFCC, zero-crossing rate, voice
  probability, F0: 32 columns.
- ``byun_lee``: after Byun and Lee 2021, Appl. Sci. 11(4):1890, who name F0, MFCC, spectral and
  harmonic features; which ones is a choice of ours: 48 columns.

In the first two F0 is in hertz and **0 where unvoiced**, so it also says where voice is; its
smoothing and its derivative see straight lines drawn over unvoiced frames, and are 0 there too. In
``byun_lee`` F0 is in semitones and those **lines are the column**, so that the mean over an
utterance is that of the voice's pitch and not of how much of it is voiced; a recording without
voice has 0.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import hashlib
import json
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from jser.errors import InputError
from jser.frontend import harmonics, timbre
from jser.frontend.descriptors import (
    DescriptorSpec,
    along,
    descriptor_names,
    pitch_frames,
    raw_columns,
    tracked,
)
from jser.frontend.log_mel import deltas
from jser.frontend.statistics import average, fill

DEFAULT = DescriptorSpec()
_MFCC = tuple(f"mfcc_{k:02d}" for k in range(13))
_CONTRAST = tuple(f"contrast_{k}_db" for k in range(timbre.CONTRAST_BANDS))
_CHROMA = tuple(f"chroma_{name}" for name in timbre.PITCH_CLASSES)


@dataclasses.dataclass(frozen=True)
class _Set:
    """What a set is made of.

    Attributes:
        columns: in order, F0 first where its kind matters to nothing but its place.
        derived: columns whose derivatives follow, in the same order.
        smooth: frames of the moving average.
        lines: F0 is drawn through unvoiced frames; else it is 0 there.
    """

    columns: tuple[str, ...]
    derived: tuple[str, ...]
    smooth: int
    lines: bool


_LEE_TASHEV = ("f0_hz", "voicing", "zcr_hz", *_MFCC[1:], "energy_db")
_IS09 = ("rms", *_MFCC[1:], "zcr_hz", "voicing", "f0_hz")
_BYUN_LEE = (
    "f0_semitones", "rms", "zcr_hz", *_MFCC, "centroid_hz", "spread_hz", "rolloff_90_hz",
    "flatness_db", *_CONTRAST, *_CHROMA, *harmonics.NAMES,
)  # fmt: skip
SETS = {
    "lee_tashev": _Set(_LEE_TASHEV, _LEE_TASHEV, smooth=1, lines=False),
    "is09": _Set(_IS09, _IS09, smooth=3, lines=False),
    "byun_lee": _Set(_BYUN_LEE, ("f0_semitones",), smooth=1, lines=True),
}


def _set(name: str) -> _Set:
    if name not in SETS:
        near = difflib.get_close_matches(name, SETS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"sets are {', '.join(SETS)}"
        raise InputError(f"descriptors: {name!r} is no set of descriptors; {hint}")
    return SETS[name]


def names(name: str) -> list[str]:
    """Names of a set's D columns, with their units; ``d_`` marks a derivative, per frame.

    Raises:
        InputError: there is no such set.
    """
    made = _set(name)
    return [*made.columns, *(f"d_{column}" for column in made.derived)]


def set_hash(name: str, spec: DescriptorSpec = DEFAULT) -> str:
    """First 16 hex digits of the sha256 of all that decides the numbers of :func:`frames`."""
    # The leading version changes when the computation changes and the fields do not.
    fields = {"set": dataclasses.asdict(_set(name)), "descriptors": spec.hash()}
    text = "descriptor_sets/1 " + json.dumps(fields, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _apart(x: jax.Array) -> list[jax.Array]:
    """The columns [...] of x [..., C]: slices, which every format of an export has."""
    return [x[..., k] for k in range(x.shape[-1])]


def static_of(
    blocks: jax.Array, track: jax.Array, wanted: tuple[str, ...], spec: DescriptorSpec
) -> jax.Array:
    """Blocks [B, n] and their track [B, T, 3] -> the columns `wanted` [B, T, C]."""
    columns, cepstra, bands = raw_columns(blocks, track, spec)
    values = [*columns, *_apart(cepstra), *_apart(bands)]
    found = dict(zip(descriptor_names(spec), values, strict=True))
    period = track[..., 0]
    f0 = jnp.where(period > 0, spec.sample_rate / jnp.where(period > 0, period, 1), 0)
    found["f0_hz"] = f0
    found["rms"] = jnp.power(10.0, found["energy_db"] / 20)
    if set(wanted) & {*_CONTRAST, *_CHROMA, *harmonics.NAMES}:
        long = pitch_frames(blocks, spec)
        windowed = (long - long.mean(-1, keepdims=True)) * np.hanning(long.shape[-1])
        spectrum = jnp.fft.rfft(windowed.astype(jnp.float32), n=spec.pitch.n_fft)
        power = jnp.square(spectrum.real) + jnp.square(spectrum.imag)
        step = spec.sample_rate / spec.pitch.n_fft
        found |= dict(zip(_CONTRAST, timbre.contrast(power, step), strict=True))
        of_class = timbre.chroma(power, spec.sample_rate, spec.pitch.n_fft)
        found |= dict(zip(_CHROMA, _apart(of_class), strict=True))
        made = harmonics.harmonic(long, f0, spec.sample_rate, spec.pitch.n_fft, spec.pitch.f0_max)
        found |= dict(zip(harmonics.NAMES, made, strict=True))
    return jnp.stack([found[name] for name in wanted], axis=-1)


def dynamic_of(x: jax.Array, length: jax.Array, made: _Set, spec: DescriptorSpec) -> jax.Array:
    """Utterances [B, T, C] with true lengths [B] -> smoothed, derivatives behind, [B, T, D]."""
    del spec  # part of `along`'s contract
    pitch = next(k for k, name in enumerate(made.columns) if name.startswith("f0_"))
    is_pitch = np.arange(len(made.columns)) == pitch
    derived = np.array([made.columns.index(name) for name in made.derived])

    def one(x: jax.Array, length: jax.Array) -> jax.Array:
        voiced = (x[:, pitch] > 0) & (jnp.arange(x.shape[0]) < length)
        x = average(jnp.where(is_pitch, fill(x, voiced), x), length, made.smooth)
        change = deltas(x, length)[:, derived]
        if not made.lines:
            hidden = is_pitch & ~voiced[:, None]
            x = jnp.where(hidden, 0, x)
            change = jnp.where(hidden[:, derived], 0, change)
        return jnp.concatenate([x, change], axis=-1)

    return jax.vmap(one)(x, length)


# Of blocks and recordings of a few common shapes.
_static = jax.jit(static_of, static_argnames=("wanted", "spec"))
_dynamic = jax.jit(dynamic_of, static_argnames=("made", "spec"))


def of_block(
    block: jax.Array, track: jax.Array, length: jax.Array, name: str, spec: DescriptorSpec
) -> jax.Array:
    """The rows of a set [B, T, D] of recordings that are one block each [B, n], with T rows.

    Args:
        block, track: see `descriptors.raw_columns`.
        length: int [B], true rows.
        name: of the set.
        spec: of the descriptors.

    Raises:
        InputError: there is no such set.
    """
    made = _set(name)
    return dynamic_of(static_of(block, track, made.columns, spec), length, made, spec)


def frames(
    waveforms: Sequence[np.ndarray], name: str, spec: DescriptorSpec = DEFAULT
) -> list[np.ndarray]:
    """The rows of a set, of recordings of any lengths.

    Args:
        waveforms: float32 [samples_i], full scale is 1.
        name: of the set.
        spec: of the descriptors; its `smooth` is not used here, each set has its own.

    Returns:
        One float32 array [T_i, D] a recording, always finite, T_i as the log-Mel has, columns as
        :func:`names` names them; derivatives by regression over two frames each way, the first and
        the last true frame repeated. A recording's numbers do not depend on the others in the call.

    Raises:
        InputError: there is no such set.
    """
    made = _set(name)
    if not waveforms:
        return []
    known = tracked(waveforms, spec)
    static = known.rows(functools.partial(_static, wanted=made.columns))
    whole = along(functools.partial(_dynamic, made=made), static, known.spec)
    return [x[: len(of)].copy() for x, of in zip(whole, static, strict=True)]
