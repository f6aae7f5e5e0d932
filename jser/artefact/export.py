"""A finished run becomes an artefact: a folder that others can use without this code base."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
from safetensors.numpy import save_file

from jser import readouts as beside
from jser import restoring, systems
from jser.artefact import answer, card, loader, members, parity
from jser.artefact import calibration as calibrating
from jser.errors import InputError
from jser.models import computing
from jser.systems import ears

PLATFORMS = ("cpu", "cuda", "tpu")
# By Winograd's tiles for every platform would be wrong, and compiles four times as long.
_COMPUTING = computing.Computing(tiles=False)


def export(
    run_dir: Path, out: Path, fold: int | None = None, seed: int | None = None
) -> dict[str, Any]:
    """Export a run, hold the artefact against it, and put it into a folder of its own.

    Args:
        run_dir: of a finished run, whose records are there.
        out: must not be there, or be empty; it gets the whole artefact or nothing.
        fold: from 1, whose members answer; None: all folds'.
        seed: whose members answer; None: all seeds'.

    Returns:
        What ``artefact.json`` holds.

    Raises:
        InputError: the run cannot be exported, its artefact says something else than it does, or
            `out` cannot be written.
    """
    _check_out(out)
    restored = restoring.restore(run_dir)
    if not restored.trained:
        raise InputError(
            f"{run_dir}: {restored.config.system} trains no network, and only systems with one are "
            "exported"
        )
    who = members.chosen(restored, fold, seed)
    prepared = restored.prepared
    ear = systems.get(restored.config.system).ear(
        restored.config, prepared.corpus, prepared.protocol
    )
    calibration = calibrating.calibrate(restored, beside.fit_on_train(prepared, run_dir))
    temperature = calibration.of(sorted({m.fold for m in who}))
    sequence = restored.config.readout.get("sequence", 1.0)
    answering = answer.build(ear, who, restored.beside.together, sequence, temperature)
    named = flat(answering.weights)
    utterances = parity.rows(restored)
    sound = parity.recordings(restored, utterances)
    info = card.describe(restored, run_dir, who, answering.names, calibration, temperature)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as passing:
        folder = Path(passing) / "artefact"
        folder.mkdir()
        save_file(named, folder / "model.safetensors", {"format": "jser"})
        (folder / "model.safetensors").chmod(0o644)
        (folder / "model.stablehlo").write_bytes(stablehlo(answering))
        shutil.copyfile(loader.__file__, folder / "load.py")
        _write_json(folder / "artefact.json", info)
        expected = parity.of_run(restored, who, utterances, temperature)
        got = parity.of_artefact(loader.Artefact(folder), sound)
        table = {"StableHLO": expected.differences(got)}
        parity.check(table)
        info["parity"] = {"recordings": len(sound), "limit": parity.LIMIT, "formats": table}
        _write_json(folder / "artefact.json", info)
        (folder / "README.md").write_text(card.text(info), encoding="utf-8")
        if out.exists():
            out.rmdir()  # it is empty
        os.replace(folder, out)
    return info


def _check_out(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise InputError(f"--out={out}: is a file; name a folder")
    if out.exists() and any(out.iterdir()):
        raise InputError(f"--out={out}: is not empty; name a new folder")


def _write_json(path: Path, what: Any) -> None:
    path.write_text(json.dumps(what, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def flat(weights: Any) -> dict[str, np.ndarray]:
    """Leaves of a tree of dicts and lists by their paths, ``members/0/params/output/kernel``."""
    found = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(weights):
        name = "/".join(str(getattr(key, "key", getattr(key, "idx", key))) for key in path)
        found[name] = np.ascontiguousarray(leaf)
    return found


def stablehlo(answering: answer.Answering) -> bytes:
    """The function of (weights by name, wave, length) for any batch and length, serialised."""
    named, tree = flat(answering.weights), jax.tree.structure(answering.weights)
    order = list(named)

    def function(weights: Mapping[str, jax.Array], wave: jax.Array, length: jax.Array) -> Any:
        given = jax.tree.unflatten(tree, [weights[name] for name in order])
        with computing.by(_COMPUTING):
            return answering.function(given, wave, length)._asdict()

    batch, samples = jax.export.symbolic_shape(
        "b, n", constraints=[f"n >= {ears.FEWEST_SAMPLES}", "b >= 1"]
    )
    arguments = (
        {name: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for name, leaf in named.items()},
        jax.ShapeDtypeStruct((batch, samples), jnp.float32),
        jax.ShapeDtypeStruct((batch,), jnp.int32),
    )
    exported = jax.export.export(jax.jit(function), platforms=PLATFORMS)(*arguments)
    return bytes(exported.serialize())
