"""A finished run becomes an artefact: a folder that others can use without this code base."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from safetensors.numpy import save_file

from jser import readouts as beside
from jser import restoring, systems
from jser.artefact import answer, card, formats, loader, members, opening, parity
from jser.artefact import calibration as calibrating
from jser.audit import copies
from jser.errors import InputError, check_folder
from jser.evaluation.atomic import check_writable

# Training recordings of which marks are kept, a third of a kilobyte each.
MOST_MARKED = 20_000


def export(
    run_dir: Path,
    out: Path,
    fold: int | None = None,
    seed: int | None = None,
    onnx: bool = False,
) -> dict[str, Any]:
    """Export a run, hold the artefact against it, and put it into a folder of its own.

    Args:
        run_dir: of a finished run, whose records are there.
        out: must not be there, or be empty; it gets the whole artefact or nothing.
        fold: from 1, whose members answer; None: all folds'.
        seed: whose members answer; None: all seeds'.
        onnx: write ``model.onnx`` too.

    Returns:
        What ``artefact.json`` holds.

    Raises:
        InputError: the run cannot be exported, its artefact says something else than it does, or
            `out` cannot be written.
    """
    _check_out(out)
    if onnx:
        formats.check_onnx()
    _check_members(run_dir, fold, seed)
    restored = restoring.restore(run_dir)
    who = members.chosen(restored, fold, seed)
    prepared = restored.prepared
    ear = systems.get(restored.config.system).ear(
        restored.config, prepared.corpus, prepared.protocol
    )
    calibration = calibrating.calibrate(restored, beside.fit_on_train(prepared, run_dir))
    temperature = calibration.of(sorted({m.fold for m in who}))
    sequence = restored.config.readout.get("sequence", 1.0)
    answering = answer.build(ear, who, restored.beside.together, sequence, temperature)
    named = formats.flat(answering.weights)
    utterances = parity.rows(restored)
    sound = parity.recordings(restored, utterances)
    info = card.describe(restored, run_dir, who, answering.names, calibration, temperature)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as passing:
        folder = Path(passing) / "artefact"
        folder.mkdir()
        save_file(named, folder / "model.safetensors", {"format": "jser"})
        (folder / "model.safetensors").chmod(0o644)
        (folder / "model.stablehlo").write_bytes(formats.stablehlo(answering))
        windows = formats.streaming(ear.carries, info["trained_on"]["seconds"][0])
        program, state = formats.stream_stablehlo(answering, windows)
        (folder / "stream.stablehlo").write_bytes(program)
        info["stream"] = {**dataclasses.asdict(windows), "state": state}
        shutil.copyfile(loader.__file__, folder / "load.py")
        _write_json(folder / "artefact.json", info)
        if len(info["trained_on"]["pcm_sha256"]) <= MOST_MARKED:
            copies.save(folder / opening.MARKS, card.marks(restored, who))
        expected = parity.of_run(restored, who, utterances, temperature)
        got = parity.of_artefact(loader.Artefact(folder), sound)
        table = {"StableHLO": expected.differences(got)}
        if onnx:
            path = folder / "model.onnx"
            said = {"classes": ", ".join(info["classes"]), "sample_rate": str(info["sample_rate"])}
            formats.write_onnx(answering, path, said)
            by_onnx = parity.of_artefact(formats.onnx_artefact(path), sound)
            table["ONNX"] = expected.differences(by_onnx)
        decides = any("descriptors" in views for views in restored.beside.together)
        parity.check(table, temperature, decides)
        info["parity"] = {"recordings": len(sound), "limit": parity.LIMIT, "formats": table}
        _write_json(folder / "artefact.json", info)
        (folder / "README.md").write_text(card.text(info), encoding="utf-8")
        if out.exists():
            out.rmdir()  # it is empty
        os.replace(folder, out)
    return info


def _check_members(run_dir: Path, fold: int | None, seed: int | None) -> None:
    """Refuse before long work what `members.chosen` would."""
    config = restoring.check_finished(run_dir)
    report = json.loads((run_dir / "report.json").read_text(encoding="utf-8"))
    folds, seeds = list(range(1, 1 + len(report["folds"]))), list(map(int, config.seeds))
    for name, asked, there in (("fold", fold, folds), ("seed", seed, seeds)):
        if asked is not None and asked not in there:
            raise InputError(f"--{name}={asked}: the run has {', '.join(map(str, there))}")


def _check_out(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise InputError(f"--out={out}: is a file; name a folder")
    if out.exists() and any(out.iterdir()):
        raise InputError(f"--out={out}: is not empty; name a new folder")
    check_folder(out, "--out")
    # Beside it: the artefact is made there and renamed.
    check_writable(out.parent / f"{out.name}.json", "--out")


def _write_json(path: Path, what: Any) -> None:
    path.write_text(json.dumps(what, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
