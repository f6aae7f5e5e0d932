"""Support vector machines: against scikit-learn, and what a fold must not see."""

import dataclasses

import numpy as np
import pytest
from sklearn.svm import SVC

from jser.errors import InputError
from jser.training import svm
from jser.training.fusion import rows_of
from jser.training.readout import recall
from jser.training.svm import Choice, SvmSpec, choose_by_dev, choose_by_groups, fit

N, D, K = 60, 8, 4
SPEC = SvmSpec(costs=(0.01, 1.0, 30.0), gammas=(0.3, 3.0), inner_folds=3)


@pytest.fixture(scope="module")
def problem():
    """Features [N, D] in units of their own, labels (unequal counts), six speakers."""
    rng = np.random.default_rng(0)
    label = rng.choice(K, N, p=[0.4, 0.3, 0.2, 0.1])
    x = rng.standard_normal((N, D))
    x[:, 0] += label
    x[:, 1] += (label == 2) * 2
    x = (x * np.logspace(-3, 3, D) + np.arange(D)).astype(np.float32)
    return x, label, np.repeat([f"s{i}" for i in range(6)], N // 6)


def rows_for(own, label, speaker, n_copies=0):
    return dataclasses.replace(rows_of(own, label, speaker, K, n_copies), one_unit=False)


def standardised(x, index):
    x = x.astype(float)
    return (x - x[index].mean(0)) / x[index].std(0)


def theirs(x, rows, choice, **other):
    kernel = "rbf" if choice.gamma else "linear"
    z = standardised(x, rows.index) / np.sqrt(D)
    machine = SVC(kernel=kernel, gamma=choice.gamma or "scale", C=choice.cost, **other)
    return z, machine.fit(z[rows.index], rows.label, sample_weight=rows.weight)


@pytest.mark.parametrize("gamma", [0.0, 0.7])
@pytest.mark.parametrize("classes", [(0, 1, 2, 3), (1, 3), (0, 1, 3)])
def test_decisions_are_scikit_learns(problem, gamma, classes):
    x, label, speaker = problem
    own = np.flatnonzero(np.isin(label, classes) & (speaker != "s5"))
    rows = rows_for(own, label, speaker)
    choice = Choice(gamma, 2.0, 1.5, 0.0)
    machine = fit(x, rows, choice)
    z, sklearns = theirs(x, rows, choice)
    wanted = sklearns.decision_function(z)
    pairs = machine.pairs(
        svm._kernel((x - machine.mean) * machine.scale, machine.support, choice.gamma)
    )
    found = svm.scores(pairs, len(classes))
    if len(classes) == 2:
        np.testing.assert_allclose(-pairs[:, 0], wanted, atol=2e-3)
    else:
        np.testing.assert_allclose(found, wanted, atol=2e-3)
    shares = machine(x)
    np.testing.assert_allclose(shares.sum(1), 1, rtol=1e-5)
    absent = np.setdiff1d(np.arange(K), classes)
    assert (shares[:, absent] == 0).all()
    power = np.exp(1.5 * found)
    np.testing.assert_allclose(
        shares[:, classes], power / power.sum(1, keepdims=True), rtol=1e-4, atol=1e-6
    )


def test_weights_of_rows_are_balanced_class_weights(problem):
    x, label, speaker = problem
    rows = rows_for(np.arange(N), label, speaker)
    machine = fit(x, rows, Choice(0.5, 1.0, 1.0, 0.0))
    z = standardised(x, rows.index) / np.sqrt(D)
    balanced = SVC(gamma=0.5, C=1.0, class_weight="balanced").fit(z, label)
    assert machine.count.tolist() == balanced.n_support_.tolist()
    np.testing.assert_allclose(machine(x).argmax(1), balanced.decision_function(z).argmax(1))


def test_choice_by_dev_is_that_of_a_plain_loop(problem):
    x, label, speaker = problem
    train, dev = np.flatnonzero(speaker < "s3"), np.flatnonzero(speaker == "s4")
    rows = rows_for(train, label, speaker)
    choice = choose_by_dev(x, rows, dev, label[dev], SPEC)
    quality = {}
    for gamma, cost in SPEC.settings():
        z, machine = theirs(x, rows, Choice(gamma, cost, 1.0, 0.0))
        quality[gamma, cost] = recall(label[dev], machine.decision_function(z[dev]))
    assert len(quality) == 9
    assert choice.recall == pytest.approx(max(quality.values()))
    assert (choice.gamma, choice.cost) == max(quality, key=quality.get)


def test_choice_by_groups_holds_every_group_out(problem):
    """With as many inner folds as groups it is leave-one-group-out."""
    x, label, speaker = problem
    rows = rows_for(np.arange(N), label, speaker)
    spec = dataclasses.replace(SPEC, inner_folds=6)
    choice = choose_by_groups(x, rows, spec, N)
    z = standardised(x, np.arange(N)) / np.sqrt(D)
    quality = {}
    for gamma, cost in spec.settings():
        found = np.zeros((N, K))
        for who in np.unique(speaker):
            mine = speaker != who
            machine = SVC(kernel="rbf" if gamma else "linear", gamma=gamma or "scale", C=cost)
            machine.fit(z[mine], label[mine], sample_weight=rows.weight[mine])
            found[~mine] = machine.decision_function(z[~mine])
        quality[gamma, cost] = recall(label, found)
    assert choice.recall == pytest.approx(quality[choice.gamma, choice.cost])
    assert choice.recall == pytest.approx(max(quality.values()))


def test_copies_go_with_their_original_and_do_not_judge(problem):
    """A copy that is its original makes a held-out utterance known, unless it is held out too."""
    rng = np.random.default_rng(5)
    noise = rng.standard_normal((24, D)).astype(np.float32)
    label, speaker = np.tile(np.arange(2), 12), np.repeat([f"s{i}" for i in range(6)], 4)
    rows = rows_of(np.arange(24), label, speaker, 2, 1)
    spec = SvmSpec(kernels=("rbf",), costs=(100.0,), gammas=(30.0,), inner_folds=3)
    choice = choose_by_groups(np.concatenate([noise, noise]), rows, spec, 24)
    assert choice.recall < 0.8


def test_other_rows_are_never_read(problem):
    x, label, speaker = problem
    own, dev = np.flatnonzero(speaker < "s3"), np.flatnonzero(speaker == "s4")
    spoilt, unknown = np.full_like(x, np.nan), np.full_like(label, -1)
    seen = np.concatenate([own, dev])
    spoilt[seen], unknown[seen] = x[seen], label[seen]
    for features, labels in ((x, label), (spoilt, unknown)):
        rows = rows_for(own, labels, speaker)
        made = [
            choose_by_dev(features, rows, dev, labels[dev], SPEC),
            choose_by_groups(features, rows, SPEC, len(own)),
            fit(features, rows, Choice(0.3, 1.0, 1.0, 0.0))(x).tobytes(),
        ]
        if features is x:
            wanted = made
    assert made == wanted


def test_sharpness_has_the_highest_likelihood():
    rng = np.random.default_rng(0)
    found = rng.standard_normal((400, 3))
    power = np.exp(2.5 * found)
    share = power / power.sum(1, keepdims=True)
    label = np.array([rng.choice(3, p=p) for p in share])
    assert svm._sharpness(found, label) == pytest.approx(2.5, rel=0.2)


def test_ties_go_to_the_simplest(problem):
    """What is told without error by all: linear, and the smallest cost."""
    label, speaker = np.tile(np.arange(2), 12), np.repeat([f"s{i}" for i in range(6)], 4)
    x = np.eye(2, dtype=np.float32)[label] + 0.01 * np.arange(24)[:, None].astype(np.float32)
    rows = rows_of(np.arange(24), label, speaker, 2, 0)
    choice = choose_by_groups(x, rows, SvmSpec(costs=(10.0, 1.0)), 24)
    assert (choice.gamma, choice.cost, choice.recall) == (0.0, 1.0, 1.0)


def test_a_class_that_one_speaker_alone_has(problem):
    """Held out, he leaves one class; so no choice is better than that class."""
    x, label, speaker = problem
    own = np.arange(20)
    label = (speaker == "s1").astype(int)
    choice = choose_by_groups(x, rows_for(own, label, speaker), SPEC, 20)
    assert (choice.gamma, choice.cost, choice.recall) == (0.0, 0.01, 0.0)


def test_refusals(problem):
    x, label, speaker = problem
    own = np.flatnonzero(label == 1)
    with pytest.raises(InputError, match="all training utterances of a fold have one class"):
        fit(x, rows_for(own, label, speaker), Choice(0.0, 1.0, 1.0, 0.0))
    with pytest.raises(InputError, match="'poly' is none of linear, rbf"):
        SvmSpec(kernels=("poly",))
    with pytest.raises(InputError, match="1 must be at least 2"):
        SvmSpec(inner_folds=1)
