"""Where records, caches and downloads lie under the data folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from jser.errors import InputError
from jser.store import data, urls

# Of recordings, and of pictures.
VARIANTS = ("log_mel", "waveform")
PICTURE_VARIANTS = ("image",)
VERSION = "1.0.0"
SPLIT = "corpus"
SIDECAR = "jser_corpus.json"


def default_data_dir() -> Path:
    """The data folder when none is given: ``$JSER_DATA``, else ``~/jser_data``."""
    given = os.environ.get("JSER_DATA")
    if urls.is_url(given):
        return data.twin(str(given), "JSER_DATA")
    return Path(given or Path.home() / "jser_data")


def root(data_dir: str | os.PathLike[str] | None) -> Path:
    """The data folder that is given, or else the default; of a URL its local twin."""
    if urls.is_url(data_dir):
        return data.twin(str(data_dir))
    return Path(data_dir) if data_dir else default_data_dir()


def of_config(config: Any) -> Path:
    """The data folder of an experiment: its config's, where that names one."""
    return root(config.data_dir)


def none_there(
    data_dir: str | os.PathLike[str], name: str, folder: Path, command: str
) -> InputError:
    """What is said where a corpus' records are not: whose fault it is, and the way out.

    Args:
        data_dir: where records lie.
        name: of the corpus.
        folder: where its records would lie.
        command: builds them.
    """
    root = Path(data_dir)
    if root.is_dir():
        return InputError(f"{folder}: no records of {name} there; build them with {command}")
    ways = "--data_dir, for a config --config.data_dir, or $JSER_DATA"
    if root.exists():
        return InputError(f"{root}: is a file and no folder of records; name another ({ways})")
    return InputError(
        f"{root}: there is no such folder, so no records of {name} either; name the one that has "
        f"them ({ways}), or build them with {command}"
    )


def records_dir(data_dir: str | os.PathLike[str], name: str, variant: str) -> Path:
    """Folder of the finished records of one corpus and variant, laid out as TFDS does.

    In the twin of a store its sidecar is the store's from now on.
    """
    folder = Path(data_dir) / name / variant / VERSION
    data.ask(folder, SIDECAR)
    return folder


def downloads_dir(data_dir: str | os.PathLike[str], name: str) -> Path:
    """Folder of a corpus that was downloaded or generated rather than given."""
    return Path(data_dir) / "downloads" / name


def weights_dir(data_dir: str | os.PathLike[str]) -> Path:
    """Folder of stems' weights that a user fetched, converted."""
    return Path(data_dir) / "weights"


def work_dir(data_dir: str | os.PathLike[str], name: str, variant: str) -> Path:
    """Folder of a build on its way; stale ones are cleared by the next build."""
    return Path(data_dir) / "cache" / "building" / f"{name}-{variant}"


def faults_list(data_dir: str | os.PathLike[str], name: str, variant: str) -> Path:
    """File that names every recording which the last build could not use, where they were many."""
    return Path(data_dir) / "faults" / f"{name}-{variant}.txt"


def cache_dir(data_dir: str | os.PathLike[str], variant: str, front_end_hash: str) -> Path:
    """Folder of finished utterances of builds that did not finish."""
    return Path(data_dir) / "cache" / "utterances" / f"{variant}-{front_end_hash}"


def parts_dir(data_dir: str | os.PathLike[str], name: str, variant: str) -> Path:
    """Folder of the finished shards of a build in parts that did not finish."""
    return Path(data_dir) / "cache" / "parts" / f"{name}-{variant}"


def index_dir(data_dir: str | os.PathLike[str]) -> Path:
    """Folder of the indexes of records that stay on disk, by shard."""
    return Path(data_dir) / "cache" / "index"


def rows_dir(data_dir: str | os.PathLike[str]) -> Path:
    """Folder of what is counted of each utterance of corpora that stay on disk."""
    return Path(data_dir) / "cache" / "rows"


def audit_dir(data_dir: str | os.PathLike[str]) -> Path:
    """Folder of what `jser audit` has measured."""
    return Path(data_dir) / "cache" / "audit"
