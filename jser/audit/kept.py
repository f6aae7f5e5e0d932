"""What an audit has measured, kept beside the records' other caches: records do not change."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from typing import Any

from jser.evaluation.atomic import write_text
from jser.records import places


def read(data_dir: str | os.PathLike[str], key: str) -> dict[str, Any] | None:
    """What was kept under a key; None where there is nothing that can be read."""
    try:
        text = (places.audit_dir(data_dir) / f"{key}.json").read_text(encoding="utf-8")
        content = json.loads(text)
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def write(data_dir: str | os.PathLike[str], key: str, content: Mapping[str, Any]) -> None:
    """Keep `content`, where that can be: records may lie where nobody may write."""
    with contextlib.suppress(OSError):
        write_text(places.audit_dir(data_dir) / f"{key}.json", json.dumps(content))
