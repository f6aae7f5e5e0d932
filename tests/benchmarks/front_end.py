"""Log-Mel of many recordings: `log_mel_batch`, compiled, against a plain loop over librosa.

Both have the same specification (window, filters, pre-emphasis, floor) and give the same numbers,
which is checked; the audio is generated noise with the ups and downs of speech. Runs alternate in
pairs. Cores matter: librosa's loop uses one except in BLAS, XLA uses all that the process may use,
so measure with --cores=1 too.

example: python tests/benchmarks/front_end.py --recordings=200 --repeats=7 --cores=1
"""

from __future__ import annotations

from typing import Any

import arguments
import timing


def noise_speech(count: int, seconds: float) -> list[Any]:
    """Float32 recordings of about `seconds`: low-passed noise under a syllable's envelope."""
    import numpy as np

    rng = np.random.default_rng(0)
    made = []
    for _ in range(count):
        n = int(16000 * seconds * rng.uniform(0.5, 1.5))
        noise = rng.standard_normal(n)
        voiced = np.convolve(noise, np.ones(8) / 8, "same") + 0.1 * noise
        envelope = 0.5 + 0.5 * np.sin(2 * np.pi * 4 * np.arange(n) / 16000)
        made.append((0.1 * voiced * envelope).astype(np.float32))
    return made


def librosa_loop(waveforms: list[Any], spec: Any) -> list[Any]:
    """The same log-Mel, one recording after the other, by librosa."""
    import librosa
    import numpy as np

    # librosa centres a short window in n_fft; ours starts at the frame's first sample.
    fill = spec.n_fft - spec.window
    window = np.pad(np.hamming(spec.window), (0, fill))
    out = []
    for x in waveforms:
        emphasised = np.append(x[0], x[1:] - np.float32(spec.pre_emphasis) * x[:-1])
        mel = librosa.feature.melspectrogram(
            y=np.pad(emphasised, (0, fill)),
            sr=spec.sample_rate,
            n_fft=spec.n_fft,
            hop_length=spec.hop,
            window=window,
            center=False,
            power=2.0,
            n_mels=spec.n_mels,
            fmin=spec.f_min,
            fmax=spec.f_max,
        )
        out.append(np.log(np.maximum(mel, spec.floor)).T)
    return out


def main() -> None:
    parser = arguments.parser(__doc__, repeats=7)
    parser.add_argument("--recordings", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=3.0, help="mean length of a recording")
    arguments.add_cores(parser)
    args = parser.parse_args()
    timing.pin(args.cores)
    import jax
    import numpy as np

    from jser.frontend.log_mel import LogMelSpec, log_mel_batch

    machine = timing.machine()
    spec = LogMelSpec()
    waveforms = noise_speech(args.recordings, args.seconds)
    audio = sum(map(len, waveforms)) / spec.sample_rate
    ours, theirs = log_mel_batch(waveforms, spec), librosa_loop(waveforms, spec)
    apart = max(float(np.abs(a - b).max()) for a, b in zip(ours, theirs, strict=True))
    if apart > 1e-2:
        raise SystemExit(f"the two differ by {apart:.3g}: not the same computation")
    seconds = timing.alternate(
        {
            "log_mel_batch": lambda: log_mel_batch(waveforms, spec),
            "librosa": lambda: librosa_loop(waveforms, spec),
        },
        args.repeats,
    )
    middle = {name: timing.median(values) for name, values in seconds.items()}
    ratio = timing.paired_ratio(seconds["librosa"], seconds["log_mel_batch"])
    timing.emit(
        {
            "benchmark": "front_end",
            "machine": {**machine, "device": jax.devices()[0].device_kind},
            "recordings": args.recordings,
            "audio": round(audio, 1),
            "largest_difference": apart,
            "median": middle,
            "x_real_time": {name: round(audio / value) for name, value in middle.items()},
            "librosa_over_ours": ratio,
            "seconds": {name: [round(v, 4) for v in values] for name, values in seconds.items()},
        }
    )
    timing.table(
        ["front end", "s", "x real time", "ratio"],
        [
            ["log_mel_batch", middle["log_mel_batch"], audio / middle["log_mel_batch"], 1],
            ["librosa, loop", middle["librosa"], audio / middle["librosa"], ratio],
        ],
    )


if __name__ == "__main__":
    main()
