"""Functionals: what the contours of an utterance's descriptors do, as one vector of fixed length.

A functional sees only the frames that its descriptor is defined on: voiced ones for F0, active
ones for the spectrum. An utterance without such frames gives zeros. Definitions:
docs/descriptors.md.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from jser.frontend.descriptors import Descriptor, DescriptorSpec, along, table
from jser.frontend.log_mel import deltas
from jser.frontend.spectral import DB
from jser.frontend.statistics import (
    CHANGE,
    CONTOUR,
    average,
    change,
    contour,
    correlation,
    fill,
    mean_and_std,
    runs,
)

BY_VOICING = ("voiced_mean", "voiced_std", "unvoiced_mean", "unvoiced_std")
TEMPORAL = (
    "speech_seconds", "active_share", "voiced_share", "voiced_segments_per_s",
    "voiced_length_mean_s", "voiced_length_std_s", "unvoiced_length_mean_s",
    "unvoiced_length_std_s", "loudness_peaks_per_s", "equivalent_level_db",
)  # fmt: skip
# Beside the MFCC, these take part in the correlations.
CORRELATED = (
    "voicing", "loudness", "zcr_hz", "centroid_hz", "spread_hz", "slope_0_500_db_per_khz",
    "slope_500_1500_db_per_khz", "hammarberg_db", "flux", "entropy", "flatness_db", "sharpness",
)  # fmt: skip
# Lags of the MFCC's cross-correlations, in frames: within a phone, and from one to the next.
LAGS = (4, 10)
# Frames further below full scale than this are never speech, however quiet the recording.
NEVER_DB = -90.0


def masks(
    x: jax.Array, length: jax.Array, spec: DescriptorSpec
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Where speech is, in descriptors [T, D] with `length` true frames: three masks [T].

    Returns:
        speech, from the first to the last active frame; active, no further than ``active_db``
        below the loudest frame; voiced.
    """
    column = {d.name: i for i, d in enumerate(table(spec))}
    energy = x[:, column["energy_db"]]
    t = jnp.arange(x.shape[0])
    loudest = jnp.where(t < length, energy, -jnp.inf).max()
    active = (t < length) & (energy >= jnp.maximum(loudest - spec.active_db, NEVER_DB))
    first, last = jnp.argmax(active), x.shape[0] - 1 - jnp.argmax(active[::-1])
    speech = active.any() & (t >= first) & (t <= last)
    return speech, active, speech & (x[:, column["f0_semitones"]] > 0)


def functionals_of(x: jax.Array, length: jax.Array, spec: DescriptorSpec) -> jax.Array:
    """Functionals [U] of one utterance.

    Args:
        x: descriptors [T, D]; rows from `length` on are padding and are not read.
        length: number of true frames.
        spec: the specification.
    """
    hop = spec.hop / spec.sample_rate
    columns = table(spec)
    x = jnp.where((jnp.arange(x.shape[0]) < length)[:, None], x, 0)
    speech, active, voiced = masks(x, length, spec)
    where = {"speech": speech, "active": active, "voiced": voiced}
    inside = jnp.stack([where[d.where] for d in columns], axis=1)
    on_voiced = np.array([d.where == "voiced" for d in columns])
    y = average(jnp.where(on_voiced, fill(x, voiced), x), length, spec.smooth)
    delta = deltas(y, length)
    parts = [
        *contour(y, inside, hop),
        *change(delta, inside),
        *change(deltas(delta, length), inside)[1:3],
    ]
    on_active = np.array([i for i, d in enumerate(columns) if d.where == "active"])
    for part in (active & voiced, active & ~voiced):
        spectral = y[:, on_active]
        parts += mean_and_std(spectral, jnp.broadcast_to(part[:, None], spectral.shape))[:2]
    parts += correlations(y, delta, active, voiced, columns)
    parts.append(temporal(x, length, (speech, active, voiced), columns, hop))
    return jnp.concatenate(parts)


def correlations(
    y: jax.Array,
    delta: jax.Array,
    active: jax.Array,
    voiced: jax.Array,
    columns: Sequence[Descriptor],
) -> list[jax.Array]:
    """How descriptors move together: see :func:`correlation_names` for the order."""
    mfcc, all_of_them = correlated(columns)
    pairs = np.triu_indices(len(mfcc), 1)
    cepstra = y[:, mfcc]
    out = [
        correlation(y[:, all_of_them], y[:, all_of_them], active[:, None])[
            np.triu_indices(len(all_of_them), 1)
        ],
        correlation(cepstra, cepstra, (active & voiced)[:, None])[pairs],
        correlation(delta[:, mfcc], delta[:, mfcc], active[:, None])[pairs],
    ]
    for lag in LAGS:
        both = (active[:-lag] & active[lag:])[:, None]
        out.append(correlation(cepstra[:-lag], cepstra[lag:], both).ravel())
    return out


def correlated(columns: Sequence[Descriptor]) -> tuple[np.ndarray, np.ndarray]:
    """Columns of the MFCC, and of all descriptors that take part in the correlations."""
    mfcc = [i for i, d in enumerate(columns) if d.name.startswith("mfcc_")]
    others = [i for i, d in enumerate(columns) if d.name in CORRELATED]
    return np.array(mfcc), np.array(mfcc + others)


def correlation_names(columns: Sequence[Descriptor]) -> list[str]:
    """Names of :func:`correlations`, in order."""
    mfcc, all_of_them = ([columns[i].name for i in index] for index in correlated(columns))

    def pairs(names, kind):
        return [f"{a}.{kind}.{b}" for i, a in enumerate(names) for b in names[i + 1 :]]

    names = pairs(all_of_them, "with") + pairs(mfcc, "voiced_with") + pairs(mfcc, "delta_with")
    return names + [f"{a}.{lag}_before.{b}" for lag in LAGS for a in mfcc for b in mfcc]


def temporal(
    x: jax.Array,
    length: jax.Array,
    where: tuple[jax.Array, jax.Array, jax.Array],
    columns: Sequence[Descriptor],
    hop: float,
) -> jax.Array:
    """The functionals TEMPORAL: how speech, voice and pauses follow each other."""
    speech, active, voiced = where
    column = {d.name: i for i, d in enumerate(columns)}
    frames = jnp.maximum(speech.sum(), 1)
    seconds = hop * frames
    number, mean, deviation = runs(voiced)
    _, pause, pause_deviation = runs(speech & ~voiced)
    loudness = average(x[:, column["loudness"], None], length, 5)[:, 0]
    peak = (loudness[1:-1] > loudness[:-2]) & (loudness[1:-1] >= loudness[2:]) & active[1:-1]
    power = jnp.where(speech, 10 ** (x[:, column["energy_db"]] / 10), 0).sum() / frames
    return jnp.stack(
        [
            hop * speech.sum(),
            active.sum() / frames,
            voiced.sum() / frames,
            number / seconds,
            hop * mean,
            hop * deviation,
            hop * pause,
            hop * pause_deviation,
            peak.sum() / seconds,
            DB * jnp.log(power + 1e-10),
        ]
    )


def functional_names(spec: DescriptorSpec) -> list[str]:
    """Names of the U functionals: ``descriptor.functional``, and ``a.with.b`` for correlations."""
    columns = table(spec)
    kinds = (
        *CONTOUR,
        *(f"delta_{kind}" for kind in CHANGE),
        *(f"delta2_{kind}" for kind in CHANGE[1:3]),
    )
    names = [f"{d.name}.{kind}" for kind in kinds for d in columns]
    names += [f"{d.name}.{kind}" for kind in BY_VOICING for d in columns if d.where == "active"]
    return names + correlation_names(columns) + [f"temporal.{name}" for name in TEMPORAL]


def level_dependent(spec: DescriptorSpec) -> np.ndarray:
    """Bool [U]: functionals that change with the recording's level while it is not normalised."""
    level = {d.name for d in table(spec) if d.level}
    shape_only = ("skewness", "kurtosis", "delta_kurtosis")
    out = []
    for name in functional_names(spec):
        first, kind = name.split(".")[:2]
        relative = kind in shape_only or kind.startswith("up_") or len(name.split(".")) == 3
        out.append(name == "temporal.equivalent_level_db" or (first in level and not relative))
    return np.array(out)


@functools.partial(jax.jit, static_argnames="spec")
def functionals_padded(x: jax.Array, length: jax.Array, spec: DescriptorSpec) -> jax.Array:
    """Padded utterances [B, T, D] and their lengths [B] -> functionals [B, U], compiled."""
    return jax.vmap(lambda x, n: functionals_of(x, n, spec))(x, length)


def functionals(frames: Sequence[np.ndarray], spec: DescriptorSpec) -> np.ndarray:
    """Functionals of utterances of any lengths.

    Args:
        frames: descriptors [T_i, D] of :func:`jser.frontend.descriptors.descriptors`.
        spec: the same specification.

    Returns:
        float32 [N, U], always finite, columns as :func:`functional_names` names them.
    """
    if not frames:
        return np.zeros((0, len(functional_names(spec))), np.float32)
    return np.stack(along(functionals_padded, frames, spec))
