import numpy as np
import pytest

from jser import emotions
from jser.errors import InputError


def test_canonical_names():
    assert emotions.canonical("Angry") == "anger"
    assert emotions.canonical(" joy ") == "happiness"
    assert all(emotions.canonical(name) == name for name in emotions.LABELS)
    assert set(emotions.SYNONYMS.values()) <= set(emotions.LABELS)


def test_unknown_emotion_suggests():
    with pytest.raises(InputError, match="'hapiness' is no known emotion; did you mean 'happ"):
        emotions.canonical("hapiness")


def test_maps_between_label_sets():
    first, second = ("anger", "calm", "fear"), ("fear", "anger")
    assert emotions.shared(first, second) == ("anger", "fear")
    found = emotions.index_map(first, second)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, [1, -1, 0])
