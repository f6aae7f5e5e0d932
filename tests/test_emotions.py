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


def test_maps_say_what_they_do():
    for name, by in emotions.LABEL_MAPS.items():
        assert by.name == name
        assert set(by.taken.values()) <= set(emotions.LABELS)
        assert not set(by.taken) & set(by.taken.values())  # no chains
        for sentence in (by.why, by.lost):
            assert sentence.endswith(".")
    assert emotions.LABEL_MAPS["shared"].taken == {}


def test_classes_are_shared_under_a_map():
    ravdess, emodb = ("neutral", "calm", "happiness", "fear"), ("fear", "boredom", "neutral")
    shared = emotions.label_map("shared")
    assert emotions.shared_by([ravdess, emodb], shared) == ("neutral", "fear")
    assert emotions.shared_by([emodb, ravdess], shared) == ("fear", "neutral")
    calm = emotions.label_map("calm_as_neutral")
    assert emotions.shared_by([("calm", "fear"), emodb], calm) == ("neutral", "fear")
    assert emotions.shared_by([ravdess], calm) == ("neutral", "happiness", "fear")
    assert emotions.shared_by([("calm",), ("fear",)], calm) == ()


def test_maps_are_joined_by_name():
    both = emotions.label_map("excitement_as_happiness + calm_as_neutral")
    assert both.name == "calm_as_neutral+excitement_as_happiness"
    assert both.of("calm") == "neutral"
    assert both.of("excitement") == "happiness"
    assert both.of("sadness") == "sadness"
    assert emotions.label_map("shared+calm_as_neutral") is emotions.LABEL_MAPS["calm_as_neutral"]
    assert emotions.label_map("shared+shared").name == "shared"
    with pytest.raises(InputError, match="did you mean 'calm_as_neutral'"):
        emotions.label_map("shared+calm_as_neutrl")
    with pytest.raises(InputError, match="maps are shared, calm_as_neutral"):
        emotions.label_map("x")
