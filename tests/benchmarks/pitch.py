"""F0 trackers: ours, librosa's pYIN, and Praat's where praat-parselmouth is installed.

On made sounds, whose F0 is known: what is missed, invented and wrong. On recordings, whose F0
nobody knows: how far each pair agrees. Then how fast they are on the same recordings. All look for
60 to 600 Hz every 10 ms around the same middles.

example: python tests/benchmarks/pitch.py --corpus_dir=EMODB --recordings=36 --cores=1
"""

from __future__ import annotations

import functools
import itertools
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import arguments
import timing

sys.path.insert(0, str(Path(__file__).parents[2]))  # The sounds of known F0 are the tests'.

LOW, HIGH = 60.0, 600.0
# pYIN's frames: 64 ms.
PYIN_FRAME = 1024
SNR_DB = (20, 10, 5, 0)


def trackers() -> dict[str, Callable[[list[Any]], list[Any]]]:
    """Name -> function of float32 waveforms at 16 kHz: F0 [T] in Hz, 0 where unvoiced, of each."""
    import librosa
    import numpy as np

    from jser.frontend.descriptors import DescriptorSpec, tracked
    from jser.frontend.log_mel import LogMelSpec, n_frames
    from tests.frontend.known_pitch import HOP, MIDDLE, RATE

    def ours(waves: list[Any]) -> list[Any]:
        periods = tracked(waves, DescriptorSpec()).rows(lambda blocks, track, spec: track[..., :1])
        return [np.where(p > 0, RATE / np.where(p > 0, p, 1), 0)[:, 0] for p in periods]

    def pyin(waves: list[Any]) -> list[Any]:
        found = []
        for x in waves:
            padded = np.pad(x, (PYIN_FRAME // 2 - MIDDLE, PYIN_FRAME))
            f0, voiced, _ = librosa.pyin(
                padded, fmin=LOW, fmax=HIGH, sr=RATE, frame_length=PYIN_FRAME, hop_length=HOP,
                center=False,
            )  # fmt: skip
            found.append(np.where(voiced, np.nan_to_num(f0), 0)[: n_frames(len(x), LogMelSpec())])
        return found

    made = {"ours (Boersma 1993)": ours, "librosa pYIN": pyin}
    try:
        import parselmouth
    except ImportError:
        return made

    def praat(waves: list[Any]) -> list[Any]:
        found = []
        for x in waves:
            sound = parselmouth.Sound(x.astype(np.float64), sampling_frequency=RATE)
            pitch = sound.to_pitch_ac(time_step=0.01, pitch_floor=LOW, pitch_ceiling=HIGH)
            at = (np.arange(n_frames(len(x), LogMelSpec())) * HOP + MIDDLE) / RATE
            found.append(np.nan_to_num([pitch.get_value_at_time(t) for t in at]))
        return found

    return {**made, "Praat (autocorrelation)": praat}


def made_sounds() -> dict[str, list[tuple[Any, Any, Any]]]:
    """Name -> sounds [n] with their F0 [n] and voicing [n]."""
    import numpy as np

    from jser.datasets.synthetic import speech
    from tests.frontend.known_pitch import GLIDES, glide, synthetic

    sets: dict[str, list[tuple[Any, Any, Any]]] = {}
    for snr_db in SNR_DB:
        sets[f"glides, noise at {snr_db} dB"] = [
            (*glide(*ends, snr_db=snr_db, seed=i), np.ones(24000)) for i, ends in enumerate(GLIDES)
        ]
    voices = list(itertools.product(speech.SPEAKERS, speech.EMOTIONS))
    for name, snr in (("synthetic speech", None), ("synthetic speech, noise at 10 dB", 10.0)):
        sets[name] = [synthetic(*voice, i % 8, snr) for i, voice in enumerate(voices)]
    return sets


def recordings(folder: Path, count: int) -> list[Any]:
    """So many sound files of a folder, drawn evenly from their sorted names, float32."""
    from jser.frontend import waveform

    paths = sorted(p for p in folder.rglob("*") if p.suffix in waveform.SUFFIXES)
    if not paths:
        raise SystemExit(f"{folder}: no sound files")
    step = max(1, len(paths) // count)
    return [waveform.load(path).float32() for path in paths[::step][:count]]


def known(track: dict[str, Any]) -> None:
    """Measure on sounds of known F0."""
    import numpy as np

    from tests.frontend.known_pitch import at_frames, errors

    rows = []
    for name, sounds in made_sounds().items():
        for tracker, function in track.items():
            found = function([x for x, _, _ in sounds])
            truth, voicing = (
                np.concatenate(
                    [at_frames(s[k], len(f)) for s, f in zip(sounds, found, strict=True)]
                )
                for k in (1, 2)
            )
            wrong = errors(np.concatenate(found), truth, voicing > 0.4, voicing < 0.02)
            timing.emit({"benchmark": "pitch", "sounds": name, "tracker": tracker, **wrong})
            shares = [
                None if wrong[k] is None else round(100 * wrong[k], 2)
                for k in ("missed", "invented", "gross")
            ]
            rows.append([name, tracker, *shares, round(wrong["cents"], 2)])
    head = ["sounds", "tracker", "voiced missed, %", "unvoiced invented, %", "gross, %", "cents"]
    timing.table(head, rows)


def agreement(track: dict[str, Any], waves: list[Any]) -> None:
    """Compare each pair of trackers on recordings."""
    import numpy as np

    found = {name: np.concatenate(function(waves)) for name, function in track.items()}
    rows = []
    for one, other in itertools.combinations(found, 2):
        a, b = found[one], found[other]
        both = (a > 0) & (b > 0)
        ratio = a[both] / b[both]
        gross = np.abs(ratio - 1) > 0.2
        octave = np.abs(np.abs(np.log2(ratio)) - 1) < 0.1
        cents = float(np.median(1200 * np.abs(np.log2(ratio[~gross]))))
        line = {
            "same_voicing": float(((a > 0) == (b > 0)).mean()),
            "only_first_voiced": float(((a > 0) & (b == 0)).mean()),
            "only_second_voiced": float(((a == 0) & (b > 0)).mean()),
            "gross": float(gross.mean()),
            "octave": float(octave.mean()),
        }
        timing.emit({"benchmark": "pitch", "first": one, "second": other, **line, "cents": cents})
        rows.append([f"{one}, {other}", *(round(100 * v, 2) for v in line.values()), cents])
    head = ["pair", "same voicing, %", "only first voiced", "only second", "gross, %", "octave off"]
    timing.table([*head, "cents"], rows)


def speed(track: dict[str, Any], waves: list[Any], repeats: int, machine: dict[str, Any]) -> None:
    """Measure time, all trackers on the same recordings in turn."""
    seconds = sum(map(len, waves)) / 16000
    processor: dict[str, list[float]] = {name: [] for name in track}

    def timed(name: str) -> None:
        used = time.process_time()
        track[name](waves)
        processor[name].append(time.process_time() - used)

    taken = timing.alternate({name: functools.partial(timed, name) for name in track}, repeats)
    cpu = {name: values[1:] for name, values in processor.items()}  # the first call was to warm up
    timing.emit(
        {
            "benchmark": "pitch",
            "machine": machine,
            "audio": round(seconds, 1),
            "seconds": {name: [round(v, 4) for v in values] for name, values in taken.items()},
            "cpu_seconds": {name: [round(v, 4) for v in values] for name, values in cpu.items()},
        }
    )
    rows = []
    for name in track:
        wall, used = timing.median(taken[name]), timing.median(cpu[name])
        rows.append([name, wall, seconds / wall, used, seconds / used])
    head = [f"tracker, cores: {machine['cores']}", "s", "x real time", "CPU s", "by CPU s"]
    timing.table(head, rows)


def main() -> None:
    parser = arguments.parser(__doc__, repeats=3)
    parser.add_argument("--corpus_dir", type=Path, help="of sound files; none: synthetic speech")
    parser.add_argument("--recordings", type=int, default=36)
    parser.add_argument("--only_speed", action="store_true")
    arguments.add_cores(parser)
    args = parser.parse_args()
    timing.pin(args.cores)
    machine = timing.machine()
    track = trackers()
    if args.corpus_dir:
        waves = recordings(args.corpus_dir, args.recordings)
    else:
        waves = [x for x, _, _ in made_sounds()["synthetic speech"]][: args.recordings]
    if not args.only_speed:
        known(track)
        agreement(track, waves)
    speed(track, waves, args.repeats, machine)


if __name__ == "__main__":
    main()
