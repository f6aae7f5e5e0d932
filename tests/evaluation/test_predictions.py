from pathlib import Path

import numpy as np
import pytest

from jser.errors import InputError
from jser.evaluation import predictions
from jser.evaluation.predictions import Judged, Predictions


def judged() -> Judged:
    return Judged(
        classes=("anger", "sad, very"),
        utterance_id=np.asarray(["a", "b,c", "a", "b,c"]),
        speaker=np.asarray(["01", "02", "01", "02"]),
        fold=np.asarray(["1", "2", "1", "2"]),
        seed=np.asarray([0, 0, 3, 3]),
        truth=np.asarray([0, 1, 0, 1]),
        predicted=np.asarray([0, 0, 1, 1]),
        posterior=np.asarray([[0.75, 0.25], [0.6, 0.4], [0.1, 0.9], [0.5, 0.5]], np.float32),
    )


def test_csv_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "predictions.csv"
    predictions.write_csv(path, judged())
    assert path.read_text().splitlines()[:2] == [
        'utterance_id,speaker,fold,seed,truth,predicted,p_anger,"p_sad, very"',
        "a,01,1,0,anger,anger,0.75,0.25",
    ]
    back = predictions.read_csv(path)
    for name, value in vars(judged()).items():
        other = getattr(back, name)
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(other, value)
        else:
            assert other == value
    assert list(tmp_path.iterdir()) == [path], "no temporary file is left"


def test_unreadable_csv_is_the_users_business(tmp_path: Path) -> None:
    path = tmp_path / "predictions.csv"
    with pytest.raises(InputError, match="run jser evaluate"):
        predictions.read_csv(path)
    path.write_text("")
    with pytest.raises(InputError, match="no readable predictions"):
        predictions.read_csv(path)
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="columns a, b"):
        predictions.read_csv(path)
    predictions.write_csv(path, judged())
    path.write_text(path.read_text().replace("anger,anger", "anger,joy"))
    with pytest.raises(InputError, match="does not fit its header"):
        predictions.read_csv(path)
    predictions.write_csv(path, judged())
    path.write_text(path.read_text()[:-12])
    with pytest.raises(InputError, match="does not fit its header"):
        predictions.read_csv(path)


def test_confusion_by_group_and_seed() -> None:
    conf = predictions.confusion_by(judged(), judged().speaker, ["02", "01"], [0, 3])
    assert conf.shape == (2, 2, 2, 2)
    assert conf[0, 0].tolist() == [[0, 0], [1, 0]]  # 02, seed 0: sad taken for anger
    assert conf[1, 1].tolist() == [[0, 1], [0, 0]]  # 01, seed 3: anger taken for sad
    assert conf.sum() == 4


def test_predictions_must_be_finite_and_of_one_length() -> None:
    index, posterior = np.asarray([0, 1]), np.asarray([[0.5, 0.5], [np.nan, 0.5]], np.float32)
    with pytest.raises(InputError, match="fold 4, seed 7 are not finite in 1 of 2 rows"):
        Predictions(index, np.asarray([3, 4]), np.asarray([6, 7]), posterior)
    with pytest.raises(ValueError, match="predictions need"):
        Predictions(index, np.asarray([3]), np.asarray([6, 7]), posterior)
