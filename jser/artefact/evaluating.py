"""`jser evaluate ARTEFACT --data=CORPUS`: the report of a run, of an artefact on any corpus.

Who was heard in training is not scored: an artefact knows its speakers, and its recordings by hash
and by marks (`jser.audit.copies`). A corpus that has one of them is refused, or scored on the
others alone, or stamped.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jser import datasets, emotions, progress, protocols
from jser.artefact import opening
from jser.artefact.listening import Answers
from jser.audit import copies
from jser.errors import InputError, one_line
from jser.evaluation import ledger, metrics, page, report
from jser.evaluation.atomic import check_writable, write_text
from jser.evaluation.predictions import Predictions
from jser.frontend.opening import digest
from jser.protocols import Fold, Protocol
from jser.records import places, selection
from jser.records.corpus import Corpus
from jser.training.platform import device_name

PROTOCOL = "artefact"
UNHEARD = "artefact_unheard"
# Recordings of a call, of like lengths.
BATCH = 8
# One pair of recordings in 57,000 looks like a copy and is none, see `copies`: so many of one
# speaker are no chance.
MOST_CHANCE = 2
# Of a speaker who was not heard a few may look like copies by chance.
SHARE_OF_COPIES = 0.25


@dataclasses.dataclass(frozen=True)
class Options:
    """What is scored, and how.

    Attributes:
        corpus: name of a built corpus, or of several.
        data_dir: where records lie; None: `places.default_data_dir`.
        labels: map between label sets, see `jser.emotions.LABEL_MAPS`.
        unheard: score only speakers who were not heard in training.
        allow_leak: why those who were may be scored; None: they may not.
    """

    corpus: str
    data_dir: str | None = None
    labels: str = emotions.SHARED
    unheard: bool = False
    allow_leak: str | None = None


def evaluate(artefact: Path, options: Options, out: Path) -> dict[str, Any]:
    """Score an artefact on a built corpus; the report, its page and the predictions go to `out`.

    Args:
        artefact: folder of it.
        options: what is scored.
        out: gets report.json, report.html, report.txt, predictions.csv and certificate.json.

    Returns:
        The report, as `evaluation.report.build` makes it.

    Raises:
        InputError: artefact or corpus cannot be used, or speakers of it were heard in training.
    """
    started = time.monotonic()
    if options.allow_leak is not None and not options.allow_leak.strip():
        raise InputError(
            "--allow_leak: gives no reason, which would be stamped on the result; give one"
        )
    info = opening.info(artefact)
    root = places.root(options.data_dir)
    corpus, left_out = _corpus(info, options, root)
    copy = _copies(artefact, corpus)
    whose = heard_speakers(info, corpus, copy)
    protocol = _protocol(info, corpus, whose, options, artefact)
    certificate = protocols.certificate(corpus, protocol, options.allow_leak)
    near = None
    if copy is not None:  # nobody else is trained or is dev
        scored = int(copy[protocol.folds[0].test].sum())
        near = {**dict.fromkeys(certificate.folds[0].shared, 0), "train_test": scored}
    certificate = dataclasses.replace(
        certificate, leak=protocol.leak, text_seen=None, near_duplicates=near
    )
    check_writable(out / "report.json", "--out")  # before anything is scored
    loaded = time.monotonic()
    answers = opening.load(artefact)
    test = protocol.folds[0].test
    posterior, attention = _answers(answers, corpus, test)
    predictions = Predictions(
        utterance_index=test,
        fold=np.zeros(len(test), np.int64),
        seed=np.zeros(len(test), np.int64),
        posterior=posterior,
        attention=attention,
    )
    answered = time.monotonic()
    content = _content(artefact)
    scores = ledger.score(
        predictions, corpus, protocol, out, root / "ledger", content, content, "system"
    )
    made = report.build(
        scores,
        corpus,
        protocol,
        certificate,
        system=f"artefact of {info['system']}",
        normalisation=info["normalisation"],
        level=info["level"],
        parameters=info["parameters"],
        seconds={
            "load": loaded - started,
            "features": answered - loaded,
            "evaluate": time.monotonic() - answered,
        },
        device=device_name(),
        selection=info["protocol"]["selection"],
        refit=info["protocol"]["refit"],
        calibrated=True,
    )
    made["majority"] = _majority(info, corpus, test)
    # An answer may name any of the artefact's classes, be they there or not.
    made["chance_uar"] = 1 / len(corpus.classes)
    made["marks"] = [*made["marks"], *_marks(info, corpus, left_out, options)]
    made["artefact"] = {
        name: info[name]
        for name in ("system", "classes", "members", "temperature", "trained_on", "protocol")
    }
    made["artefact"]["trained_on"] = {
        name: value
        for name, value in info["trained_on"].items()
        if name not in ("pcm_sha256", "like")
    }
    write_text(out / "certificate.json", json.dumps(certificate.to_json(), indent=1))
    html = page.render(made, certificate=certificate.to_json())
    report.write(out, made, scores, html)
    return made


# --- what is scored -------------------------------------------------------------------------------


def _corpus(info: Mapping[str, Any], options: Options, root: Path) -> tuple[Corpus, dict[str, int]]:
    """The corpus with the artefact's classes, and words -> recordings that it has no class for."""
    by = emotions.label_map(options.labels)
    names = selection.names_of(options.corpus)
    there = emotions.shared_by([selection.classes_of(name, root) for name in names], by)
    classes = info["classes"]
    known = [name for name in classes if name in there]
    if len(known) < 2:
        raise InputError(
            f"{options.corpus}: of the artefact's classes {', '.join(classes)} the corpus has "
            f"{', '.join(known) or 'none'}; its own are {', '.join(there)} under "
            f"labels={options.labels}; another map of {', '.join(emotions.LABEL_MAPS)} may help"
        )
    corpus = selection.load(options.corpus, root, "waveform", options.labels, known, "auto")
    left_out: dict[str, int] = {}
    for origin in selection.origins(corpus):
        for word, number in origin.left_out.items():
            left_out[word] = left_out.get(word, 0) + number
    place = np.array([classes.index(name) for name in corpus.classes], np.int32)
    relabelled = dataclasses.replace(corpus, classes=tuple(classes), label=place[corpus.label])
    return relabelled, left_out


def heard_speakers(
    info: Mapping[str, Any], corpus: Corpus, copy: np.ndarray | None = None
) -> np.ndarray:
    """Which utterances bool [N] are of speakers who were heard in training.

    A speaker was heard whose recording was, by its hash, in whatever corpus it lies; of whom
    `MOST_CHANCE` recordings and `SHARE_OF_COPIES` of all look like copies; or who has the name of a
    training speaker in a corpus of the same collection of recordings.

    Args:
        info: of the artefact.
        corpus: to be scored.
        copy: bool [N], which look like copies of training recordings; None: not known.
    """
    trained = info["trained_on"]
    known = set(trained["pcm_sha256"])
    same = np.array([digest[:16] in known for digest in corpus.pcm_sha256])
    speaker = corpus.speaker
    theirs = set(speaker[same]) - {""}
    if copy is not None:
        whose, times = np.unique(speaker[copy], return_counts=True)
        of_all = np.array([np.count_nonzero(speaker == one) for one in whose], int)
        many = (times >= MOST_CHANCE) & (times >= SHARE_OF_COPIES * of_all)
        theirs |= set(whose[many]) - {""}
        same = same | copy
    collections = {datasets.collection(name) for name in trained["corpora"]}
    names = {name.rpartition(selection.MARK)[2] for name in trained["speakers"]}
    corpus_of = getattr(corpus, "corpus_of", np.full(len(speaker), corpus.name))
    for name, one in {(str(c), str(s)) for c, s in zip(corpus_of, speaker, strict=True)}:
        plain = name.partition(" (")[0]
        if datasets.collection(plain) in collections and one.rpartition(selection.MARK)[2] in names:
            theirs.add(one)
    return same | (np.isin(speaker, list(theirs)) & (speaker != ""))


def _protocol(
    info: Mapping[str, Any],
    corpus: Corpus,
    heard: np.ndarray,
    options: Options,
    artefact: Path,
) -> Protocol:
    """One fold: nobody trains, nobody is dev, who may be scored is tested."""
    n_heard, n = int(heard.sum()), len(heard)
    test = np.arange(n)
    leak = None
    if n_heard and options.unheard:
        test = np.flatnonzero(~heard)
        if not len(test):
            raise InputError(
                f"--unheard: all {n} recordings of {corpus.name} are of speakers whom "
                f"{artefact} heard in training; an artefact of one fold has unheard ones: "
                "`jser export RUN --out=DIR --fold=1`"
            )
    elif n_heard and options.allow_leak is None:
        whose = sorted(set(map(str, corpus.speaker[heard])) - {""})
        some = ", ".join(whose[:5]) + (f" and {len(whose) - 5} more" if len(whose) > 5 else "")
        others = "--unheard scores the others, " if n_heard < n else ""
        raise InputError(
            f"{artefact}: heard {n_heard} of the {n} recordings of {corpus.name}, or their "
            f"speakers ({one_line(some) or 'unknown'}), in training, and a score on them says "
            f"nothing; {others}--allow_leak=REASON scores all with the reason stamped on the result"
        )
    elif n_heard:
        leak = f"trained on {n_heard} of the {n} recordings or on their speakers: " + str(
            options.allow_leak
        )
    empty = np.zeros(0, np.int32)
    speakers = tuple(sorted(set(map(str, corpus.speaker[test])) - {""}))
    fold = Fold("all", empty, empty, test.astype(np.int32), (), (), speakers)
    name = UNHEARD if options.unheard else PROTOCOL
    what = "speakers whom the artefact has not heard" if options.unheard else "all recordings"
    trained = info["trained_on"]
    return Protocol(
        name,
        (fold,),
        "speaker",
        leak,
        f"{what}, by an artefact trained on {trained['corpus']} ({trained['n_utterances']} "
        "recordings); nothing is trained here",
    )


def _copies(artefact: Path, corpus: Corpus) -> np.ndarray | None:
    """Which utterances bool [N] look like copies of training recordings; None: not known."""
    known = opening.marks(artefact)
    if known is None:
        return None
    asked = copies.marks([corpus.static(u) for u in range(len(corpus.label))])
    return copies.copied(known, asked, len(corpus.label))


def _marks(
    info: Mapping[str, Any], corpus: Corpus, left_out: Mapping[str, int], options: Options
) -> list[str]:
    trained, found = info["trained_on"], []
    if trained["synthetic"]:
        found.append("TRAINED ON SYNTHETIC SPEECH: says nothing about people")
    if info["protocol"]["leak"]:
        found.append(f"TRAINED WITH A LEAK: {info['protocol']['leak']}")
    if left_out:
        words = ", ".join(f"{word} {n}" for word, n in sorted(left_out.items()))
        found.append(f"LEFT OUT: recordings of classes that the artefact does not know ({words})")
    absent = [
        name
        for name, n in zip(
            corpus.classes, np.bincount(corpus.label, minlength=len(corpus.classes)), strict=True
        )
        if not n
    ]
    if absent:
        found.append(f"ABSENT: the corpus has no {', '.join(absent)}, which answers may name")
    if options.unheard:
        found.append("PART: speakers whom the artefact has heard are left out")
    return found


def _majority(info: Mapping[str, Any], corpus: Corpus, test: np.ndarray) -> dict[str, float]:
    """The commonest class of training, for every recording."""
    counts = info["trained_on"]["class_counts"]
    answer = max(range(len(corpus.classes)), key=lambda k: counts[corpus.classes[k]])
    truth = corpus.label[test]
    conf = metrics.confusion(truth, np.full(len(truth), answer), len(corpus.classes))
    return {"uar": float(metrics.uar(conf)), "wa": float(metrics.wa(conf))}


# --- answers --------------------------------------------------------------------------------------


def _answers(artefact: Answers, corpus: Corpus, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities [n, K] and attention [n, S] of utterances int [n]."""
    assert corpus.waveform is not None, "asked for above"
    order = test[np.argsort(corpus.length[test], kind="stable")]
    probabilities: dict[int, np.ndarray] = {}
    attention: dict[int, np.ndarray] = {}
    with progress.bar(len(order), "answers", "recording") as tick:
        for i in range(0, len(order), BATCH):
            rows = order[i : i + BATCH]
            sound = [corpus.waveform[u].astype(np.float32) / 32768 for u in rows]
            said = artefact(sound + sound[:1] * (BATCH - len(sound)))
            for row, u in enumerate(rows):
                probabilities[int(u)] = said["probabilities"][row]
                attention[int(u)] = said["attention"][row][: said["steps"][row]]
            tick(len(rows))
    longest = max(len(a) for a in attention.values())
    looked = np.zeros((len(test), longest), np.float32)
    for at, u in zip(looked, test, strict=True):
        at[: len(attention[int(u)])] = attention[int(u)]
    return np.stack([probabilities[int(u)] for u in test]), looked


def _content(artefact: Path) -> str:
    """sha256 (hex) of what answers."""
    parts = []
    for name in ("model.stablehlo", "model.safetensors"):
        with (artefact / name).open("rb") as file:
            parts.append(digest(file))
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()
