"""Finding a corpus' recordings on disk, whatever folder layout they were unpacked into."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from jser.errors import InputError, one_line
from jser.frontend import image
from jser.frontend.decoding import Cut
from jser.records.faults import FilesAtFault

SUFFIXES = (".wav", ".flac")


class FileKind(NamedTuple):
    """Which files a corpus is made of, and what they are called in messages."""

    suffixes: tuple[str, ...]
    one: str
    many: str


SOUND_FILES = FileKind(SUFFIXES, "wav or flac file", "sound files")
PICTURE_FILES = FileKind(image.SUFFIXES, "picture file (jpg, png, ...)", "picture files")


@dataclass(frozen=True, slots=True)  # A table of one's own may have millions.
class Utterance:
    """One recording that belongs to the corpus.

    Attributes:
        path: of the sound file.
        utterance_id: unique in the corpus; usually the file's name without suffix.
        speaker: key in the corpus' table of speakers, where it has one; '' where unknown.
        session: of the recording; the speaker again where a corpus has no sessions; '' where
            unknown, which is never counted as shared.
        text_id: of the sentence spoken; '' where unknown, which is never counted as shared.
        label: one of the corpus' classes.
        sex: 'f' or 'm' of the speaker, where the corpus has no table of speakers; '' where unknown.
        split: of those that the corpus itself brings: 'train', 'dev', 'test', or a name that
            begins with 'test' where it has several; '' where it brings none. See `split_name`.
        cut: the segment of the file that is meant; None: all of it.
        line: of the table that names it, for messages; 0: none does.
    """

    path: Path
    utterance_id: str
    speaker: str
    session: str
    text_id: str
    label: str
    sex: str = ""
    split: str = ""
    cut: Cut | None = None
    line: int = 0

    def record(self) -> dict[str, str]:
        """The fields that its record holds, the label among them."""
        return {name: getattr(self, name) for name in _RECORDED}


_RECORDED = ("utterance_id", "speaker", "session", "text_id", "label", "split")


@dataclass(frozen=True)
class Skipped:
    """A sound file that is left out on purpose, with the reason that the audit counts."""

    path: Path
    reason: str


# A file's path -> what it is; None when the name is not of this corpus at all.
Parse = Callable[[Path], Utterance | Skipped | None]


def sound_files(folder: str | os.PathLike[str]) -> list[Path]:
    """All wav and flac files under `folder`; see `files_of`."""
    return files_of(folder, SOUND_FILES)


def files_of(folder: str | os.PathLike[str], kind: FileKind) -> list[Path]:
    """All files of a kind under `folder`, sorted; hidden files and macOS' ``._`` are ignored.

    Raises:
        InputError: no such folder, or not a folder, or no such file in it.
    """
    root = Path(folder)
    if not root.exists():
        raise InputError(f"{root}: no such folder; give the corpus' folder with --corpus_dir=DIR")
    if not root.is_dir():
        raise InputError(f"{root}: is a file; unpack it and give the folder with --corpus_dir=DIR")
    found, named_as_files = [], []
    for where, _, names in walk(root):
        found += [
            Path(where, name)
            for name in sorted(names)
            if name.lower().endswith(kind.suffixes) and not name.startswith(".")
        ]
        if where.lower().endswith(kind.suffixes) and Path(where) != root:
            named_as_files.append(Path(where))
    # A folder in a recording's place is not passed over: decoding says what it is.
    found += [f for f in named_as_files if not any(path.is_relative_to(f) for path in found)]
    if not found:
        raise InputError(f"{root}: no {kind.one} in it; is it the corpus' folder?")
    return sorted(found)


def walk(root: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """`os.walk` through links too, each folder once, in order, without hidden ones.

    Raises:
        InputError: a folder cannot be read: none is left out in silence.
    """

    def unreadable(error: OSError) -> None:
        raise InputError(
            f"{one_line(error.filename)}: cannot be read ({error.strerror}); its recordings would "
            "be missing, so make it readable or remove it"
        ) from error

    seen: set[tuple[int, int]] = set()
    for where, folders, names in os.walk(root, onerror=unreadable, followlinks=True):
        status = os.stat(where)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()  # A link back to where it came from.
            names = []
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f != "__MACOSX")
        yield where, folders, names


def find_by_name(
    corpus_dir: Path, parse: Parse, layout: str, kind: FileKind = SOUND_FILES
) -> list[Utterance | Skipped]:
    """`find` of a corpus whose file names say everything.

    Args:
        corpus_dir: folder to search, at any depth.
        parse: what a file is, by its name; raises InputError for a code that must not be there.
        layout: what was expected, for the message when nothing is recognised.
        kind: of the files.

    Raises:
        InputError: nothing recognised, or wrong codes (all of them at once).
    """
    found: list[Utterance | Skipped] = []
    wrong: list[str] = []
    strange: list[Path] = []
    for path in files_of(corpus_dir, kind):
        try:
            entry = parse(path)
        except InputError as error:
            wrong.append(str(error))
            continue
        if entry is None:
            strange.append(path)
        else:
            found.append(entry)
    if len(wrong) == 1:
        raise InputError(wrong[0])
    if wrong:
        raise FilesAtFault(
            f"{corpus_dir}: the names of {len(wrong)} files hold unknown codes; correct them or "
            "take the files out",
            wrong,
        )
    if not found:
        raise InputError(
            f"{corpus_dir}: none of its {len(strange)} {kind.many} is named as expected, for "
            f"example {one_line(strange[0].relative_to(corpus_dir))}; expected {layout}"
        )
    return found + [Skipped(path, "file name is not of this corpus") for path in strange]


def code(path: Path, what: str, value: str, known: Iterable[str]) -> str:
    """`value` if it is one of the known codes.

    Raises:
        InputError: ``03a01Xx.wav: emotion code 'X' is none of W L E A F T N``.
    """
    known = list(known)
    if value not in known:
        shown = " ".join(known) if len(known) < 15 else f"{known[0]} to {known[-1]}"
        raise InputError(f"{path.name}: {what} '{value}' is none of {shown}")
    return value


_SPLITS = {
    "train": "train",
    "training": "train",
    "dev": "dev",
    "development": "dev",
    "val": "dev",
    "valid": "dev",
    "validation": "dev",
    "": "",
}


def split_name(path: Path, word: str) -> str:
    """The project's name of a published split: ``Development`` -> ``dev``, ``Test1`` -> ``test1``.

    Raises:
        InputError: the word names no split; `path`, where it stands, is in the message.
    """
    name = word.strip().lower()
    if name in _SPLITS:
        return _SPLITS[name]
    if re.fullmatch(r"test[\w-]*", name):
        return name
    raise InputError(
        f"{path.name}: split '{one_line(word)}' is none of train, dev, test (test1, ...); "
        "correct it, or leave it empty"
    )
