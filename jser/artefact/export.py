"""A finished run becomes an artefact: a folder that others can use without this code base."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.numpy import save_file

from jser import readouts as beside
from jser import restoring, systems
from jser.artefact import answer, card, formats, loader, members, opening, parity
from jser.artefact import calibration as calibrating
from jser.audit import copies
from jser.errors import InputError, check_folder
from jser.evaluation.atomic import check_writable
from jser.frontend.opening import digest

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
        try:
            save_file(named, folder / "model.safetensors", {"format": "jser"})
        except SafetensorError as error:
            raise InputError(
                f"--out={out}: the weights cannot be written ({error}); free some space, or choose "
                "another folder"
            ) from error
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
        info["sha256"] = _content(folder)
        parity.check(table, temperature, decides)
        info["parity"] = {"recordings": len(sound), "limit": parity.LIMIT, "formats": table}
        _write_json(folder / "artefact.json", info)
        (folder / "README.md").write_text(card.text(info), encoding="utf-8")
        try:
            if out.exists():
                out.rmdir()  # it was empty
            os.replace(folder, out)
        except OSError as error:
            raise InputError(
                f"--out={out}: was taken while this export worked ({error.strerror}); name another "
                "folder"
            ) from error
    return info


def _check_members(run_dir: Path, fold: int | None, seed: int | None) -> None:
    """Refuse before long work what `members.chosen` would."""
    config = restoring.check_finished(run_dir)
    path = run_dir / "report.json"
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        named = [report[name] for name in ("uar", "wa", "macro_f1")], report["folds"]
        if not all(isinstance(one, dict) for one in named[0]) or not isinstance(named[1], list):
            raise TypeError("it has other entries")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: is damaged ({type(error).__name__}: {error}); `jser evaluate {run_dir}` "
            "makes it again"
        ) from error
    folds, seeds = list(range(1, 1 + len(report["folds"]))), list(map(int, config.seeds))
    for name, asked, there in (("fold", fold, folds), ("seed", seed, seeds)):
        if asked is not None and asked not in there:
            raise InputError(f"--{name}={asked}: the run has {', '.join(map(str, there))}")


def _content(folder: Path) -> dict[str, str]:
    """sha256 (hex) of its files by name, but for what people may write into."""
    found = {}
    for path in sorted(folder.iterdir()):
        if path.suffix not in (".json", ".md", ".py"):
            with path.open("rb") as file:
                found[path.name] = digest(file)
    return found


def _check_out(out: Path) -> None:
    if out.is_symlink():
        raise InputError(f"--out={out}: is a link; name the folder itself")
    if out.exists() and not out.is_dir():
        raise InputError(f"--out={out}: is a file; name a folder")
    if out.exists() and any(out.iterdir()):
        raise InputError(f"--out={out}: is not empty; name a new folder")
    check_folder(out, "--out")
    # Beside it: the artefact is made there and renamed.
    check_writable(out.parent / f"{out.name}.json", "--out")


def _write_json(path: Path, what: Any) -> None:
    path.write_text(json.dumps(what, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
