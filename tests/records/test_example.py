"""Records as bytes: what TFDS' own serialiser and parser make of the same values."""

import numpy as np
import pytest
import tensorflow_datasets as tfds
from tensorflow_datasets.core.example_parser import ExampleParserNp
from tensorflow_datasets.core.example_serializer import ExampleSerializer
from tensorflow_datasets.proto import tf_example_pb2

from jser.frontend.image import ImageSpec
from jser.frontend.log_mel import LogMelSpec
from jser.records import example, features
from jser.records.picture_kind import PICTURE
from jser.records.sound_kind import SOUND


def records():
    rng = np.random.default_rng(0)
    texts = {"speaker": "", "session": "é\n", "text_id": 200 * "x", "split": "test1", "label": "b"}
    for frames in (0, 1, 2, 127, 128, 300, 40000):
        yield (
            features.describe(["a", "b"], SOUND.features(LogMelSpec(), "waveform")),
            {
                **texts,
                "utterance_id": f"u{frames}",
                "n_frames": np.int32(frames),
                "pcm_sha256": 64 * "0",
                "log_mel": rng.normal(size=(frames, 64)).astype(np.float32),
                "waveform": rng.integers(-32768, 32768, 160 * frames).astype(np.int16),
            },
        )
    yield (
        features.describe(["a", "b"], PICTURE.features(ImageSpec(32), "image")),
        {
            **texts,
            "utterance_id": "p",
            "pixel_sha256": 64 * "1",
            "image": rng.integers(0, 256, (32, 32, 3)).astype(np.uint8),
        },
    )


def test_the_records_are_tfds_own():
    for described, values in records():
        encoded = described.encode_example(values)
        ours = example.serialize(encoded)
        theirs = ExampleSerializer(described.get_serialized_info()).serialize_example(encoded)
        parsed = tf_example_pb2.Example.FromString(ours)
        assert parsed == tf_example_pb2.Example.FromString(theirs)
        assert len(ours) == len(theirs)
        read = described.decode_example_np(
            ExampleParserNp(described.get_serialized_info()).parse_example(ours)
        )
        for name, value in values.items():
            if isinstance(value, str) and name != "label":
                assert read[name].decode() == value
            elif name != "label":
                np.testing.assert_array_equal(read[name], value)
        assert read["label"] == 1


def test_integers_of_every_length():
    described = tfds.features.FeaturesDict({"n": np.int64})
    parser = ExampleParserNp(described.get_serialized_info())
    for bits in range(63):
        for n in (2**bits - 1, 2**bits):
            assert parser.parse_example(example.serialize({"n": n}))["n"] == n
    with pytest.raises(ValueError, match="negative"):
        example.serialize({"n": -1})
