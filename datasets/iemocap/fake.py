"""Tiny fake IEMOCAP in the real layout, for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from jser.datasets import tones
from jser.datasets.iemocap.iemocap_dataset_builder import EMOTIONS, UNUSED

HEAD = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]"
SCENES = ("impro01", "script01_1")


def make(
    folder: Path,
    sessions: Sequence[int] = (1, 2, 3, 4, 5),
    labels: Sequence[str] = (*EMOTIONS, *UNUSED),
    seconds: float = 0.05,
) -> Path:
    """Write each of `labels` once a speaker and scene; the corpus is partial."""
    for session in sessions:
        for scene in SCENES:
            # In the real release either of the two wears the markers in turn.
            dialogue = f"Ses{session:02d}{'F' if session % 2 else 'M'}_{scene}"
            turns = {
                f"{dialogue}_{sex}{k:03d}": word for sex in "FM" for k, word in enumerate(labels)
            }
            write_dialogue(folder, session, dialogue, turns, seconds)
    return folder


def make_complete(folder: Path, seconds: float = 0.03) -> Path:
    """Write the turns of six classes in the published counts, improvised and scripted."""
    # No corpus here counts improvised frustration by itself: any number does.
    improvised = {"ang": 289, "hap": 284, "exc": 663, "neu": 1099, "sad": 608, "fru": 900}
    in_all = {"ang": 1103, "hap": 595, "exc": 1041, "neu": 1708, "sad": 1084, "fru": 1849}
    turns: dict[tuple[int, str], dict[str, str]] = {}
    for word, n in in_all.items():
        for k in range(n):
            scene = "impro01" if k < improvised[word] else "script01_1"
            session, sex = 1 + k % 5, "FM"[k // 5 % 2]
            dialogue = f"Ses{session:02d}F_{scene}"
            mine = turns.setdefault((session, dialogue), {})
            mine[f"{dialogue}_{sex}{len(mine):03d}"] = word
    for (session, dialogue), mine in turns.items():
        write_dialogue(folder, session, dialogue, mine, seconds)
    return folder


def write_dialogue(
    folder: Path, session: int, dialogue: str, turns: Mapping[str, str], seconds: float
) -> None:
    """Write a dialogue's turns, each a tone, and the evaluation file that labels them."""
    root = folder / f"Session{session}"
    lines = [HEAD, ""]
    for k, (turn, word) in enumerate(turns.items()):
        tones.write(root / "sentences" / "wav" / dialogue / f"{turn}.wav", 120, seconds)
        lines += [
            f"[{k:.4f} - {k + seconds:.4f}]\t{turn}\t{word}\t[2.5000, 2.5000, 2.5000]",
            "C-E2:\tNeutral;\t()",
            "A-E3:\tval 3; act 2; dom  2;\t()",
            "",
        ]
    evaluation = root / "dialog" / "EmoEvaluation" / f"{dialogue}.txt"
    evaluation.parent.mkdir(parents=True, exist_ok=True)
    evaluation.write_text("\n".join(lines))
    # What lies about in the release besides: single annotators, transcripts, whole dialogues.
    other = evaluation.parent / "Categorical" / f"{dialogue}_e1_cat.txt"
    other.parent.mkdir(exist_ok=True)
    other.write_text("".join(f"{turn} :Neutral state; ()\n" for turn in turns))
    transcript = root / "dialog" / "transcriptions" / f"{dialogue}.txt"
    transcript.parent.mkdir(exist_ok=True)
    transcript.write_text("".join(f"{turn} [000.0000-000.0500]: Yes.\n" for turn in turns))
    tones.write(root / "dialog" / "wav" / f"{dialogue}.wav", 120, seconds)
