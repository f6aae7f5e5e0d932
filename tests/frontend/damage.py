"""500 damaged sound files, made from ten good ones by named kinds of damage; the same every time.

`cases()` lists them. A kind says what must happen to its files:

- REFUSED: one sentence, which holds one of the kind's words;
- SAME: the damage is harmless, the samples are those of the undamaged file bit by bit;
- SANE: nobody can know, as the format has no redundancy there: audio of the right length;
- combinations, where it depends on which bit was hit.
"""

import numpy as np

from tests.frontend import damaged_containers as containers
from tests.frontend import damaged_contents as contents
from tests.frontend.cases import Case, Maker


def cases() -> list[Case]:
    """All 500, in a fixed order."""
    maker = Maker()
    for part in (
        containers.truncations,
        containers.bit_flips,
        containers.blocks,
        containers.wrong_lengths,
        containers.wrong_descriptions,
        contents.samples_out_of_range,
        contents.silences,
        contents.lengths,
        contents.not_audio,
        contents.transfers,
        contents.wrong_names,
        containers.checksums,
        containers.two_in_one,
        containers.chunks_and_tags,
        contents.misread_samples,
        contents.no_files,
    ):
        part(maker, np.random.default_rng(len(part.__name__)))
    return maker.cases
