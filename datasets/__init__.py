"""The corpora: one folder each, and this registry. Imported as `jser.datasets`.

A new corpus is a folder with a builder (see README.md here) and a line in `_BUILDERS`.
"""

from __future__ import annotations

import difflib
import importlib
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from jser.errors import InputError

if TYPE_CHECKING:
    from jser.records.builder import CorpusBuilder
    from jser.records.info import CorpusInfo

# name -> module and class; imported on demand, since TFDS takes half a second.
_BUILDERS = {
    "abc": ("jser.datasets.abc.abc_dataset_builder", "Abc"),
    "artphoto": ("jser.datasets.artphoto.artphoto_dataset_builder", "ArtPhoto"),
    "casia": ("jser.datasets.casia.casia_dataset_builder", "Casia"),
    "cremad": ("jser.datasets.cremad.cremad_dataset_builder", "Cremad"),
    "cremad_perceived": ("jser.datasets.cremad.cremad_dataset_builder", "CremadPerceived"),
    "emodb": ("jser.datasets.emodb.emodb_dataset_builder", "Emodb"),
    "emodb_4class": ("jser.datasets.emodb.emodb_dataset_builder", "Emodb4Class"),
    "emodb_first2s": ("jser.datasets.emodb.emodb_dataset_builder", "EmodbFirst2s"),
    "emovo": ("jser.datasets.emovo.emovo_dataset_builder", "Emovo"),
    "enterface": ("jser.datasets.enterface.enterface_dataset_builder", "Enterface"),
    "esd_english": ("jser.datasets.esd.esd_dataset_builder", "EsdEnglish"),
    "esd_mandarin": ("jser.datasets.esd.esd_dataset_builder", "EsdMandarin"),
    "fi": ("jser.datasets.fi.fi_dataset_builder", "Fi"),
    "iaps_subset": ("jser.datasets.iaps_subset.iaps_subset_dataset_builder", "IapsSubset"),
    "iemocap_2280": ("jser.datasets.iemocap.iemocap_dataset_builder", "Iemocap2280"),
    "iemocap_2943": ("jser.datasets.iemocap.iemocap_dataset_builder", "Iemocap2943"),
    "iemocap_4490": ("jser.datasets.iemocap.iemocap_dataset_builder", "Iemocap4490"),
    "iemocap_5531": ("jser.datasets.iemocap.iemocap_dataset_builder", "Iemocap5531"),
    "iemocap_7380": ("jser.datasets.iemocap.iemocap_dataset_builder", "Iemocap7380"),
    "jl": ("jser.datasets.jl.jl_dataset_builder", "Jl"),
    "jl_all": ("jser.datasets.jl.jl_dataset_builder", "JlAll"),
    "meld": ("jser.datasets.meld.meld_dataset_builder", "Meld"),
    "msp_podcast": ("jser.datasets.msp_podcast.msp_podcast_dataset_builder", "MspPodcast"),
    "msp_podcast_4class": (
        "jser.datasets.msp_podcast.msp_podcast_dataset_builder",
        "MspPodcast4Class",
    ),
    "nemo": ("jser.datasets.nemo.nemo_dataset_builder", "Nemo"),
    "ravdess": ("jser.datasets.ravdess.ravdess_dataset_builder", "Ravdess"),
    "ravdess_song": ("jser.datasets.ravdess.ravdess_dataset_builder", "RavdessSong"),
    "savee": ("jser.datasets.savee.savee_dataset_builder", "Savee"),
    "shemo": ("jser.datasets.shemo.shemo_dataset_builder", "Shemo"),
    "synthetic": ("jser.datasets.synthetic.synthetic_dataset_builder", "Synthetic"),
    "tess": ("jser.datasets.tess.tess_dataset_builder", "Tess"),
    "urdu": ("jser.datasets.urdu.urdu_dataset_builder", "Urdu"),
}
# Those of pictures; all others are of sound. Here, since asking must not import a builder.
PICTURES = ("artphoto", "fi", "iaps_subset")


def names() -> list[str]:
    """Names of all corpora, sorted."""
    return sorted(_BUILDERS)


def check_sound(name: str, who: str) -> None:
    """Refuse a corpus of pictures where sound is needed.

    Raises:
        InputError: `who` reads speech, and the corpus is one of pictures.
    """
    if name in PICTURES:
        raise InputError(
            f"{name} is a corpus of pictures, and {who} needs recordings of speech; choose "
            "another, for example emodb"
        )


def unknown(name: str, own: Iterable[str] = ()) -> str:
    """A sentence on a name that no corpus has: the nearest one, and the way to a corpus of one's
    own.

    Args:
        name: as it was given.
        own: further corpora that are there, built by the user.
    """
    known = [*names(), *own]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(known)}"
    if variants := [full for full in known if full.startswith(f"{name}_")]:
        hint = f"say which: {', '.join(variants)}"
    given = name if re.fullmatch("[a-z][a-z0-9_]*", name) else "NAME"
    return (
        f"'{name}' is no known corpus; {hint} (one of your own is built first: "
        f"`jser build manifest --manifest=FILE --name={given}`)"
    )


def builder_class(name: str) -> type[CorpusBuilder]:
    """The builder class of a corpus.

    Raises:
        InputError: no such corpus; suggests the nearest name.
    """
    if name not in _BUILDERS:
        raise InputError(unknown(name))
    module, attribute = _BUILDERS[name]
    cls: type[CorpusBuilder] = getattr(importlib.import_module(module), attribute)
    return cls


def collection(name: str) -> str:
    """Name of what a corpus is taken from: all EMO-DB corpora are of ``emodb``.

    One that is in no registry, a user's own, is of itself.
    """
    if name not in _BUILDERS:
        return name
    cls = builder_class(name)
    named: list[CorpusInfo] = [vars(base)["INFO"] for base in cls.__mro__ if "INFO" in vars(base)]
    return named[0].collection or named[-1].collection or named[-1].name
