"""Published figures to hold a result against, each with its protocol and its source.

Only figures with a source to cite stand here. What a paper does not state is said to be not
stated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Yardstick:
    """One published figure, in 0..1.

    `same_as` is the protocol here that has its test sets; None where the paper does not state its
    folds. `unsure` is what is not known of its test sets although the folds are stated; nobody can
    then say that a figure is comparable. `rule` is how the paper makes one figure of its folds.
    `train_speakers` are those of a fold whom its answer has learned from, `dev_speakers` those who
    chose alone; None where a paper does not state them, or has no dev speakers.
    """

    name: str
    value: float
    metric: Literal["uar", "wa"]
    rule: Literal["pooled", "mean of folds", "not stated", "listeners"]
    protocol: str
    source: str
    same_as: str | None = None
    spread: float | None = None  # over folds or repetitions, as published
    remark: str = ""
    unsure: str = ""
    train_speakers: int | None = None
    dev_speakers: int | None = None


_ACRNN = "Chen et al. 2018, IEEE SPL 25(10)"
_ZHANG = "Zhang et al. 2021, Front. Physiol. 12:643202"
_RNN_ELM = "Lee and Tashev 2015, Interspeech"
_EMOBOX = "Ma et al. 2024, EmoBox, Interspeech"
_TEN_FOLDS = "10 folds of 8 train, 1 dev, 1 test speaker, 5 seeds"
_FIVE_SESSIONS = "improvised, 4 classes, 5 sessions, one speaker dev and one test"
_SIX_FOLDS = "EmoBox, 6 folds by actor; epoch chosen on a random fifth of train"
_UNKNOWN = "speaker-independent, folds not stated"
_QAZI = "Qazi and Kaushik 2020, IJEAT, doi:10.35940/ijeat.E1027.069520"


def _acrnn(name: str, emodb: tuple[float, float], iemocap: tuple[float, float]) -> dict[str, Any]:
    """Chen et al.'s rows by corpus, (UAR, its deviation) each."""
    return {
        "emodb": Yardstick(
            name, emodb[0], "uar", "mean of folds", _TEN_FOLDS, _ACRNN,
            "leave_one_speaker_out", emodb[1], train_speakers=8, dev_speakers=1,
        ),
        "iemocap": Yardstick(
            name, iemocap[0], "uar", "mean of folds", f"improvised, 4 classes, {_TEN_FOLDS}",
            _ACRNN, "iemocap_speakers", iemocap[1], train_speakers=8, dev_speakers=1,
        ),
    }  # fmt: skip


def _rnn_elm(name: str, uar: float, wa: float, in_text: bool = False) -> tuple[Yardstick, ...]:
    """A row of Lee and Tashev's figure 6; two of its rows stand in the text."""
    remark = "" if in_text else "read off figure 6"
    unsure = "whether both speakers of a session were tested in turn is not stated"
    figures: tuple[tuple[float, Literal["uar", "wa"]], ...] = ((uar, "uar"), (wa, "wa"))
    return tuple(
        Yardstick(
            name, value, metric, "not stated", _FIVE_SESSIONS, _RNN_ELM, "iemocap_speakers",
            remark=remark, unsure=unsure, train_speakers=8, dev_speakers=1,
        )
        for value, metric in figures
    )  # fmt: skip


def _emobox(name: str, uar: float, wa: float) -> tuple[Yardstick, Yardstick]:
    full = f"{name}, frozen, linear head"
    # All actors but the four of the test are heard; who chooses the epoch is among them.
    return (
        Yardstick(full, uar, "uar", "not stated", _SIX_FOLDS, _EMOBOX, "ravdess_emobox",
                  train_speakers=20),
        Yardstick(full, wa, "wa", "not stated", _SIX_FOLDS, _EMOBOX, "ravdess_emobox",
                  train_speakers=20),
    )  # fmt: skip


_CHEN = (
    _acrnn("3-D ACRNN", (0.8282, 0.0499), (0.6474, 0.0544)),
    _acrnn("2-D ACRNN", (0.7938, 0.0778), (0.6240, 0.0670)),
    _acrnn("DNN-ELM, run by the same", (0.7156, 0.0843), (0.5124, 0.0724)),
)
_ATTENTION_ON_IEMOCAP = Yardstick(
    "DCNN-BLSTM with attention", 0.6850, "uar", "not stated",
    "4 classes, subset and folds not stated", _ZHANG,
)  # fmt: skip

# By the name of a corpus as it is built.
YARDSTICKS: Mapping[str, tuple[Yardstick, ...]] = {
    "emodb": (
        Yardstick("DCNN-BLSTM with attention", 0.8786, "uar", "not stated", _UNKNOWN, _ZHANG),
        *(rows["emodb"] for rows in _CHEN),
    ),
    "ravdess": (
        *_emobox("Whisper large-v3", 0.7532, 0.7587),
        *_emobox("WavLM large", 0.7200, 0.7222),
        *_emobox("HuBERT large", 0.7000, 0.7029),
        *_emobox("wav2vec 2.0 base", 0.5433, 0.5540),
    ),
    "iemocap_2280": (
        _ATTENTION_ON_IEMOCAP,
        *(rows["iemocap"] for rows in _CHEN),
        *_rnn_elm("RNN-ELM", 0.6389, 0.6285, in_text=True),
        *_rnn_elm("RNN(CE)-ELM", 0.607, 0.609),
        *_rnn_elm("RNN alone", 0.555, 0.579),
        *_rnn_elm("DNN-ELM, loudest 10 %", 0.478, 0.544),
        *_rnn_elm("DNN-ELM, loudest 30 %", 0.5213, 0.5791, in_text=True),
        *_rnn_elm("DNN-ELM, loudest 50 %", 0.507, 0.558),
        *_rnn_elm("DNN-ELM, all frames", 0.519, 0.555),
    ),
    "iemocap_5531": (
        _ATTENTION_ON_IEMOCAP,
        Yardstick("Whisper large, frozen, linear head", 0.7354, "uar", "not stated",
                  "EmoBox, all 5531 utterances, excitement in happiness", _EMOBOX,
                  "iemocap_sessions", unsure="three of its five folds were seen by us"),
    ),
    "savee": (
        Yardstick("data2vec 2.0 large, frozen, linear head", 0.7575, "uar", "not stated",
                  "EmoBox, 4 folds by speaker; epoch chosen on a random fifth of train", _EMOBOX,
                  "savee_emobox", train_speakers=3),
        Yardstick("hybrid CNN and LSTM", 0.9426, "wa", "not stated",
                  "split and classes not stated", _QAZI,
                  remark="a random split would explain it"),
    ),
    "cremad": (
        Yardstick("listeners, audio only", 0.409, "wa", "listeners", "no training",
                  "Cao et al. 2014, IEEE T-AFFC 5(4)"),
    ),
}  # fmt: skip


def beside(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The yardsticks of a report's corpus, with this run's figure by the same metric and rule.

    `comparable` is False wherever something differs that is known, and None where the paper does
    not say enough to know; `why` names it.
    """
    rows = []
    for y in YARDSTICKS.get(report["corpus"], ()):
        against = [
            reason
            for reason, holds in (
                ("this corpus is partial", report["partial_corpus"]),
                ("this run has other classes", report["joined"] is not None),
                ("this run leaks", report["leak"] is not None),
                ("this run normalises by speaker", report["normalisation"].startswith("speaker")),
                ("this run has folds missing", bool(report["folds_missing"])),
                ("another protocol", y.same_as not in (None, report["protocol"])),
            )
            if holds and y.rule != "listeners"
        ]
        if y.same_as == report["protocol"]:
            against += _other_speakers(y, report)
        silent = y.unsure
        if y.same_as is None and y.rule != "listeners":
            silent = "its folds are not stated"
        folds_rule = y.rule == "mean of folds"
        rows.append(
            {
                "name": y.name,
                "value": y.value,
                "spread": y.spread,
                "metric": y.metric,
                "rule": y.rule,
                "protocol": y.protocol,
                "source": y.source,
                "this_run": (
                    report[f"{y.metric}_fold_mean"] if folds_rule else report[y.metric]["mean"]
                ),
                "comparable": False if against else None if silent else True,
                "why": "; ".join(filter(None, [*against, silent, y.remark])),
            }
        )
    return rows


def _other_speakers(y: Yardstick, report: Mapping[str, Any]) -> Iterator[str]:
    """How this run's speakers of a fold differ from the paper's, in words."""
    chose = [len(fold["dev_speakers"]) for fold in report["folds"]]
    if y.dev_speakers is not None and set(chose) != {y.dev_speakers}:
        yield f"this run has {_speakers(chose, 'dev ')} a fold, the paper {y.dev_speakers}"
    heard = [
        fold["n_train_speakers"] + len(fold["dev_speakers"]) * report["refit"]
        for fold in report["folds"]
    ]
    if y.train_speakers is not None and set(heard) != {y.train_speakers}:
        how = "trains again, with dev," if report["refit"] else "trains"
        yield f"this run {how} on {_speakers(heard)} a fold, the paper on {y.train_speakers}"


def _speakers(counts: Sequence[int], which: str = "") -> str:
    few, many = min(counts), max(counts)
    return f"{few if few == many else f'{few} to {many}'} {which}speaker{'s' * (many != 1)}"
