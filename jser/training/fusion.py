"""Read-outs of whole utterances beside the sequence part: one a view and fold, and their sum.

A view is a vector an utterance: the stem's maps pooled over its whole length, or functionals of
acoustic descriptors. Each gets a ridge read-out in closed form; the scores of all views and the
sequence part's posterior are added. The views err differently, so the sum is better than any of
them; nothing is learned about the sum but one penalty, which the fold's own training speakers
choose, each judged by the fits without him.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import threadpoolctl

from jser import progress
from jser.errors import InputError
from jser.protocols import Fold, Protocol, member_labels
from jser.records import feature_cache
from jser.training.readout import Fitted, Readout, Rows, fit_together

VIEWS = {
    "stem": "pooled stem features, ridge",
    "narrow": "narrow-band picture, ridge",
    "descriptors": "descriptors, ridge",
    "frames": "mean and deviation of the frames, ridge",
    "levels": "pooled levels, ridge",
}
# Views that a config may name for its sum; the others are baselines.
IN_SUMS = ("stem", "narrow", "descriptors")
# Views whose columns have units of their own.
MIXED_UNITS = ("descriptors", "frames")
_FIELDS = tuple(field.name for field in fields(Readout))


def check_views(names: Sequence[str]) -> None:
    """Check names of views.

    Raises:
        InputError: there is no such view.
    """
    for name in names:
        if name not in IN_SUMS:
            near = difflib.get_close_matches(name, IN_SUMS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"views are {', '.join(IN_SUMS)}"
            raise InputError(f"readout.views: {name!r} is no view; {hint}")


@dataclass(frozen=True)
class FoldReadouts:
    """The read-outs of one fold: view -> read-out, in the sum and by itself."""

    together: Mapping[str, Readout]
    alone: Mapping[str, Readout]


def fit(
    views: Mapping[str, np.ndarray],
    label: np.ndarray,
    speaker: np.ndarray,
    n_classes: int,
    protocol: Protocol,
    *,
    with_dev: bool,
    penalties: Sequence[float],
    run_dir: Path,
    name: str = "readouts",
) -> list[FoldReadouts]:
    """Fit a fold's read-outs on its own speakers, or take those that lie in the run.

    Args:
        views: name -> [R, D]; row ``c * N + u`` is copy c of utterance u, copy 0 the original.
        label: int [N]; a fold reads those of its train and dev utterances only.
        speaker: str [N].
        n_classes: K.
        protocol: folds.
        with_dev: fit on train and dev, as a refit does; else on train alone.
        penalties: to choose from.
        run_dir: gets ``<name>.npz``.
        name: of the file.

    Returns:
        One a fold.

    Raises:
        InputError: the disk is full.
    """

    fitted_on = f"fitted on {_content(views, penalties, with_dev)}"

    def make() -> dict[str, np.ndarray]:
        def of_fold(fold: Fold) -> Fitted:
            own = np.concatenate([fold.train, fold.dev]) if with_dev else fold.train
            known = member_labels(label, fold)
            given = {}
            for view, x in views.items():
                rows = rows_of(own, known, speaker, n_classes, len(x) // len(label) - 1)
                given[view] = x, dataclasses.replace(rows, one_unit=view not in MIXED_UNITS)
            return fit_together(given, penalties, len(own))

        arrays: dict[str, np.ndarray] = {}
        # A fold a core, one BLAS thread each: see `projection`.
        with (
            threadpoolctl.threadpool_limits(1, user_api="blas"),
            ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool,
            progress.bar(len(protocol.folds), "read-outs", "fold") as tick,
        ):
            for k, fitted in enumerate(pool.map(of_fold, protocol.folds)):
                for view in views:
                    arrays[f"{k}/{view}/penalties"] = np.array(
                        [fitted.penalty, fitted.penalties[view]]
                    )
                    for field in _FIELDS:
                        arrays[f"{k}/{view}/together/{field}"] = getattr(
                            fitted.together[view], field
                        )
                        arrays[f"{k}/{view}/alone/{field}"] = getattr(fitted.alone[view], field)
                tick(1)
        arrays[fitted_on] = np.zeros(0)
        return arrays

    folds = range(len(protocol.folds))
    kinds = [f"{kind}/{field}" for kind in ("together", "alone") for field in _FIELDS]
    arrays_of = [f"{k}/{v}/{kind}" for k in folds for v in views for kind in ("penalties", *kinds)]
    arrays_of.append(fitted_on)
    arrays, _ = feature_cache.load_or_make(run_dir, name, arrays_of, make, "read-outs", "--workdir")

    def restored(k: int, kind: str) -> dict[str, Readout]:
        return {
            view: Readout(*(arrays[f"{k}/{view}/{kind}/{field}"] for field in _FIELDS))
            for view in views
        }

    return [FoldReadouts(restored(k, "together"), restored(k, "alone")) for k in folds]


# Changes when the fit changes and its settings do not.
_VERSION = 2


def _content(views: Mapping[str, np.ndarray], penalties: Sequence[float], with_dev: bool) -> str:
    """Of what read-outs were fitted on: those of other values are not taken from a run."""
    digest = hashlib.sha256(f"{_VERSION} {sorted(penalties)} {with_dev}".encode())
    for name in sorted(views):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(views[name]).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()[:32]


def rows_of(
    own: np.ndarray, label: np.ndarray, speaker: np.ndarray, n_classes: int, n_copies: int
) -> Rows:
    """The rows that one fold's read-out of a view is fitted on, the originals first.

    Args:
        own: int [n], utterances to fit on.
        label: int [N], the fold's; -1 wherever it must not look.
        speaker: str [N]; '' where unknown.
        n_classes: K.
        n_copies: augmented copies of each utterance; they share its weight.
    """
    classes = label[own]
    if (classes < 0).any():
        raise ValueError("a read-out was given an utterance whose label its fold must not see")
    count = np.bincount(classes)
    weight = len(own) / (np.maximum(count, 1) * np.sum(count > 0))[classes]
    versions = 1 + n_copies
    # Who is unknown is held out alone: together the unknown would be one speaker.
    alone = [f"\0{u}" if not s else str(s) for u, s in zip(own, speaker[own], strict=True)]
    names, group = np.unique(alone, return_inverse=True)
    if len(names) == 1:
        # Nobody else can judge: each utterance, with its copies, is judged by the fit without it.
        group = np.arange(len(own))
    return Rows(
        index=np.concatenate([own + c * len(label) for c in range(versions)]),
        label=np.tile(classes, versions),
        weight=np.tile(weight / versions, versions),
        group=np.tile(group, versions),
        n_classes=n_classes,
    )


def scores(
    readouts: Sequence[Mapping[str, Readout]],
    views: Mapping[str, np.ndarray],
    fold: np.ndarray,
    utterance: np.ndarray,
    n_classes: int,
) -> dict[str, np.ndarray]:
    """Each view's scores [R, K] of utterances int [R] by the read-outs of folds int [R]."""
    found = {view: np.zeros((len(utterance), n_classes)) for view in readouts[0]}
    for k in np.unique(fold):
        mine = fold == k
        for view, readout in readouts[k].items():
            found[view][mine] = readout(views[view][utterance[mine]].astype(np.float32))
    return found


def fused(
    posterior: np.ndarray,
    readouts: Sequence[Mapping[str, Readout]],
    views: Mapping[str, np.ndarray],
    fold: np.ndarray,
    utterance: np.ndarray,
    sequence: float,
) -> np.ndarray:
    """A network's posterior with the scores of all views added, as shares.

    Args:
        posterior: [R, K].
        readouts: of each fold, view -> read-out in the sum; empty: the posterior stays as it is.
        views: name -> [rows, D].
        fold: int [R], whose read-outs.
        utterance: int [R], row of the views.
        sequence: weight of the posterior beside a read-out's 1.

    Returns:
        [R, K].
    """
    if not readouts:
        return posterior
    added = scores(readouts, views, fold, utterance, posterior.shape[1])
    return shares(sequence * posterior + sum(added.values()))


def shares(summed: np.ndarray) -> np.ndarray:
    """Regression scores [R, K] lie about 0 and 1; clipped and divided they read as shares."""
    clipped = np.clip(summed, 1e-6, None)
    return (clipped / clipped.sum(1, keepdims=True)).astype(np.float32)


def digest(readouts: Sequence[Mapping[str, Readout]]) -> str:
    """sha256 (hex) of read-outs, fold by fold and view by view."""
    found = hashlib.sha256()
    for fold in readouts:
        for view, readout in sorted(fold.items()):
            found.update(view.encode())
            for field in _FIELDS:
                found.update(np.ascontiguousarray(getattr(readout, field)).tobytes())
    return found.hexdigest()
