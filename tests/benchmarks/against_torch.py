"""Our models against the same ones in PyTorch, on the same weights, forward and in training.

The cases, each first held against its twin's numbers:

  blstm      one bidirectional layer, 256 -> 2 x 128, 32 rows of 100 steps
  alexnet    the convolutions of AlexNet on pictures of 224 pixels
  sequence   the main system's sequence part at its config's sizes: predictions of a batch, and an
             epoch of one member (gather, mixup, dropout, loss, clip, AdamW, moving average)
  tuned      the convolutions of AlexNet, tuned end to end under the same sequence part: value and
             gradient of the loss, and the optimiser's step, for utterances of --steps pictures; and
             the whole network's answers, from pictures to classes

PyTorch runs eagerly and, with --compiled, under torch.compile too (minutes of compilation).

needs PyTorch: pip install '.[bench]'
example: python tests/benchmarks/against_torch.py --repeats=9 --cases=blstm,sequence
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import arguments
import step as ours
import timing

Functions = dict[str, Callable[[], Any]]


def close(name: str, a: Any, b: Any, atol: float) -> None:
    """Stop where two implementations do not compute the same."""
    import numpy as np

    apart = float(np.abs(np.asarray(a) - np.asarray(b)).max())
    if not apart <= atol:
        raise SystemExit(f"{name}: the two differ by {apart:g}: this compares nothing")


def ways(function: Any, args: argparse.Namespace) -> dict[str, Any]:
    """PyTorch's ways of running a module."""
    import torch

    return {"torch": function} | ({"compiled": torch.compile(function)} if args.compiled else {})


def blstm(args: argparse.Namespace) -> Functions:
    import jax
    import jax.numpy as jnp
    import numpy as np
    import torch
    import torch_twins

    from jser.models.blstm import BLSTM

    rng = np.random.default_rng(0)
    x = rng.standard_normal((32, 100, 256), dtype=np.float32)
    length = rng.integers(50, 101, 32).astype(np.int32)
    model = BLSTM(128)
    params = model.init(jax.random.key(0), x, length)["params"]
    forward = jax.jit(lambda p, x: model.apply({"params": p}, x, length))
    gradient = jax.jit(
        jax.grad(lambda p, x: jnp.sum(model.apply({"params": p}, x, length) ** 2), (0, 1))
    )
    twin = torch_twins.Blstm(params, 256)
    y, n = torch.from_numpy(x), torch.from_numpy(length).long()
    close("blstm", forward(params, x), twin(y, n).detach(), 1e-4)
    x = jax.device_put(x)

    def backward(call: Any) -> None:
        given = y.clone().requires_grad_()
        call(given, n).square().sum().backward()

    def predicted(call: Any) -> None:
        with torch.inference_mode():
            call(y, n)

    made: Functions = {
        "forward/jser": lambda: jax.block_until_ready(forward(params, x)),
        "gradient/jser": lambda: jax.block_until_ready(gradient(params, x)),
    }
    for name, call in ways(twin, args).items():
        made[f"forward/{name}"] = lambda call=call: predicted(call)
        made[f"gradient/{name}"] = lambda call=call: backward(call)
    return made


def alexnet(args: argparse.Namespace) -> Functions:
    import jax
    import jax.numpy as jnp
    import numpy as np
    import torch
    import torch_twins

    from jser.models import stems

    net = stems.get("alexnet")
    params = net.random(0, net.needed(("conv5",)))
    x = np.random.default_rng(0).standard_normal((args.batch, 224, 224, 3), dtype=np.float32)

    def maps(p: Any, x: Any) -> Any:
        ((found, _),) = net.apply(p, x, None, taps=("conv5",), pooled=True)
        return found

    forward = jax.jit(maps)
    gradient = jax.jit(jax.grad(lambda p, x: jnp.sum(maps(p, x) ** 2)))
    twin = torch_twins.AlexNet(params)
    y = torch.from_numpy(x).permute(0, 3, 1, 2).contiguous()
    close("alexnet", forward(params, x), twin(y).detach().permute(0, 2, 3, 1), 1e-3)
    x = jax.device_put(x)

    def predicted(call: Any) -> None:
        with torch.inference_mode():
            call(y)

    made: Functions = {
        "forward/jser": lambda: jax.block_until_ready(forward(params, x)),
        "gradient/jser": lambda: jax.block_until_ready(gradient(params, x)),
    }
    for name, call in ways(twin, args).items():
        made[f"forward/{name}"] = lambda call=call: predicted(call)
        made[f"gradient/{name}"] = lambda call=call: call(y).square().sum().backward()
    return made


def sequence(args: argparse.Namespace) -> Functions:
    import jax
    import numpy as np
    import torch
    import torch_twins

    from jser import config as configs
    from jser.models.dcnn_blstm import DcnnBlstm
    from jser.training import blocks, population

    config = configs.load("dcnn_blstm:ravdess")
    hyper, batch = config.hyper.to_dict(), config.batch_size
    model = DcnnBlstm(n_classes=8, **config.model.to_dict())
    program = population.Program(model=model, n_classes=8, batch_size=batch, mixup=True)
    # The config's linear path is off and nothing reads pooled features.
    features = ours.make_features(args.utterances, args.steps, config.components, 1)
    members = ours.make_members(1, args.utterances, 8, hyper, config.components)
    mesh = blocks.member_mesh(jax.devices()[:1])
    compiled = blocks.compile_block(program, mesh, 1, True)
    (table,) = blocks.to_blocks(members, 1, mesh)
    on_device = jax.device_put(features)
    state = compiled.init(on_device, table)
    first = jax.tree.map(lambda a: np.array(a[0]), state.params)
    n_steps = -(-args.utterances // batch)
    calls = [jax.device_put((np.int32(i), np.int32(i + 1))) for i in range(n_steps)]
    zero = jax.device_put(np.int32(0))

    def epoch() -> None:
        nonlocal state
        orders = compiled.shuffle(on_device, zero, table)
        for begin, end in calls:
            state, loss = compiled.train(on_device, begin, end, table, state, orders)
        jax.block_until_ready((state, loss))

    rows = np.arange(batch, dtype=np.int32)
    one = jax.tree.map(lambda a: a[0], members)
    x, length, pooled = map(np.array, population.gather(features, one, rows))
    answer = jax.jit(lambda p, x: model.apply({"params": p}, x, length, pooled, hyper, False)[0])
    twin = torch_twins.DcnnBlstm(first, config.components, hyper).eval()
    y, n = torch.from_numpy(x), torch.from_numpy(length).long()
    close("sequence", answer(first, x), twin(y, n).detach(), 1e-4)
    x = jax.device_put(x)

    def predicted() -> None:
        with torch.inference_mode():
            twin(y, n)

    made: Functions = {
        "forward/jser": lambda: jax.block_until_ready(answer(first, x)),
        "epoch/jser": epoch,
        "forward/torch": predicted,
    }
    for name in ("torch", "compiled") if args.compiled else ("torch",):
        learner = torch_twins.DcnnBlstm(first, config.components, hyper).train()
        training = torch_twins.Training(
            learner, features, one, hyper, batch, config.epochs, name == "compiled"
        )
        made[f"epoch/{name}"] = training.epoch
    return made


def tuned(args: argparse.Namespace) -> Functions:
    import jax
    import jax.numpy as jnp
    import numpy as np
    import optax
    import torch
    import torch_twins

    from jser import config as configs
    from jser.models import stems
    from jser.models.dcnn_blstm import DcnnBlstm

    net, config = stems.get("alexnet"), configs.load("dcnn_blstm:ravdess")
    hyper = config.hyper.to_dict() | {"dropout": 0.0, "input_dropout": 0.0}
    model = DcnnBlstm(n_classes=8, **config.model.to_dict())
    rows = max(1, args.batch // args.steps)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows * args.steps, 224, 224, 3), dtype=np.float32)
    length = np.full(rows, args.steps, np.int32)
    label = np.arange(rows) % 8

    def logits(params: Any, x: Any) -> Any:
        ((maps, _),) = net.apply(params["stem"], x, None, taps=("conv5",), pooled=True)
        steps = maps.mean((1, 2)).reshape(rows, args.steps, -1)
        return model.apply({"params": params["head"]}, steps, length, None, hyper, False)[0]

    steps = jnp.zeros((rows, args.steps, 256))
    params = {
        "stem": net.random(0, net.needed(("conv5",))),
        "head": model.init(jax.random.key(0), steps, length, None, hyper, False)["params"],
    }
    optimiser = optax.adamw(1e-5)

    @jax.jit
    def step(params: Any, state: Any, x: Any) -> Any:
        def loss(params: Any) -> Any:
            each = optax.softmax_cross_entropy_with_integer_labels(logits(params, x), label)
            return each.mean()

        updates, state = optimiser.update(jax.grad(loss)(params), state, params)
        return optax.apply_updates(params, updates), state

    first = jax.tree.map(np.array, params)
    now = [jax.device_put(params), optimiser.init(params)]
    twin = torch.nn.ModuleList(
        [torch_twins.AlexNet(first["stem"]), torch_twins.DcnnBlstm(first["head"], 256, hyper)]
    )
    y = torch.from_numpy(x).permute(0, 3, 1, 2).contiguous()
    n, truth = torch.from_numpy(length).long(), torch.from_numpy(label).long()

    def theirs() -> Any:
        return twin[1](twin[0](y).mean((2, 3)).reshape(rows, args.steps, -1), n)

    close("tuned", jax.jit(logits)(first, x), theirs().detach(), 1e-3)
    x = jax.device_put(x)

    def ours_step() -> None:
        now[:] = jax.block_until_ready(step(*now, x))

    answer = jax.jit(logits)

    def predicted(call: Any) -> None:
        with torch.inference_mode():
            call()

    made: Functions = {
        "step/jser": ours_step,
        "inference/jser": lambda: jax.block_until_ready(answer(now[0], x)),
    }
    for name, call in ways(theirs, args).items():
        made[f"inference/{name}"] = lambda call=call: predicted(call)
        trained = [p for p in twin.parameters() if p.requires_grad]
        learner = torch.optim.AdamW(trained, lr=1e-5, weight_decay=1e-4, foreach=True)

        def torch_step(call: Any = call, learner: Any = learner) -> None:
            learner.zero_grad(set_to_none=True)
            torch.nn.functional.cross_entropy(call(), truth).backward()
            learner.step()

        made[f"step/{name}"] = torch_step
    return made


MAKERS = {"blstm": blstm, "alexnet": alexnet, "sequence": sequence, "tuned": tuned}


def main() -> None:
    parser = arguments.parser(__doc__, repeats=9)
    parser.add_argument("--cases", default=",".join(MAKERS), help=f"of {', '.join(MAKERS)}")
    parser.add_argument("--compiled", action="store_true", help="torch.compile too")
    parser.add_argument("--batch", type=int, default=16, help="pictures of alexnet and tuned")
    parser.add_argument("--utterances", type=int, default=1000, help="of sequence")
    parser.add_argument(
        "--steps", type=int, default=8, help="S of sequence, the longest, and of tuned"
    )
    arguments.add_cores(parser)
    args = parser.parse_args()
    cases = arguments.names(parser, "cases", args.cases, MAKERS)
    timing.as_training(args.cores)
    import torch

    torch.manual_seed(0)
    machine = {**timing.machine(), "torch": torch.__version__, "threads": torch.get_num_threads()}
    rows = []
    for case in cases:
        seconds = timing.alternate(MAKERS[case](args), args.repeats)
        timing.emit(
            {
                "benchmark": "against_torch",
                "case": case,
                "machine": machine,
                "all_seconds": {k: [round(v, 5) for v in values] for k, values in seconds.items()},
            }
        )
        for name in seconds:
            what, way = name.split("/")
            if way != "jser":
                own = seconds[f"{what}/jser"]
                rows.append(
                    [
                        f"{case}, {what}", way,
                        1000 * timing.median(own), 1000 * timing.median(seconds[name]),
                        timing.paired_ratio(seconds[name], own),
                    ]
                )  # fmt: skip
    timing.table(["what", "against", "jser, ms", "PyTorch, ms", "PyTorch / jser"], rows)


if __name__ == "__main__":
    main()
