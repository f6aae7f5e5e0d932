"""Tiny fake CREMA-D in the real layout, label table and git-lfs pointers included, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jser.datasets import tones
from jser.datasets.cremad.cremad_dataset_builder import EMOTIONS, TABLE

POINTER = (
    "version https://git-lfs.github.com/spec/v1\n"
    "oid sha256:9269ed5eb1710836e616d9b036553482d4f22592fdcd495c9228df9bcc009a3e\n"
    "size 414429\n"
)


def make(
    folder: Path,
    speakers: Sequence[str] = ("1001", "1002", "1003", "1005"),
    texts: Sequence[str] = ("DFA", "TSI"),
    seconds: float = 0.05,
) -> Path:
    """Write every emotion of `speakers` and `texts`; the corpus is partial."""
    for speaker in speakers:
        for text in texts:
            for k, emotion in enumerate(EMOTIONS):
                name = f"{speaker}_{text}_{emotion}_XX.wav"
                tones.write(folder / "AudioWAV" / name, 100.0 + 40 * k, seconds)
    return folder


def write_votes(folder: Path, votes: dict[str, str]) -> None:
    """Write the listeners' table: recording -> letters with most votes for the voice."""
    columns = ("", "FileName", "VoiceVote", "VoiceLevel", "FaceVote", "FaceLevel",
               "MultiModalVote", "MultiModalLevel")  # fmt: skip
    lines = [columns] + [
        (str(k + 1), name, vote, "50", "N", "50", "N", "50")
        for k, (name, vote) in enumerate(votes.items())
    ]
    path = folder / "processedResults" / TABLE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(",".join(f'"{x}"' for x in line) + "\n" for line in lines))


def write_pointers(folder: Path) -> None:
    """Put a git-lfs pointer in the place of every sound file."""
    for path in (folder / "AudioWAV").iterdir():
        path.write_text(POINTER)
