"""One training step, and prediction, of the systems with convolutions, at several sizes.

A batch of random segments of 3 s (lengths from half to all of it) through model, loss, gradient and
Adam, as one compiled step from the host. The sizes:

  acrnn, conv_lstm, pcrn   the packaged configs: what a CPU can cross-validate
  acrnn_paper              the paper's sizes, Chen et al. 2018
  conv_lstm_wide           conv_lstm with twice the widths
  pcrn_wide                pcrn with twice the widths
  pcrn_4                   pcrn with 4 frames averaged into a step of its LSTM

example: python tests/benchmarks/systems_step.py --repeats=5 --sizes=acrnn,pcrn
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import arguments
import timing

SIZES: dict[str, tuple[str, dict[str, Any]]] = {
    "acrnn": ("acrnn", {}),
    "acrnn_paper": ("acrnn_paper", {}),
    "conv_lstm": ("conv_lstm", {}),
    "conv_lstm_wide": ("conv_lstm", {"maps": (64, 64, 128, 128), "units": 256}),
    "pcrn": ("pcrn", {}),
    "pcrn_4": ("pcrn", {"lstm_frames": 4}),
    "pcrn_wide": ("pcrn", {"maps": (32, 64, 128), "lstm_units": 256, "cnn_units": 256}),
}
# Utterances of a RAVDESS fold's training part: an epoch.
UTTERANCES = 1000
DESCRIPTORS = 32


def model_of(name: str, n_classes: int) -> tuple[Any, int, Any]:
    """(model, columns of its input, config) of a size."""
    from jser import config as configs
    from jser.models.acrnn import Acrnn
    from jser.models.conv_lstm import ConvLstm
    from jser.models.pcrn import Pcrn

    packaged, changed = SIZES[name]
    config = configs.load(f"{packaged}:ravdess")
    settings = {"n_classes": n_classes, **config.model.to_dict(), **changed}
    columns = settings["mels"] * settings["channels"]
    if config.system == "pcrn":
        return Pcrn(descriptors=DESCRIPTORS, **settings), columns + DESCRIPTORS, config
    return {"acrnn": Acrnn, "conv_lstm": ConvLstm}[config.system](**settings), columns, config


def segments(batch: int, steps: int, columns: int) -> tuple[Any, Any]:
    """Random x [B, S, D], zero on padding, and lengths."""
    import numpy as np

    rng = np.random.default_rng(0)
    length = rng.integers(steps // 2, steps + 1, batch).astype(np.int32)
    x = rng.standard_normal((batch, steps, columns), dtype=np.float32)
    x[np.arange(steps) >= length[:, None]] = 0
    return x, length


def cases(name: str, n_classes: int) -> tuple[Callable[[], None], Callable[[], None], int, int]:
    """A training step, a prediction, the batch's size and the number of parameters."""
    import jax
    import numpy as np
    import optax

    model, columns, config = model_of(name, n_classes)
    batch, hyper = config.batch_size, config.hyper.to_dict()
    x, length = jax.device_put(segments(batch, config.segments.frames, columns))
    label = np.arange(batch) % n_classes
    made = jax.jit(lambda key: model.init(key, x[:1], length[:1], None, hyper, False))(
        jax.random.key(0)
    )
    params, stats = made["params"], made["batch_stats"]
    optimiser = optax.adam(1e-4)
    state = optimiser.init(params)

    @jax.jit
    def train(params: Any, stats: Any, state: Any, x: Any, length: Any) -> Any:
        def loss(params: Any) -> Any:
            variables = {"params": params, "batch_stats": stats}
            (logits, _), new = model.apply(
                variables, x, length, None, hyper, True,
                rngs={"dropout": jax.random.key(1)}, mutable=["batch_stats"],
            )  # fmt: skip
            each = optax.softmax_cross_entropy_with_integer_labels(logits, label)
            return each.mean(), new["batch_stats"]

        (_, new), gradient = jax.value_and_grad(loss, has_aux=True)(params)
        updates, later = optimiser.update(gradient, state)
        return optax.apply_updates(params, updates), new, later

    @jax.jit
    def predict(params: Any, stats: Any, x: Any, length: Any) -> Any:
        variables = {"params": params, "batch_stats": stats}
        return model.apply(variables, x, length, None, hyper, False)[0]

    now = [params, stats, state]

    def step() -> None:
        now[:] = jax.block_until_ready(train(*now, x, length))

    def answer() -> None:
        jax.block_until_ready(predict(*now[:2], x, length))

    return step, answer, batch, sum(a.size for a in jax.tree.leaves(params))


def main() -> None:
    parser = arguments.parser(__doc__, repeats=5)
    parser.add_argument("--sizes", default=",".join(SIZES), help=f"of {', '.join(SIZES)}")
    parser.add_argument("--classes", type=int, default=8)
    arguments.add_cores(parser)
    args = parser.parse_args()
    sizes = arguments.names(parser, "sizes", args.sizes, SIZES)
    timing.as_training(args.cores)
    import jax

    machine = {**timing.machine(), "device": jax.devices()[0].device_kind}
    made = {name: cases(name, args.classes) for name in sizes}
    functions = {}
    for name, (step, answer, _, _) in made.items():
        functions[f"{name}/step"], functions[f"{name}/predict"] = step, answer
    seconds = timing.alternate(functions, args.repeats)
    middle = {name: timing.median(values) for name, values in seconds.items()}
    rows = []
    for name, (_, _, batch, parameters) in made.items():
        step, answer = middle[f"{name}/step"], middle[f"{name}/predict"]
        epoch = step * -(-UTTERANCES // batch)
        rows.append([name, batch, parameters, 1000 * step, 1000 * answer, epoch])
    timing.emit(
        {
            "benchmark": "systems_step",
            "machine": machine,
            "seconds": middle,
            "all_seconds": {k: [round(v, 4) for v in values] for k, values in seconds.items()},
        }
    )
    timing.table(
        ["size", "batch", "parameters", "step, ms", "predict, ms", f"{UTTERANCES} utterances, s"],
        rows,
    )


if __name__ == "__main__":
    main()
