"""Why a sound file cannot be used, and what all containers have in common."""

from __future__ import annotations

CONVERT = "convert it, for example with `ffmpeg -i FILE -ar 16000 -ac 1 FILE.wav`"
# Tags that may follow the audio of any container, and headers with which another file begins.
_TAGS = (b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"ID3")
_HEADERS = (b"RIFF", b"RIFX", b"RF64", b"FORM", b"fLaC", b"OggS")


class Damaged(Exception):
    """What is wrong with a sound file and the way out, without the file's name."""


def truncated(promised: int, there: int, what: str = "bytes of audio") -> Damaged:
    """The header promises more than the file holds."""
    return Damaged(
        f"is truncated: its header promises {promised} {what}, {there} are there; fetch it again"
    )


def after_id3(head: bytes) -> int:
    """Where a file's own header begins, behind an ID3v2 tag whose first ten bytes are `head`."""
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size + (10 if head[5:6] and head[5] & 0x10 else 0)


def check_rest(rest: bytes, size: int | None = None) -> None:
    """What follows a file's audio: a tag or zeros.

    Args:
        rest: its beginning, or all.
        size: of all in bytes, where `rest` is not all.

    Raises:
        Damaged: it is another recording, or audio of which the header does not know.
    """
    if not rest.strip(b"\0") or rest.startswith(_TAGS):
        return
    if rest.startswith(_HEADERS):
        raise Damaged(
            "holds two recordings, one behind the other, of which only the first would be heard; "
            "take them apart"
        )
    raise Damaged(
        f"is damaged: {size or len(rest)} bytes that its header does not know follow its audio; "
        "fetch it again"
    )
