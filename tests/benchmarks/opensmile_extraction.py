"""Functionals by openSMILE, and how long they take beside jser's own features.

Not a benchmark by itself: see `opensmile_sets`.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import timing

SAMPLE_RATE = 16000
# What all others are compared with.
REFERENCE = "descriptors"
# Recordings between two saves: a run that is stopped loses one chunk.
CHUNK = 128

Extract = Callable[[Any, int], Any]


def functionals_by(extract: Extract, sounds: Sequence[Any]) -> Any:
    """Functionals float32 [n, U] of float32 recordings, by as many threads as there are cores.

    Args:
        extract: (float32 [samples], Hz) -> [..., U, 1], as an `opensmile.Smile` is called. It goes
            through C, so its threads run side by side.
        sounds: one array a recording.
    """
    import numpy as np

    def one(x: Any) -> Any:
        # openSMILE makes 16 bits of it, and what is louder than full scale would wrap around.
        return np.asarray(extract(np.clip(x, -1, 32767 / 32768), SAMPLE_RATE)).reshape(-1)

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        made = np.stack(list(pool.map(one, sounds)))
    with np.errstate(over="ignore"):
        return made.astype(np.float32)


def rows_of(
    extract: Extract, what: str, corpus: Any, copies: Sequence[Any], folder: Path
) -> tuple[Any, int]:
    """(float32 [R, U] of the N originals, then of each copy in turn, computed once; values that
    were not finite and are 0 instead)."""
    import numpy as np

    from jser import progress
    from jser.frontend import augment
    from jser.records import feature_cache

    pcm, keys = corpus.waveform, list(corpus.pcm_sha256)
    parts = []
    for copy in (None, *copies):
        label = what + (f" ({copy.name})" if copy else "")
        base = "-".join([corpus.fingerprint[:24], what, *([copy.key()] if copy else [])])
        with progress.bar(len(pcm), label, "utterance") as tick:
            for i in range(0, len(pcm), CHUNK):
                mine, named = pcm[i : i + CHUNK], keys[i : i + CHUNK]

                def make(copy: Any = copy, mine: Any = mine, named: Any = named) -> dict[str, Any]:
                    if copy is None:
                        sounds = [x.astype(np.float32) / 32768 for x in mine]
                    else:
                        sounds = list(augment.waveforms(mine, named, copy, SAMPLE_RATE))
                    return {"functionals": functionals_by(extract, sounds)}

                key = f"{base}-{i}-{CHUNK}"
                found, _ = feature_cache.load_or_make(folder, key, ("functionals",), make, what)
                parts.append(found["functionals"])
                tick(len(mine))
    x = np.concatenate(parts)
    odd = ~np.isfinite(x)
    x[odd] = 0
    return x, int(odd.sum())


def timed(
    corpus: Any, config: Any, extracts: Mapping[str, Extract], count: int, repeats: int
) -> dict[str, Any]:
    """Seconds, wall and processor, of each way to the features of `count` recordings."""
    import numpy as np

    from jser.frontend.descriptors import DescriptorSpec, descriptors
    from jser.frontend.functionals import functionals
    from jser.frontend.log_mel import LogMelSpec, log_mel_batch
    from jser.records import places
    from jser.training import narrow_view, stem_features, tuning

    drawn = np.random.default_rng(0).permutation(len(corpus.waveform))[:count]
    sounds = [corpus.waveform[i].astype(np.float32) / 32768 for i in drawn]
    spec = tuning.parts(config.stem.to_dict())[0]
    weights = places.weights_dir(places.of_config(config))
    described = DescriptorSpec(level=spec.level)

    def by_stem(front_end: Any, of: Any) -> None:
        stem_features.compute(log_mel_batch(sounds, front_end), of, weights, "timing")

    ways: dict[str, Callable[[], Any]] = {
        "descriptors": lambda: functionals(descriptors(sounds, described), described),
        "stem": lambda: by_stem(LogMelSpec(), spec),
        "narrow": lambda: by_stem(narrow_view.FRONT_END, narrow_view.narrow(spec)),
    }
    for name, extract in extracts.items():
        ways[name] = functools.partial(functionals_by, extract, sounds)
    used: dict[str, list[float]] = {name: [] for name in ways}

    def counted(name: str) -> Callable[[], None]:
        def run() -> None:
            before = time.process_time()
            ways[name]()
            used[name].append(time.process_time() - before)

        return run

    wall = timing.alternate({name: counted(name) for name in ways}, repeats)
    cpu = {name: values[1:] for name, values in used.items()}  # the first is not measured
    hours = sum(map(len, sounds)) / SAMPLE_RATE / 3600
    return {
        "recordings": len(sounds),
        "audio": round(3600 * hours, 1),
        "minutes_an_hour": {n: timing.median([s / 60 / hours for s in wall[n]]) for n in ways},
        "cpu_minutes_an_hour": {n: timing.median([s / 60 / hours for s in cpu[n]]) for n in ways},
        f"over_{REFERENCE}": {n: timing.paired_ratio(wall[n], wall[REFERENCE]) for n in ways},
        f"cpu_over_{REFERENCE}": {n: timing.paired_ratio(cpu[n], cpu[REFERENCE]) for n in ways},
        "seconds": {n: [round(s, 3) for s in wall[n]] for n in ways},
        "cpu_seconds": {n: [round(s, 3) for s in cpu[n]] for n in ways},
    }
