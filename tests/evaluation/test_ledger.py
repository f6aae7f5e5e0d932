"""The test is scored once, written down, and counted."""

import json
import multiprocessing
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jser import protocols
from jser.errors import InputError
from jser.evaluation import ledger
from jser.evaluation.predictions import Predictions

Make = Callable[..., Any]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def shared(tmp_path: Path) -> Path:
    return tmp_path / "book" / "0123456789abcdef_leave_one_speaker_out.jsonl"


def test_truth_is_joined_in_whatever_order(
    corpus: Any, protocol: protocols.Protocol, score: Make
) -> None:
    scores = score(corpus, protocol)
    judged = scores.judged
    place = {u: i for i, u in enumerate(corpus.utterance_id)}
    index = np.asarray([place[u] for u in judged.utterance_id])
    assert (judged.truth == corpus.label[index]).all()
    assert (judged.speaker == corpus.speaker[index]).all()
    assert (judged.fold == judged.speaker).all()  # leave one speaker out names folds so
    assert scores.by_speaker.shape == scores.by_fold.shape == (10, 2, 3, 3)
    assert (scores.by_speaker.sum((2, 3)) == 12).all()
    assert scores.by_speaker[3, 1].tolist() == [
        [
            int(np.sum((judged.speaker == "04") & (judged.seed == 1)
                       & (judged.truth == t) & (judged.predicted == p)))
            for p in range(3)
        ]
        for t in range(3)
    ]  # fmt: skip


def test_same_score_renders_again_without_a_line(
    corpus: Any, protocol: protocols.Protocol, score: Make, tmp_path: Path
) -> None:
    first, second = score(corpus, protocol), score(corpus, protocol)
    assert (first.is_new, second.is_new) == (True, False)
    assert first.key == second.key
    assert len(lines(shared(tmp_path))) == len(lines(tmp_path / "run" / "ledger.jsonl")) == 1
    entry = lines(shared(tmp_path))[0]
    assert entry["config_hash"] == "config 1"
    assert entry["protocol"] == "leave_one_speaker_out"
    assert entry["seeds"] == [0, 1]
    assert 0 < entry["uar"] < 1


def test_configurations_are_counted_across_runs(
    corpus: Any, protocol: protocols.Protocol, score: Make, tmp_path: Path
) -> None:
    def place(**how: Any) -> tuple[int, int]:
        scores = score(corpus, protocol, **how)
        return scores.configs_scored, scores.configs_total

    assert place(run="a", config="A", checkpoint="1") == (1, 1)
    assert place(run="b", config="B", checkpoint="2") == (2, 2)
    assert place(run="a2", config="A", checkpoint="3") == (1, 2)  # trained again: no new choice
    assert place(run="c", config="C", checkpoint="4", role="baseline") == (2, 2)
    # The same weights with another machine behind them, as `elm.kind` of system B has it.
    assert place(run="d", config="D", checkpoint="2") == (3, 3)
    assert place(run="b2", config="B", checkpoint="2") == (2, 3)
    assert place(run="d", config="D", checkpoint="5") == (3, 3)
    assert place(run="a", config="A", checkpoint="1") == (1, 3)
    assert len(lines(shared(tmp_path))) == 6
    assert len(lines(tmp_path / "a" / "ledger.jsonl")) == 1


def test_other_corpora_and_protocols_have_their_own_book(
    corpus: Any, protocol: protocols.Protocol, score: Make, tmp_path: Path
) -> None:
    score(corpus, protocol)
    assert score(replace(corpus, fingerprint="b" * 64), protocol).configs_scored == 1
    five = protocols.make("speaker_k_fold:5", corpus)
    assert score(corpus, five, config="other").configs_scored == 1
    assert sorted(p.name for p in (tmp_path / "book").iterdir()) == [
        "0123456789abcdef_leave_one_speaker_out.jsonl",
        "0123456789abcdef_speaker_k_fold-5.jsonl",
        "bbbbbbbbbbbbbbbb_leave_one_speaker_out.jsonl",
    ]


def test_a_line_cut_off_by_a_kill_is_repaired(
    corpus: Any, protocol: protocols.Protocol, score: Make, tmp_path: Path
) -> None:
    score(corpus, protocol, config="A", checkpoint="1")
    score(corpus, protocol, config="B", checkpoint="2")
    path = shared(tmp_path)
    path.write_bytes(path.read_bytes()[:-40])
    assert [e["config_hash"] for e in ledger.read(path)] == ["A"]
    third = score(corpus, protocol, config="C", checkpoint="3")
    assert (third.configs_scored, third.configs_total) == (2, 2)
    again = score(corpus, protocol, config="B", checkpoint="2")  # writes what was lost
    assert again.is_new
    assert [e["config_hash"] for e in lines(path)] == ["A", "C", "B"]


def test_a_line_that_lacks_only_its_end_is_kept(
    corpus: Any, protocol: protocols.Protocol, score: Make, tmp_path: Path
) -> None:
    score(corpus, protocol, config="A", checkpoint="1")
    path = shared(tmp_path)
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    score(corpus, protocol, config="B", checkpoint="2")
    assert [e["config_hash"] for e in lines(path)] == ["A", "B"]


def test_damage_in_the_middle_is_said(
    corpus: Any, protocol: protocols.Protocol, score: Make, tmp_path: Path
) -> None:
    score(corpus, protocol, config="A", checkpoint="1")
    path = shared(tmp_path)
    path.write_bytes(b"\0\0\0\n" + path.read_bytes())
    with pytest.warns(UserWarning, match="1 damaged line"):
        assert score(corpus, protocol, config="B", checkpoint="2").configs_total == 2
    assert path.read_bytes().startswith(b"\0\0\0\n"), "nothing is thrown away"


def _append(path: Path, worker: int) -> None:
    for i in range(20):
        ledger._enter(path, {"key": f"{worker}-{i}", "role": "system", "pad": "x" * 5000})


def test_many_processes_write_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "book.jsonl"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_append, args=(path, w)) for w in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert {e["key"] for e in lines(path)} == {f"{w}-{i}" for w in range(3) for i in range(20)}


def test_without_a_ledger_nothing_is_scored(
    corpus: Any, protocol: protocols.Protocol, score: Make, tmp_path: Path
) -> None:
    (tmp_path / "book").write_text("a file where the folder should be")
    with pytest.raises(InputError, match="the ledger cannot be written"):
        score(corpus, protocol)
    assert ledger.read(tmp_path / "no such ledger") == []


def test_only_held_out_utterances_are_scored(
    corpus: Any, protocol: protocols.Protocol, score: Make, predict: Make, tmp_path: Path
) -> None:
    good: Predictions = predict(corpus, protocol)

    def broken(**change: np.ndarray) -> None:
        score(corpus, protocol, predictions=replace(good, **change))

    # Two folds' names exchanged: each would be scored on what it was trained on.
    fold = np.where(good.fold == 0, 1, np.where(good.fold == 1, 0, good.fold))
    with pytest.raises(InputError, match="12 utterances missing, 0 double, 12 that the fold does"):
        broken(fold=fold)
    index = good.utterance_index.copy()
    rows = np.flatnonzero((good.fold == 2) & (good.seed == 0))
    index[rows[0]] = index[rows[1]]
    with pytest.raises(InputError, match=r"fold 03, seed 0 .* 1 utterances missing, 1 double, 0"):
        broken(utterance_index=index)
    with pytest.raises(InputError, match="2 classes, corpus fake has 3"):
        broken(posterior=good.posterior[:, :2])
    with pytest.raises(InputError, match="has 10; score them under the protocol"):
        broken(fold=good.fold + 5)
    with pytest.raises(InputError, match="0 utterances missing, 12 double"):
        broken(seed=np.where(good.fold == 4, 0, good.seed))
    assert not (tmp_path / "book").exists(), "nothing was looked at, so nothing is written"


def test_missing_folds_are_named(
    corpus: Any, protocol: protocols.Protocol, score: Make, predict: Make
) -> None:
    good: Predictions = predict(corpus, protocol)
    some = good.fold < 4
    part = Predictions(*(getattr(good, f)[some] for f in good.__dataclass_fields__))
    scores = score(corpus, protocol, predictions=part)
    assert scores.folds == ("01", "02", "03", "04")
    assert scores.missing_folds == ("05", "06", "07", "08", "09", "10")


def test_hidden_labels_cannot_be_scored(
    corpus: Any, protocol: protocols.Protocol, score: Make
) -> None:
    hidden = replace(corpus, label=protocols.member_labels(corpus.label, protocol.folds[0]))
    with pytest.raises(ValueError, match="hidden labels"):
        score(hidden, protocol, predictions=None)


def test_attention_stays_with_its_utterance(
    corpus: Any, protocol: protocols.Protocol, score: Make, predict: Make
) -> None:
    given = predict(corpus, protocol)
    judged = score(corpus, protocol, predictions=given).judged
    for r in range(len(given.seed)):
        name = corpus.utterance_id[given.utterance_index[r]]
        (row,) = np.flatnonzero((judged.utterance_id == name) & (judged.seed == given.seed[r]))
        np.testing.assert_array_equal(judged.attention[row], given.attention[r])
    plain = replace(given, attention=None)
    assert score(corpus, protocol, run="plain", predictions=plain).judged.attention is None
    with pytest.raises(ValueError, match="attention must be"):
        replace(given, attention=given.attention[:-1])
