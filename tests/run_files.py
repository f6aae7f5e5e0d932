"""Rows of a run's files, as a run would write them."""

import json
import socket
from datetime import UTC, datetime, timedelta

HERE = socket.gethostname()
GONE = 2**22 + 1  # no process has this number


def ago(seconds):
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat(timespec="seconds")


def start(seconds=600, host=HERE, pid=GONE, **more):
    return {"time": ago(seconds), "host": host, "pid": pid, "jser": "0.1.0",
            "device": "CPU, 2 cores", "system": "dcnn_blstm", "corpus": "synthetic",
            "from": None} | more  # fmt: skip


def end(ended, seconds=60, host=HERE, pid=GONE, **more):
    return {"time": ago(seconds), "host": host, "pid": pid, "ended": ended} | more


def figures(epoch, stage="select", fold=0, **more):
    row = {"stage": stage, "epoch": epoch, "fold": fold, "seed": 0, "bag": 0}
    loss, uar = 0.5 + fold, 0.4 + 0.2 * fold
    return row | {"train_loss": loss, "dev_loss": 1.0, "dev_uar": uar} | more


def lines(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
