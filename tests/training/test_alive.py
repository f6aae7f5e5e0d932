"""Members that stop early: who they are, what they cost, and that nobody's numbers change."""

import json

import jax
import numpy as np
import pytest

from jser.training import blocks, loop
from jser.training.alive import Alive
from jser.training.plan import Plan
from tests.training.conftest import make_members, same_bits, take


def lines(run_dir):
    return [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]


def impatient(n, epochs=8, patience=2):
    members = make_members(n, epochs)
    return members.replace(
        horizon=np.full(n, epochs, np.int32), patience=np.full(n, patience, np.int32)
    )


def test_patience_ends_a_member_behind_its_best_epoch(fit, program, tmp_path):
    members = impatient(5)
    final = fit(program, members, run_dir=tmp_path)
    # By hand: the first epoch with no better one in the two behind it.
    for p in range(5):
        mine = [x for x in lines(tmp_path) if (x["fold"], x["seed"]) == (p % 2, p // 2)]
        best, at, end = (-1.0, np.inf), 0, 8
        for x in mine:
            if (x["dev_uar"], -x["dev_loss"]) > (best[0], -best[1]):
                best, at = (x["dev_uar"], x["dev_loss"]), x["epoch"]
            elif x["epoch"] - at >= 2:
                end = x["epoch"]
                break
        assert [x["epoch"] for x in mine] == list(range(1, end + 1))
        assert (final.best_epoch[p], final.epoch[p]) == (at, end)
    assert len(set(final.epoch.tolist())) > 1, "all end together: the test shows little"


def test_with_patience_the_choice_is_that_of_the_epochs_until_then(fit, program):
    """Patience ends a training; it changes no epoch of it."""
    stopped, whole = fit(program, impatient(5)), fit(program, impatient(5, patience=0))
    same = stopped.best_epoch == whole.best_epoch
    assert same.any()
    assert same_bits(take(stopped.best_params, same), take(whole.best_params, same))
    assert (whole.epoch == 8).all()


@pytest.mark.parametrize("width", [2, 3])
def test_closing_up_changes_no_bit(fit, program, monkeypatch, width):
    members = impatient(7)
    made = []
    put = Alive._put

    def noted(self, places, *where):
        put(self, places, *where)
        made.append(len(self.blocks))

    monkeypatch.setattr(Alive, "_put", noted)
    together = fit(program, members, width, 3)
    assert made, "nobody moved: the test shows nothing"
    assert made == sorted(made, reverse=True)
    monkeypatch.setattr(Alive, "close_up", lambda self, alive: _drop_when_all_ended(self, alive))
    apart = fit(program, members, width, 3)
    assert same_bits(together, apart)
    for p in range(7):
        assert same_bits(take(together, [p]), fit(program, take(members, [p]), width, 3)), p


def _drop_when_all_ended(self, alive):
    if not alive.any():
        self._keep(self.blocks)
        self.blocks = []


@pytest.mark.parametrize(("width", "steps_per_call"), [(1, 1), (2, 3)])
def test_killed_among_members_that_have_ended(
    fit, program, tmp_path, monkeypatch, width, steps_per_call
):
    """A resumed training holds those who are alive alone, and ends at the same bits."""
    members = impatient(5)
    whole = fit(program, members, width, steps_per_call, run_dir=tmp_path / "whole")
    ends = sorted(set(whole.epoch.tolist()))
    at = ends[0] + 1  # somebody has ended, somebody has not
    assert at < ends[-1]
    write = loop.metrics_log.MetricsLog.write

    def dying(self, epoch, metrics):
        if epoch == at:
            raise KeyboardInterrupt
        write(self, epoch, metrics)

    with monkeypatch.context() as patch:
        patch.setattr(loop.metrics_log.MetricsLog, "write", dying)
        with pytest.raises(KeyboardInterrupt):
            fit(program, members, width, steps_per_call, run_dir=tmp_path / "cut", seconds=0)
    resumed = fit(program, members, width, steps_per_call, run_dir=tmp_path / "cut", seconds=0)
    assert same_bits(whole, resumed)
    key = lambda x: (x["epoch"], x["fold"], x["seed"])  # noqa: E731
    assert sorted(lines(tmp_path / "cut"), key=key) == sorted(lines(tmp_path / "whole"), key=key)


def test_refit_on_longer_tables_compiles_no_step_again(features, program, tmp_path):
    """With tables of one shape, a second training finds every program but the one that sees dev."""
    members = make_members(2)
    later = members.replace(dev_index=np.full((2, 1), -1, np.int32))
    plan = Plan(1, 1, tuple(jax.devices()[:1]))
    compiled = blocks.compile_block(
        program, blocks.member_mesh(list(plan.devices)), plan.width, plan.from_host
    )
    loop.fit(program, features, members, plan, tmp_path, "select", 1e9)
    before = compiled.train._cache_size(), compiled.shuffle._cache_size()
    loop.fit(program, features, later, plan, tmp_path, "refit", 1e9)
    assert (compiled.train._cache_size(), compiled.shuffle._cache_size()) == before


def test_padding_of_a_table_changes_nothing(fit, program):
    members = make_members(3)
    padded = members.replace(
        train_index=np.pad(members.train_index, ((0, 0), (0, 9)), constant_values=-1)
    )
    assert same_bits(fit(program, members), fit(program, padded))
    assert same_bits(fit(program, members, 2, 0), fit(program, padded, 2, 0))
