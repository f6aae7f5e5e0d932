"""Names of a whole corpus, parsed and held against what was published, without any audio."""

from pathlib import Path

import pytest

from jser import datasets
from jser.records import sources
from jser.records.files import Utterance


@pytest.fixture
def complete():
    """`complete(name, paths)` -> utterances of those names; fails where the build would refuse."""

    def check(name, paths):
        cls = datasets.builder_class(name)
        found = [cls.parse(Path("/corpus", path)) for path in paths]
        assert None not in found
        utterances = [entry for entry in found if isinstance(entry, Utterance)]
        assert len({u.utterance_id for u in utterances}) == len(utterances)
        sources.check_complete(
            name, cls.INFO.counts, cls.INFO.counts_by_speaker, utterances, {}, Path("/corpus")
        )
        return utterances

    return check
