"""What an artefact says of itself: ``artefact.json``, and a model card for people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import jser
from jser import systems
from jser.artefact import calibration as calibrating
from jser.artefact import loader
from jser.artefact.answer import Member
from jser.artefact.calibration import Calibration
from jser.audit import copies
from jser.audit.copies import Marks
from jser.evaluation import predictions
from jser.evaluation.formats import percent, plural
from jser.evaluation.report import installed_versions
from jser.frontend import likeness
from jser.frontend.log_mel import LogMelSpec
from jser.records import places, recordings, selection
from jser.restoring import Restored
from jser.systems import ears

# Recordings that are looked at for what training was like.
MOST_MEASURED = 2000


def describe(
    restored: Restored,
    run_dir: Path,
    who: Sequence[Member],
    names: Sequence[str],
    calibration: Calibration,
    temperature: float,
) -> dict[str, Any]:
    """What ``artefact.json`` holds, but for the parity: docs/files.md says what each entry is.

    Args:
        restored: the run.
        run_dir: of it; its report is read.
        who: the members that answer.
        names: theirs.
        calibration: of the run.
        temperature: of the artefact.
    """
    prepared, config = restored.prepared, restored.config
    corpus = prepared.corpus
    report = json.loads((run_dir / "report.json").read_text(encoding="utf-8"))
    folds = sorted({member.fold for member in who})
    heard = _heard(restored, folds)
    speakers = sorted({str(s) for s in corpus.speaker[heard]} - {""})
    everyone = sorted({str(s) for s in corpus.speaker} - {""})
    origins = [origin.name for origin in selection.origins(corpus)]
    spec, data_dir = LogMelSpec(), places.of_config(config)
    counts = np.bincount(corpus.label[heard], minlength=len(corpus.classes)).tolist()
    judged = predictions.read_csv(run_dir / "predictions.csv")
    named = [fold.name for fold in prepared.protocol.folds]
    error = calibrating.on_test(judged, calibration, named)
    return {
        "format": loader.FORMAT,
        "jser": jser.__version__,
        "system": systems.get(config.system).title(config),
        "classes": list(corpus.classes),
        "sample_rate": spec.sample_rate,
        "hop_seconds": spec.hop / spec.sample_rate,
        "shortest_samples": ears.FEWEST_SAMPLES,
        "members": list(names),
        "normalisation": config.normalisation,
        "level": report["level"],
        "temperature": temperature,
        "trained_on": {
            "corpus": corpus.name,
            "corpora": origins,
            "fingerprint": corpus.fingerprint,
            "licences": {
                origin.name: recordings.licence(origin.name, data_dir, origin.variant)
                or "not stated"
                for origin in selection.origins(corpus)
            },
            "synthetic": corpus.synthetic,
            "partial": corpus.partial,
            "note": corpus.note,
            "speakers": speakers,
            "unheard_speakers": [name for name in everyone if name not in speakers],
            "speakers_unknown": bool((corpus.speaker[heard] == "").any()),
            "n_utterances": len(heard),
            "class_counts": dict(zip(corpus.classes, counts, strict=True)),
            "pcm_sha256": sorted(digest[:16] for digest in corpus.pcm_sha256[heard]),
            "seconds": _seconds(restored, heard),
            "like": _like(restored, heard),
        },
        "protocol": {
            "name": prepared.protocol.name,
            "folds": len(prepared.protocol.folds),
            "exported_folds": [k + 1 for k in folds],
            "seeds": sorted(map(int, config.seeds)),
            "exported_seeds": sorted({member.seed for member in who}),
            "refit": bool(config.refit),
            "leak": report["leak"],
            "selection": report["selection"],
        },
        "result": {name: report[name] for name in ("uar", "wa", "macro_f1", "marks")},
        "calibration": {
            "temperature_by_fold": {str(k + 1): t for k, t in calibration.by_fold.items()},
            "test_error_before": round(error.before, 6),
            "test_error": round(error.after, 6),
            "test_error_by_speaker": {
                name or "unknown": round(value, 6) for name, value in error.by_speaker.items()
            },
        },
        "parameters": report["parameters"],
        "versions": installed_versions(),
    }


def _heard(restored: Restored, folds: Sequence[int]) -> np.ndarray:
    """Utterances int [n] that members of some folds were trained on, or chosen by."""
    some = [restored.prepared.protocol.folds[k] for k in folds]
    return np.unique(np.concatenate([part for f in some for part in (f.train, f.dev)]))


def marks(restored: Restored, who: Sequence[Member]) -> Marks:
    """Marks of the recordings that members were trained on, by which copies of them are known."""
    heard = _heard(restored, sorted({member.fold for member in who}))
    return copies.marks([restored.prepared.corpus.static(int(u)) for u in heard])


def _like(restored: Restored, heard: np.ndarray) -> dict[str, list[float]]:
    """Measure -> lowest and highest of the recordings that were heard, see `likeness`."""
    corpus = restored.prepared.corpus
    some = heard[np.unique(np.linspace(0, len(heard) - 1, MOST_MEASURED).astype(int))]
    found = likeness.ranges([corpus.static(int(u)) for u in some])
    return {name: [known.low, known.high] for name, known in found.items()}


def _seconds(restored: Restored, heard: np.ndarray) -> list[float]:
    """Length of the recordings that were heard: the median, and the longest."""
    hop = LogMelSpec().hop / LogMelSpec().sample_rate
    length = restored.prepared.corpus.length[heard] * hop
    return [round(float(np.median(length)), 2), round(float(length.max()), 2)]


def text(info: Mapping[str, Any]) -> str:
    """The model card, Markdown with the hub's front matter."""
    trained, protocol, result = info["trained_on"], info["protocol"], info["result"]
    uar = result["uar"]
    between = "" if uar["low"] is None else f" [{percent(uar['low'])}, {percent(uar['high'])}]"
    marks = "".join(f"- **{mark}**\n" for mark in result["marks"])
    marks += "\n" if marks else ""  # else what follows belongs to the last of them
    terms = "".join(f"- `{name}`: {what}\n" for name, what in trained["licences"].items())
    front = yaml_front(info)
    unheard = ", ".join(trained["unheard_speakers"]) or "none: all of the corpus was heard"
    speakers = plural(len(trained["speakers"]), "speaker")
    speakers += f" ({', '.join(trained['speakers'])})"
    parity = "".join(
        f"| {name} | "
        + " | ".join(f"{row[what]:.1e}" for what in ("logits", "scores", "probabilities"))
        + " |\n"
        for name, row in info["parity"]["formats"].items()
    )
    return f"""---
{front}---
# {info["system"]}, trained on {trained["corpus"]}

Speech in, emotion out: a mono waveform at {info["sample_rate"]} Hz gives probabilities of
{", ".join(info["classes"])}. Front end, normalisation, network and read-outs are in it.
{_members(info)}

## Use

```python
from load import Artefact          # load.py of this folder; needs jax and flatbuffers
artefact = Artefact(".")
artefact([samples])["probabilities"]   # float32 in -1..1, mono, {info["sample_rate"]} Hz
```

Or `jser predict FOLDER recording.wav`, `jser evaluate FOLDER --data=CORPUS`, `jser serve FOLDER`.

## What it is worth

{marks}The run that it is of: protocol `{protocol["name"]}`, {plural(protocol["folds"], "fold")}, \
{_seeds(protocol["seeds"])}; each member scored on speakers that it has not heard:
**UAR {percent(uar["mean"])} %**{between} (95 % by speaker), WA {percent(result["wa"]["mean"])} %, \
macro F1 {percent(result["macro_f1"]["mean"])} %.
{_whose_result(info)}

Probabilities are calibrated with one temperature, {info["temperature"]:.2f}, fitted on dev
speakers. {_calibrated(info)}
On other recordings, other microphones or other languages nothing is promised.

Heard: {speakers}, {trained["n_utterances"]} recordings. Of the corpus not heard: {unheard}.
A score on recordings of those it has heard says nothing.

## Licences

The weights come from training on these corpora; their terms may bind what you do with them:

{terms}
The code and `load.py` are Apache-2.0.

## Parity with the run

Largest difference on {info["parity"]["recordings"]} recordings of the corpus, from the shortest to
the longest; the limit is {info["parity"]["limit"]:g}.

| format | logits | scores | probabilities |
| --- | ---: | ---: | ---: |
{parity}{_decided(info)}"""


def _seeds(seeds: Sequence[int]) -> str:
    """``seed 0``, ``seeds 0, 1``."""
    return f"seed{'s' * (len(seeds) != 1)} {', '.join(map(str, seeds))}"


def _members(info: Mapping[str, Any]) -> str:
    names = info["members"]
    if len(names) == 1:
        return f"One trained member answers: {names[0]}."
    return f"The answers of {len(names)} trained members are averaged: {'; '.join(names)}."


def _decided(info: Mapping[str, Any]) -> str:
    """Of scores beyond the limit, which descriptors' decisions make."""
    beyond = {name: row["beyond"] for name, row in info["parity"]["formats"].items()}
    if not any(beyond.values()):
        return ""
    shares = ", ".join(f"{name} {share:.0%}" for name, share in beyond.items() if share)
    return (
        f"\nRecordings whose scores are beyond the limit: {shares}. Functionals of descriptors "
        "decide; where programs round differently a decision falls the other way now and then.\n"
    )


def _calibrated(info: Mapping[str, Any]) -> str:
    error = info["calibration"]
    by_speaker = error["test_error_by_speaker"].values()
    return (
        "On test speakers, whom neither the members nor their temperatures had heard, the expected "
        "calibration error of all members of the run, one by one, is "
        f"{100 * error['test_error']:.1f} points, "
        f"{100 * error['test_error_before']:.1f} without; of single speakers "
        f"{100 * min(by_speaker):.1f} to {100 * max(by_speaker):.1f}."
    )


def _whose_result(info: Mapping[str, Any]) -> str:
    """What the run's figure says of the exported members."""
    protocol = info["protocol"]
    if len(protocol["exported_folds"]) == 1:
        return (
            f"The exported members are of fold {protocol['exported_folds'][0]} alone, "
            f"{_seeds(protocol['exported_seeds'])}, so they have unheard speakers, below; "
            "the figure is not theirs alone."
        )
    return (
        "The figure is of the members one by one. Together, as exported, they have heard "
        + ("all" if not info["trained_on"]["unheard_speakers"] else "most")
        + " of the corpus' speakers, and nothing was measured of them together."
    )


def yaml_front(info: Mapping[str, Any]) -> str:
    """The hub's metadata: names and figures of the model card."""
    trained, uar = info["trained_on"], info["result"]["uar"]["mean"]
    corpus = trained["corpus"] + (" (made speech)" if trained["synthetic"] else "")
    metric = "UAR of the run's members one by one, on speakers whom they have not heard"
    rows = [
        "library_name: jax",
        "pipeline_tag: audio-classification",
        "license: other",
        "license_name: terms-of-the-training-corpora",
        "tags: [speech-emotion-recognition, audio-classification, jax]",
        f"datasets: [{', '.join(json.dumps(name) for name in trained['corpora'])}]",
        "metrics: [recall, accuracy, f1]",
        "model-index:",
        f"- name: {json.dumps(info['system'], ensure_ascii=False)}",
        "  results:",
        "  - task: {type: audio-classification, name: Speech emotion recognition}",
        f"    dataset: {{name: {json.dumps(corpus)}, type: speech}}",
        f"    metrics: [{{type: recall, name: {json.dumps(metric)}, value: {uar}}}]",
    ]
    return "\n".join(rows) + "\n"
