"""`kill -9` or SIGTERM at a random moment, the same command again: the same run, to the bit."""

import json
import random
import signal
import subprocess
import time
from collections import Counter

import numpy as np
import pytest

from jser.training.checkpoints import Checkpoints
from tests.conftest import jser, train_command

# What differs between two equal runs: times, memory, and the place in the shared ledger.
# The ledger of the tests' data folder counts what other tests score there too.
NOT_A_FIGURE = ("seconds", "peak_memory_mb", "configs_scored", "configs_total", "warnings")


def figures(run):
    report = json.loads((run / "report.json").read_text())
    return {k: v for k, v in report.items() if k not in NOT_A_FIGURE}


def restored(run, stage):
    """The last checkpoint's arrays by path, whatever the tree is called."""
    import orbax.checkpoint as ocp

    epoch = Checkpoints(run / "checkpoints" / stage, 1e9).latest()
    tree = ocp.StandardCheckpointer().restore(
        (run / "checkpoints" / stage / str(epoch) / "state").resolve()
    )
    import jax

    return epoch, {
        jax.tree_util.keystr(path): np.asarray(leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


@pytest.mark.parametrize(
    ("stage", "by"),
    [("select", signal.SIGKILL), ("refit", signal.SIGKILL), ("select", signal.SIGTERM)],
)
def test_killed_and_resumed(tiny_run, data, tmp_path, stage, by):
    whole, cut = tiny_run / "run", tmp_path / "cut"
    command = train_command(data, cut)
    process = subprocess.Popen(**jser(*command))
    chance = random.SystemRandom()
    # Some time after a first checkpoint, so that there is something to go on from.
    checkpoint = cut / "checkpoints" / stage / "1"
    while process.poll() is None:
        if checkpoint.exists():
            time.sleep(chance.uniform(0, 0.15))
            process.send_signal(by)
            break
        time.sleep(0.002)
    _, errors = process.communicate()
    if by == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL, errors[-2000:]
    else:
        assert process.returncode == 75, errors[-2000:]
        assert errors.splitlines()[-1] == (
            "jser: told to end; what was finished is kept, the same command goes on"
        )
    metrics = cut / "metrics.jsonl"
    before = len(metrics.read_text().splitlines())

    done = subprocess.run(**jser(*command), check=False)
    assert done.returncode == 0, f"killed after {before} lines\n{done.stderr[-2000:]}"
    assert figures(cut) == figures(whole)
    assert (cut / "predictions.csv").read_bytes() == (whole / "predictions.csv").read_bytes()
    for name in ("select", "refit"):
        epoch, state = restored(cut, name)
        wanted_epoch, wanted_state = restored(whole, name)
        assert epoch == wanted_epoch
        assert state.keys() == wanted_state.keys()
        assert any("best_params" in path for path in state)
        for path, leaf in state.items():
            assert leaf.tobytes() == wanted_state[path].tobytes(), path
    rows = [json.loads(line) for line in metrics.read_text().splitlines()]
    assert set(Counter((r["stage"], r["epoch"], r["fold"]) for r in rows).values()) == {1}
    assert rows == [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
