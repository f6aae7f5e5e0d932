"""The index: what it lists, and what is refused."""

import json

import pytest

from jser.errors import InputError
from jser.store import index as indices
from jser.store.index import File, Index

WHOLE = Index("r", "m", {"checkpoints/select/2/a": File(3, "ab")}, {"checkpoints/select/2": 5.0})


def test_there_and_back():
    assert indices.of_bytes(indices.to_bytes(WHOLE), "s3://b/run") == WHOLE


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"{", indices.to_bytes(WHOLE)[:-40]])
def test_damage_is_refused(content):
    with pytest.raises(InputError, match=r"s3://b/run/jser_index\.json: is damaged"):
        indices.of_bytes(content, "s3://b/run")


def test_a_changed_number_is_damage():
    content = indices.to_bytes(WHOLE).replace(b"5.0", b"6.0")
    with pytest.raises(InputError, match="sha256 has changed"):
        indices.of_bytes(content, "s3://b/run")


def test_a_later_format_is_refused():
    tree = json.loads(indices.to_bytes(WHOLE)) | {"format": 2}
    with pytest.raises(InputError, match="has format 2"):
        indices.of_bytes(json.dumps(tree).encode(), "s3://b/run")


@pytest.mark.parametrize(
    ("name", "checkpoint"),
    [
        ("checkpoints/select/7/state/d/0", "checkpoints/select/7"),
        ("checkpoints/select_within/12/_METADATA", "checkpoints/select_within/12"),
        ("svm/checkpoints/refit/1/a", "svm/checkpoints/refit/1"),
        ("checkpoints/select/7.orbax-checkpoint-tmp/a", None),
        ("checkpoints/select/note", None),
        ("metrics.jsonl", None),
    ],
)
def test_checkpoint_of(name, checkpoint):
    assert indices.checkpoint_of(name) == checkpoint


def test_local_files(tmp_path):
    for name in (
        "checkpoints/select/7/a",
        "checkpoints/select/8.orbax-checkpoint-tmp-1/a",
        "config.json",
        ".report.json.12.tmp",
        "metrics.tmp",
        "tensorboard/select/events",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    whole, others = indices.local_files(tmp_path)
    assert sorted(whole) == ["checkpoints/select/7/a"]
    assert sorted(others) == ["config.json", "tensorboard/select/events"]
