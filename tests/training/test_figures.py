"""Figures as they are fetched: whose loss stopped being finite, and when."""

import json
from types import SimpleNamespace

import numpy as np

from jser.training import figures
from jser.training.figures import Figures
from jser.training.metrics_log import MetricsLog
from jser.training.population import EpochMetrics
from tests.training.conftest import make_members


def measured(trained, alive):
    trained, alive = np.array(trained, bool), np.array(alive, bool)
    return EpochMetrics(trained, alive, *(np.full(len(trained), x, np.float32) for x in (1, 2, 0)))


def test_who_stops_is_written_once_and_in_its_epoch(tmp_path):
    """Two blocks of two, the second with a dummy: 0 trains on, 1 fails, 2 has had enough."""
    log = MetricsLog(tmp_path, "select", make_members(3, epochs=4), 0)
    found = Figures(make_members(3, epochs=4), log, lambda n, **fields: None)
    first, second = np.array([0, 1]), np.array([2])
    found.put(1, first, measured([1, 1], [1, 1]))
    found.put(1, second, measured([1, 0], [0, 0]))
    found.put(2, first, measured([1, 0], [1, 0]))
    found.put(2, second, measured([0, 0], [0, 0]))
    found.put(3, first, measured([0, 0], [0, 0]))  # 0 fails too, and nobody is left
    found.take_all()
    log.close()
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    of = make_members(3)
    who = [(int(of.fold[p]), int(of.seed[p])) for p in range(3)]
    events = [(r["epoch"], (r["fold"], r["seed"])) for r in rows if r.get("event") == "not_finite"]
    assert events == [(2, who[1]), (3, who[0])]
    trained = [(r["epoch"], (r["fold"], r["seed"])) for r in rows if "event" not in r]
    assert trained == [(1, who[0]), (1, who[1]), (1, who[2]), (2, who[0])]


def test_the_step_of_a_long_epoch_is_shown_now_and_then(tmp_path, monkeypatch):
    said = []
    clock = iter([1.0, 3.5, 4.0, 6.0])
    monkeypatch.setattr(figures, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    log = MetricsLog(tmp_path, "select", make_members(1), 0)
    found = Figures(make_members(1), log, lambda n, **fields: said.append((n, fields)))
    for step in (100, 250, 300, 1500):
        found.at(step, 37500)
    log.close()
    assert said == [(0, {"step": "250/37,500"}), (0, {"step": "1,500/37,500"})]
