"""`jser train --dry_run`: what a training would be, without one."""

import pytest

from jser import config as configs
from jser import dry_run, trainings
from jser.errors import InputError
from jser.evaluation import tables
from jser.preparation import prepare


def config(data, **changed):
    fields = {"data_dir": str(data), "dev_speakers": "1", "seeds": "0,1", "epochs": "3"}
    fields |= {k.replace("__", "."): str(v) for k, v in changed.items()}
    return configs.load("conv_lstm:synthetic", fields.items())


def test_members_and_bytes_are_those_of_the_training(data):
    given = config(data, **{"grid.hyper.learning_rate": "1e-3,3e-3", "grid.model.units": "8,16"})
    found = dry_run.describe(given)
    one, other = found["groups"]
    # Four speakers, two seeds, two rates; units are compiled.
    assert [g["members"] for g in (one, other)] == [16, 16]
    assert [g["points"] for g in (one, other)] == [2, 2]
    assert one["epochs"] == 3
    assert one["steps"] == 1  # 10 utterances, batches of 32
    assert one["blocks"] * one["width"] == 16
    prepared = prepare(config(data, model__units=8))
    frames = prepared.features.frames
    assert one["features"] >= frames.nbytes
    assert one["features"] < 1.1 * frames.nbytes + 10_000
    assert other["state"] > one["state"] > 0
    assert trainings.plan_of(prepared).width == one["width"]


def test_a_system_without_a_network_says_so(data):
    found = dry_run.describe(config(data)) | {"groups": [], "refit": False}
    text = tables.to_text(dry_run.render(found), 100)
    assert "no network to train" in text
    assert "compiled" not in text


def test_what_training_refuses_is_refused(data):
    with pytest.raises(InputError, match=r"population\.records"):
        dry_run.describe(config(data, population__records="tape"))


def test_the_command_leaves_nothing(data_without_ledger, tmp_path, run):
    status, out, _ = run(
        "train", "--config=conv_lstm:synthetic", f"--workdir={tmp_path / 'run'}", "--dry_run",
        f"--config.data_dir={data_without_ledger}", "--config.dev_speakers=1",
    )  # fmt: skip
    assert status == 0
    assert "members (folds x seeds x points)" in out
    assert "nothing was trained; leave out --dry_run to begin" in out
    assert not (tmp_path / "run").exists()
    assert not (data_without_ledger / "ledger").exists()
