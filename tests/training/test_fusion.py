"""Read-outs by fold: whose labels they see, copies, the file in the run, the sum."""

import errno

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from jser.errors import InputError
from jser.protocols import Fold, Protocol
from jser.training import fusion

N, K, COPIES = 24, 3, 2
LABEL = np.arange(N) % K
SPEAKER = np.array(list("abcd")).repeat(6)
RNG = np.random.default_rng(1)


def view(d):
    x = RNG.standard_normal(((1 + COPIES) * N, d)).astype(np.float32)
    x[np.arange(len(x)), np.tile(LABEL, 1 + COPIES)] += 1.5
    return x


VIEWS = {"stem": view(6), "descriptors": view(40)}


def fold(name, train, dev, test):
    parts = [np.flatnonzero(np.isin(SPEAKER, list(s))).astype(np.int32) for s in (train, dev, test)]
    return Fold(name, *parts, tuple(train), tuple(dev), tuple(test))


PROTOCOL = Protocol(
    "two", (fold("1", "ab", "c", "d"), fold("2", "cd", "a", "b")), "speaker", None, ""
)


def fit(folder, label=LABEL, views=VIEWS, with_dev=True):
    return fusion.fit(
        views, label, SPEAKER, K, PROTOCOL, with_dev=with_dev, penalties=(0.1, 1.0), run_dir=folder
    )


def digests(folds):
    return fusion.digest([f.together for f in folds]), fusion.digest([f.alone for f in folds])


@pytest.mark.parametrize(("with_dev", "blind"), [(True, "d"), (False, "cd")])
def test_labels_of_the_test_change_nothing(tmp_path, with_dev, blind):
    """Permuting what a fold must not see leaves every bit of its read-outs; the rest counts."""
    label = LABEL.copy()
    hidden = np.isin(SPEAKER, list(blind))
    label[hidden] = (label[hidden] + 1) % K
    a = fit(tmp_path / "a", with_dev=with_dev)
    b = fit(tmp_path / "b", label, with_dev=with_dev)
    assert digests(a[:1]) == digests(b[:1])
    assert digests(a[1:]) != digests(b[1:])


def test_values_of_the_test_change_nothing(tmp_path):
    """Of all versions of the test's utterances, not of the originals alone."""
    hidden = np.tile(SPEAKER == "d", 1 + COPIES)
    wrong = {name: np.where(hidden[:, None], 1e3, x) for name, x in VIEWS.items()}
    a, b = fit(tmp_path / "a"), fit(tmp_path / "b", views=wrong)
    assert digests(a[:1]) == digests(b[:1])


def test_rows_by_hand():
    label = np.array([0, 1, -1, 1, 1])
    speaker = np.array(["x", "x", "z", "y", "y"])
    rows = fusion.rows_of(np.array([0, 1, 3, 4]), label, speaker, 2, n_copies=1)
    assert rows.index.tolist() == [0, 1, 3, 4, 5, 6, 8, 9]
    assert rows.label.tolist() == [0, 1, 1, 1] * 2
    # Two classes share four utterances' weight; copies share their utterance's.
    np.testing.assert_allclose(rows.weight, np.array([2, 2 / 3, 2 / 3, 2 / 3] * 2) / 2)
    assert rows.group.tolist() == [0, 0, 1, 1] * 2


def test_a_single_speaker_is_judged_utterance_by_utterance():
    """With its copies; so that a penalty is chosen by something, not by the order of a tie."""
    label = np.array([0, 1, -1, 1])
    rows = fusion.rows_of(np.array([0, 1, 3]), label, np.array(["x"] * 4), 2, n_copies=1)
    assert rows.group.tolist() == [0, 1, 2] * 2


def test_the_penalty_of_a_single_speaker(tmp_path):
    """It is the one under which scikit-learn's ridge recalls each utterance best, left out."""
    rng = np.random.default_rng(3)
    label = np.arange(30) % K
    x = rng.standard_normal((30, 50)).astype(np.float32)
    x[np.arange(30), label] += 2.0
    x[:, K:] *= 4.0  # much that says nothing, and large
    protocol = Protocol(
        "one",
        (
            Fold(
                "1",
                np.arange(20, dtype=np.int32),
                np.arange(20, 25, dtype=np.int32),
                np.arange(25, 30, dtype=np.int32),
                ("a",),
                ("a",),
                ("a",),
            ),
        ),
        "utterance",
        "one speaker",
        "",
    )
    penalties = (0.001, 0.1, 10.0)
    (fitted,) = fusion.fit(
        {"stem": x},
        label,
        np.array(["a"] * 30),
        K,
        protocol,
        with_dev=False,
        penalties=penalties,
        run_dir=tmp_path,
    )
    own, truth = x[:20], label[:20]
    z = (own - own.mean(0)) / (own.std(0) + 0.01 * own.std(0).mean())
    count = np.bincount(truth)
    weight = 20 / (K * count)[truth]

    def recalled(penalty):
        found = []
        for u in range(20):
            kept = np.arange(20) != u
            ridge = Ridge(alpha=penalty * 50).fit(z[kept], np.eye(K)[truth[kept]], weight[kept])
            found.append(ridge.predict(z[[u]])[0].argmax())
        return np.mean([np.mean(np.array(found)[truth == k] == k) for k in range(K)])

    figures = {p: recalled(p) for p in penalties}
    best = max(penalties, key=lambda p: (figures[p], p))
    assert best != max(penalties), figures  # a tie would have taken the strongest
    with np.load(tmp_path / "readouts.npz") as kept:
        assert kept["0/stem/penalties"].tolist() == [best, best]
    assert fitted.alone["stem"].kernel.shape == (50, K)


def test_a_label_that_must_not_be_seen_is_a_bug():
    with pytest.raises(ValueError, match="must not see"):
        fusion.rows_of(np.array([0, 2]), np.array([0, 1, -1]), np.array(["x"] * 3), 2, 0)


def test_a_run_keeps_its_read_outs(tmp_path):
    first = fit(tmp_path)
    labels_gone = np.full(N, -1)
    again = fit(tmp_path, labels_gone)  # taken from the run: nothing is fitted
    assert digests(first) == digests(again)


def test_a_full_disk_is_said_of_the_run(tmp_path, monkeypatch):
    """Read-outs lie in the run's folder, which --workdir chose."""

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(InputError) as caught:
        fit(tmp_path / "run")
    said = str(caught.value)
    assert said.startswith(f"{tmp_path / 'run'}: read-outs of 0 MiB cannot be written (No space")
    assert said.endswith("free some space or choose another --workdir")
    assert not list((tmp_path / "run").iterdir())


def test_read_outs_of_other_values_or_settings_are_not_taken(tmp_path):
    first = fit(tmp_path)
    other = VIEWS | {"stem": VIEWS["stem"] + 0.5}
    other["stem"][0] *= 2
    assert digests(fit(tmp_path, views=other)) != digests(first)
    assert digests(fit(tmp_path, with_dev=False)) != digests(first)
    assert digests(fit(tmp_path)) == digests(first)


def test_a_view_may_have_no_copies(tmp_path):
    views = VIEWS | {"narrow": VIEWS["stem"][:N]}
    fitted = fit(tmp_path / "a", views=views)
    same = fit(tmp_path / "b", views={"narrow": views["narrow"]})
    # By itself it is what it would be without the others.
    alone = [{"narrow": f.alone["narrow"]} for f in fitted]
    assert fusion.digest(alone) == fusion.digest([f.alone for f in same])


def test_scores_go_to_the_read_outs_of_their_fold(tmp_path):
    readouts = [f.together for f in fit(tmp_path)]
    utterance, of_fold = np.array([18, 19, 6, 20]), np.array([0, 0, 1, 0])
    found = fusion.scores(readouts, VIEWS, of_fold, utterance, K)
    for name, x in VIEWS.items():
        for r, (u, k) in enumerate(zip(utterance, of_fold, strict=True)):
            wanted = readouts[k][name](x[[u]])[0]
            np.testing.assert_allclose(found[name][r], wanted, atol=1e-5)


def test_shares():
    made = fusion.shares(np.array([[0.6, -0.2, 0.2], [-1.0, -2.0, -3.0]]))
    np.testing.assert_allclose(made[0], [0.75, 0, 0.25], atol=1e-5)
    np.testing.assert_allclose(made.sum(1), 1, atol=1e-6)


def test_unknown_view():
    with pytest.raises(InputError, match=r"'descriptor' is no view; did you mean descriptors\?"):
        fusion.check_views(["stem", "descriptor"])
