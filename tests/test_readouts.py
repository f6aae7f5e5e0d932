"""The read-outs of a run: fitted before the network trains, and kept for a run that goes on."""

import numpy as np
import pytest

from jser import config as configs
from jser import experiment, preparation, readouts
from jser.training import fusion, loop
from tests.conftest import TINY


def load(data, **changed):
    fields = TINY | {k.replace("__", "."): v for k, v in changed.items()}
    return configs.load("dcnn_blstm:synthetic", [*fields.items(), ("data_dir", str(data))])


class Stopped(Exception):
    """Stands for a kill."""


def stopped(*_, **__):
    raise Stopped


def test_fitted_before_the_network_trains_and_kept(data, tmp_path, monkeypatch):
    """Killed as the training begins, a run has its read-outs; going on, it fits none again."""
    config = load(data)
    monkeypatch.setattr(loop, "fit", stopped)
    with pytest.raises(Stopped):
        experiment.run(config, tmp_path)
    kept = (tmp_path / "readouts.npz").read_bytes()
    monkeypatch.setattr(fusion, "fit_together", lambda *_: pytest.fail("fitted again"))
    with pytest.raises(Stopped):
        experiment.run(config, tmp_path)
    assert (tmp_path / "readouts.npz").read_bytes() == kept


def test_a_broken_view_stops_a_run_before_it_trains(data, tmp_path, monkeypatch):
    monkeypatch.setattr(fusion, "fit_together", stopped)
    monkeypatch.setattr(loop, "fit", lambda *_: pytest.fail("trained first"))
    with pytest.raises(Stopped):
        experiment.run(load(data), tmp_path)


@pytest.mark.parametrize(
    ("views", "files"),
    [("", ["baseline"]), ("stem", ["readouts"]), ("narrow", ["baseline", "readouts"])],
)
def test_what_is_fitted(data, tmp_path, views, files):
    """The baseline in any case, the sum of what the config names; a fold's own read-outs each."""
    prepared = preparation.prepare(load(data, readout__views=views))
    made = readouts.fit(prepared, tmp_path)
    named = [views] if views else []
    assert sorted(path.stem for path in tmp_path.iterdir()) == files
    assert [list(fold) for fold in made.together] == ([named] * 4 if views else [])
    assert set(made.alone) == {"stem", *named}
    for view, folds in made.alone.items():
        assert [list(fold) for fold in folds] == [[view]] * 4
        means = [fold[view].mean for fold in folds]
        for fold, mean in zip(prepared.protocol.folds, means, strict=True):
            own = np.concatenate([fold.train, fold.dev])
            x = prepared.inputs.views[view][own].astype(np.float32)
            np.testing.assert_allclose(mean, x.mean(0), atol=1e-5)
