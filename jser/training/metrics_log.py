"""Figures of each member and epoch, as they come: JSON lines, and TensorBoard events."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tensorboardX import SummaryWriter

from jser.training.population import EpochMetrics, Members

# What a line says, in place of figures, of a member whose loss stopped being finite.
NOT_FINITE = "not_finite"
# Of `EpochMetrics`, what is written down.
_FIGURES = ("train_loss", "dev_loss", "dev_uar")


class MetricsLog:
    """One JSON line a member and epoch, and TensorBoard events of the same figures.

    A line with `event` has no figures, but says what became of a member.
    """

    def __init__(self, run_dir: Path, stage: str, members: Members, keep_epochs: int):
        """Open the log; lines of `stage` after `keep_epochs` are dropped (they come again)."""
        self._path = run_dir / "metrics.jsonl"
        self._stage = stage
        self._members = members
        self._grid = bool(np.any(members.point))
        if self._path.exists():
            lines = list(_whole_lines(self._path))
            kept = [r for r in lines if r["stage"] != stage or r["epoch"] <= keep_epochs]
            temporary = self._path.with_suffix(".tmp")
            temporary.write_text("".join(json.dumps(r) + "\n" for r in kept))
            os.replace(temporary, self._path)
        self._file = self._path.open("a")
        self._events = SummaryWriter(str(run_dir / "tensorboard" / stage), purge_step=keep_epochs)

    def write(self, epoch: int, metrics: EpochMetrics) -> None:
        """Write the figures of `epoch` (1-based) of the members that trained in it."""
        for p in np.flatnonzero(metrics.trained):
            figures = {name: _number(getattr(metrics, name)[p]) for name in _FIGURES}
            self._file.write(json.dumps(self._whose(epoch, int(p)) | figures) + "\n")
        self._file.flush()
        for name in _FIGURES:
            values = np.asarray(getattr(metrics, name))[metrics.trained]
            if len(values) and np.isfinite(values).all():
                self._events.add_scalar(f"mean/{name}", float(values.mean()), epoch)
        self._events.flush()

    def write_not_finite(self, epoch: int, places: Sequence[int]) -> None:
        """Write down whose loss stopped being finite in `epoch`, by their places in the table."""
        for p in places:
            self._file.write(json.dumps(self._whose(epoch, p) | {"event": NOT_FINITE}) + "\n")
        self._file.flush()

    def _whose(self, epoch: int, p: int) -> dict[str, Any]:
        return {
            "stage": self._stage,
            "epoch": epoch,
            "fold": int(self._members.fold[p]),
            "seed": int(self._members.seed[p]),
            "bag": int(self._members.bag[p]),
            **({"point": int(self._members.point[p])} if self._grid else {}),
        }

    def close(self) -> None:
        """Close both."""
        self._file.close()
        self._events.close()


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _whole_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The log's lines that are whole; a kill may have left part of the last one."""
    *lines, _ = path.read_bytes().split(b"\n")
    damaged = 0
    for line in lines:
        try:
            row = json.loads(line)
            yield {"stage": row["stage"], "epoch": int(row["epoch"]), **row}
        except (ValueError, KeyError, TypeError):
            damaged += 1
    if damaged:
        warnings.warn(
            f"{path}: {damaged} damaged line(s) are left out; the log lacks those epochs, the "
            "result does not depend on it",
            stacklevel=2,
        )
