"""What a server says of its artefact and of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jser.artefact import opening
from jser.artefact.listening import Cutting
from jser.serving.limits import Limits

NO_FACT = (
    "A probability says how often such an answer was right on test speakers, not what a person "
    "feels."
)


def about(info: Mapping[str, Any], cut: Cutting, limits: Limits) -> dict[str, Any]:
    """What ``GET /api/info`` answers; nobody's name is in it.

    Args:
        info: of the artefact.
        cut: how long recordings are cut.
        limits: of the server.
    """
    trained, rate = info["trained_on"], info["sample_rate"]
    return {
        "jser": info["jser"],
        "system": info["system"],
        "members": list(info["members"]),
        "classes": list(info["classes"]),
        "sample_rate": rate,
        "trained_on": {
            "corpora": list(trained["corpora"]),
            "recordings": trained["n_utterances"],
            "speakers": None if trained["speakers_unknown"] else len(trained["speakers"]),
            "licences": dict(trained["licences"]),
            "seconds": list(trained["seconds"]),
            "synthetic": bool(trained["synthetic"]),
        },
        "protocol": info["protocol"]["name"],
        "result": {name: info["result"][name] for name in ("uar", "wa", "macro_f1")},
        "calibration_error": info["calibration"]["test_error"],
        # Sentences: of the artefact; of its run: synthetic, incomplete, not comparable, a leak.
        "warnings": [
            *(f"This artefact {what}." for what in opening.reservations(info)),
            *info["result"]["marks"],
        ],
        "note": NO_FACT,
        "windows": {
            "whole": cut.whole / rate,
            "window": cut.window / rate,
            "hop": cut.hop / rate,
        },
        "limits": {
            "max_mb": limits.max_mb,
            "max_seconds": limits.max_seconds,
            "max_files": limits.max_files,
            "per_minute": limits.per_minute,
            "queue": limits.queue,
        },
    }
