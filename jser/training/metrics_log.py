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

from jser.training.population import EpochMetrics, Members, State

# What a line says, in place of figures, of a member whose loss stopped being finite.
NOT_FINITE = "not_finite"
# Of `EpochMetrics`, what is written down.
_FIGURES = ("train_loss", "dev_loss", "dev_uar")


class MetricsLog:
    """One JSON line a member and epoch, and TensorBoard events of the same figures.

    A line with `event` has no figures, but says what became of a member.
    """

    def __init__(
        self,
        run_dir: Path,
        stage: str,
        members: Members,
        whole: int = 0,
        found: State | None = None,
    ):
        """Open the log.

        Args:
            run_dir: whose log it is.
            stage: of the run.
            members: host table [P, ...].
            whole: epochs that all have behind them.
            found: host state [P, ...] of a training that is resumed: what `stage` has logged of a
                member after it is dropped, since it comes again.
        """
        self._path = run_dir / "metrics.jsonl"
        self._stage = stage
        self._members = members
        self._grid = bool(np.any(members.point))
        self._whole = whole
        self._of_begun: list[dict[str, Any]] = []
        behind = np.zeros(len(members), int) if found is None else found.epoch
        failed = np.zeros(len(members), bool) if found is None else np.array(found.failed)
        places = {self._name(p): p for p in range(len(members))}
        if self._path.exists():
            kept = []
            for row in _whole_lines(self._path):
                if row["stage"] == stage:
                    p = places.get(_name_of(row))
                    if p is None or row["epoch"] > behind[p] + failed[p]:
                        continue
                    if "event" in row:
                        failed[p] = False  # is known
                    elif row["epoch"] > whole:
                        self._of_begun.append(row)
                kept.append(row)
            temporary = self._path.with_suffix(".tmp")
            temporary.write_text("".join(json.dumps(r) + "\n" for r in kept))
            os.replace(temporary, self._path)
        self._file = self._path.open("a")
        self._events = SummaryWriter(str(run_dir / "tensorboard" / stage), purge_step=whole)
        for place in np.flatnonzero(failed).tolist():
            self.write_not_finite(int(behind[place]) + 1, [place])

    def begun(self) -> tuple[int, EpochMetrics]:
        """The epoch in which a resumed training is, and what members have measured in it.

        Returns:
            The epoch, 1-based, and figures [P].
        """
        found = nothing(len(self._members))
        places = {self._name(p): p for p in range(len(self._members))}
        for row in self._of_begun:
            p = places[_name_of(row)]
            found.trained[p] = True
            for name in _FIGURES:
                value = row.get(name)
                getattr(found, name)[p] = np.nan if value is None else value
        return self._whole + 1, found

    def write_members(self, epoch: int, places: np.ndarray, metrics: EpochMetrics) -> None:
        """Write the figures of `epoch` (1-based) of the members that trained in it.

        Args:
            epoch: at whose end they stand.
            places: int [n], of members in the table.
            metrics: theirs, [n].
        """
        for i in np.flatnonzero(metrics.trained):
            figures = {name: _number(getattr(metrics, name)[i]) for name in _FIGURES}
            self._file.write(json.dumps(self._whose(epoch, int(places[i])) | figures) + "\n")
        self._file.flush()

    def write(self, epoch: int, metrics: EpochMetrics) -> None:
        """Write the mean of all members' figures [P] of a whole `epoch`."""
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

    def _name(self, p: int) -> tuple[int, int, int, int]:
        m = self._members
        return int(m.fold[p]), int(m.seed[p]), int(m.bag[p]), int(m.point[p]) if self._grid else 0


def nothing(n: int) -> EpochMetrics:
    """The figures of an epoch in which nobody has trained."""
    unknown = [np.full(n, np.nan, np.float32) for _ in range(3)]
    return EpochMetrics(np.zeros(n, bool), np.zeros(n, bool), *unknown)


def _name_of(row: dict[str, Any]) -> tuple[Any, ...]:
    """Which member a line is of."""
    return tuple(row.get(part, 0) for part in ("fold", "seed", "bag", "point"))


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
