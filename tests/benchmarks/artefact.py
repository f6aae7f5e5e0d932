"""An artefact against the same system in PyTorch, from waveform to probabilities.

The system is the network of the main config: log-Mel with its deltas as a picture, VGG16 to its
convolution 4_3, pooled windows, 256 components, BLSTM, attention, dense layers; weights are drawn,
since time does not depend on them. PyTorch's twin is written as one would write it there, for one
recording or several of one length, without masks. What both say is compared first.

  latency      one recording a call
  throughput   eight recordings a call

StableHLO runs by XLA, ONNX by onnxruntime; both with as many threads as PyTorch.

needs PyTorch and onnxruntime: pip install '.[bench,onnx]'
example: python tests/benchmarks/artefact.py --repeats=9 --seconds=3
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

import arguments
import timing
from against_torch import close

MELS, FRAMES, SHIFT, COMPONENTS, CLASSES = 64, 64, 32, 256, 7


def artefact(weights_dir: Any) -> tuple[Any, Any, Any]:
    """The exported function, loaded again, with its weights; by onnxruntime; and its parts."""
    import dataclasses

    import jax
    import jax.numpy as jnp
    import numpy as np
    import onnxruntime

    from jser import config as configs
    from jser.artefact import answer, formats
    from jser.models.dcnn_blstm import DcnnBlstm
    from jser.systems import stem_ear
    from jser.training.projection import Projection
    from jser.training.stem_features import utterance_features
    from jser.training.tuning import parts

    config = configs.load("dcnn_blstm", [])
    spec = dataclasses.replace(parts(config.stem.to_dict())[0], weights="random", trim_db=0.0)
    rng = np.random.default_rng(0)
    shape = jax.eval_shape(
        lambda p, x, n: utterance_features(p, x, n, spec),
        spec.params(weights_dir),
        jnp.zeros((1, FRAMES, MELS)),
        jnp.array([FRAMES]),
    )[0].shape
    basis = rng.standard_normal((shape[-1], COMPONENTS)).astype(np.float32) / shape[-1] ** 0.5
    ones = np.ones(shape[-1], np.float32)
    ear = stem_ear.make(spec, (), weights_dir, "train", [Projection(0 * ones, ones, basis)], ())
    model = DcnnBlstm(n_classes=CLASSES, **config.model.to_dict())
    params = model.init(
        jax.random.key(0),
        jnp.zeros((1, 2, COMPONENTS)),
        jnp.array([2]),
        jnp.zeros((1, 1)),
        {},
        False,
    )["params"]
    own = {"params": params, "mean": 0 * ones[:COMPONENTS], "scale": ones[:COMPONENTS]}
    answering = answer.build(ear, [answer.Member(0, 0, 0, model, own)], (), 1.0, 1.0)
    program = jax.jit(jax.export.deserialize(bytearray(formats.stablehlo(answering))).call)
    weights = jax.device_put(formats.flat(answering.weights))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        formats.write_onnx(answering, path, {})
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = len(os.sched_getaffinity(0))
        session = onnxruntime.InferenceSession(str(path), options)
    return (program, weights), session, (ear.weights, basis, params)


def twin(stem: Any, basis: Any, params: Any) -> Any:
    """The same in PyTorch."""
    import numpy as np
    import torch
    import torch.nn.functional as f
    import torch_twins
    from torch import nn

    from jser.frontend.log_mel import LogMelSpec, mel_filters
    from jser.frontend.segments import DB

    spec = LogMelSpec()
    names = [
        f"conv{b}_{n}" for b, most in ((1, 2), (2, 2), (3, 3), (4, 3)) for n in range(1, most + 1)
    ]

    class Twin(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convs = nn.ModuleList()
            for name in names:
                own = stem[name]["conv"]
                kernel = np.asarray(own["kernel"]).transpose(3, 2, 0, 1)
                conv = nn.Conv2d(kernel.shape[1], kernel.shape[0], 3, padding=1)
                conv.weight.data.copy_(torch_twins.tensor(kernel))
                conv.bias.data.copy_(torch_twins.tensor(own["bias"]))
                self.convs.append(conv)
            self.register_buffer("mel", torch_twins.tensor(mel_filters(spec)))
            self.register_buffer("window", torch_twins.tensor(np.hamming(400).astype(np.float32)))
            self.register_buffer("basis", torch_twins.tensor(basis))
            mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
            self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
            self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))
            drop = {"input_dropout": 0.0, "dropout": 0.0}
            self.head = torch_twins.DcnnBlstm(params, COMPONENTS, drop)

        def deltas(self, x: torch.Tensor) -> torch.Tensor:  # [B, T, M]
            wide = f.pad(x.transpose(1, 2), (2, 2), mode="replicate")
            t = x.shape[1]
            near = wide[..., 3 : 3 + t] - wide[..., 1 : 1 + t]
            far = wide[..., 4 : 4 + t] - wide[..., :t]
            return ((near + 2 * far) / 10).transpose(1, 2)

        def forward(self, wave: torch.Tensor) -> torch.Tensor:
            x = torch.cat([wave[:, :1], wave[:, 1:] - spec.pre_emphasis * wave[:, :-1]], 1)
            framed = x.unfold(1, 400, 160) * self.window
            power = torch.fft.rfft(framed, n=512).abs().square()
            static = torch.log(torch.clamp(power @ self.mel, min=spec.floor))
            first = self.deltas(static)
            layers = [
                (static * DB + 60) / 90, first * DB / 12 + 0.5, self.deltas(first) * DB / 6 + 0.5,
            ]  # fmt: skip
            z = torch.stack(layers, 1).clamp(0, 1).transpose(2, 3)  # [B, 3, M, T]
            z = (z - self.mean) / self.std
            taps = []
            for name, conv in zip(names, self.convs, strict=True):
                z = torch.relu(conv(z))
                if name in ("conv1_2", "conv2_2", "conv3_3", "conv4_3"):
                    z = f.max_pool2d(z, 2)
                if name in ("conv3_3", "conv4_3"):
                    taps.append(z)
            n = -(-(static.shape[1] - FRAMES) // SHIFT) + 1
            steps = []
            for maps, stride in zip(taps, (8, 16), strict=True):
                size, hop = FRAMES // stride, SHIFT // stride
                missing = (n - 1) * hop + size - maps.shape[3]
                cut = f.pad(maps, (0, max(missing, 0))).unfold(3, size, hop)[..., :n, :]
                there = torch.arange(size) + hop * torch.arange(n)[:, None] < maps.shape[3]
                count = there.sum(1)
                mean = (cut * there).sum(-1) / count
                away = ((cut - mean[..., None]) ** 2 * there).sum(-1) / count
                stats = [mean, torch.sqrt(away + 1e-8), cut.amax(-1)]
                # [B, C, h, S] -> [B, S, h * C]
                steps += [s.permute(0, 3, 2, 1).flatten(2) for s in stats]
            x = torch.cat(steps, -1) @ self.basis
            length = torch.full((len(x),), n)
            return torch.softmax(self.head(x, length), -1)

    return Twin().eval()


def main() -> None:
    parser = arguments.parser(__doc__, repeats=9)
    parser.add_argument("--seconds", type=float, default=3.0, help="of a recording")
    arguments.add_cores(parser)
    arguments.add_data_dir(parser)
    args = parser.parse_args()
    timing.pin(args.cores)
    measure(args)


def measure(args: argparse.Namespace) -> None:
    """Print a line of JSON a case, and the table."""
    import jax
    import numpy as np
    import torch

    (program, weights), session, parts = artefact(args.data_dir / "weights")
    model = twin(*parts)
    rng = np.random.default_rng(0)
    machine = {**timing.machine(), "torch": torch.__version__, "threads": torch.get_num_threads()}
    rows = []
    for case, batch in (("latency", 1), ("throughput", 8)):
        n = int(args.seconds * 16000)
        wave = (0.1 * rng.standard_normal((batch, n))).astype(np.float32)
        length = np.full(batch, n, np.int32)
        given = torch.from_numpy(wave)

        def ours(wave: Any = wave, length: Any = length) -> Any:
            return jax.block_until_ready(program(weights, wave, length)["probabilities"])

        def by_onnx(wave: Any = wave, length: Any = length) -> Any:
            return session.run(["probabilities"], {"wave": wave, "length": length})[0]

        def theirs(given: Any = given) -> Any:
            with torch.inference_mode():
                return model(given)

        # The stem's features are rounded to float16 in ours.
        close(case, ours(), theirs(), 2e-3)
        close(f"{case}, ONNX", ours(), by_onnx(), 1e-4)
        ways = {"StableHLO": ours, "ONNX": by_onnx, "torch": theirs}
        seconds = timing.alternate(ways, args.repeats)
        timing.emit(
            {
                "benchmark": "artefact",
                "case": case,
                "machine": machine,
                "all_seconds": {k: [round(v, 5) for v in values] for k, values in seconds.items()},
            }
        )
        for way in ("StableHLO", "ONNX"):
            mine, other = timing.median(seconds[way]), timing.median(seconds["torch"])
            rows.append(
                [
                    f"{case}, {batch} x {args.seconds:g} s, {way}", 1000 * mine, 1000 * other,
                    timing.paired_ratio(seconds["torch"], seconds[way]),
                    batch * args.seconds / mine,
                ]
            )  # fmt: skip
    timing.table(["what", "jser, ms", "PyTorch, ms", "PyTorch / jser", "x real time"], rows)


if __name__ == "__main__":
    main()
