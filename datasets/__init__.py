"""The corpora: one folder each, and this registry. Imported as `jser.datasets`.

A new corpus is a folder with a builder (see README.md here) and a line in `_BUILDERS`.
"""

from __future__ import annotations

import difflib
import importlib
from typing import TYPE_CHECKING

from jser.errors import InputError

if TYPE_CHECKING:
    from jser.records.builder import CorpusBuilder

# name -> module and class; imported on demand, since TFDS takes half a second.
_BUILDERS = {
    "emodb": ("jser.datasets.emodb.emodb_dataset_builder", "Emodb"),
    "emodb_4class": ("jser.datasets.emodb.emodb_dataset_builder", "Emodb4Class"),
    "emodb_first2s": ("jser.datasets.emodb.emodb_dataset_builder", "EmodbFirst2s"),
    "ravdess": ("jser.datasets.ravdess.ravdess_dataset_builder", "Ravdess"),
    "synthetic": ("jser.datasets.synthetic.synthetic_dataset_builder", "Synthetic"),
}


def names() -> list[str]:
    """Names of all corpora, sorted."""
    return sorted(_BUILDERS)


def builder_class(name: str) -> type[CorpusBuilder]:
    """The builder class of a corpus.

    Raises:
        InputError: no such corpus; suggests the nearest name.
    """
    if name not in _BUILDERS:
        near = difflib.get_close_matches(name, _BUILDERS, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(names())}"
        raise InputError(f"'{name}' is no known corpus; {hint}")
    module, attribute = _BUILDERS[name]
    cls: type[CorpusBuilder] = getattr(importlib.import_module(module), attribute)
    return cls


def collection(name: str) -> str:
    """Name of what a corpus is taken from: all EMO-DB corpora are of ``emodb``.

    Raises:
        InputError: no such corpus.
    """
    cls = builder_class(name)
    named = [base.INFO for base in cls.__mro__ if "INFO" in vars(base)]
    return named[0].collection or named[-1].collection or named[-1].name
