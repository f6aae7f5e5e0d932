"""What a training step reads of `config.hyper` is what may be changed, by the traced step."""

import jax
import jax.numpy as jnp
import pytest

from jser import config as configs
from jser import preparation
from jser.errors import InputError
from jser.training import one_member
from tests.conftest import TINY

# No config's default.
OTHER = {
    "learning_rate": 0.5, "momentum": 0.1, "weight_decay": 1.0, "clip": 1e-3, "warmup": 0.9,
    "dropout": 0.9, "input_dropout": 0.9, "label_smoothing": 0.5, "average": 0.5, "metric": 3.0,
    "mixup": 2.0, "stem_rate": 0.9, "stem_anchor": 0.1, "time_mask": 0.9, "frequency_mask": 0.9,
    "noise_share": 0.9, "conv_dropout": 0.9,
}  # fmt: skip
SMALL = {
    "model.maps": "3,3,3,3", "model.units": "4", "model.dense": "4", "seeds": "0",
    "dev_speakers": "1", "batch_size": "8",
}  # fmt: skip
FROZEN = TINY | {"components": "4"}
SYSTEMS = {
    "A": ("dcnn_blstm", FROZEN),
    "A, mixed and masked": ("dcnn_blstm", FROZEN | {"mixup": "true", "augment.masking": "true"}),
    "D by SGD": ("conv_lstm", SMALL | {"optimiser": "sgd"}),
    "D with a center loss": (
        "conv_lstm", SMALL | {"metric_loss": "center", "hyper.metric": "0.1"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_field_may_be_changed_if_and_only_if_a_step_reads_it(system, data):
    name, fields = SYSTEMS[system]

    def load(**changed):
        own = fields | {"data_dir": str(data)} | changed
        return configs.load(f"{name}:synthetic", list(own.items()))

    prepared = preparation.prepare(load())
    program, features = prepared.program, jax.tree.map(jnp.asarray, prepared.features)
    member = jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), prepared.tables)
    rows = member.train_index[: program.batch_size]

    def step(hyper, state):
        mine = member.replace(hyper=hyper)
        return one_member.train_step(program, features, mine, state, rows, 0)

    start = jax.eval_shape(lambda: one_member.init_member(program, features, member))
    traced = jax.make_jaxpr(step)(member.hyper, start).jaxpr
    read = {id(variable) for equation in traced.eqns for variable in equation.invars}
    # The fields' variables come first, in the order of the leaves.
    leaves = jax.tree_util.tree_leaves_with_path(member.hyper)
    names = [path[0].key for path, _ in leaves]
    assert len(names) > 8

    for field, variable in zip(names, traced.invars, strict=False):
        config = load(**{f"hyper.{field}": str(OTHER[field])})
        if id(variable) in read:
            preparation.check(config)
        else:
            with pytest.raises(InputError, match=rf"hyper\.{field}: .* would change nothing"):
                preparation.check(config)
