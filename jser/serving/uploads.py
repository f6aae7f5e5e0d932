"""A multipart body as it comes -> one unnamed file on the disk, and where each upload lies in it.

A request has one open file, however many it uploads; when the request ends, nothing is left.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from jser.errors import one_line
from jser.serving.limits import Refused

# Bytes of a field that is no file: "timeline", "sure", "sound" have short values.
_MOST_VALUE = 100
_MOST_FIELDS = 20
_MOST_NAME = 120
# It logs characters of damaged heads, and nothing of what is sent belongs into a log.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
_CUT = "the request's body ends in the middle; send it again"


@dataclass(frozen=True)
class Upload:
    """One file of a request.

    Attributes:
        name: as the client gave it, without folders.
        start, size: bytes in the body's file.
    """

    name: str
    start: int
    size: int


class Form:
    """A multipart/form-data body, taken in piece by piece.

    Attributes:
        uploads: in their order.
        fields: name -> value of what is no file.
    """

    def __init__(self, content_type: str, max_files: int):
        """Begin.

        Args:
            content_type: header of the request.
            max_files: uploads that are taken.

        Raises:
            Refused: 415, it is no form; 400, it names no boundary.
        """
        kind, options = _options(content_type)
        if kind != b"multipart/form-data":
            shown = one_line(content_type[:60]) or "nothing"
            raise Refused(
                415,
                f"Content-Type is {shown}; send multipart/form-data, as curl -F file=@NAME does",
            )
        boundary = options.get(b"boundary", b"")
        # RFC 2046: 1 to 70 characters.
        if not 1 <= len(boundary) <= 70:
            raise Refused(
                400, "Content-Type names no usable boundary; let the client's library write it"
            )
        self.uploads: list[Upload] = []
        self.fields: dict[str, str] = {}
        self._max_files = max_files
        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="jser-")  # noqa: SIM115
        self._size = 0
        self._start: int | None = None  # of the upload that is coming
        self._name = self._filename = ""
        self._value = b""
        self._head: list[bytes] = [b"", b""]
        self._disposition = b""
        self._is_whole = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": lambda data, a, b: self._header(0, data[a:b]),
                "on_header_value": lambda data, a, b: self._header(1, data[a:b]),
                "on_header_end": self._header_end,
                "on_headers_finished": self._named,
                "on_part_data": lambda data, a, b: self._data(data[a:b]),
                "on_part_end": self._end,
                "on_end": self._whole,
            },
        )

    def feed(self, data: bytes) -> None:
        """Take the next piece of the body.

        Raises:
            Refused: 400, it is damaged; 422, it holds what nobody asked for.
        """
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise Refused(
                400, "the request's body is no multipart form; send it as curl -F file=@NAME does"
            ) from error

    def finish(self) -> None:
        """The body has ended.

        Raises:
            Refused: 400, in the middle.
        """
        if not self._is_whole:
            raise Refused(400, _CUT)

    def close(self) -> None:
        """Forget all of it."""
        self._file.close()

    @contextlib.contextmanager
    def path(self, upload: Upload) -> Iterator[str]:
        """A path by which an upload can be read, while the block lasts."""
        with tempfile.TemporaryFile(prefix="jser-") as alone:
            self._file.seek(upload.start)
            left = upload.size
            while left and (piece := self._file.read(min(left, 1 << 20))):
                alone.write(piece)
                left -= len(piece)
            alone.flush()
            # The file has no name of its own, so no crash can leave it behind.
            yield f"/dev/fd/{alone.fileno()}"

    # --- what the parser says --------------------------------------------------------------------

    def _begin(self) -> None:
        self._head, self._disposition, self._value = [b"", b""], b"", b""
        self._start = None

    def _header(self, which: int, data: bytes) -> None:
        self._head[which] += data

    def _header_end(self) -> None:
        if self._head[0].lower() == b"content-disposition":
            self._disposition = self._head[1]
        self._head = [b"", b""]

    def _named(self) -> None:
        _, options = _options(self._disposition.decode("latin-1"))
        self._name = _text(options.get(b"name", b""))
        if b"filename" not in options:
            if len(self.fields) >= _MOST_FIELDS:
                raise Refused(422, f"more than {_MOST_FIELDS} fields; leave out what is none")
            return
        if self._name != "file":
            raise Refused(422, f'a file is in the field "{self._name}"; name the field "file"')
        if len(self.uploads) >= self._max_files:
            raise Refused(
                422, f"more than {self._max_files} files in one request; send them in parts"
            )
        self._filename = _file_name(options[b"filename"])
        self._start = self._size

    def _data(self, data: bytes) -> None:
        if self._start is not None:
            self._file.write(data)
            self._size += len(data)
            return
        self._value += data
        if len(self._value) > _MOST_VALUE:
            raise Refused(
                422,
                f'the field "{self._name}" is longer than {_MOST_VALUE} bytes; a file needs a '
                "filename in its Content-Disposition",
            )

    def _end(self) -> None:
        if self._start is not None:
            self.uploads.append(Upload(self._filename, self._start, self._size - self._start))
        elif self._name in self.fields:
            raise Refused(422, f'the field "{self._name}" is given twice; give it once')
        else:
            self.fields[self._name] = _text(self._value)

    def _whole(self) -> None:
        self._is_whole = True


def _options(header: str) -> tuple[bytes, dict[bytes, bytes]]:
    try:
        return parse_options_header(header)
    except (ValueError, IndexError):  # among them characters that are no latin-1
        return b"", {}


def _text(data: bytes) -> str:
    return one_line(data.decode("utf-8", "replace"))[:_MOST_NAME]


def _file_name(data: bytes) -> str:
    """A client's name of a file: for answers only, never a path of ours."""
    text = _text(data.replace(b"\\", b"/").rpartition(b"/")[2][-_MOST_NAME:])
    return text or "recording"
