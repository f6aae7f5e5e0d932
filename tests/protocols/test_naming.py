"""Names taken apart, and what a wrong one is told."""

import pytest

from jser import protocols
from jser.errors import InputError
from jser.protocols import naming
from tests.protocols.made import fake


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("leave_one_speaker_out", ("leave_one_speaker_out", 0, "", "", 0)),
        ("speaker_k_fold:5", ("speaker_k_fold", 5, "", "", 0)),
        ("published_split", ("published_split", 0, "", "", 0)),
        ("published_split:test1", ("published_split", 0, "test1", "", 0)),
        ("speaker_k_fold:5+text_disjoint", ("speaker_k_fold", 5, "", "text_disjoint", 2)),
        ("ravdess_emobox+same_size:3", ("ravdess_emobox", 0, "", "same_size", 3)),
    ],
)
def test_parts(name: str, parts: tuple) -> None:
    found = naming.parse(name)
    assert (found.kind, found.number, found.test, found.variant, found.text_groups) == parts
    assert found.full == name
    assert found.base == name.split("+")[0]


def test_every_name_can_be_parsed_and_takes_every_variant() -> None:
    for pattern in protocols.PROTOCOL_NAMES:
        name = pattern.replace(":K", ":4").replace(":TEST", ":test2")
        for variant in ("", *(f"+{v}" for v in protocols.VARIANTS)):
            assert naming.parse(name + variant).kind == pattern.partition(":")[0]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("leave_one_speker_out", "did you mean leave_one_speaker_out?"),
        ("loso", "is none of leave_one_speaker_out, speaker_k_fold:K"),
        ("speaker_kfold:5", "did you mean speaker_k_fold:K?"),
        ("speaker_k_fold", "write the number of folds, 2 or more"),
        ("random:1", "2 or more"),
        ("random:x", "2 or more"),
        ("random:\u0663", "2 or more"),  # a digit, but not one that belongs in a file's name
        ("random:10000000", "2 or more"),
        ("published_split:", "write what follows the colon"),
        ("leave_one_speaker_out:", "takes no number"),
        ("speaker_k_fold:5+text", "did you mean speaker_k_fold:5+text_disjoint?"),
        ("speaker_k_fold:5+", "write speaker_k_fold:5[+]text_disjoint"),
        ("random:5+same_size:1", "groups of sentences, 2 or more, as random:5[+]same_size:5"),
        ("random:5+same_size:", "groups of sentences"),
        ("ravdess_emobox:6", "takes no number"),
        ("speaker_k_fold:11", "11 folds need 11 speakers and the corpus has 10"),
        ("random:30", "too many for 60 utterances"),
    ],
)
def test_wrong_names_say_the_way_out(name: str, message: str) -> None:
    with pytest.raises(
        InputError, match=message.replace("?", r"\?").replace("5+text_d", "5[+]text_d")
    ):
        protocols.make(name, fake())
