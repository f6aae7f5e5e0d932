"""Log-Mel of many recordings: `log_mel_batch`, compiled, against plain loops over recordings.

The loops are librosa's and, where PyTorch is installed (pip install '.[bench]'), `torch.stft` and
one product with the filters, as torchaudio computes it. All have the same specification (window,
filters, pre-emphasis, floor) and give the same numbers, which is checked; the audio is generated
noise with the ups and downs of speech. Runs alternate. Cores matter: librosa's loop uses one except
in BLAS, XLA and PyTorch use all that the process may use, so measure with --cores=1 too.

example: python tests/benchmarks/front_end.py --recordings=200 --repeats=7 --cores=1
"""

from __future__ import annotations

import functools
import importlib.util
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


def torch_loop(waveforms: list[Any], spec: Any) -> list[Any]:
    """The same log-Mel, one recording after the other, by PyTorch."""
    import torch

    from jser.frontend.log_mel import mel_filters

    window = torch.hamming_window(spec.window, periodic=False)
    fill = torch.zeros(spec.n_fft - spec.window)
    # `stft` centres a short window in n_fft; ours starts at the frame's first sample.
    window = torch.cat([window, fill])
    filters = torch.from_numpy(mel_filters(spec))
    out = []
    with torch.inference_mode():
        for waveform in waveforms:
            x = torch.from_numpy(waveform)
            x = torch.cat([x[:1], x[1:] - spec.pre_emphasis * x[:-1], fill])
            spectrum = torch.stft(
                x, spec.n_fft, spec.hop, window=window, center=False, return_complex=True
            )
            mel = spectrum.abs().square().T @ filters
            out.append(mel.clamp(min=spec.floor).log().numpy())
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
    ways = {"log_mel_batch": log_mel_batch, "librosa, loop": librosa_loop}
    if importlib.util.find_spec("torch"):
        ways["PyTorch, loop"] = torch_loop
    ours = log_mel_batch(waveforms, spec)
    apart = {}
    for name, way in ways.items():
        pairs = zip(ours, way(waveforms, spec), strict=True)
        apart[name] = max(float(np.abs(a - b).max()) for a, b in pairs)
        if apart[name] > 1e-2:
            raise SystemExit(f"{name} differs by {apart[name]:.3g}: not the same computation")
    seconds = timing.alternate(
        {name: functools.partial(way, waveforms, spec) for name, way in ways.items()}, args.repeats
    )
    middle = {name: timing.median(values) for name, values in seconds.items()}
    over = {
        name: timing.paired_ratio(values, seconds["log_mel_batch"])
        for name, values in seconds.items()
    }
    timing.emit(
        {
            "benchmark": "front_end",
            "machine": {**machine, "device": jax.devices()[0].device_kind},
            "recordings": args.recordings,
            "audio": round(audio, 1),
            "largest_difference": apart,
            "median": middle,
            "x_real_time": {name: round(audio / value) for name, value in middle.items()},
            "over_ours": over,
            "seconds": {name: [round(v, 4) for v in values] for name, values in seconds.items()},
        }
    )
    timing.table(
        ["front end", "s", "x real time", "ratio"],
        [[name, value, audio / value, over[name]] for name, value in middle.items()],
    )


if __name__ == "__main__":
    main()
