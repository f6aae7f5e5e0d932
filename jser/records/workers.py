"""The parts of a corpus made by several processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor, as_completed

from jser import progress
from jser.records.parts import Part, make


def run(parts: list[Part], n: int, what: str = "build") -> None:
    """Have every part made; returns when all are.

    Args:
        parts: what there is to do.
        n: processes; 1: this one.
        what: label of the progress bar.

    Raises:
        OSError: the disk is at fault; what is finished stays finished.
    """
    if not parts:
        return
    total = sum(len(part.utterances) for part in parts)
    with progress.bar(total, what, unit="utterance") as tick:
        if n == 1:
            for part in parts:
                make(part)
                tick(len(part.utterances))
            return
        # Not forked: a fork of a process in which JAX's threads run may wait for ever.
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(min(n, len(parts)), context, initializer=_begin)
        try:
            futures = {pool.submit(make, part): part for part in parts}
            for future in as_completed(futures):
                future.result()
                tick(len(futures[future].utterances))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _begin() -> None:
    """In a worker: leave Ctrl-C to the parent, and end when the parent has been killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, daemon=True).start()


def _follow() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
