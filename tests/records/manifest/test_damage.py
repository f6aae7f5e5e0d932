"""1140 damaged manifests: each is refused with a sentence, or read as it stands there."""

import itertools
import random
import unicodedata
from collections import Counter

import pytest

from jser.errors import InputError
from jser.records.faults import FilesAtFault
from jser.records.files import Utterance
from jser.records.manifest import reading
from jser.records.manifest.options import Options
from tests.records.manifest import damage

# What `jser.emotions` makes of the words that the tables hold.
WORDS = {
    "anger": ("anger",),
    "sadness": ("sad",),
    "happiness": ("happy", "joy"),
    "neutral": ("neutral",),
}


@pytest.fixture
def folder(tmp_path):
    for name in damage.FILES:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


def check(manifest, case, folder):
    """By another road than the reader's: what each utterance says stands in its lines."""
    text = case.data.decode("utf-8-sig")
    # The reader counts line ends of Unix and Windows alone.
    lines = text.replace("\r\n", "\n").split("\n")
    found = [e for e in manifest.entries if isinstance(e, Utterance)]
    assert len({u.utterance_id for u in found}) == len(found)
    assert len({(u.path, u.cut) for u in found}) == len(found)
    assert set(manifest.classes) == {u.label for u in found}
    assert len(manifest.classes) >= 2
    for u in found:
        there = "\n".join(lines[u.line - 1 : u.line + 2])
        if case.suffix == "jsonl":
            there = there.encode().decode("unicode_escape", "replace")
        there = there.replace('""', '"').lower()
        assert u.path.is_relative_to(folder)
        assert u.path.relative_to(folder).as_posix() in damage.FILES or u.path.is_dir(), u
        assert u.path.name.lower() in there, u
        assert any(word in there for word in WORDS[u.label]), u
        assert u.speaker.lower() in " ".join(there.split()), u
        assert u.speaker
        assert not any(unicodedata.category(c) in ("Cc", "Cf") for c in u.speaker + u.utterance_id)
        if u.cut is not None:
            assert 0 <= u.cut.start < (float("inf") if u.cut.end is None else u.cut.end)


def test_every_damaged_manifest_is_refused_or_right(folder):
    fate = Counter()
    for case in damage.cases():
        path = folder / f"m.{case.suffix}"
        path.write_bytes(case.data)
        try:
            manifest = reading.read(path, Options())
        except InputError as error:
            refusal = error
        else:
            fate[case.what, "read"] += 1
            check(manifest, case, folder)
            continue
        fate[case.what, "refused"] += 1
        said = str(refusal).splitlines()
        assert str(path) in said[0], (case.number, case.what, said[0])
        assert all(10 < len(line) < 1200 and line.isprintable() for line in said), case
        if isinstance(refusal, FilesAtFault):
            assert all(line.startswith(("line ", "and ")) for line in refusal.lines)
    kinds = {what for what, _ in fate}
    assert sum(fate.values()) == damage.CASES >= 1000
    # Every kind of damage was there, and nearly every one is refused at least sometimes.
    assert len(kinds) == 19
    assert all(fate[what, "refused"] > 3 for what in kinds), fate
    assert fate["truncated", "read"] > 3
    assert sum(n for (_, how), n in fate.items() if how == "refused") > 700


def test_the_damage_is_the_same_every_time():
    first, again = (list(itertools.islice(damage.cases(), 200)) for _ in range(2))
    assert first == again


def test_the_undamaged_tables_are_read(folder):
    for seed in range(20):
        table = damage.rows(random.Random(seed))
        for form, text in (
            ("csv", damage.separated(table, ",")),
            ("tsv", damage.separated(table, "\t")),
            ("jsonl", damage.json_lines(table)),
        ):
            path = folder / f"m.{form}"
            path.write_text(text)
            manifest = reading.read(path, Options())
            found = [e for e in manifest.entries if isinstance(e, Utterance)]
            assert [
                (u.path.relative_to(folder).as_posix(), f"{u.cut.start:g}", f"{u.cut.end:.3f}")
                for u in found
            ] == [(row[0], row[1], f"{float(row[2]):.3f}") for row in table]
            assert [u.speaker for u in found] == [row[4] for row in table]
