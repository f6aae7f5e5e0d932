"""openSMILE's ComParE and eGeMAPS functionals against the views that jser's read-outs see.

All have the same folds and the same ridge read-out, whose penalty each fold's own training speakers
choose; nothing here is chosen by the test. Each set is scored once, by the locked ledger, in
DATA_DIR/ledger: jser's views as `jser train` scores them (and under the same keys), openSMILE's as
baselines. Copies that the config asks for are made for openSMILE too; the narrow-band picture has
none. Then extraction is timed, in turns, on the same recordings, from samples in memory and with
the same number of threads.

jser does not need the package opensmile. Its licence allows research and no commercial use: install
it by hand where that is given, `pip install opensmile`.

Run again with the same --workdir, it takes what is finished from there and from DATA_DIR/cache.

example: python tests/benchmarks/opensmile_sets.py ravdess --data_dir=DIR --workdir=runs/opensmile
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import arguments
import timing
from opensmile_extraction import REFERENCE, rows_of, timed

CORPORA = ("ravdess", "emodb", "emodb_4class", "emodb_first2s")
# Our name -> that of the member of opensmile.FeatureSet.
SETS = {"openSMILE ComParE": "ComParE_2016", "openSMILE eGeMAPS": "eGeMAPSv02"}


# --------------------------------------------------------------------------------------- the scores


def of_one_deviation(x: Any, own: Any) -> Any:
    """Float32 [R, U], each number at mean 0 and deviation 1 in the rows `own`; 0 if constant there.

    openSMILE's numbers differ by ten orders of magnitude. A read-out takes the numbers of a view
    for more or less alike, and would make nothing of the small ones.
    """
    import numpy as np

    mean = x[own].mean(0, dtype=np.float64)
    deviation = x[own].std(0, dtype=np.float64)
    varies = deviation > 1e-6 * np.abs(x[own]).max(0)
    return np.where(varies, (x - mean) / np.where(varies, deviation, 1), 0).astype(np.float32)


def judge(
    rows: Any,
    prepared: Any,
    workdir: Path,
    ledger_dir: Path,
    hashed: str,
    role: Any,
    *,
    name: str = "view",
    one_deviation: bool = False,
) -> Any:
    """Fit a view's read-outs on each fold's train and dev, and have its test scored once.

    Args:
        rows: [R, U], row ``c * N + u`` is copy c of utterance u, copy 0 the original.
        prepared: of which config, corpus and protocol are used.
        workdir: gets the run's own ledger, and scores that are not computed again.
        ledger_dir: of the shared ledgers.
        hashed: of the settings, for the ledger.
        role: in the ledger.
        name: of the view, as `jser train` calls it: part of the ledger's key.
        one_deviation: bring each number to deviation 1 on the fold's own rows first.
    """
    import numpy as np
    import threadpoolctl

    from jser.evaluation import ledger
    from jser.evaluation.predictions import Predictions
    from jser.protocols import member_labels
    from jser.records import feature_cache
    from jser.training import fusion
    from jser.training.readout import fit_together

    config, corpus, protocol = prepared.config, prepared.corpus, prepared.protocol
    n_classes, n_copies = len(corpus.classes), len(rows) // len(corpus.label) - 1

    def of_fold(fold: Any) -> tuple[Any, Any]:
        own = np.concatenate([fold.train, fold.dev]) if config.refit else fold.train
        known = member_labels(corpus.label, fold)
        fitted_on = fusion.rows_of(own, known, corpus.speaker, n_classes, n_copies)
        x = of_one_deviation(rows, fitted_on.index) if one_deviation else rows
        fitted = fit_together({name: (x, fitted_on)}, config.readout.penalties, len(own))
        readout = fitted.alone[name]
        return readout, readout(x[fold.test].astype(np.float32))

    def make() -> dict[str, Any]:
        # A fold a core, one BLAS thread each, as in `fusion.fit`.
        with (
            threadpoolctl.threadpool_limits(1, user_api="blas"),
            ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool,
        ):
            readouts, scores = zip(*pool.map(of_fold, protocol.folds), strict=True)
        digest = fusion.digest([{name: readout} for readout in readouts])
        return {"scores": np.concatenate(scores), "digest": np.array(digest)}

    settings = [list(config.readout.penalties), config.refit, one_deviation, protocol.folds_hash()]
    content = hashlib.sha256(json.dumps(settings).encode() + rows.tobytes()).hexdigest()[:16]
    found, _ = feature_cache.load_or_make(
        workdir, f"{name}-{content}".replace(" ", "_"), ("scores", "digest"), make, "scores"
    )
    sizes = [len(fold.test) for fold in protocol.folds]
    predictions = Predictions(
        utterance_index=np.concatenate([fold.test for fold in protocol.folds]),
        fold=np.repeat(np.arange(len(sizes)), sizes),
        seed=np.zeros(sum(sizes), np.int64),
        posterior=fusion.shares(found["scores"]),
    )
    digest = str(found["digest"])
    return ledger.score(
        predictions, corpus, protocol, workdir, ledger_dir, hashed, digest, role=role
    )


def against(judged: Mapping[str, Any]) -> dict[str, Any]:
    """name -> `jser.evaluation.compare.paired` with the reference, p by Holm over all of them."""
    from jser.evaluation.compare import paired
    from jser.evaluation.intervals import holm

    reference = judged[REFERENCE].by_speaker
    others = [name for name in judged if name != REFERENCE]
    found = {name: paired(judged[name].by_speaker, reference) for name in others}
    for name, p in zip(others, holm([found[name]["p"] for name in others]), strict=True):
        found[name]["p_holm"] = float(p)
    return found


# ---------------------------------------------------------------------------------------- the whole


def prepare(corpus: str, data_dir: Path, copies: bool) -> tuple[Any, Any]:
    """(the default config, its views and folds prepared).

    The views are the same without what the network alone needs, components and their scaling,
    which would cost minutes.
    """
    from jser import config as configs
    from jser import preparation

    reference = f"dcnn_blstm:{corpus}"
    fields = [("data_dir", str(data_dir)), *([] if copies else [("augment.copies", "()")])]
    config = configs.load(reference, fields)
    assert config.normalisation == "train", "what read-outs do themselves"
    light = configs.load(reference, [*fields, ("components", "0"), ("normalisation", "none")])
    return config, preparation.prepare(light)


def run(args: Any) -> dict[str, Any]:
    """Everything, as one JSON object."""
    import opensmile

    from jser import config as configs
    from jser.evaluation import metrics
    from jser.evaluation.intervals import speaker_interval
    from jser.frontend import augment

    machine = timing.machine()
    config, prepared = prepare(args.corpus, args.data_dir, not args.no_copies)
    copies = [
        augment.CopySpec(name, tuple(config.augment.snr_db), tuple(config.augment.speeds))
        for name in config.augment.copies
    ]
    where = (args.workdir, args.data_dir / "ledger")
    numbers, judged, odd = {}, {}, {}
    config_hash = configs.config_hash(config)
    for name in (REFERENCE, "stem", "narrow"):
        x = prepared.inputs.views[name]
        numbers[name] = x.shape[1]
        role = "baseline" if name == "stem" else "part"
        judged[name] = judge(x, prepared, *where, config_hash, role, name=name)
    extracts = {}
    for name, member in SETS.items():
        extracts[name] = opensmile.Smile(
            feature_set=opensmile.FeatureSet[member],
            feature_level=opensmile.FeatureLevel.Functionals,
        )
        what = f"opensmile-{opensmile.__version__}-{member}"
        x, odd[name] = rows_of(
            extracts[name], what, prepared.corpus, copies, args.data_dir / "cache" / "opensmile"
        )
        numbers[name] = x.shape[1]
        how = [what, list(config.readout.penalties), config.refit, [c.key() for c in copies]]
        hashed = hashlib.sha256(json.dumps(how).encode()).hexdigest()[:16]
        judged[name] = judge(x, prepared, *where, hashed, "baseline", one_deviation=True)
    intervals = {n: speaker_interval(s.by_speaker, metrics.uar)[0] for n, s in judged.items()}
    return {
        "benchmark": "opensmile_sets",
        "machine": {**machine, "opensmile": opensmile.__version__},
        "corpus": args.corpus,
        "note": prepared.corpus.note,
        "protocol": prepared.protocol.name,
        "copies": [copy.name for copy in copies],
        "penalties": list(config.readout.penalties),
        "numbers": numbers,
        "not_finite": odd,
        "uar": {n: vars(interval) for n, interval in intervals.items()},
        f"less_{REFERENCE}": against(judged),
        "ledger_keys": {n: s.key for n, s in judged.items()},
        "new_in_ledger": [n for n, s in judged.items() if s.is_new],
        "extraction": (
            timed(prepared.corpus, config, extracts, args.timed, args.repeats)
            if args.timed
            else None
        ),
    }


def show(made: Mapping[str, Any]) -> None:
    """The table, and a sentence on each difference."""
    from jser.evaluation.compare import verdict
    from jser.training import fusion

    rows = []
    for name, interval in made["uar"].items():
        row: list[Any] = [fusion.VIEWS.get(name, f"{name}, ridge"), f"{made['numbers'][name]:,}"]
        row.append(f"{100 * interval['estimate']:.1f}")
        low, high = interval["low"], interval["high"]
        row.append("-" if low is None else f"{100 * low:.1f} to {100 * high:.1f}")
        if made["extraction"]:
            fields = ("minutes_an_hour", f"over_{REFERENCE}", "cpu_minutes_an_hour")
            row += [made["extraction"][field][name] for field in fields]
        rows.append(row)
    head = [f"{made['corpus']}, {made['protocol']}", "numbers", "UAR, %", "95 % by speaker"]
    if made["extraction"]:
        head += ["min/h of audio", f"over {REFERENCE}", "CPU min/h"]
    timing.table(head, rows)
    print(f"\nless {fusion.VIEWS[REFERENCE]} (p by Holm over {len(rows) - 1}):")
    for name, difference in made[f"less_{REFERENCE}"].items():
        print(f"  {name}: {verdict(difference)}")
    if made["note"]:
        print(f"NOT COMPARABLE: {made['note']}")


def main() -> None:
    parser = arguments.parser(__doc__, repeats=3)
    parser.add_argument("corpus", choices=CORPORA, help="built with waveforms")
    arguments.add_data_dir(parser)
    parser.add_argument("--workdir", type=Path, metavar="DIR", required=True, help="what is kept")
    parser.add_argument("--no_copies", action="store_true", help="fit on the originals alone")
    parser.add_argument("--timed", type=int, default=64, help="recordings to time; 0: none")
    arguments.add_cores(parser)
    args = parser.parse_args()
    if importlib.util.find_spec("opensmile") is None:
        raise SystemExit(
            "opensmile is not installed: `pip install opensmile` beside jser gets it, if your use "
            "is not commercial, which its licence forbids; nothing else here needs it"
        )
    timing.pin(args.cores)
    import jax

    from jser.errors import InputError

    # As `jser train` does: the compiling of a stem is not what is timed.
    jax.config.update("jax_compilation_cache_dir", str(args.data_dir / "cache" / "xla"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    try:
        made = run(args)
    except InputError as error:
        raise SystemExit(str(error)) from None
    (args.workdir / "opensmile.json").write_text(json.dumps(made, indent=1) + "\n")
    timing.emit(made)
    show(made)


if __name__ == "__main__":
    main()
